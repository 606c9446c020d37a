"""What the scripted server of Step Functions knows: state machines, executions, Map Runs, and their rules.

The rules are those of the API reference and of recorded runs; how an execution goes on is a script: a list of
:class:`Step`, of which each shows what DescribeExecution, ListMapRuns, DescribeMapRun and ListExecutions tell.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

REGION, ACCOUNT = "us-east-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/map"
_ARN = re.compile(
    r"arn:aws:states:[a-z0-9-]+:\d{12}:(stateMachine|execution|express|mapRun):([^:/]+)(/[^:/]+)?(?::(\S+))?"
)
_COUNTERS = ["pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten"]
_COUNTERS += ["failuresNotRedrivable", "pendingRedrive"]
_SUMMED = _COUNTERS[:6]

Answer = dict[str, Any]


def arn(kind: str, rest: str) -> str:
    """An ARN of the server: ``arn("execution", "machine:name")``."""
    return f"arn:aws:states:{REGION}:{ACCOUNT}:{kind}:{rest}"


class Refused(Exception):
    """An error of the service."""

    def __init__(self, code: str, message: str, **members: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.content = {"message": message, **members}


@dataclass(frozen=True, kw_only=True)
class Map:
    """A Map Run as it shows at a step. Counters are AWS's names; those that are 0 may be left out.

    ``executions`` are the same as ``items`` unless given. ``run`` tells several Map Runs of one label apart (a Retry
    of the Map state makes another one).
    """

    status: str = "RUNNING"
    label: str = "Map"
    run: int = 1
    items: Mapping[str, int] = field(default_factory=dict)
    executions: Mapping[str, int] | None = None
    children: Sequence[Child] = ()
    state: str = "Map"
    state_input: Any = None
    uuid: str | None = None
    max_concurrency: int = 0
    tolerated_failure_count: int = 0
    tolerated_failure_percentage: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """An execution as it shows at a look. ``output`` is a JSON value; ``not_redrivable`` is AWS's reason."""

    status: str = "RUNNING"
    output: Any = None
    error: str | None = None
    cause: str | None = None
    maps: Sequence[Map] = ()
    not_redrivable: str | None = None


@dataclass(frozen=True, kw_only=True)
class Child(Step):
    """A child execution that has started; one with ``maps`` has Map Runs of its own."""

    items: int = 1
    express: bool = False


Runner = Callable[[dict[str, Any], Any], Step]
"""Runs an execution at once: from its definition and its input to how it ends."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The script of the executions of a machine.

    A step is left for the next one at each call of ``moves_on`` (None: only by ``advance()``), and the last one
    stays. ``redrives`` are the steps after the first, second, … redrive. ``listed_after``: so many ListMapRuns find
    nothing. ``stale``: so many DescribeExecution still show the end before a redrive.
    """

    steps: Sequence[Step] = (Step(),)
    redrives: Sequence[Sequence[Step]] = ()
    listed_after: int = 0
    stale: int = 0
    moves_on: str | None = "DescribeExecution"


