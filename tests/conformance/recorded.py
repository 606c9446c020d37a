"""One recorded execution on this interpreter: its surroundings made, its outcome compared."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import shutil
import tempfile
import time
import traceback
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_sfdm.core.jsonpath_syntax import PathSyntaxError, parse
from airflow_provider_sfdm.runtime.distributed import run_distributed
from airflow_provider_sfdm.states.identity import Identity
from airflow_provider_sfdm.states.lifetime import Lifetime
from airflow_provider_sfdm.states.machine import compile_machine, execute
from airflow_provider_sfdm.states.services import Services
from airflow_provider_sfdm.states.validation.machine import check
from airflow_provider_sfdm.storage import Connections

from .comparing import differences
from .services import services

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from tools.servers import S3Endpoint

# Places of a service's answer that are its transport's, not its own.
_TRANSPORT = frozenset(("SdkHttpMetadata", "SdkResponseMetadata"))


class Clock:
    """A clock that sleeping moves on, so that a minute's Wait takes no time."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return time.time() + self._ahead

    def sleep(self, seconds: float, lifetime: Lifetime) -> None:
        self._ahead += seconds


class Runner:
    """Runs cases; starts an S3 server with the first that needs one."""

    def __enter__(self) -> Runner:
        self._stack = contextlib.ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="sfdm-conformance-"))
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._server: S3Endpoint | None = None
        self._count = 0
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def run(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """How the execution ended, as in ``expected``."""
        try:
            with contextlib.ExitStack() as stack:
                return self._run(case, stack)
        except Exception as error:  # one broken case must not end the others
            return {"status": "BROKEN", "error": type(error).__name__, "cause": traceback.format_exc(limit=-3)}

    def _run(self, case: Mapping[str, Any], stack: contextlib.ExitStack) -> dict[str, Any]:
        self._count += 1
        connections = Connections()
        server: S3Endpoint | None = None
        if case["needs"] == "s3" or case.get("buckets"):
            server = self._s3()
            s3 = server.client()
            connections = Connections(s3_client=lambda _: s3)
            stack.callback(_empty, s3)
            _fill(s3, case)
        clock = Clock()
        world = Services(
            clock=clock.now,
            monotonic=time.monotonic,
            sleep=clock.sleep,
            random=random.random,
            uuid=lambda: str(uuid.uuid4()),
            invoke=services(server, case.get("lambdas") or {}),
            run_distributed=run_distributed((self._folder / str(self._count)).as_uri(), connections),
        )
        identity = Identity(
            case["state_machine_arn"], case["execution_arn"], case["role_arn"], case["type"] == "EXPRESS"
        )
        check(case["definition"])
        data = {} if case["input"] is None else case["input"]
        outcome = execute(compile_machine(case["definition"]), data, world, identity)
        if outcome.status == "SUCCEEDED":
            return {"status": "SUCCEEDED", "output": outcome.output}
        if outcome.status == "TIMED_OUT":
            return {"status": "TIMED_OUT"}
        return {"status": "FAILED", "error": outcome.error, "cause": outcome.cause}

    def _s3(self) -> S3Endpoint:
        if self._server is None:
            from tools.servers import moto_server

            self._server = self._stack.enter_context(moto_server(self._folder))
        return self._server


def _fill(s3: S3Client, case: Mapping[str, Any]) -> None:
    for bucket in case.get("buckets") or ():
        s3.create_bucket(Bucket=bucket)
    for found in case.get("objects") or ():
        body = base64.b64decode(found["body_base64"]) if "body_base64" in found else found["body"].encode()
        s3.put_object(Bucket=found["bucket"], Key=found["key"], Body=body)


def _empty(s3: S3Client) -> None:
    for bucket in s3.list_buckets()["Buckets"]:
        for found in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", ()):
            s3.delete_object(Bucket=bucket["Name"], Key=found["Key"])
        s3.delete_bucket(Bucket=bucket["Name"])


def difference(case: Mapping[str, Any], actual: Mapping[str, Any]) -> str | None:
    """The first place where an outcome is not what was recorded; None where it is."""
    expected = case["expected"]
    if expected["status"] != actual["status"]:
        told = {name: value for name, value in actual.items() if name != "status"}
        return f"status: {actual['status']} {json.dumps(told)[:2000]} instead of {expected['status']}"
    wildcards: dict[str, Any] = case.get("wildcards") or {}
    for part in ("output", "error", "cause"):
        if part not in expected:
            continue
        wanted, found = expected[part], actual.get(part)
        if part == "cause" and isinstance(wanted, dict | list) and isinstance(found, str):
            # A cause that is JSON was recorded parsed.
            with contextlib.suppress(ValueError):
                found = json.loads(found)
        if part == "output":
            wanted, found = _without_transport(wanted), _without_transport(found)
        masks = [_mask(mask) for mask in wildcards.get(part, ())]
        problems = differences(wanted, found, masks)
        if problems:
            return f"{part}: {problems[0]}"[:2000]
    return None


def _without_transport(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_transport(member) for name, member in value.items() if name not in _TRANSPORT}
    return [_without_transport(member) for member in value] if isinstance(value, list) else value


def _mask(mask: Mapping[str, Any]) -> dict[str, Any]:
    """A wildcard whose path is a list of keys, however it is written."""
    return {**mask, "path": path_keys(mask["path"])}


def path_keys(path: Any) -> list[str]:
    """The keys and indexes of a place, as text."""
    if isinstance(path, list):
        return [str(part) for part in path]
    with contextlib.suppress(PathSyntaxError):
        _, parts = parse(path)
        if all(part.key is not None for part in parts):
            return [str(part.key) for part in parts]
    return re.findall(r"[^.\[\]$]+", str(path))
