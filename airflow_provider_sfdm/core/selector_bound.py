"""How large an item can become in an ItemSelector, without evaluating it.

The planner asks this to prove that no child input can pass a limit, so that items need not be measured one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .json import dumps
from .paths import JsonPath, Scope, compile_path

# An S3 URI: a bucket and a key of at most 1,024 bytes, each of which JSON may write as six.
_SOURCE_BYTES = 7 * 1024
# {"Index":…,"Value":…,"Key":…,"Source":…} around the value: names, punctuation, an index.
_ITEM_CONTEXT_BYTES = 1024
_INDEX_BYTES = 20


@dataclass(frozen=True, slots=True)
class SelectorBound:
    """An item of ``n`` bytes becomes at most ``constant + copies * n`` bytes of compact JSON."""

    constant: int = 0
    copies: int = 1

    def of(self, size: int) -> int:
        return self.constant + self.copies * size


def selector_bound(template: Mapping[str, Any] | None, scope: Scope, source: str | None = None) -> SelectorBound | None:
    """The bound of a payload template in ``scope``, or None if there is none (a path that may match many times).

    What a path takes from an item is at most as large as the item. ``source`` is what ``$$.Map.Item.Source`` says;
    without it the bound is for the longest that S3 allows. Raises StatesRuntime for a path that leads nowhere.
    """
    if template is None:
        return SelectorBound()
    constant = len(dumps(_without_paths(template)))
    source_bytes = _SOURCE_BYTES if source is None else len(dumps(source))
    copies = 0
    for path in _paths(template):
        compiled = compile_path(path, "ItemSelector")
        if not compiled.is_definite:
            return None
        if compiled.root != "$$" or compiled.leading[:1] not in ((), ("Map",)):
            constant += len(dumps(compiled.evaluate(scope)))
        elif compiled.leading[:3] == ("Map", "Item", "Value"):
            copies += 1
        elif compiled.leading == ("Map", "Item", "Index"):
            constant += _INDEX_BYTES
        elif compiled.leading == ("Map", "Item", "Source"):
            constant += source_bytes
        else:
            copies += 1
            constant += len(dumps(scope.context)) + _ITEM_CONTEXT_BYTES + source_bytes
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
