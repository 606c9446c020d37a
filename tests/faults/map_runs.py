"""A map run of tasks that die and are tried again, on storage that follows a schedule; what must hold of its end."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import pytest

from airflow_provider_sfdm import (
    DistributedMap,
    ItemBatcher,
    MapRunSummary,
    OutputType,
    PythonFunction,
    ResultWriter,
    S3JsonLItemReader,
    StatesError,
    WriterConfig,
)
from airflow_provider_sfdm import storage as storage_package
from airflow_provider_sfdm.core.counters import Counts
from airflow_provider_sfdm.core.manifest import Manifest
from airflow_provider_sfdm.core.tolerance import FailureTolerance
from airflow_provider_sfdm.core.values import UNSET
from airflow_provider_sfdm.runtime import journal, result_files
from airflow_provider_sfdm.runtime.checkpoint import Checkpoint
from airflow_provider_sfdm.runtime.engine import plan_map_run
from airflow_provider_sfdm.runtime.finish import write_results
from airflow_provider_sfdm.runtime.folder import MapRunFolder
from airflow_provider_sfdm.runtime.journal import _chain
from airflow_provider_sfdm.runtime.partition import PartitionStopped, run_partition
from airflow_provider_sfdm.runtime.plan import Plan
from airflow_provider_sfdm.runtime.remembered import LastMapRun
from airflow_provider_sfdm.runtime.results import MapRunResults
from airflow_provider_sfdm.runtime.run import invocation_factory
from airflow_provider_sfdm.storage import Connections, StorageError, open_folder, retrying
from tests.faults.faulty_store import Crash, FaultyStore, Schedule
from tests.faults.memory_store import Memory, MemoryStore

T = TypeVar("T")

STORAGE = "file:///faults/runs"
SOURCE = "file:///faults/data/items.jsonl"
_MOST_ATTEMPTS = 500


@dataclass(frozen=True)
class Case:
    """What a map run is over."""

    items: int
    bad: frozenset[int] = frozenset()
    still_bad: frozenset[int] = frozenset()
    """Those of the bad ones that a redrive does not repair."""
    batch: int | None = None
    per_item: bool = False
    """Whether the function gets the items of a batch one by one, each of which has its own end."""
    partitions: int = 1
    concurrency: int = 0
    is_async: bool = False
    percentage: float = 0.0
    in_place: bool = False
    exported: bool = True
    jsonl: bool = False
    patient: bool = True
    """Whether a call is tried again."""
    small_blocks: bool = False
    """Whether results are handed on after each few children, and the journal is soon full."""
    at_once: bool = False
    """Whether the partitions run at the same time."""
    dies_for_good: frozenset[int] = frozenset()
    """The partitions whose tasks are tried once, and are killed then after so many calls:"""
    dies_after: int = 0
    twice: bool = False
    """Whether there is another attempt at each partition, whose worker was taken for lost."""

    @property
    def inputs(self) -> list[Any]:
        """Of the children, in their order."""
        if self.batch is None:
            return list(range(self.items))
        firsts = range(0, self.items, self.batch)
        return [{"Items": list(range(first, min(first + self.batch, self.items)))} for first in firsts]

    @property
    def calls(self) -> list[Any]:
        """What the function is called with: each of them has an end, in this order."""
        return list(range(self.items)) if self.per_item else self.inputs

    def calls_of(self, inputs: Iterable[Any]) -> list[Any]:
        """The same of some of the children."""
        return [item for one in inputs for item in items_of(one)] if self.per_item else list(inputs)

    def fails(self, call: Any, bad: frozenset[int]) -> bool:
        return not bad.isdisjoint(items_of(call))

    def failures(self, bad: frozenset[int]) -> int:
        """How many items fail."""
        return sum(len(items_of(one)) for one in self.calls if self.fails(one, bad))

    def exceeded(self, bad: frozenset[int]) -> bool:
        return FailureTolerance(0, self.percentage).exceeded(self.failures(bad), self.items)


def items_of(child_input: Any) -> list[int]:
    return child_input["Items"] if isinstance(child_input, dict) else [child_input]


@dataclass
class Run:
    """One map run, in memory."""

    case: Case
    schedule: Schedule
    memory: Memory = field(default_factory=Memory)
    calls: list[Any] = field(default_factory=list)
    """The inputs of children that were run since it was last emptied."""
    attempts: int = 0
    seconds: float = 0.001
    """How long a child takes."""

    def __post_init__(self) -> None:
        self.connections = Connections(retry_seconds=0.02 if self.case.patient else 0)
        self.memory.store(SOURCE, "".join(f"{item}\n" for item in range(self.case.items)).encode())

    # -- the tasks

    def to_its_end(self) -> MapRunSummary:
        """As read_items, run_partition and write_results do it, each of them tried again until it succeeds."""
        self.planned = self.until_it_succeeds(self._plan)
        return self._partitions_and_results(*self.planned, self.case.bad)

    def redriven(self) -> MapRunSummary | None:
        """The same after the group was cleared; None where there is nothing to redrive."""
        found = self.until_it_succeeds(self._go_on)
        return None if found is None else self._partitions_and_results(*found, self.case.still_bad)

    def _partitions_and_results(self, folder: str, plan: Plan, bad: frozenset[int]) -> MapRunSummary:
        attempts = [partial(self._attempt, folder, plan, partition.index, bad) for partition in plan.partitions]
        tasks = [partial(self.until_it_succeeds, attempt) for attempt in attempts]
        for index in self.case.dies_for_good if not plan.redrive_count else ():
            if index < len(tasks):
                tasks[index] = partial(self._dying, folder, plan, index, bad)
        if self.case.twice:
            tasks += [partial(self.until_it_succeeds, attempt, 1) for attempt in attempts]
        with ThreadPoolExecutor(len(tasks) if self.case.at_once or self.case.twice else 1) as pool:
            for done in [pool.submit(task) for task in tasks][: len(attempts)]:
                done.result()
        return self.until_it_succeeds(lambda: self.write_results(folder))

    def _dying(self, folder: str, plan: Plan, index: int, bad: frozenset[int]) -> None:
        with suppress(Crash):
            self.until_it_succeeds(lambda: self._attempt(folder, plan, index, bad, self.case.dies_after), 1)

    def until_it_succeeds(self, task: Callable[[], T], most: int = _MOST_ATTEMPTS) -> T:
        """What the task returns, in one of at most so many attempts, each a process of its own."""
        for _ in range(most):
            self.attempts += 1
            try:
                with self.schedule.process():
                    return task()
            except (Crash, StorageError, PartitionStopped):
                continue
            except StatesError as error:
                if not isinstance(error.__cause__, StorageError):
                    raise
        if most == _MOST_ATTEMPTS:
            raise AssertionError(f"{most} attempts were not enough")
        raise Crash

    def definition(self, bad: frozenset[int], dies_after: int | None = None) -> DistributedMap:
        case = self.case
        config = WriterConfig(output_type=OutputType.JSONL if case.jsonl else OutputType.JSON)
        return DistributedMap(
            item_processor=self._function(bad, dies_after),
            item_reader=S3JsonLItemReader(url=SOURCE) if case.in_place else None,
            item_batcher=ItemBatcher(max_items_per_batch=case.batch) if case.batch else None,
            result_writer=ResultWriter(url="file:///faults/results", writer_config=config) if case.exported else None,
            tolerated_failure_percentage=case.percentage,
            max_concurrency=case.concurrency,
        )

    def _function(self, bad: frozenset[int], dies_after: int | None) -> Any:
        process = self.schedule.here
        left = iter(range(dies_after)) if dies_after is not None else itertools.count()

        def outcome(child_input: Any) -> Any:
            if next(left, None) is None:
                self.schedule.kill(process)
                raise Crash
            if self.schedule.is_alive(process):  # a dead process runs nothing
                self.calls.append(child_input)
            if self.case.fails(child_input, bad):
                raise ValueError(str(child_input))
            return {"done": child_input}

        async def asynchronous(child_input: Any) -> Any:
            await asyncio.sleep(self.seconds)
            return outcome(child_input)

        def synchronous(child_input: Any) -> Any:
            time.sleep(self.seconds)
            return outcome(child_input)

        function = asynchronous if self.case.is_async else synchronous
        return PythonFunction(function, per_item=True) if self.case.per_item else function

    def _plan(self) -> tuple[str, Plan]:
        if (found := self._go_on()) is not None:
            return found
        folder, plan = plan_map_run(
            self.definition(self.case.bad),
            name="dag.map",
            storage=STORAGE,
            connections=self.connections,
            run_input=UNSET if self.case.in_place else list(range(self.case.items)),
            partitions=self.case.partitions,
            at_once=1,
        )
        LastMapRun(STORAGE, self.connections).remember(plan.map_run, "the same")
        return folder.url, plan

    def _go_on(self) -> tuple[str, Plan] | None:
        last = LastMapRun(STORAGE, self.connections)
        found = last.go_on("the same", partitions=self.case.partitions, at_once=1, one_child_each=False)
        return None if found is None else (found[0].url, found[1])

    def _attempt(self, url: str, plan: Plan, index: int, bad: frozenset[int], dies_after: int | None = None) -> None:
        recorded = self.recorded(url, plan, index)
        begun = len(self.calls)
        definition = self.definition(bad, dies_after)
        try:
            run_partition(
                definition,
                MapRunFolder(open_folder(url, self.connections)),
                index,
                invocation_factory(definition, self.connections),
                self.connections,
                checkpoint_seconds=0.003,
            )
        finally:
            if not (self.schedule.stale or self.case.twice):
                again = [one for one in self.calls[begun:] if json.dumps(one) in recorded]
                assert again == [], "what was recorded does not run again"

    def write_results(self, url: str) -> MapRunSummary:
        """The last task."""
        folder = MapRunFolder(open_folder(url, self.connections))
        return write_results(folder, self.connections)

    # -- what is really there

    def store(self, url: str) -> MemoryStore:
        return MemoryStore(self.memory, url)

    def recorded(self, url: str, plan: Plan, index: int) -> set[str]:
        """The inputs of the children that the journal of a partition has; of one that has ended, all."""
        if plan.redrive_count:
            return set()  # its children are numbered otherwise
        folder, partition = MapRunFolder(self.store(url)), plan.partitions[index]
        if folder.read_partition(index) is not None:
            ended = self.case.inputs[partition.first_child : partition.last_child + 1]
            return set(map(json.dumps, self.case.calls_of(ended)))
        if not (segments := folder.segments(index)):
            return set()
        read = {one: Checkpoint.decode(folder.read_segment(index, one)) for one in segments}
        checkpoints = [read[one][0] for one in _chain(segments[-1], lambda one: read[one][1])]
        last = checkpoints[-1]
        numbers = set(range(partition.first_child, last.next)) - set(last.missing)
        numbers.update(number for checkpoint in checkpoints for number, _ in checkpoint.ahead)
        return set(map(json.dumps, self.case.calls_of(self.case.inputs[number] for number in numbers)))

    def recorded_without_an_end(self) -> set[str]:
        """The same of all partitions that left no end."""
        url, plan = self.planned
        folder = MapRunFolder(self.store(url))
        left = [one.index for one in plan.partitions if folder.read_partition(one.index) is None]
        return set[str]().union(*(self.recorded(url, plan, index) for index in left))

    def manifest(self, summary: MapRunSummary) -> Manifest:
        """The manifest; what it lists is there, whole."""
        assert summary.manifest is not None
        manifest = Manifest.from_json(self.memory.objects[summary.manifest].data, "manifest.json")
        for file in (file for files in manifest.files.values() for file in files):
            data = self.memory.objects[f"{manifest.destination_bucket}/{file.key}"].data
            assert len(data) == file.size
        return manifest

    def ended(self, summary: MapRunSummary) -> dict[str, list[Any]]:
        """What the function was, or would have been, called with, by what became of it."""
        manifest = self.manifest(summary)
        results = MapRunResults(manifest, self.store(manifest.destination_bucket))
        succeeded, failed = list(results.succeeded()), list(results.failed())
        if self.case.per_item:
            done = [output["done"] for one in succeeded for output in one.output]
        else:
            done = [one.output["done"] for one in succeeded]
        if self.case.exported:
            assert done == self.case.calls_of(one.input for one in succeeded), "each has its own output"
        return {
            "SUCCEEDED": done,
            "FAILED": self.case.calls_of(one.input for one in failed if one.status != "ABORTED"),
            "ABORTED": self.case.calls_of(one.input for one in failed if one.status == "ABORTED"),
            "PENDING": self.case.calls_of(one.input for one in results.pending()),
        }

    def check(self, summary: MapRunSummary, bad: frozenset[int]) -> dict[str, list[Any]]:
        """What holds of every end of a map run."""
        case, ended = self.case, self.ended(summary)
        everything = [one for inputs in ended.values() for one in inputs]
        assert sorted(map(json.dumps, everything)) == sorted(map(json.dumps, case.calls)), "each child once"
        assert all(case.fails(one, case.bad | bad) for one in ended["FAILED"])
        assert not any(case.fails(one, bad & case.still_bad) for one in ended["SUCCEEDED"])
        check_counts(summary.item_counts, ended, lambda one: len(items_of(one)))
        executions = summary.execution_counts
        if not case.per_item:
            check_counts(executions, ended, lambda one: 1)
        assert executions.total == executions.results_written == len(case.inputs)
        exceeded = case.exceeded(bad)
        assert summary.status == ("FAILED" if exceeded else "SUCCEEDED")
        if exceeded:
            assert summary.error == "States.ExceedToleratedFailureThreshold"
            return ended
        assert ended["PENDING"] == ended["ABORTED"] == []
        if not summary.redrive_count:
            assert ended["FAILED"] == [one for one in case.calls if case.fails(one, bad)]
            assert ended["SUCCEEDED"] == [one for one in case.calls if not case.fails(one, bad)], "as undisturbed"
        if not (case.exported or ended["FAILED"]):
            done = list(chain.from_iterable(summary.output)) if case.per_item else summary.output
            assert done == [{"done": one} for one in ended["SUCCEEDED"]]
        return ended


def check_counts(counts: Counts, ended: dict[str, list[Any]], weigh: Callable[[Any], int]) -> None:
    """They are those of the records."""
    numbers = {status: sum(map(weigh, calls)) for status, calls in ended.items()}
    assert (counts.succeeded, counts.pending) == (numbers["SUCCEEDED"], numbers["PENDING"])
    assert (counts.failed, counts.aborted) == (numbers["FAILED"], numbers["ABORTED"])
    assert counts.timed_out == counts.running == 0
    assert counts.total == counts.results_written == sum(numbers.values())


@contextmanager
def faulty(case: Case, schedule: Schedule) -> Iterator[Run]:
    """A map run in a world where file:// is in memory, and follows the schedule."""
    run = Run(case, schedule)

    def local(root: Path, name: str | None = None) -> FaultyStore:
        return FaultyStore(MemoryStore(run.memory, name or root.as_uri()), schedule)

    told = threading.excepthook

    def tell(arguments: Any) -> None:
        if not issubclass(arguments.exc_type, Crash):  # the threads of a dead process end
            told(arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage_package, "LocalStore", local)
        patch.setattr(retrying, "_FIRST_WAIT", 0.0005)
        patch.setattr(retrying, "_LONGEST_WAIT", 0.002)
        patch.setattr(threading, "excepthook", tell)
        if case.small_blocks:
            patch.setattr(result_files, "_BLOCK_BYTES", 500)
            patch.setattr(journal, "_MAX_BYTES", 2_000)
        yield run
