"""What an engine can't honour of a valid definition: the one home of that table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .definition import DistributedMap
from .errors import UnsupportedField
from .processors import AslProcessor
from .values import Intrinsic, QueryLanguage, is_jsonata, strings

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


def refuse_unsupported(definition: DistributedMap, more: Iterable[UnsupportedField] = ()) -> None:
    """Raise the first of what the airflow engine can't honour, and of ``more``; the others are notes of it."""
    problems = [*unsupported_on_airflow(definition), *more]
    for other in problems[1:]:
        problems[0].add_note(f"also: {other}")
    if problems:
        raise problems[0]


def _unsupported(definition: DistributedMap) -> Iterator[UnsupportedField]:
    if isinstance(definition.item_processor, AslProcessor):
        problem = "the airflow engine does not run states: give a function, a task group or LambdaFunction(…)"
        yield UnsupportedField("ItemProcessor", problem)
    yield from _unsupported_arguments(definition)
    if definition.query_language is QueryLanguage.JSONATA:
        for name, value in definition.expressions():
            if any(is_jsonata(text) for text in strings(value)):
                yield UnsupportedField(name, "the airflow engine does not evaluate JSONata: use JSONPath or Jinja")
    else:
        batch_input = definition.item_batcher and definition.item_batcher.batch_input
        for name, template in (
            ("ItemSelector", definition.item_selector),
            ("ItemBatcher.BatchInput", batch_input),
        ):
            for field, call in _intrinsics(template, name):
                yield UnsupportedField(field, f"the airflow engine does not evaluate intrinsic functions: {call}")
    for name, instead in _AROUND.items():
        if definition.state_fields.get(name, "$") != "$":
            yield UnsupportedField(name, f"is for a state machine; with Airflow {instead}")


def _unsupported_arguments(definition: DistributedMap) -> Iterator[UnsupportedField]:
    for name, value in definition.expressions():
        if isinstance(value, Intrinsic):
            problem = f"the airflow engine does not evaluate intrinsic functions: {value}"
            yield UnsupportedField(f"{name}.$", problem)
    arguments = definition.item_reader and definition.item_reader.arguments
    for name in arguments if isinstance(arguments, Mapping) else ():
        # All pages are followed, however long they are.
        if name.removesuffix(".$") != "MaxKeys":
            yield UnsupportedField(f"ItemReader.Parameters.{name}", "the airflow engine lists all objects of a prefix")


def _intrinsics(template: Any, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(template, Mapping):
        for key, member in template.items():
            if key.endswith(".$") and isinstance(member, str) and member.startswith("States."):
                yield f"{field}.{key}", member
            yield from _intrinsics(member, f"{field}.{key}")
    elif isinstance(template, list):
        for index, member in enumerate(template):
            yield from _intrinsics(member, f"{field}[{index}]")
