"""The airflow engine without Airflow: plan a map run. The tasks, ``run_map`` and the tests all use this."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from ..core.batching import Batching
from ..core.definition import MAX_CONCURRENCY, DistributedMap
from ..core.engines import refuse_unsupported
from ..core.errors import ResultWriterFailed, StatesRuntime, UnsupportedField
from ..core.json import dumps
from ..core.names import MapRunName
from ..core.paths import Scope, in_state
from ..core.processors import TaskGroupProcessor
from ..core.records import timestamp
from ..core.resolve import effective_scope, resolve, resolve_batching, resolve_items
from ..core.selector import Bound, compile_selector
from ..core.selector_bound import selector_bound
from ..core.tolerance import FailureTolerance
from ..core.values import UNSET, ExecutionType, QueryLanguage
from ..core.writer import OutputType, Transformation, WriterConfig
from ..storage import Connections, open_folder
from ..storage.base import StorageError
from .asl_problems import check_states
from .earlier import lay_out_unsuccessful
from .evaluation import check_expressions, evaluated
from .folder import PLAN, RESULTS, MapRunFolder
from .plan import Batches, Destination, Partition, Plan
from .planning import Layout, lay_out_in_place
from .reading_journal import Read, ReadingJournal
from .sources import STATE_DATA, reader_items, source_label, state_data, what_is_read
from .spooling import spool

log = logging.getLogger(__name__)

DEFAULT_PARTITIONS = 8


def plan_map_run(
    definition: DistributedMap,
    *,
    name: str,
    storage: str,
    map_run: MapRunName | None = None,
    connections: Connections,
    run_input: Any = UNSET,
    items: Any = UNSET,
    from_results: Any = UNSET,
    variables: Mapping[str, Any] | None = None,
    partitions: int = DEFAULT_PARTITIONS,
    at_once: int | None = None,
    one_child_each: bool = False,
    on_read: Callable[[int], None] = lambda _: None,
    checkpoint_seconds: float | None = None,
) -> tuple[MapRunFolder, Plan]:
    """Read the source once and store the plan in a new map run folder below ``storage``.

    ``run_input`` is the map's input (else the definition's, else ``{}``), ``items`` replaces the definition's.
    ``from_results``: the children are those that did not succeed in the map run of this summary or manifest, with the
    inputs that they had; reader, items, selector and batcher of the definition are not applied then.
    ``partitions`` is the most there may be, ``at_once`` how many of them may run at the same time (default: all).
    With ``checkpoint_seconds`` it is stored that often how far the source has been read, and another call for the same
    ``map_run`` goes on from there; where one has stored a plan, that is the plan of all.
    ``one_child_each`` is for children that are not run by their partition: MaxConcurrency is then kept elsewhere.
    Without a ``map_run`` every call makes a new one.

    :raises StatesError: as the map run would end with on AWS: the data set cannot be read (ItemReaderFailed), a value
        in the input cannot be used (StatesRuntime), the results cannot be written (ResultWriterFailed).
    :raises UnsupportedField: this engine cannot honour a field of the definition.
    :raises InvalidMachine: children are states that cannot run; tells all problems.
    :raises StorageError: ``storage`` cannot be written.
    """
    refuse_unsupported(definition)
    check_states(definition)
    check_expressions(definition)
    if isinstance(definition.item_processor, TaskGroupProcessor) and not one_child_each:
        raise UnsupportedField("ItemProcessor", "the tasks of a group run in a DAG only: give a function")
    start = time.time()
    map_run = map_run or MapRunName.new(name, definition.label, uuid.uuid4())
    if run_input is UNSET:
        run_input = definition.input if definition.input is not UNSET else {}
    scope = Scope(run_input, _context(map_run, name, run_input, start), variables or {})
    state_name = name.rpartition(".")[2]
    _refuse_non_json(run_input)
    own_items = definition.items
    definition = evaluated(definition, effective_scope(definition, scope, state_name), state_name)
    if definition.items is not own_items:  # an expression that has a value now
        items = UNSET
    resolved = resolve(definition, scope, state_name)
    batching = resolve_batching(resolved, scope, state_name)
    inside = effective_scope(resolved, scope, state_name)
    folder = MapRunFolder(open_folder(f"{storage.rstrip('/')}/{map_run.uuid}", connections))
    destination = _destination(resolved, folder)
    _check_writable(destination, map_run, connections)

    label = STATE_DATA if resolved.item_reader is None else source_label(resolved.item_reader.location)
    if from_results is not UNSET:
        batched = batching.batched
        layout = lay_out_unsuccessful(from_results, map_run, folder.store, connections, batched=batched)
        label, template = "from_results", None
    else:
        journal = None if checkpoint_seconds is None else ReadingJournal(folder, checkpoint_seconds)
        layout, template = _read_items(
            resolved, scope, inside, state_name, batching, items, folder, connections, label, on_read, journal
        )
    if not layout.items:
        place = "The data set" if label == STATE_DATA else label
        log.warning("%s has no items: the map run will succeed with nothing", place)
    concurrency = int(resolved.max_concurrency or 0)
    express = resolved.execution_type is ExecutionType.EXPRESS
    plan = Plan(
        map_run=map_run,
        start=start,
        source=layout.source,
        batches=Batches.of(batching),
        destination=destination,
        tolerance=FailureTolerance(
            int(resolved.tolerated_failure_count or 0), float(resolved.tolerated_failure_percentage or 0)
        ),
        max_concurrency=concurrency,
        express=express,
        items=layout.items,
        children=layout.children,
        partitions=share_out(layout, concurrency, partitions, at_once, one_child_each=one_child_each),
        selector=template,
        input=inside.input if template is not None else None,
        context=inside.context if template is not None else {},
        variables=inside.variables if template is not None else {},
    )
    if not folder.plan_once(plan.to_dict()):
        plan = Plan.from_dict(folder.read(PLAN))  # of an attempt that was taken for lost, and was not
    return folder, plan


def _read_items(
    definition: DistributedMap,
    scope: Scope,
    inside: Scope,
    state_name: str,
    batching: Batching,
    items: Any,
    folder: MapRunFolder,
    connections: Connections,
    label: str,
    on_read: Callable[[int], None],
    journal: ReadingJournal | None,
) -> tuple[Layout, Mapping[str, Any] | None]:
    """Read the items once; returns where they are, and the ItemSelector that the partitions apply, if they do."""
    select = _bound_selector(definition, inside, state_name)
    template = definition.item_selector if isinstance(definition.item_selector, Mapping) else None
    reader = definition.item_reader
    # The partitions know a selector as a JSONPath template or not at all.
    as_template = template is not None and definition.query_language is QueryLanguage.JSONPATH
    if reader is not None and (as_template or definition.item_selector is None):
        bound = selector_bound(template, inside, label)
        layout = lay_out_in_place(reader, batching, bound, connections, on_read, journal)
        if layout is not None:
            return layout, template
    read = Read()
    if journal is not None and (what := [] if reader is None else what_is_read(reader, connections)) is not None:
        read = journal.recorded(what)
    else:
        journal = None
    if reader is not None:
        source = reader_items(reader, connections, read.items, read.after)
    else:
        given = items if items is not UNSET else resolve_items(definition, scope, state_name)
        source = islice(state_data(given), read.items, None)
    layout = spool(
        source, select, batching, folder.store, on_read, label,
        selector_is_function=callable(definition.item_selector), read=read, journal=journal,
    )  # fmt: skip
    return layout, None


def _refuse_non_json(run_input: Any) -> None:
    """What paths and templates take from the input becomes JSON, in the plan or in a cause."""
    if isinstance(run_input, list | tuple):  # the items, as a rule: one by one, because there may be many
        for number, item in enumerate(run_input):
            _refuse(item, f"item {number} of the input of the map")
    else:
        _refuse(run_input, "the input of the map")


def _refuse(value: Any, what: str) -> None:
    try:
        dumps(value)
    except (TypeError, ValueError) as error:
        raise StatesRuntime(f"{what} is not JSON: {error}") from error


def _bound_selector(definition: DistributedMap, scope: Scope, state_name: str) -> Bound:
    """The ItemSelector, its constants found: one that is missing fails the state before an item is read."""
    selector = compile_selector(definition.item_selector, query_language=definition.query_language)
    try:
        return selector.bind(scope)
    except StatesRuntime as error:
        raise StatesRuntime(in_state(error.cause, state_name, 2)) from error


def _context(map_run: MapRunName, name: str, run_input: Any, start: float) -> dict[str, Any]:
    """The context object ``$$`` of the map, as AWS lays it out. RoleArn has no meaning here and is left out."""
    entered = timestamp(start)
    return {
        "Execution": {
            "Id": map_run.parent_execution_arn,
            "Input": run_input,
            "StartTime": entered,
            "Name": map_run.uuid,
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": map_run.machine_arn, "Name": map_run.name},
        "State": {"EnteredTime": entered, "Name": name.rpartition(".")[2]},
    }


def _destination(definition: DistributedMap, folder: MapRunFolder) -> Destination:
    writer = definition.result_writer
    location = writer.location if writer is not None else None
    exported = location is not None
    default = WriterConfig(
        transformation=Transformation.NONE if exported else Transformation.COMPACT, output_type=OutputType.JSON
    )
    config = (writer.writer_config if writer is not None else None) or default
    root, prefix = location or folder.url, "" if exported else RESULTS
    if root.startswith("s3://") and exported:
        bucket, _, prefix = root.removeprefix("s3://").partition("/")
        root = f"s3://{bucket}"
    return Destination(root.rstrip("/"), prefix, exported, config.transformation, config.output_type)


def _check_writable(destination: Destination, map_run: MapRunName, connections: Connections) -> None:
    """Find out before the first child runs, not after the last, whether the results can be written."""
    if not destination.exported:
        return
    key = f"{destination.folder(map_run)}/.write-test"
    try:
        store = open_folder(destination.root, connections)
        store.put(key, b"")
    except StorageError as error:
        raise ResultWriterFailed(str(error)) from error
    try:
        store.delete(key)
    except StorageError as error:  # writing is what matters; the right to delete is not needed
        log.info("The empty object that tested the result location stays there: %s", error)


def share_out(
    layout: Layout, max_concurrency: int, wanted: int, at_once: int | None, *, one_child_each: bool
) -> tuple[Partition, ...]:
    """As many partitions as are wanted, but none without a child, and none without a share of MaxConcurrency."""
    limit = min(max_concurrency or MAX_CONCURRENCY, MAX_CONCURRENCY)
    if one_child_each:
        limit = max(limit, wanted)
    count = max(1, min(wanted, limit, layout.children))
    active = min(count, at_once or count)
    share, rest = divmod(limit, active)
    # Any ``active`` of the partitions may run together: the first ``rest`` of all have one more, so the sum holds.
    return layout.boundaries.partitions(
        count, layout.children, layout.items, lambda index: share + (1 if index < rest else 0)
    )