@dataclass(kw_only=True)
class Machine:
    arn: str
    definition: str
    role: str
    logging: Any
    created: datetime
    revision: str | None = None  # AWS gives the first one none
    tags: dict[str, str] = field(default_factory=dict)
    versions: list[tuple[str | None, str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    def publish(self) -> str:
        """The version of the current revision: made once."""
        known = [revision for revision, _, _ in self.versions]
        if self.revision not in known:
            self.versions.append((self.revision, self.definition, self.role))
            known.append(self.revision)
        return f"{self.arn}:{known.index(self.revision) + 1}"


@dataclass(kw_only=True)
class Run:
    """An execution, or a child execution (then it has a ``parent``)."""

    arn: str
    machine_arn: str
    start: datetime
    input: str
    definition: str = "{}"
    role: str = ROLE
    version: str | None = None
    parent: MapRun | None = None
    items: int = 1
    plan: Plan = Plan()
    steps: Sequence[Step] = ()
    position: int = -1
    step: Step = Step()
    stop: datetime | None = None
    redrives: int = 0
    redriven: datetime | None = None
    tokens: dict[str, datetime] = field(default_factory=dict)
    listings: int = 0
    stale: list[Answer] = field(default_factory=list)
    maps: dict[tuple[str, int], MapRun] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.step.status not in ("RUNNING", "PENDING_REDRIVE")


@dataclass(kw_only=True)
class MapRun:
    arn: str
    execution: Run
    start: datetime
    shown: Map
    limits: dict[str, float]
    stop: datetime | None = None
    redrives: int = 0
    redriven: datetime | None = None
    children: list[Run] = field(default_factory=list)


class StatesModel:
    """The state, and one method an operation (``CreateStateMachine`` …), from the request to the answer."""

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.time
        self.page_size = 2
        """Entries of a page: small, so that whoever forgets to follow ``nextToken`` is found out."""
        self.diagnostics: list[dict[str, str]] = []
        """What ValidateStateMachineDefinition finds in the next definitions."""
        self.machines: dict[str, Machine] = {}
        self.runs: dict[str, Run] = {}
        self.map_runs: dict[str, MapRun] = {}
        self.plans: dict[str, Plan | Runner] = {}

    # Scripts

    def plan(self, machine: str, steps: Sequence[Step] | Runner, **options: Any) -> None:
        """How the executions of a machine go on that are started from now on; options are those of :class:`Plan`."""
        self.plans[machine] = steps if callable(steps) else Plan(steps=steps, **options)

    def advance(self, execution_arn: str) -> None:
        """Go to the next step of an execution, if there is one."""
        run = self.runs[execution_arn]
        if run.position + 1 < len(run.steps):
            run.position += 1
            self._show(run, run.steps[run.position])

    def add_machine(self, name: str, definition: Mapping[str, Any] | None = None) -> str:
        """A state machine that is there already."""
        content = json.dumps(definition or {"StartAt": "Map", "States": {"Map": {"Type": "Map", "End": True}}})
        machine = Machine(
            arn=arn("stateMachine", name), definition=content, role=ROLE, logging=_NO_LOGGING, created=self._now()
        )
        self.machines[machine.arn] = machine
        return machine.arn

    @property
    def executions(self) -> list[str]:
        """The names of the executions that were started, children left out."""
        return [run.arn.rpartition(":")[2] for run in self.runs.values() if run.parent is None]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(round(self.clock(), 3), UTC)

    def _show(self, run: Run, step: Step) -> None:
        ended_before = run.ended
        run.step = step
        if not run.ended:
            run.stop = None
            if ended_before and run.parent is not None:  # with its Map Run
                run.redrives += 1
                run.redriven = self._now()
        elif not ended_before or run.stop is None:
            run.stop = self._now()
        for shown in step.maps:
            self._show_map(run, shown)

    def _show_map(self, run: Run, shown: Map) -> None:
        map_run = run.maps.get((shown.label, shown.run))
        if map_run is None:
            own = shown.uuid or str(uuid.uuid4())
            map_run = MapRun(
                arn=arn("mapRun", f"{_machine_name(run.machine_arn)}/{shown.label}:{own}"),
                execution=run,
                start=self._now(),
                shown=shown,
                limits={
                    "maxConcurrency": shown.max_concurrency,
                    "toleratedFailureCount": shown.tolerated_failure_count,
                    "toleratedFailurePercentage": shown.tolerated_failure_percentage,
                },
            )
            run.maps[shown.label, shown.run] = self.map_runs[map_run.arn] = map_run
        map_run.shown = shown
        if shown.status == "RUNNING":
            map_run.stop = None
        else:
            map_run.stop = map_run.stop or self._now()
        for number, child in enumerate(shown.children):
            if number == len(map_run.children):
                self._start_child(map_run, number, child)
            self._show(map_run.children[number], child)

    def _start_child(self, map_run: MapRun, number: int, child: Child) -> None:
        labelled = map_run.arn.rsplit(":", 2)[1]
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{map_run.arn}#{number}"))
        kind = "execution"
        if child.express:
            kind, name = "express", f"{name}:{uuid.uuid5(uuid.NAMESPACE_URL, name)}"
        run = Run(
            arn=arn(kind, f"{labelled}:{name}"),
            machine_arn=arn("stateMachine", labelled),
            start=self._now(),
            input="{}",
            parent=map_run,
            items=child.items,
        )
        map_run.children.append(run)
        self.runs[run.arn] = run

    # State machines

    def CreateStateMachine(self, request: Answer) -> Answer:
        self._refuse_bad_definition(request["definition"])
        own = arn("stateMachine", request["name"])
        given = (request["definition"], _logging(request.get("loggingConfiguration", {})))
        machine = self.machines.get(own)
        if machine is None:
            tags = {tag["key"]: tag["value"] for tag in request.get("tags", ())}
            machine = Machine(
                arn=own,
                definition=given[0],
                role=request["roleArn"],
                logging=given[1],
                created=self._now(),
                tags=tags,
            )
            self.machines[own] = machine
        elif (machine.definition, machine.logging) != given:
            raise Refused("StateMachineAlreadyExists", f"State Machine Already Exists: '{own}'")
        version = {"stateMachineVersionArn": machine.publish()} if request.get("publish") else {}
        return {"stateMachineArn": own, "creationDate": machine.created, **version}

    def UpdateStateMachine(self, request: Answer) -> Answer:
        machine = self._machine(request["stateMachineArn"])
        if "definition" not in request and "roleArn" not in request:
            raise Refused("MissingRequiredParameter", "Either the definition or the roleArn must be specified")
        if "definition" in request:
            self._refuse_bad_definition(request["definition"])
        before = (machine.definition, machine.role, machine.logging)
        machine.definition = request.get("definition", machine.definition)
        machine.role = request.get("roleArn", machine.role)
        if "loggingConfiguration" in request:
            machine.logging = _logging(request["loggingConfiguration"])
        if before != (machine.definition, machine.role, machine.logging):
            machine.revision = str(uuid.uuid4())
        version = {"stateMachineVersionArn": machine.publish()} if request.get("publish") else {}
        revision = {"revisionId": machine.revision} if machine.revision else {}
        return {"updateDate": self._now(), **revision, **version}

    def PublishStateMachineVersion(self, request: Answer) -> Answer:
        machine = self._machine(request["stateMachineArn"])
        if request.get("revisionId") not in (None, machine.revision or "INITIAL"):
            raise Refused("ConflictException", "The revision ID does not match the current one")
        return {"creationDate": self._now(), "stateMachineVersionArn": machine.publish()}

    def DescribeStateMachine(self, request: Answer) -> Answer:
        asked = request["stateMachineArn"]
        machine, definition, role = self._content(asked)
        revision = {"revisionId": machine.revision} if machine.revision else {}
        return {
            "stateMachineArn": asked,
            "name": machine.name,
            "status": "ACTIVE",
            "definition": definition,
            "roleArn": role,
            "type": "STANDARD",
            "creationDate": machine.created,
            "loggingConfiguration": machine.logging,
            "tracingConfiguration": {"enabled": False},
            **revision,
        }

    def ValidateStateMachineDefinition(self, request: Answer) -> Answer:
        found = self._findings(request["definition"])
        failed = any(one["severity"] == "ERROR" for one in found)
        shown = found if request.get("severity") == "WARNING" else [one for one in found if one["severity"] == "ERROR"]
        return {"result": "FAIL" if failed else "OK", "diagnostics": shown, "truncated": False}

    def ListTagsForResource(self, request: Answer) -> Answer:
        tags = self._tagged(request["resourceArn"]).tags
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def TagResource(self, request: Answer) -> Answer:
        self._tagged(request["resourceArn"]).tags |= {tag["key"]: tag["value"] for tag in request["tags"]}
        return {}

    def DescribeStateMachineForExecution(self, request: Answer) -> Answer:
        run = self._run(request["executionArn"], "execution", "express")
        above = {"mapRunArn": run.parent.arn, "label": run.parent.shown.label} if run.parent else {}
        return {
            "stateMachineArn": run.machine_arn,
            "name": _machine_name(run.machine_arn),
            "definition": run.definition,
            "roleArn": run.role,
            "updateDate": run.start,
            **above,
        }

    # Executions

    def StartExecution(self, request: Answer) -> Answer:
        asked, name = request["stateMachineArn"], request.get("name") or str(uuid.uuid4())
        if "/" in asked:
            raise Refused(
                "ValidationException", "Labeled ARNs are not supported", reason="API_DOES_NOT_SUPPORT_LABELED_ARNS"
            )
        machine, definition, role = self._content(asked)
        own, text = arn("execution", f"{machine.name}:{name}"), request.get("input", "{}")
        if (found := self.runs.get(own)) is not None:
            if found.ended or found.input != text:
                raise Refused("ExecutionAlreadyExists", f"Execution Already Exists: '{own}'")
            return {"executionArn": own, "startDate": found.start}
        plan = self.plans.get(machine.name, Plan())
        if not isinstance(plan, Plan):
            plan = Plan(steps=[plan(json.loads(definition), json.loads(text))])
        run = Run(
            arn=own,
            machine_arn=machine.arn,
            start=self._now(),
            input=text,
            definition=definition,
            role=role,
            version=asked if asked != machine.arn else None,
            plan=plan,
            steps=plan.steps,
        )
        self.runs[own] = run
        if plan.moves_on is None:
            self.advance(own)
        return {"executionArn": own, "startDate": run.start}

    def DescribeExecution(self, request: Answer) -> Answer:
        run = self._run(request["executionArn"], "execution", "express")
        if run.stale:
            return run.stale.pop()
        if run.plan.moves_on == "DescribeExecution":
            self.advance(run.arn)
        return self._described(run)

    def _described(self, run: Run) -> Answer:
        step = run.step
        answer = {
            "executionArn": run.arn,
            "stateMachineArn": run.machine_arn,
            "name": run.arn.split(":", 7)[7],
            "status": step.status,
            "startDate": run.start,
            "stopDate": run.stop,
            "input": run.input,
            "inputDetails": {"included": True},
            "output": json.dumps(step.output) if step.status == "SUCCEEDED" else None,
            "error": step.error,
            "cause": step.cause,
            "mapRunArn": run.parent.arn if run.parent else None,
            "stateMachineVersionArn": run.version,
            "redriveCount": run.redrives,
            "redriveDate": run.redriven,
            **_redrivable(run),
        }
        return {name: value for name, value in answer.items() if value is not None}

    def StopExecution(self, request: Answer) -> Answer:
        run = self._run(request["executionArn"], "execution")
        if run.ended:
            # Not recorded. This is what an emulator answers.
            raise Refused("ValidationException", "Execution is not running")
        maps = tuple(map_run.shown for map_run in run.maps.values())
        aborted = Step(
            status="ABORTED",
            error=request.get("error"),
            cause=request.get("cause"),
            maps=[_aborted(shown) if shown.status == "RUNNING" else shown for shown in maps],
        )
        run.steps, run.position = (aborted,), 0  # the script is over
        self._show(run, aborted)
        assert run.stop is not None
        return {"stopDate": run.stop}

    def RedriveExecution(self, request: Answer) -> Answer:
        asked = request["executionArn"]
        if "/" in asked:
            if ":express:" in asked:
                raise Refused("InvalidArn", "Resource type not valid in this context: express")
            raise Refused("ValidationException", "Labeled Execution ARNs are not supported for this API")
        run = self._run(asked, "execution")
        token = request.get("clientToken", str(uuid.uuid4()))
        if token in run.tokens:
            return {"redriveDate": run.tokens[token]}
        if (why_not := _not_redrivable(run)) is not None:
            raise Refused("ExecutionNotRedrivable", why_not)
        run.stale = [self._described(run)] * run.plan.stale
        run.redriven = run.tokens[token] = self._now()
        run.steps = run.plan.redrives[run.redrives] if run.redrives < len(run.plan.redrives) else (Step(),)
        run.redrives += 1
        run.position = -1
        self._show(run, Step())
        for map_run in run.maps.values():
            if map_run.shown.status != "SUCCEEDED":
                map_run.redrives += 1
                map_run.redriven = run.redriven
                # The first sample still has the counters before (recorded).
                self._show_map(run, _with_status(map_run.shown, "RUNNING"))
        if run.plan.moves_on is None:
            self.advance(run.arn)
        return {"redriveDate": run.redriven}

    def GetExecutionHistory(self, request: Answer) -> Answer:
        run = self._run(request["executionArn"], "execution")
        events: list[Answer] = [
            {"type": "ExecutionStarted", "executionStartedEventDetails": {"input": run.input, "roleArn": run.role}}
        ]
        for map_run in run.maps.values():
            shown = map_run.shown
            text = run.input if shown.state_input is None else json.dumps(shown.state_input)
            events += [
                {"type": "MapStateEntered", "stateEnteredEventDetails": {"name": shown.state, "input": text}},
                {"type": "MapStateStarted", "mapStateStartedEventDetails": {"length": 0}},
                {"type": "MapRunStarted", "mapRunStartedEventDetails": {"mapRunArn": map_run.arn}},
            ]
        numbered = [
            {"timestamp": run.start, "id": number, "previousEventId": number - 1, **event}
            for number, event in enumerate(events, 1)
        ]
        return {"events": numbered[: request.get("maxResults", 100)]}

    def ListExecutions(self, request: Answer) -> Answer:
        if ("mapRunArn" in request) == ("stateMachineArn" in request):
            raise Refused(
                "ValidationException", "Give stateMachineArn or mapRunArn", reason="INVALID_ROUTING_CONFIGURATION"
            )
        if "mapRunArn" in request:
            runs = self._map_run(request["mapRunArn"]).children
        else:
            machine = self._machine(request["stateMachineArn"])
            runs = [run for run in self.runs.values() if run.machine_arn == machine.arn and run.parent is None]
        wanted = [run for run in reversed(runs) if request.get("statusFilter") in (None, run.step.status)]
        return self._page("executions", [_listed(run) for run in wanted], request)

    # Map Runs

    def ListMapRuns(self, request: Answer) -> Answer:
        run = self._run(request["executionArn"], "execution", "express")
        run.listings += 1
        shown = list(run.maps.values()) if run.listings > run.plan.listed_after else []
        return self._page("mapRuns", [_listed_map_run(map_run) for map_run in reversed(shown)], request)

    def DescribeMapRun(self, request: Answer) -> Answer:
        map_run = self._map_run(request["mapRunArn"])
        if map_run.execution.plan.moves_on == "DescribeMapRun":
            self.advance(map_run.execution.arn)
        shown = map_run.shown
        answer = {
            "mapRunArn": map_run.arn,
            "executionArn": map_run.execution.arn,
            "status": shown.status,
            "startDate": map_run.start,
            "stopDate": map_run.stop,
            **map_run.limits,
            "itemCounts": _counts(shown.items),
            "executionCounts": _counts(shown.items if shown.executions is None else shown.executions),
            "redriveCount": map_run.redrives,
            "redriveDate": map_run.redriven,
        }
        return {name: value for name, value in answer.items() if value is not None}

    def UpdateMapRun(self, request: Answer) -> Answer:
        map_run = self._map_run(request["mapRunArn"])
        if map_run.shown.status != "RUNNING":
            raise Refused("ValidationException", "Map Run is not running", reason="CANNOT_UPDATE_COMPLETED_MAP_RUN")
        limits = {name: value for name, value in request.items() if name != "mapRunArn"}
        if not limits:
            raise Refused("ValidationException", "Nothing to update", reason="MISSING_REQUIRED_PARAMETER")
        map_run.limits |= limits
        return {}

    # What several operations need

    def _machine(self, asked: str) -> Machine:
        return self._content(asked)[0]

    def _content(self, asked: str) -> tuple[Machine, str, str]:
        """Machine, definition and role that an ARN of a state machine or of a version of one names."""
        match = _check_kind(asked, "stateMachine")
        machine = self.machines.get(arn("stateMachine", match[2]))
        version = match[4]
        if machine is None or (version is not None and not 0 < int(version) <= len(machine.versions)):
            raise Refused("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{asked}'")
        if version is None:
            return machine, machine.definition, machine.role
        _, definition, role = machine.versions[int(version) - 1]
        return machine, definition, role

    def _tagged(self, asked: str) -> Machine:
        _check_kind(asked, "stateMachine")
        if asked not in self.machines:
            raise Refused("ResourceNotFound", "Resource not found", resourceName=asked)
        return self.machines[asked]

    def _run(self, asked: str, *kinds: str) -> Run:
        _check_kind(asked, *kinds)
        if asked not in self.runs:
            raise Refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{asked}'")
        return self.runs[asked]

    def _map_run(self, asked: str) -> MapRun:
        _check_kind(asked, "mapRun")
        if asked not in self.map_runs:
            raise Refused("ResourceNotFound", "Resource not found", resourceName=asked)
        return self.map_runs[asked]

    def _page(self, name: str, entries: list[Answer], request: Answer) -> Answer:
        begin = int(request.get("nextToken", "0"))
        end = begin + min(self.page_size, request.get("maxResults") or 100)
        more = {"nextToken": str(end)} if end < len(entries) else {}
        return {name: entries[begin:end], **more}

    def _findings(self, definition: str) -> list[dict[str, str]]:
        try:
            content = json.loads(definition)
            whole = isinstance(content, dict) and {"StartAt", "States"} <= content.keys()
        except ValueError:
            whole = False
        incomplete = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": "StartAt or States missing"}
        return self.diagnostics if whole else [incomplete, *self.diagnostics]

    def _refuse_bad_definition(self, definition: str) -> None:
        errors = [one for one in self._findings(definition) if one["severity"] == "ERROR"]
        if errors:
            text = ", ".join(f"{one['code']}: {one['message']} at {one.get('location', '/')}" for one in errors)
            raise Refused("InvalidDefinition", f"Invalid State Machine Definition: '{text}'")


_NO_LOGGING = {"level": "OFF", "includeExecutionData": False}


def _logging(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is not said has AWS's default, and is shown."""
    return {**_NO_LOGGING, **given}


def _machine_name(machine_arn: str) -> str:
    return machine_arn.split(":")[6].partition("/")[0]


def _check_kind(asked: str, *kinds: str) -> re.Match[str]:
    match = _ARN.fullmatch(asked)
    if match is None:
        raise Refused("InvalidArn", f"Invalid Arn: '{asked}'")
    if match[1] not in kinds:
        raise Refused("InvalidArn", f"Invalid Arn: 'Resource type not valid in this context: {match[1]}'")
    return match


def _not_redrivable(run: Run) -> str | None:
    if not run.ended or run.step.status == "SUCCEEDED":
        return f"Execution is {run.step.status} and cannot be redriven"
    return run.step.not_redrivable


def _redrivable(run: Run) -> Answer:
    if (why_not := _not_redrivable(run)) is not None:
        return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": why_not}
    return {"redriveStatus": "REDRIVABLE_BY_MAP_RUN" if run.parent else "REDRIVABLE"}


def _with_status(shown: Map, status: str) -> Map:
    return Map(**{**vars(shown), "status": status})


def _aborted(shown: Map) -> Map:
    """What a stop makes of a Map Run: what runs is aborted, what is pending stays so."""
    cause = "The map run execution which was managing this resource was aborted"
    children = [
        Child(status="ABORTED", cause=cause, items=child.items, express=child.express)
        if child.status == "RUNNING" and not child.express
        else child
        for child in shown.children
    ]

    def counted(counts: Mapping[str, int]) -> dict[str, int]:
        counts = {"running": 0, "aborted": 0, **counts}
        ended = {**counts, "running": 0, "aborted": counts["aborted"] + counts["running"]}
        return {**ended, "resultsWritten": sum(ended.get(name, 0) for name in _SUMMED)}

    executions = None if shown.executions is None else counted(shown.executions)
    changed = {"status": "ABORTED", "children": children, "items": counted(shown.items), "executions": executions}
    return Map(**{**vars(shown), **changed})


def _counts(given: Mapping[str, int]) -> dict[str, int]:
    """All ten counters; the total is the sum unless it is given."""
    unknown = given.keys() - set(_COUNTERS)
    assert not unknown, f"these are no counters: {sorted(unknown)}"
    counts = dict.fromkeys(_COUNTERS, 0) | dict(given)
    counts["total"] = given.get("total", sum(counts[name] for name in _SUMMED))
    return counts


def _listed(run: Run) -> Answer:
    above = {"mapRunArn": run.parent.arn, "itemCount": run.items} if run.parent else {}
    stop = {"stopDate": run.stop} if run.stop else {}
    redriven = {"redriveDate": run.redriven} if run.redriven else {}
    return {
        "executionArn": run.arn,
        "stateMachineArn": run.machine_arn,
        "name": run.arn.split(":", 7)[7],
        "status": run.step.status,
        "startDate": run.start,
        "redriveCount": run.redrives,
        **above,
        **stop,
        **redriven,
    }


def _listed_map_run(map_run: MapRun) -> Answer:
    stop = {"stopDate": map_run.stop} if map_run.stop else {}
    return {
        "executionArn": map_run.execution.arn,
        "mapRunArn": map_run.arn,
        "stateMachineArn": map_run.execution.machine_arn,
        "startDate": map_run.start,
        **stop,
    }
