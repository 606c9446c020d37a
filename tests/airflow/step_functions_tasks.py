"""Runs tasks on Step Functions as Airflow would, attempt by attempt, without an Airflow around them.

The same scenario runs in every mode: a task that waits, one that is deferred (its trigger goes through JSON, as it does
through Airflow's database), a sensor that pokes or is rescheduled. Every piece of an attempt gets an operator of its
own, as each is another process in Airflow, which parses the DAG anew.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowTaskTimeout, TaskDeferred
from airflow.sdk.execution_time.timeout import timeout as time_limit
from airflow.triggers.base import BaseTrigger

from airflow_provider_sfdm import MapRunSensor, StepFunctionsDistributedMapOperator, UpdateMapRunOperator
from airflow_provider_sfdm.aws.step_functions import StepFunctions
from airflow_provider_sfdm.compat import AirflowException
from airflow_provider_sfdm.core.summary import MapRunSummary
from tests.stepfunctions.scripted import ScriptedStepFunctions
from tests.stepfunctions.scripted_model import REGION
from tools.servers import S3Endpoint

MODES = ("waits", "deferred")
SENSOR_MODES = ("poke", "reschedule", "deferred")
CONNECTION = "aws_maps"
SECRET = "the-secret-of-the-connection"
INTERVAL = 0.02
PATIENCE = 8.0
"""Seconds after which a wait counts as a hang."""
DAG_ID, TASK_ID, RUN_ID = "flights", "delays", "run_1"
NAME = f"{DAG_ID}-{TASK_ID}-{RUN_ID}"
"""The name of the task's first execution."""


def through_json(value: Any) -> Any:
    """A value as it comes back from Airflow's database: what is no JSON is an error, as it is there."""
    copy = json.loads(json.dumps(value, allow_nan=False))
    assert copy == value, f"{value!r} is not plain JSON"
    return copy


def connection(server: ScriptedStepFunctions, s3: S3Endpoint | None = None, **extra: Any) -> str:
    """An Airflow connection to the scripted server; for S3 to a real one."""
    content = {"endpoint_url": server.url, "region_name": REGION, **extra}
    login, password = "key", SECRET
    if s3 is not None:
        content["service_config"] = {"s3": {"endpoint_url": s3.endpoint_url}}
        login, password = s3.access_key, s3.secret_key
    return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": content})


