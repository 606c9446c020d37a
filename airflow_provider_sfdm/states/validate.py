"""All that is wrong with a definition, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check(definition: Mapping[str, Any]) -> None:
    """placeholder"""
