"""A Python function as ItemSelector."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .errors import InvalidDefinition, StatesError, StatesRuntime
from .paths import Scope
from .selecting import BoundSelector, item_context


class CallableSelector:
    """A Python function as ItemSelector.

    It is called with the item's value and, if it takes a second positional parameter, with the mapping that
    ``$$.Map.Item`` is: ``{"Index", "Value"[, "Key"][, "Source"]}``. What it returns is the item. Its
    exceptions become StatesRuntime.
    """

    __slots__ = ("_function", "_takes_context")

    def __init__(self, function: Callable[..., Any], field: str) -> None:
        if inspect.iscoroutinefunction(function):
            raise InvalidDefinition(field, "must be a plain function, not async def")
        self._function = function
        self._takes_context = _takes_two(function, field)

    def bind(self, scope: Scope) -> BoundSelector:
        """Nothing depends on the scope."""
        function, takes_context = self._function, self._takes_context

        def select(index: int, value: Any, key: str | None, source: str | None) -> Any:
            try:
                if takes_context:
                    return function(value, item_context(index, value, key, source))
                return function(value)
            except StatesError:  # it has AWS's words already
                raise
            except Exception as error:
                cause = f"The ItemSelector function failed for item {index}: {type(error).__name__}: {error}"
                raise StatesRuntime(cause) from error

        return BoundSelector(select)


def _takes_two(function: Callable[..., Any], field: str) -> bool:
    """Whether a function takes (item, context); refuses one that takes neither one nor two arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Builtins written in C, as operator.itemgetter(…) or some types, don't tell; they take the item.
        return False
    for count in (2, 1):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count == 2 and _asks_for_second(signature)
    raise InvalidDefinition(field, "the function must take the item, or the item and its context")


def _asks_for_second(signature: inspect.Signature) -> bool:
    """Whether the second parameter is for the context: not the optional ones of ``int`` or ``round``."""
    positional = [
        p
        for p in signature.parameters.values()
        if p.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(positional) < 2:
        return False
    return positional[1].default is inspect.Parameter.empty or positional[1].name == "context"
