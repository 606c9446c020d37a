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


DESCRIPTION = "Runs and checks state machines of AWS Step Functions on this machine."

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
        Option(("--profile",), "AWS profile", {"metavar": "NAME"}),
        Option(("--region",), "AWS region", {"metavar": "NAME"}),
        Option(("--endpoint-url",), "where AWS services are, for a local server", {"metavar": "URL"}),
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

AWS_CONN_ID = Option(
    ("--aws-conn-id",),
    "Airflow connection to reach AWS with (default: boto3's own credentials)",
    {"metavar": "NAME"},
)
"""Of ``airflow sfdm run`` alone."""
