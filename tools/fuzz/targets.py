"""What is called with a mutated input. A target returns, or raises: then that is a finding.

What a function documents that it raises is caught here; everything else is a defect.
"""

from __future__ import annotations

import builtins
import io
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from airflow_provider_sfdm.aws.tasks import Tasks
from airflow_provider_sfdm.cli.definition import Definition
from airflow_provider_sfdm.cli.reading import UsageProblem
from airflow_provider_sfdm.cli.reading import parse as read_json
from airflow_provider_sfdm.core.decoding import csv, jsonl, manifests
from airflow_provider_sfdm.core.decoding import json as json_decoding
from airflow_provider_sfdm.core.decoding.compression import decompress
from airflow_provider_sfdm.core.definition import DistributedMap
from airflow_provider_sfdm.core.errors import InvalidDefinition, ItemReaderFailed, StatesError
from airflow_provider_sfdm.core.json import dumps
from airflow_provider_sfdm.core.paths import PathNotFound, compile_path, compile_reference_path
from airflow_provider_sfdm.states import timestamps
from airflow_provider_sfdm.states.choice.rules import compile_rule
from airflow_provider_sfdm.states.jsonata.templates import compile_jsonata
from airflow_provider_sfdm.states.machine import Outcome, compile_machine, execute
from airflow_provider_sfdm.states.result_path import compile_result_path
from airflow_provider_sfdm.states.templates import compile_template
from airflow_provider_sfdm.states.validation.machine import problems
from airflow_provider_sfdm.states.values import Evaluate, compile_value
from airflow_provider_sfdm.storage import StorageError

from . import corpus, definitions, documents
from .world import World


class Breach(Exception):
    """Something other than an exception that must not be; the text says what."""


class Target(NamedTuple):
    """What is fuzzed: ``seeds`` are mutated with the help of ``words``, and ``check`` takes the result."""

    seeds: Sequence[Any]
    words: Sequence[str]
    check: Callable[[Any], None]


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Breach(otherwise)


