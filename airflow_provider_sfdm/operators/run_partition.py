"""The mapped task of a map run: one partition of its child executions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..compat import AirflowFailException, BaseOperator, Context
from ..core.counters import Counts, in_words
from ..core.definition import DistributedMap
from ..core.errors import InvalidDefinition, StatesError
from ..core.processors import PythonFunction
from ..hooks.connections import AWS_CONN_ID, airflow_connections
from ..runtime.folder import MapRunFolder
from ..runtime.partition import PartitionEnd, run_partition
from ..runtime.redrive import redrive_partition
from ..runtime.run import invocation_factory
from ..runtime.stop import StopSignal
from ..storage import StorageError, open_folder
from .authored import AuthoredMap
from .killing import STOPPED, Killing
from .places import checkpoint_seconds

# The attribute is there before the task runs, too: an undefined name in the template would leave no label at all.
MAP_INDEX_TEMPLATE = "{{ task.partition_label }}"


class RunPartitionOperator(BaseOperator):
    """Runs one partition's child executions and stores their results.

    Children that fail do not fail the task: they are counted, and the tolerance decides about the whole map run.
    The task fails when the partition cannot be read or its results cannot be written; it is retried when the storage
    was at fault. A retry goes on from what was recorded, and of a partition that had ended it runs nothing again. Where
    the task is cleared after the map run has ended without success, what did not succeed of the partition runs again.

    :param authored: the definition and the run's input.
    :param partition: one element of what read_items returned; goes through ``expand``.
    :param aws_conn_id: Airflow connection for S3 and Lambda (templated).
    """

    # Not ``partition``: it comes from XCom, and nothing that comes from there is a template.
    template_fields: Sequence[str] = ("distributed_map", "aws_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"distributed_map": "json"}
    shallow_copy_attrs: Sequence[str] = ("authored",)
    ui_color = "#bfdcf3"

    def __init__(
        self,
        *,
        authored: AuthoredMap,
        partition: Mapping[str, Any],
        aws_conn_id: str | None = AWS_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.authored = authored
        self.distributed_map = authored.view()
        self.partition = partition
        self.partition_label = str(partition["label"])
        self.aws_conn_id = aws_conn_id
        self._stop = StopSignal()
        self._killing: Killing | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        self.log.info("Running %s", self.partition["label"])
        try:
            connections = airflow_connections(self.aws_conn_id)
            definition = self.authored.rendered(self.distributed_map)
            index = self.partition["index"]
            folder = MapRunFolder(open_folder(self.partition["map_run"], connections))
            folder = redrive_partition(folder, index, connections, time.time())
            self._killing = Killing(context, folder, index, connections, self._stop)
            with self._killing:
                end = run_partition(
                    definition,
                    folder,
                    index,
                    invocation_factory(definition, connections),
                    connections,
                    stop=self._stop,
                    on_progress=self._log_progress,
                    checkpoint_seconds=checkpoint_seconds(),
                )
        except (StatesError, InvalidDefinition) as error:
            if isinstance(error.__cause__, StorageError):
                raise  # the store may answer next time: Airflow's retries decide
            raise AirflowFailException(str(error)) from error
        self.partition_label = f"{self.partition['label']}: {_outcome(definition, end)}"
        self.log.info("Ended: %s", in_words(end.items, end.executions))
        if end.error is not None:
            # Its results are stored; trying again would read the same data and fail the same way.
            raise AirflowFailException(str(end.error)) from end.error
        return {"items": end.items.to_dict(), "executions": end.executions.to_dict()}

    def on_kill(self) -> None:
        # Airflow calls this on SIGTERM and goes on with execute().
        if self._killing is None:
            self._stop.set(STOPPED)
        else:
            self._killing.begin()

    def _log_progress(self, items: Counts, executions: Counts) -> None:
        share = f"{executions.finished / executions.total:.0%}" if executions.total else "all"
        self.log.info("%s done: %s", share, in_words(items, executions))


def _outcome(definition: DistributedMap, end: PartitionEnd) -> str:
    """``498 ok, 2 failed``: batches where there are any, else items; with an outcome an item ``999 items ok, …``."""
    processor = definition.item_processor
    if isinstance(processor, PythonFunction) and processor.per_item:
        return end.items.outcome("item", ok="ok") or "nothing to do"
    return end.executions.outcome(ok="ok") or "nothing to do"
