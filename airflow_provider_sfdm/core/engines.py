"""What an engine can't honour of a valid definition: the one home of that table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from .asl import selector_to_asl
from .asl_processor import Children, processor_to_asl
from .asl_reader import reader_to_asl, writer_to_asl
from .definition import DistributedMap
from .errors import DataLimitExceeded, InvalidDefinition, UnsupportedField
from .processors import as_processor
from .state_machine import execution_input
from .values import choice, is_template


class Engine(StrEnum):
    """What runs a Distributed Map."""

    AIRFLOW = "airflow"
    """Airflow's own workers, by dynamic task mapping."""
    STEPFUNCTIONS = "stepfunctions"
    """AWS Step Functions."""


def as_engine(value: object) -> Engine:
    """``value`` as an engine. Raises InvalidDefinition for what is none."""
    return choice(Engine, value, "engine")


# Fields of the machine around the map, and what does their work in an Airflow DAG.
_AROUND = {
    "Retry": "retry a failed map run with the retries of the tasks, or by clearing them",
    "Catch": "handle a failed map run with a task whose trigger_rule is one_failed or all_done",
    "Assign": "hand values on through XCom",
    "Output": "shape the summary in the task that takes it",
    "ResultSelector": "shape the summary in the task that takes it",
    "ResultPath": "shape the summary in the task that takes it",
    "OutputPath": "shape the summary in the task that takes it",
}


def unsupported_on_airflow(definition: DistributedMap) -> list[UnsupportedField]:
    """The fields that the airflow engine can't honour; empty when it can run the definition as it stands.

    ``Next`` and ``End`` say nothing in a DAG, and ``InputPath`` is honoured, so these are fine.
    """
    return list(_unsupported(definition))


def unsupported_on_step_functions(definition: DistributedMap) -> list[UnsupportedField]:
    """The fields that Step Functions can't honour; empty when it can run the definition as it stands.

    What a Jinja template or an upstream task gives is not known yet: ``to_asl`` looks at it again in the run.
    """
    return list(_unsupported_on_step_functions(definition))


def refuse_unsupported(
    definition: DistributedMap, more: Iterable[UnsupportedField] = (), engine: Engine = Engine.AIRFLOW
) -> None:
    """Raise the first of what the engine can't honour, and of ``more``; the others are notes of it."""
    found = unsupported_on_airflow if engine is Engine.AIRFLOW else unsupported_on_step_functions
    problems = [*found(definition), *more]
    for other in problems[1:]:
        problems[0].add_note(f"also: {other}")
    if problems:
        raise problems[0]


def _unsupported(definition: DistributedMap) -> Iterator[UnsupportedField]:
    yield from _unsupported_arguments(definition)
    for name, instead in _AROUND.items():
        if definition.state_fields.get(name, "$") != "$":
            yield UnsupportedField(name, f"is for a state machine; with Airflow {instead}")


def _unsupported_arguments(definition: DistributedMap) -> Iterator[UnsupportedField]:
    arguments = definition.item_reader and definition.item_reader.arguments
    for name in arguments if isinstance(arguments, Mapping) else ():
        # All pages are followed, however long they are.
        if name.removesuffix(".$") != "MaxKeys":
            yield UnsupportedField(f"ItemReader.Parameters.{name}", "the airflow engine lists all objects of a prefix")


def _unsupported_on_step_functions(definition: DistributedMap) -> Iterator[UnsupportedField]:
    language, partition = definition.query_language, definition.aws_partition
    children = Children(
        as_processor(definition.item_processor), definition.execution_type, definition.retry, definition.timeout
    )
    yield from _problem(lambda: processor_to_asl(children, language))
    yield from _problem(lambda: selector_to_asl(definition))
    reader, writer, items = definition.item_reader, definition.result_writer, definition.items
    if reader is not None and not is_template(reader.url):
        # A number that is a template is one when it is rendered.
        known = replace(reader, max_items=None) if is_template(reader.max_items) else reader
        yield from _problem(lambda: reader_to_asl(known, language, partition))
    if writer is not None and not is_template(writer.url):
        yield from _problem(lambda: writer_to_asl(writer, language, partition))
    for part, where in ((reader, "ItemReader"), (writer, "ResultWriter")):
        bucket = getattr(part, "bucket", None)
        if isinstance(bucket, str) and "@" in bucket:
            problem = f"{bucket!r} names an Airflow connection, and Step Functions goes by its role: give the bucket"
            yield UnsupportedField(f"{where}.Parameters.Bucket", problem)
    if isinstance(items, list | tuple | Mapping):
        yield from _unsupported_items(definition, items)
    for name in ("Next", "Catch"):
        if name in definition.state_fields:
            problem = "leads to another state, and a machine of the map alone has none: give a whole state machine"
            yield UnsupportedField(name, problem)


def _unsupported_items(definition: DistributedMap, items: Any) -> Iterator[UnsupportedField]:
    try:
        execution_input(definition, {}, items)
    except UnsupportedField as error:
        yield error
    except InvalidDefinition:
        return  # an upstream task's output among them, which is not known yet
    except DataLimitExceeded as error:
        yield UnsupportedField("Items", error.cause)


def _problem(look: Callable[[], object]) -> Iterator[UnsupportedField]:
    try:
        look()
    except UnsupportedField as error:
        yield error
