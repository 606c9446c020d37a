"""How large an item can become in an ItemSelector, without evaluating it.

The planner asks this to prove that no child input can pass a limit, so that items need not be measured one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .json import dumps
from .paths import JsonPath, Scope, compile_path

# {"Index":…,"Value":…,"Key":…,"Source":…} around the value: names, punctuation, a 20-digit index, an S3 URI (a bucket
# and a key of at most 1,024 bytes, each of which JSON may write as six).
_ITEM_CONTEXT_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class SelectorBound:
    """An item of ``n`` bytes becomes at most ``constant + copies * n`` bytes of compact JSON."""

    constant: int = 0
    copies: int = 1

    def of(self, size: int) -> int:
        return self.constant + self.copies * size


def selector_bound(template: Mapping[str, Any] | None, scope: Scope) -> SelectorBound | None:
    """The bound of a payload template in ``scope``, or None if there is none (a path that may match many times).

    Every path's value is at most as large as what the path goes into.
    """
    if template is None:
        return SelectorBound()
    constant = len(dumps(_without_paths(template)))
    copies = 0
    for path in _paths(template):
        compiled = compile_path(path, "ItemSelector")
        if not compiled.is_definite:
            return None
        if compiled.root == "$$":
            copies += 1
            constant += len(dumps(scope.context)) + _ITEM_CONTEXT_BYTES
        elif compiled.root == "$":
            constant += len(dumps(scope.input))
        else:
            constant += len(dumps(scope.variables.get(compiled.root)))
    return SelectorBound(constant, copies)


def _paths(template: Any) -> Iterator[str]:
    if isinstance(template, JsonPath):
        yield template.path
    elif isinstance(template, Mapping):
        for key, value in template.items():
            if key.endswith(".$") and isinstance(value, str):
                yield value
            else:
                yield from _paths(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from _paths(value)


def _without_paths(template: Any) -> Any:
    if isinstance(template, JsonPath):
        return None
    if isinstance(template, Mapping):
        return {key: _without_paths(value) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [_without_paths(value) for value in template]
    return template
