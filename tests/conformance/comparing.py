"""Compares what an execution gave with what was recorded: parsed JSON, with the places the recording masked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_EVENT = re.compile(r"\(entered at the event id #\d+\)")


def differences(expected: Any, actual: Any, wildcards: Any = ()) -> list[str]:
    """Where ``actual`` is not what was recorded; the first differing place of every branch.

    1 and 1.0 are the same number, True is not 1. The number of an event may differ. A wildcard names a place
    (``path``) and what may stand there: anything, or a text that a pattern matches as a whole.
    """
    masks = {_key(mask["path"]): mask for mask in wildcards or ()}
    return list(_differences(expected, actual, masks, ()))


def _key(path: Any) -> tuple[str, ...]:
    parts = path if isinstance(path, list) else re.findall(r"[^.\[\]$]+", str(path))
    return tuple(str(part) for part in parts)


def _differences(
    expected: Any, actual: Any, masks: Mapping[tuple[str, ...], Any], place: tuple[str, ...]
) -> Iterator[str]:
    mask = masks.get(place)
    if mask is not None and mask.get("in", "value") == "value":
        if not _fits(mask, actual):
            yield f"{'.'.join(place)}: {actual!r} does not match {mask['pattern']!r}"
    elif isinstance(expected, dict) and isinstance(actual, dict):
        actual = _with_masked_keys(expected, actual, masks, place)
        for name in sorted(expected.keys() | actual.keys()):
            if name not in expected or name not in actual:
                yield f"{'.'.join((*place, name))}: {'missing' if name in expected else 'unexpected'}"
            else:
                yield from _differences(expected[name], actual[name], masks, (*place, name))
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{'.'.join(place)}: {len(actual)} elements instead of {len(expected)}"
        for index, (one, other) in enumerate(zip(expected, actual, strict=False)):
            yield from _differences(one, other, masks, (*place, str(index)))
    elif not _same(expected, actual):
        yield f"{'.'.join(place)}: {actual!r} instead of {expected!r}"


def _with_masked_keys(
    expected: Mapping[str, Any], actual: Mapping[str, Any], masks: Mapping[tuple[str, ...], Any], place: tuple[str, ...]
) -> dict[str, Any]:
    """``actual`` with the keys that the recording masked named as they are masked there."""
    left = dict(actual)
    for name in expected.keys() - actual.keys():
        mask = masks.get((*place, name), {})
        fitting = [key for key in left if key not in expected and mask.get("in") == "key" and _fits(mask, key)]
        if fitting:
            left[name] = left.pop(fitting[0])
    return left


def _fits(mask: Mapping[str, Any], actual: Any) -> bool:
    if mask.get("any"):
        return True
    # In a cause the number of an event may differ.
    pattern = re.sub(r"(event\\? id\\? \\?#)\d+", r"\1\\d+", mask["pattern"])
    return isinstance(actual, str) and re.fullmatch(pattern, actual, re.DOTALL) is not None


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, str) and isinstance(actual, str):
        return _EVENT.sub("", expected) == _EVENT.sub("", actual)
    return bool(expected == actual)
