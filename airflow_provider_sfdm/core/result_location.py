"""Where AWS has put the manifest of a Map Run: ``s3://BUCKET/PREFIX/UUID/[Redrive-n/]manifest.json`` (recorded)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .arns import StatesArn
from .errors import InvalidDefinition, StatesRuntime
from .paths import Scope, compile_path
from .values import UNSET, is_jsonata


def manifest_in_output(output: Any, map_run_arn: str) -> str | None:
    """The manifest that the output of an execution names for a Map Run, wherever it stands in the output."""
    if isinstance(output, Mapping):
        details = output.get("ResultWriterDetails")
        if output.get("MapRunArn") == map_run_arn and isinstance(details, Mapping):
            return f"s3://{details.get('Bucket')}/{details.get('Key')}"
        output = list(output.values())
    for member in output if isinstance(output, list) else ():
        if isinstance(member, Mapping | list) and (found := manifest_in_output(member, map_run_arn)) is not None:
            return found
    return None


def manifest_of(
    map_state: Mapping[str, Any],
    map_run: StatesArn,
    redrive_count: int,
    state_input: Any = UNSET,
    context: Mapping[str, Any] | None = None,
) -> str | None:
    """The manifest of a Map Run of this Map state.

    None where nothing is exported; or where only AWS knows where to: JSONata, or a path into an input that is not
    given. ``state_input`` is the state's, before InputPath; ``context`` what is known of the context object.
    """
    writer = map_state.get("ResultWriter")
    arguments = None if not isinstance(writer, Mapping) else writer.get("Parameters", writer.get("Arguments"))
    if not isinstance(arguments, Mapping):
        return None
    try:
        scope = None if state_input is UNSET else _inside(map_state, Scope(state_input, context or {}))
        bucket = _argument(arguments, "Bucket", scope)
        prefix = _argument(arguments, "Prefix", scope)
    except (StatesRuntime, InvalidDefinition):
        return None  # it refers to what is not known here
    if bucket is None or bucket == "":
        return None
    parts = [bucket, (prefix or "").strip("/"), map_run.name or ""]
    parts += [f"Redrive-{redrive_count}"] if redrive_count else []
    return "s3://" + "/".join([*(part for part in parts if part), "manifest.json"])


def _inside(map_state: Mapping[str, Any], scope: Scope) -> Scope:
    """The scope after InputPath."""
    path = map_state.get("InputPath", "$")
    if path == "$":
        return scope
    return replace(scope, input={} if path is None else compile_path(path, "InputPath").evaluate(scope))


def _argument(arguments: Mapping[str, Any], name: str, scope: Scope | None) -> str | None:
    value = arguments.get(name)
    path = arguments.get(f"{name}.$")
    if path is not None:
        if scope is None:
            raise StatesRuntime(f"{path} is not known")
        value = compile_path(path, f"{name}.$").evaluate(scope)
    if value is None:
        return None
    if not isinstance(value, str) or is_jsonata(value):
        raise StatesRuntime(f"{name} is not known")
    return value
