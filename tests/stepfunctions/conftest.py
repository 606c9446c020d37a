"""A scripted server of Step Functions for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stepfunctions.scripted import ScriptedStepFunctions


@pytest.fixture
def step_functions() -> Iterator[ScriptedStepFunctions]:
    """A fresh server; that it was used and scripted as AWS's model says is checked at the end."""
    with ScriptedStepFunctions() as server:
        yield server
