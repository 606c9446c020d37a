"""The commands and their options, once for ``sfdm`` and for ``airflow sfdm``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One argument: what ``ArgumentParser.add_argument`` and Airflow's ``Arg`` take."""

    flags: tuple[str, ...]
    help: str
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """One command with its options."""

    name: str
    help: str
    options: tuple[Option, ...]


DESCRIPTION = "Runs and checks state machines of AWS Step Functions on this machine, and controls map runs."

_DEFINITION = Option(
    ("definition",),
    "file with a state machine or a single Map state in the Amazon States Language; - reads it from stdin",
    {"metavar": "DEFINITION.json"},
)
_LANGUAGE = Option(
    ("--query-language",),
    "the language where the definition names none (default: JSONPath)",
    {"choices": ("JSONPath", "JSONata"), "default": "JSONPath"},
)
_FUNCTIONS = Option(
    ("--functions",),
    "a dict of Python functions by the Resource that names them; it may be given more than once",
    {"metavar": "MODULE:ATTRIBUTE", "action": "append", "default": []},
)
_AWS = (
    Option(("--profile",), "AWS profile", {"metavar": "NAME"}),
    Option(("--region",), "AWS region", {"metavar": "NAME"}),
    Option(("--endpoint-url",), "where AWS services are, for a local server", {"metavar": "URL"}),
)
_MAP_RUN = (
    Option(("map_run",), "the map run: the URL of its folder, or its ARN", {"metavar": "MAP_RUN"}),
    Option(
        ("--storage",),
        "folder or URL that keeps map runs, for an ARN (default with airflow sfdm: [sfdm] storage)",
        {"metavar": "URL"},
    ),
)

RUN = Command(
    "run",
    "run a state machine or a Map state and print how it ended, as JSON",
    (
        _DEFINITION,
        Option(
            ("--input",),
            "file with the input, the JSON itself, or - for stdin (default: {})",
            {"metavar": "INPUT.json", "default": "{}"},
        ),
        Option(
            ("--storage",),
            "folder or URL that keeps the map runs of Distributed Maps (default: a temporary folder)",
            {"metavar": "URL"},
        ),
        Option(
            ("--bucket",),
            "folder or URL that stands for an S3 bucket of Distributed Maps; it may be given more than once",
            {"metavar": "NAME=FOLDER", "action": "append", "default": []},
        ),
        Option(("--name",), "the execution's name (default: local)", {"metavar": "NAME", "default": "local"}),
        *_AWS,
        _FUNCTIONS,
        _LANGUAGE,
        Option(("--verbose",), "log what happens to stderr", {"action": "store_true"}),
    ),
)
VALIDATE = Command(
    "validate",
    "print everything that is wrong with a definition, each with its location",
    (
        _DEFINITION,
        Option(("--json",), "print the problems as JSON", {"action": "store_true", "dest": "as_json"}),
        _FUNCTIONS,
        _LANGUAGE,
    ),
)
DESCRIBE = Command("describe", "print a map run as it is now, as JSON (DescribeMapRun)", (*_MAP_RUN, *_AWS))
SET = Command(
    "set",
    "change limits of a running map run (UpdateMapRun)",
    (
        *_MAP_RUN,
        Option(("--max-concurrency",), "MaxConcurrency; 0: as if it had not been set", {"metavar": "N", "type": int}),
        Option(("--tolerated-failure-count",), "ToleratedFailureCount", {"metavar": "N", "type": int}),
        Option(("--tolerated-failure-percentage",), "ToleratedFailurePercentage", {"metavar": "P", "type": float}),
        *_AWS,
    ),
)
STOP = Command(
    "stop",
    "stop a running map run (StopExecution)",
    (
        *_MAP_RUN,
        Option(("--error",), "an error name for its summary", {"metavar": "NAME", "default": ""}),
        Option(("--cause",), "the reason, for its summary", {"metavar": "TEXT", "default": ""}),
        Option(
            ("--close",),
            "write its results now, as no task will: its DAG run has ended before it",
            {"action": "store_true"},
        ),
        *_AWS,
    ),
)
REDRIVE = Command(
    "redrive",
    "run again what did not succeed: clears the map run's tasks, and what follows them, in this Airflow",
    (*_MAP_RUN, *_AWS),
)
COMMANDS = (RUN, VALIDATE, DESCRIBE, SET, STOP, REDRIVE)

AWS_CONN_ID = Option(
    ("--aws-conn-id",),
    "Airflow connection to reach AWS with (default: for map runs aws_default, for run boto3's own credentials)",
    {"metavar": "NAME"},
)
"""Of ``airflow sfdm`` alone."""
