"""A planned map run whose partitions run at the same time, in threads or in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from airflow_provider_sfdm import DistributedMap, MapRunSummary, ResultWriter
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.partition import PartitionEnd, run_partition
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.storage import Connections

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CONNECTIONS = Connections()


class PlannedMap:
    """A map run over ``items``, planned into ``partitions``; its results are records in ``folder/results``."""

    def __init__(
        self,
        folder: Path,
        function: Any,
        items: Any,
        partitions: int,
        *,
        one_child_each: bool = False,
        **fields: Any,
    ) -> None:
        fields.setdefault("result_writer", ResultWriter(url=(folder / "results").as_uri()))
        self.definition = DistributedMap(item_processor=function, **fields)
        self.folder: MapRunFolder
        self.plan: Plan
        self.folder, self.plan = plan_map_run(
            self.definition,
            name="dag.map",
            storage=(folder / "runs").as_uri(),
            connections=CONNECTIONS,
            items=items,
            partitions=partitions,
            one_child_each=one_child_each,
        )

    def run(self, index: int) -> PartitionEnd:
        ready = invocation_factory(self.definition, CONNECTIONS)
        return run_partition(self.definition, self.folder, index, ready, CONNECTIONS)

    def run_in_threads(self) -> list[PartitionEnd]:
        with ThreadPoolExecutor(len(self.plan.partitions)) as pool:
            return list(pool.map(self.run, range(len(self.plan.partitions))))

    def finish(self) -> MapRunSummary:
        return write_results(self.folder, CONNECTIONS)


def run_in_processes(planned: PlannedMap, definition_source: str) -> None:
    """Run every partition in a Python of its own; ``definition_source`` is code that sets ``definition``."""
    script = textwrap.dedent(definition_source) + textwrap.dedent(
        """
        import sys
        from airflow_provider_sfdm.runtime.folder import MapRunFolder
        from airflow_provider_sfdm.runtime.partition import run_partition
        from airflow_provider_sfdm.runtime.run import invocation_factory
        from airflow_provider_sfdm.storage import Connections, open_folder
        connections = Connections()
        folder = MapRunFolder(open_folder(sys.argv[1]))
        ready = invocation_factory(definition, connections)
        run_partition(definition, folder, int(sys.argv[2]), ready, connections)
        """
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, planned.folder.url, str(index)], cwd=REPOSITORY)
        for index in range(len(planned.plan.partitions))
    ]
    codes = [process.wait(timeout=60) for process in running]
    assert codes == [0] * len(running)
