"""A value for any shape of any service's model, as boto3 has it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

# With every member down to here, and below with those that are required: QuickSight's shapes would fill the memory.
_DEPTH = 10
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_SCALARS: dict[str, Any] = {
    "bigDecimal": 1.5,
    "bigInteger": 7,
    "blob": b"bytes",
    "boolean": True,
    "byte": 7,
    "character": "c",
    "double": 1.5,
    "float": 1.5,
    "integer": 7,
    "long": 7,
    "short": 7,
    "timestamp": MOMENT,
}


def sample(shape: Shape, above: tuple[str, ...] = ()) -> Any:
    """A value of the shape, which ends before a shape holds itself; of a union one member is set."""
    if getattr(shape, "is_document_type", False):
        return {"any": ["JSON", 1, None]}
    if isinstance(shape, StructureShape):
        inside = (*above, shape.name)
        names = shape.members if len(above) < _DEPTH else shape.required_members
        members = {
            name: sample(shape.members[name], inside)
            for name in names
            if not _repeats(shape.members[name], inside) and not shape.metadata.get("eventstream")
        }
        return dict([*members.items()][:1]) if shape.is_tagged_union else members
    if isinstance(shape, ListShape):
        return [] if _repeats(shape.member, above) else [sample(shape.member, above)]
    if isinstance(shape, MapShape):
        key = shape.key.enum[0] if getattr(shape.key, "enum", None) else "key"  # type: ignore[attr-defined]
        return {} if _repeats(shape.value, above) else {key: sample(shape.value, above)}
    if shape.serialization.get("jsonvalue"):
        return {"a": 1}
    if shape.type_name == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "text"  # type: ignore[attr-defined]
    return _SCALARS[shape.type_name]


def _repeats(shape: Shape, above: tuple[str, ...]) -> bool:
    if isinstance(shape, ListShape):
        return _repeats(shape.member, above)
    if isinstance(shape, MapShape):
        return _repeats(shape.value, above)
    if isinstance(shape, StructureShape):
        inside = (*above, shape.name)
        return shape.name in above or any(_repeats(shape.members[name], inside) for name in shape.required_members)
    return False
