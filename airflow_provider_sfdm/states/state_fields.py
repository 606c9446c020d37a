"""Which fields a state may have, by its type and query language: the one home of that table."""

from __future__ import annotations

COMMON = frozenset(("Type", "Comment", "QueryLanguage"))
_GOES_ON = frozenset(("Next", "End"))
_PATHS = frozenset(("InputPath", "OutputPath"))
_RESULT = frozenset(("ResultPath", "ResultSelector"))
_RECOVERS = frozenset(("Retry", "Catch"))
LIMITS = frozenset(("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage"))

FIELDS: dict[str, frozenset[str]] = {
    "Pass": _GOES_ON | {"Assign"},
    "Task": _GOES_ON | _RECOVERS | {"Resource", "TimeoutSeconds", "HeartbeatSeconds", "Credentials", "Assign"},
    "Choice": frozenset(("Choices", "Default", "Assign")),
    "Wait": _GOES_ON | {"Seconds", "Timestamp", "Assign"},
    "Succeed": frozenset(),
    "Fail": frozenset(("Error", "Cause")),
    "Parallel": _GOES_ON | _RECOVERS | {"Branches", "Assign"},
    "Map": _GOES_ON
    | _RECOVERS
    | LIMITS
    | {"ItemProcessor", "Iterator", "ItemSelector", "ItemReader", "ItemBatcher", "ResultWriter", "Label", "Assign"},
}
"""By type: the fields of both query languages, without COMMON."""

JSONPATH: dict[str, frozenset[str]] = {
    "Pass": _PATHS | {"ResultPath", "Parameters", "Result"},
    "Task": _PATHS | _RESULT | {"Parameters", "TimeoutSecondsPath", "HeartbeatSecondsPath"},
    "Choice": _PATHS,
    "Wait": _PATHS | {"SecondsPath", "TimestampPath"},
    "Succeed": _PATHS,
    "Fail": frozenset(("ErrorPath", "CausePath")),
    "Parallel": _PATHS | _RESULT | {"Parameters"},
    "Map": _PATHS | _RESULT | {"ItemsPath", "Parameters"} | {f"{name}Path" for name in LIMITS},
}
"""By type: the fields of JSONPath alone."""

JSONATA: dict[str, frozenset[str]] = {
    "Pass": frozenset(("Output",)),
    "Task": frozenset(("Arguments", "Output")),
    "Choice": frozenset(("Output",)),
    "Wait": frozenset(("Output",)),
    "Succeed": frozenset(("Output",)),
    "Fail": frozenset(),
    "Parallel": frozenset(("Arguments", "Output")),
    "Map": frozenset(("Items", "Output")),
}
"""By type: the fields of JSONata alone."""

ALL_JSONPATH = frozenset().union(*JSONPATH.values())
ALL_JSONATA = frozenset().union(*JSONATA.values())
DISTRIBUTED_ONLY = frozenset(("ItemReader", "ItemBatcher", "ResultWriter", "Label"))
"""Fields of a Map state that inline mode does not have."""
EXCLUSIVE = (
    ("Next", "End"),
    ("Iterator", "ItemProcessor"),
    ("Parameters", "ItemSelector"),
    ("Error", "ErrorPath"),
    ("Cause", "CausePath"),
    ("TimeoutSeconds", "TimeoutSecondsPath"),
    ("HeartbeatSeconds", "HeartbeatSecondsPath"),
    ("MaxConcurrency", "MaxConcurrencyPath"),
    ("ToleratedFailureCount", "ToleratedFailureCountPath"),
    ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
)
"""Of these a state has one at most."""
