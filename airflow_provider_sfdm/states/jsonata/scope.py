"""What a JSONata expression may refer to in Step Functions: ``$states`` and variables, nothing else.

An expression has no context item: ``phone`` alone, or ``$$``, reads from nothing, and AWS refuses the definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# The parts of the library's parse tree in which the context is that of the whole expression.
_SAME_CONTEXT = (
    "expression",
    "lhs",
    "rhs",
    "condition",
    "then",
    "_else",
    "body",
    "procedure",
    "arguments",
    "expressions",
)


def unsupported_references(tree: Any) -> list[str]:
    """AWS's messages for references to a context item that does not exist."""
    found: list[str] = []
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, list | tuple):
            left += node
            continue
        kind = getattr(node, "type", None)
        if kind is None:
            continue
        if kind == "path":
            # Only the first step is read against the context; later ones against what it gave.
            left += node.steps[:1]
            continue
        if kind == "name":
            found.append(f"Reference to '{node.value}' at the top level is not supported.")
        elif kind == "variable" and node.value == "$":
            found.append("Reference to '$$' is not supported.")
        left += _parts(node)
    return found


def _parts(node: Any) -> Iterator[Any]:
    for name in _SAME_CONTEXT:
        part = getattr(node, name, None)
        if part is not None and not isinstance(part, str):
            yield part
    objects = getattr(node, "lhs_object", None)
    for pair in objects or ():
        yield from pair
