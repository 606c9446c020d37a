"""Random changes of a text or of a JSON value; all chance comes from the ``Random`` that is given."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any

_CHARACTERS = "\0\t\n\r \"'\\/$.@*?[](){}:,;%&|=<>+-~^`#_09aAeEzZ\x7fé\u2028\ufeff\ud800\U0001f600"
RUBBISH: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, 5e-324, 2**31, 2**63, 2**64, -(2**63), 10**30, "", "$", "$.a", "$$",
    "{% 1 %}", [], {}, [[]], {"a": 1}, {"a.$": "$"}, {"": 0}, "x" * 300,
)  # fmt: skip


def mutated(value: Any, random: Random, seeds: Sequence[Any], words: Sequence[str]) -> Any:
    """``value`` with one to five changes, some of them taken from ``seeds`` and ``words``."""
    if not isinstance(value, str):
        value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        value = _text(value, random, seeds, words) if isinstance(value, str) else _json(value, random, seeds, words)
    return value


def _text(text: str, random: Random, seeds: Sequence[Any], words: Sequence[str]) -> str:
    start = random.randrange(len(text) + 1)
    end = min(len(text), start + random.choice((0, 1, 1, 2, 5, 20)))
    kind = random.randrange(7)
    if kind == 0:
        return text[:start] + text[end:]
    if kind == 1:
        return text[:start] + random.choice(_CHARACTERS) + text[end:]
    if kind == 2:
        return text[:start] + text[start:end] * random.choice((2, 3, 50)) + text[end:]
    if kind == 3 and seeds and isinstance(other := random.choice(seeds), str):
        at = random.randrange(len(other) + 1)
        return text[:start] + other[at:]
    if kind == 4:  # brackets without end
        word = random.choice(words) if words else "("
        return text[:start] + word * random.choice((1, 20, 300)) + text[end:]
    word = random.choice(words) if words else random.choice(_CHARACTERS)
    return text[:start] + word + text[end if random.random() < 0.5 else start :]


def _json(value: Any, random: Random, seeds: Sequence[Any], words: Sequence[str]) -> Any:
    places = _places(value)
    if not places:
        return random.choice(RUBBISH)
    holder, key = random.choice(places)
    kind = random.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = copy.deepcopy(random.choice(RUBBISH))
    elif kind == 2:  # a part of another example
        other = _places(random.choice(seeds))
        if other:
            from_holder, from_key = random.choice(other)
            holder[key] = copy.deepcopy(from_holder[from_key])
    elif kind == 3 and isinstance(holder, dict):  # the same under another name
        holder[random.choice(words) if words else "a"] = copy.deepcopy(holder[key])
    elif kind == 4 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(random.choice(holder)))
    elif kind == 5:
        for _ in range(random.choice((1, 3, 300)) if random.random() < 0.1 else 1):
            holder[key] = [holder[key]] if random.random() < 0.5 else {"a": holder[key]}
    elif isinstance(holder[key], str):
        holder[key] = _text(holder[key], random, [text for text in seeds if isinstance(text, str)], words)
    elif isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = random.choice((-holder[key], holder[key] // 2, holder[key] + 0.5, str(holder[key])))
    else:
        holder[key] = random.choice(words) if words else None
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every member of every object and array: (holder, key)."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        holder = stack.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            found.append((holder, key))
            stack.append(holder[key])
    return found