def _evaluated(compile: Callable[[], Evaluate]) -> None:
    """Compile and evaluate on all data; what comes out is JSON."""
    try:
        evaluate = compile()
    except InvalidDefinition:
        return
    for data in documents.DATA:
        with suppress(StatesError):
            value = evaluate(World().visit(data))
            _require(_is_json(value), f"no JSON: {value!r:.200}")


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _of_valid(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """A target for parts of a definition, which is refused as a whole where UTF-8 cannot write it."""

    def checked(content: Any) -> None:
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return
        check(content)

    return checked


def path(text: str) -> None:
    for compile in (compile_path, compile_reference_path):
        try:
            compiled = compile(text, "Field")
        except InvalidDefinition:
            continue
        for data in documents.DATA:
            with suppress(PathNotFound):
                compiled.find(World().visit(data))
    try:
        combine = compile_result_path(text, "ResultPath")
    except InvalidDefinition:
        return
    for data in documents.DATA:
        with suppress(StatesError):
            combine(data, {"result": 1})


def value(text: str) -> None:
    _evaluated(lambda: compile_value(text, "Field", "field"))


def jsonata(text: str) -> None:
    _evaluated(lambda: compile_jsonata(f"{{% {text} %}}", "Output"))


def template(content: Any) -> None:
    _evaluated(lambda: compile_template(content, "Parameters"))


def rule(content: Any) -> None:
    _evaluated(lambda: compile_rule(content, "Choices[0]"))


def timestamp(text: str) -> None:
    found = timestamps.parse(text)
    _require(found is None or type(found) is int, f"not a whole number: {found!r}")


def definition(content: Any) -> None:
    found = problems(content)
    for problem in found:
        str(problem)
    Definition(content, "JSONata").problems()
    if found:
        return
    try:
        machine = compile_machine(content)
    except InvalidDefinition as error:
        raise Breach(f"valid, but it does not compile: {error}") from error
    for data in documents.DATA[:4]:
        world = World()
        with suppress(StorageError):  # documented: the folder of a map run cannot be written or read
            _check_outcome(execute(machine, data, world.services))
        if world.defects:
            raise world.defects[0]


def _check_outcome(outcome: Outcome) -> None:
    dumps(outcome.output)
    for text in (outcome.error, outcome.cause):
        _require(text is None or isinstance(text, str), f"no text: {text!r:.200}")
    # A defect that was taken for an error of the execution.
    _require(not isinstance(getattr(builtins, outcome.error or "", None), type), f"{outcome.error}: {outcome.cause}")


def map_state(content: Any) -> None:
    with suppress(InvalidDefinition):
        made = DistributedMap.from_asl(content)
        again = DistributedMap.from_asl(made.to_asl())
        _require(again == made, f"other than itself after to_asl(): {again!r:.500}")


def task(content: Any) -> None:
    if isinstance(content, dict) and isinstance(resource := content.get("Resource"), str):
        language = "JSONata" if content.get("QueryLanguage") == "JSONata" else "JSONPath"
        arguments = content.get("Parameters")
        for problem in Tasks().check(
            resource, arguments, query_language=language, credentials=content.get("Credentials")
        ):
            str(problem)


def reading(text: str) -> None:
    with suppress(UsageProblem):
        read_json(text.encode("latin-1", "replace"), "input")


def _stream(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode("latin-1", "replace"))


def csv_file(text: str) -> None:
    for delimiter in ",;\t":
        with suppress(ItemReaderFailed):
            stream = _stream(text)
            names, offset, lines = csv.read_header(stream, delimiter, "f")
            rows = list(csv.rows(stream, names, delimiter, "f", 1 + lines, block_size=16))
            stream.seek(offset)
            scanned = csv.scan(stream, names, delimiter, "f", 1 + lines, offset)
            found = sum(len(stretch.sizes) for stretch in scanned)
            _require(found == len(rows), f"{len(rows)} rows, {found} by a scan")


def jsonl_file(text: str) -> None:
    with suppress(ItemReaderFailed):
        values = list(jsonl.values(_stream(text), "f", 1, block_size=16))
        found = sum(len(stretch.sizes) for stretch in jsonl.scan(_stream(text), "f", 1, 0))
        _require(found == len(values), f"{len(values)} values, {found} by a scan")


def json_file(text: str) -> None:
    for pointer in (None, "/a", "/a/b", "/a~1~0/0", text[:9]):
        with suppress(ItemReaderFailed):
            for _ in json_decoding.items(_stream(text), "f", pointer).pairs:
                pass


def manifest(text: str) -> None:
    for decode in (manifests.inventory, manifests.athena):
        with suppress(ItemReaderFailed):
            decode(_stream(text).getvalue(), "f")


def compressed(text: str) -> None:
    for name in ("a.gz", "a.zst"):
        with suppress(ItemReaderFailed), decompress(_stream(text), name) as stream:
            while stream.read(1 << 16):
                pass


_DEFINITIONS = Target(definitions.DEFINITIONS, definitions.WORDS, definition)

TARGETS: dict[str, Target] = {
    "path": Target(corpus.PATHS, corpus.PATH_WORDS, path),
    "intrinsic": Target(corpus.INTRINSICS, corpus.INTRINSIC_WORDS, _of_valid(value)),
    "jsonata": Target(corpus.JSONATA, corpus.JSONATA_WORDS, _of_valid(jsonata)),
    "call": Target(corpus.CALLS, corpus.CALL_WORDS, _of_valid(jsonata)),
    "timestamp": Target(corpus.TIMESTAMPS, corpus.TIMESTAMP_WORDS, timestamp),
    "template": Target(corpus.TEMPLATES, corpus.TEMPLATE_WORDS, _of_valid(template)),
    "rule": Target(corpus.RULES, corpus.RULE_WORDS, _of_valid(rule)),
    "definition": _DEFINITIONS,
    "map_state": Target(definitions.MAP_STATES, definitions.WORDS, map_state),
    "task": Target(definitions.TASKS, definitions.TASK_WORDS, _of_valid(task)),
    "reading": Target(documents.JSON, documents.JSON_WORDS, reading),
    "csv": Target(documents.CSV, documents.CSV_WORDS, csv_file),
    "jsonl": Target(documents.JSONL, documents.JSON_WORDS, jsonl_file),
    "json": Target(documents.JSON, documents.JSON_WORDS, json_file),
    "manifest": Target(documents.MANIFESTS, documents.MANIFEST_WORDS, manifest),
    "compressed": Target(documents.COMPRESSED, documents.COMPRESSED_WORDS, compressed),
}
NAMES = tuple(TARGETS)
