"""The end of a partition: its result files and how it ended, of which both are to be seen, or neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from ..storage import Connections, open_folder
from .folder import MapRunFolder
from .plan import Partition, Plan
from .result_files import ResultFiles


class Ending:
    """What one attempt at a partition writes. A context manager: files of an end that is not stored are discarded."""

    def __init__(
        self, plan: Plan, partition: Partition, folder: MapRunFolder, attempt: int, connections: Connections
    ) -> None:
        self.files = ResultFiles(
            open_folder(plan.destination.root, connections),
            plan.result_folder,
            plan.destination.output_type,
            partition.index,
            len(plan.partitions),
            attempt,
            map_run=folder.store,
        )
        self._folder = folder
        self._index = partition.index
        self._sent = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Once it was sent it may have been stored, whatever the answer was, and these are its files.
        if kind is not None and not self._sent:
            self.files.discard()

    def store(self, content: Callable[[], Mapping[str, Any]]) -> bool:
        """Finish the files and store the partition's end, once; False: another attempt has ended it.

        :param content: what is stored; called when the files are finished.
        """
        self.files.close()
        end = content()
        self._sent = True
        stored = self._folder.write_partition(self._index, end)
        if not stored:
            self.files.discard()
        return stored