class XComs:
    """XComs by task and key, as JSON."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def push(self, task_id: str, key: str, value: Any) -> None:
        self._kept[task_id, key] = json.dumps(through_json(value))

    def pull(self, task_id: str, key: str) -> Any:
        found = self._kept.get((task_id, key))
        return None if found is None else json.loads(found)

    def of(self, task_id: str) -> dict[str, Any]:
        return {key: json.loads(value) for (found, key), value in self._kept.items() if found == task_id}

    def clear(self, task_id: str) -> None:
        self._kept = {place: value for place, value in self._kept.items() if place[0] != task_id}

    # What a trigger asks Airflow's own XCom

    def set(self, *, key: str, value: Any, task_id: str, **_: Any) -> None:
        self.push(task_id, key, value)

    def get_one(self, *, key: str, task_id: str, **_: Any) -> Any:
        return self.pull(task_id, key)


@dataclass
class TaskInstance:
    """What the code under test asks of a task instance."""

    xcoms: XComs
    max_tries: int
    task_id: str = TASK_ID
    map_index: int = -1
    try_number: int = 0
    dag_id: str = DAG_ID
    run_id: str = RUN_ID
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC))
    first_poke: datetime | None = None

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms.push(self.task_id, key, value)

    def xcom_pull(self, task_ids: str, key: str = "return_value", default: Any = None, **_: Any) -> Any:
        found = self.xcoms.pull(task_ids, key)
        return default if found is None else found

    def get_first_reschedule_date(self, _: Any) -> datetime | None:
        return self.first_poke


class TaskStateStore:
    """What outlives the attempts."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def get(self, key: str) -> Any:
        return json.loads(self._kept[key]) if key in self._kept else None

    def set(self, key: str, value: Any) -> None:
        self._kept[key] = json.dumps(through_json(value))


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: with a result, or an exception."""

    result: Any
    error: BaseException | None
    xcoms: dict[str, Any]

    @property
    def summary(self) -> MapRunSummary:
        """The summary that the next tasks get."""
        return MapRunSummary.from_dict(self.xcoms["return_value"])

    @property
    def counts(self) -> dict[str, int]:
        return {name: number for name, number in self.xcoms["return_value"]["itemCounts"].items() if number}

    def succeeded(self) -> MapRunSummary:
        """The summary of an attempt that must have succeeded."""
        if self.error is not None:
            raise AssertionError(f"the attempt failed: {self.error}") from self.error
        return self.summary

    def failure(self, kind: type[BaseException] = AirflowException) -> str:
        """The text of the exception of an attempt that must have failed, with just this class of exception."""
        assert self.error is not None, f"the attempt did not fail: {self.result}"
        if type(self.error) is not kind:
            raise AssertionError(f"not {kind.__name__}: {self.error!r}") from self.error
        return str(self.error)


class Task:
    """A task instance, its attempts, and the server that it talks to."""

    __test__ = False
    kind: type[Any] = StepFunctionsDistributedMapOperator

    def __init__(
        self,
        server: ScriptedStepFunctions,
        mode: str = "waits",
        *,
        retries: int = 0,
        map_index: int = -1,
        upstream: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        self.server = server
        self.mode = mode
        self.retries = retries
        self.upstream = dict(upstream or {})
        self.arguments = self.defaults() | arguments
        self.xcoms = XComs()
        for task_id, value in self.upstream.items():
            self.xcoms.push(task_id, "return_value", value)
        self.ti = TaskInstance(self.xcoms, max_tries=retries, map_index=map_index)
        self.store = TaskStateStore()
        self.operator: Any = None
        self.triggers: list[BaseTrigger] = []
        self.deferrals: list[TaskDeferred] = []
        self.pokes = 0

    def defaults(self) -> dict[str, Any]:
        return {"poll_interval": INTERVAL}

    @property
    def calls(self) -> StepFunctions:
        return StepFunctions(self.server.client())

    @property
    def context(self) -> dict[str, Any]:
        return {"ti": self.ti, "task_instance": self.ti, "task_state_store": self.store, "ds": "2026-11-25"}

    def make(self) -> Any:
        """The task as a DAG file makes it, with its templates rendered."""
        arguments = dict(self.arguments)
        with DAG(DAG_ID, schedule=None):
            for name, value in arguments.items():
                if callable(value):  # it needs the DAG around it: an upstream task's output, say
                    arguments[name] = value()
            operator = self.kind(
                task_id=self.ti.task_id,
                aws_conn_id=arguments.pop("aws_conn_id", CONNECTION),
                retries=self.retries,
                **({} if self.kind is UpdateMapRunOperator else {"deferrable": self.mode == "deferred"}),
                **self.mode_arguments(),
                **arguments,
            )
        operator.render_template_fields(self.context)
        self.operator = operator
        return operator

    def mode_arguments(self) -> dict[str, Any]:
        return {}

    def attempt(self, **changes: Any) -> Ended:
        """One more attempt, from its beginning to its end; ``changes`` are those of the arguments, from now on."""
        self.begin_attempt(**changes)
        try:
            result = self.to_end()
        except (Exception, AirflowTaskTimeout) as error:  # the latter is none
            return Ended(None, error, self.xcoms.of(self.ti.task_id))
        if result is not None:
            self.ti.xcom_push("return_value", result)
        return Ended(result, None, self.xcoms.of(self.ti.task_id))

    def begin_attempt(self, **changes: Any) -> None:
        """What Airflow does before an attempt."""
        self.arguments |= changes
        self.ti.try_number += 1
        self.ti.start_date = datetime.now(UTC)
        self.ti.first_poke = None
        self.xcoms.clear(self.ti.task_id)

    def clear(self) -> None:
        """Somebody clears the task: it gets ``retries`` attempts more."""
        self.ti.max_tries = self.ti.try_number + self.retries

    def to_end(self) -> Any:
        """Execute, and go on after every deferral and every rescheduling."""
        resume: Callable[[Any], Any] = self.execute
        until = datetime.now(UTC) + timedelta(seconds=PATIENCE)
        while datetime.now(UTC) < until:
            operator = self.make()
            try:
                return resume(operator)
            except TaskDeferred as deferred:
                resume = self.deferral(deferred)
            except AirflowRescheduleException as again:
                self.pokes += 1
                self.ti.first_poke = self.ti.first_poke or datetime.now(UTC)
                threading.Event().wait(max(0.0, (again.reschedule_date - datetime.now(UTC)).total_seconds()))
        raise AssertionError(f"not done after {PATIENCE:.0f} seconds")

    def execute(self, operator: Any) -> Any:
        """The task's ``execute``, below the wrapper that refuses calls from outside a task."""
        limit = None if self.mode == "deferred" else operator.execution_timeout
        seconds = PATIENCE if limit is None else limit.total_seconds()
        in_main_thread = threading.current_thread() is threading.main_thread()  # elsewhere there are no signals
        try:
            with time_limit(seconds) if in_main_thread else nullcontext():  # type: ignore[no-untyped-call]
                return type(operator).execute.__wrapped__(operator, self.context)
        except AirflowTaskTimeout as error:
            operator.on_kill()  # as Airflow does then
            if limit is None:
                raise AssertionError(f"not done after {PATIENCE:.0f} seconds") from error
            raise

    def deferral(self, deferred: TaskDeferred) -> Callable[[Any], Any]:
        """Run the trigger of a deferral to its event. Returns how the task goes on."""
        self.deferrals.append(deferred)
        trigger = self.trigger_of(deferred)
        limit = deferred.timeout
        seconds = limit.total_seconds() if isinstance(limit, timedelta) else limit
        kwargs = through_json(deferred.kwargs or {})
        try:
            event = asyncio.run(first_event(trigger, min(PATIENCE, seconds or PATIENCE)))
        except TimeoutError:
            assert seconds is not None, "the trigger hangs"
            failed = {"error": "Trigger timeout"}
            return lambda operator: operator.resume_execution("__fail__", failed, self.context)
        kwargs |= {"event": through_json(event)}
        return lambda operator: operator.resume_execution(deferred.method_name, kwargs, self.context)

    def trigger_of(self, deferred: TaskDeferred) -> BaseTrigger:
        """The trigger as the triggerer makes it, out of the database."""
        classpath, kwargs = deferred.trigger.serialize()
        module, _, name = classpath.rpartition(".")
        trigger: BaseTrigger = getattr(importlib.import_module(module), name)(**through_json(kwargs))
        trigger.task_instance = self.ti  # type: ignore[assignment]  # as much of one as it asks for
        self.triggers.append(trigger)
        return trigger

    def defer(self) -> BaseTrigger:
        """Begin an attempt that is deferred, and return its trigger, which does not run yet."""
        self.begin_attempt()
        with pytest.raises(TaskDeferred) as caught:
            self.execute(self.make())
        self.deferrals.append(caught.value)
        return self.trigger_of(caught.value)


