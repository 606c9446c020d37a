"""How a function of JSONata is called: its arguments are held against its signature, and a wrong one is named.

The library looks at no signature when a function is handed to another one, as in ``$map(items, $uppercase)``; it takes
null for a missing argument, and mostly names the first argument whichever is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.signature import Signature
from jsonata.utils import Utils

from .bounds import called
from .errors import UNDEFINED
from .numbers import whole


class _Checked(list[Any]):
    """Arguments that fit."""


class Function(Jsonata.JFunction):  # type: ignore[misc]  # the library ships no types
    """A function written in Python. ``count``: how many arguments it takes; what is not given is None, undefined."""

    def __init__(self, name: str, function: Callable[..., Any], signature: str | Signature, count: int) -> None:
        super().__init__(None, None)
        self.signature = Signature(signature, name) if isinstance(signature, str) else signature
        self.function_name = name
        self._python = function
        self._count = count

    def validate(self, args: Any, context: Any) -> Any:
        return _Checked(checked(self.signature, args, context))

    def call(self, input: Any, args: Any) -> Any:
        given = args if isinstance(args, _Checked) else self.validate(list(args or ()), input)
        result = whole(self._python(*given, *[None] * (self._count - len(given))))
        called(result)
        return result

    def get_number_of_args(self) -> int:
        return self._count


def of_library() -> dict[str, Function]:
    """The library's own functions, called in this way."""
    natives = Jsonata.static_frame.bindings.items()
    return {name: Function(name, native.method, native.signature, native.nargs) for name, native in natives}


def checked(signature: Any, args: Any, context: Any) -> Any:
    """The arguments as the function takes them. Raises JException, T0410 to T0412."""
    if any(argument is Utils.NULL_VALUE for argument in args) and not signature._regex.fullmatch(
        _symbols(signature, args)
    ):
        raise JException("T0410", -1, _wrong(signature, args), _name(signature))
    try:
        return signature.validate(args, context)
    except JException as error:
        if error.error == "T0410":
            raise JException("T0410", -1, _wrong(signature, args), _name(signature)) from None
        if error.error == "T0411":
            raise JException("T0411", -1, error.expected, _name(signature)) from None
        raise


def _symbols(signature: Any, args: Any) -> str:
    return "".join("l" if argument is Utils.NULL_VALUE else signature.get_symbol(argument) for argument in args)


def _wrong(signature: Any, args: Any) -> int:
    """Which argument, from 1, does not fit: the one behind as many as the signature's parts can match."""
    given, pattern, fitting = _symbols(signature, args), "", 0
    for parameter in signature._params:  # it has no other name
        pattern += parameter.regex
        match = re.match(pattern, given)
        if match is None:
            break
        fitting = match.end()
    return fitting + 1


def _name(signature: Any) -> Any:
    """A function without a name has that of a Python class."""
    name = signature.function_name
    return UNDEFINED if name.startswith("<class") else name