class Sensor(Task):
    """The same of a sensor."""

    kind = MapRunSensor

    def defaults(self) -> dict[str, Any]:
        return {"timeout": PATIENCE}

    def mode_arguments(self) -> dict[str, Any]:
        if self.mode == "deferred":
            return {"poll_interval": INTERVAL, "poke_interval": INTERVAL}
        return {"mode": self.mode, "poke_interval": INTERVAL}


class Update(Task):
    """The same of UpdateMapRunOperator."""

    kind = UpdateMapRunOperator

    def defaults(self) -> dict[str, Any]:
        return {}


async def first_event(trigger: BaseTrigger, seconds: float = PATIENCE) -> Any:
    """The payload of a trigger's first event, after which it must end by itself."""

    async def run() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (payload,) = await asyncio.wait_for(run(), seconds)
    return payload


def aws_record(number: int, status: str, **more: Any) -> dict[str, Any]:
    """A record of a result file, as AWS writes it."""
    name = f"0000000{number}-9a0e-3259-a825-55a4e8e3e9b1"
    place = f"arn:aws:states:{REGION}:123456789012"
    record = {
        "ExecutionArn": f"{place}:execution:m/Map:{name}",
        "Input": json.dumps({"Items": [number]}),
        "InputDetails": {"Included": True},
        "Name": name,
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "RedriveStatus": "NOT_REDRIVABLE" if status == "SUCCEEDED" else "REDRIVABLE_BY_MAP_RUN",
        "StartDate": "2026-11-25T01:59:51.865Z",
        "StateMachineArn": f"{place}:stateMachine:m/Map",
        "Status": status,
        "StopDate": "2026-11-25T01:59:52.001Z",
        **more,
    }
    return dict(sorted(record.items()))


def export(
    s3: S3Endpoint, bucket: str, folder: str, map_run_arn: str, records: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    """Write result files and their manifest as AWS does. Returns the manifest's URL."""
    client = s3.client()
    files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, content in records.items():
        body = json.dumps(content, separators=(",", ":")).encode()
        client.put_object(Bucket=bucket, Key=f"{folder}/{status}_0.json", Body=body)
        files[status].append({"Key": f"{folder}/{status}_0.json", "Size": len(body)})
    manifest = {"DestinationBucket": bucket, "MapRunArn": map_run_arn, "ResultFiles": files}
    client.put_object(Bucket=bucket, Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode())
    return f"s3://{bucket}/{folder}/manifest.json"
