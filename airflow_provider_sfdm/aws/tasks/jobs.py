"""What ``.sync`` waits for: how each service's job is looked at, how it ends, and how it is stopped.

Source: the pages of Athena, AWS Batch, Amazon ECS, AWS Glue and Step Functions in "Integrating optimized services" of
the AWS Step Functions guide. A job that fails is ``States.TaskFailed`` with the job's description as the cause.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.model import ServiceModel, StructureShape

from ...core.json import dumps, loads
from ...states.seam import TaskFailed
from .names import member_v1

Started = Mapping[str, Any]
"""What names a job: the arguments of the call that describes it."""


class Job(ABC):
    """The job that an action starts."""

    patterns: ClassVar[tuple[str, ...]] = (".sync",)
    operation: ClassVar[str]
    path: ClassVar[tuple[str, ...]] = ()
    """Where in the operation's output the shape of the job's description is."""

    @abstractmethod
    def started(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Started:
        """What names the job that the answer to a request speaks of."""

    def check(self, answer: Mapping[str, Any]) -> None:  # noqa: B027  # most services start all of it or nothing
        """Raises TaskFailed where only a part of the job has started."""

    @abstractmethod
    def look(self, client: Any, started: Started) -> Mapping[str, Any] | None:
        """The job's description; None while the service does not know it yet."""

    @abstractmethod
    def stop(self, client: Any, started: Started) -> None:
        """Stop the job."""

    @abstractmethod
    def succeeded(self, job: Mapping[str, Any]) -> bool | None:
        """How the job ended; None while it runs."""

    def member(self, model: ServiceModel) -> StructureShape | None:
        shape: Any = model.operation_model(self.operation).output_shape
        for name in self.path:
            shape = shape.members[name]
            shape = getattr(shape, "member", shape)
        return shape if isinstance(shape, StructureShape) else None

    def outcome(self, result: dict[str, Any], job: Mapping[str, Any], pattern: str) -> Any:
        """The task's result.

        :raises TaskFailed: the job failed.
        """
        if not self.succeeded(job):
            raise TaskFailed("States.TaskFailed", dumps(result).decode())
        return result


class Execution(Job):
    """An execution of another state machine. With ``.sync:2`` its input and output are JSON, with ``.sync`` text."""

    patterns = (".sync", ".sync:2")
    operation = "DescribeExecution"

    def started(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Started:
        return {"executionArn": answer["executionArn"]}

    def look(self, client: Any, started: Started) -> Mapping[str, Any] | None:
        description: Mapping[str, Any] = client.describe_execution(**started)
        return description

    def stop(self, client: Any, started: Started) -> None:
        client.stop_execution(**started)

    def succeeded(self, job: Mapping[str, Any]) -> bool | None:
        return None if job["status"] in ("RUNNING", "PENDING_REDRIVE") else bool(job["status"] == "SUCCEEDED")

    def outcome(self, result: dict[str, Any], job: Mapping[str, Any], pattern: str) -> Any:
        result = super().outcome(result, job, pattern)
        if pattern == ".sync:2":
            result |= {name: loads(result[name]) for name in ("Input", "Output") if name in result}
        return result


class Query(Job):
    """A query of Athena."""

    operation = "GetQueryExecution"

    def started(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Started:
        return {"QueryExecutionId": answer["QueryExecutionId"]}

    def look(self, client: Any, started: Started) -> Mapping[str, Any] | None:
        description: Mapping[str, Any] = client.get_query_execution(**started)
        return description

    def stop(self, client: Any, started: Started) -> None:
        client.stop_query_execution(**started)

    def succeeded(self, job: Mapping[str, Any]) -> bool | None:
        state = job["QueryExecution"]["Status"]["State"]
        return None if state in ("QUEUED", "RUNNING") else bool(state == "SUCCEEDED")


class JobRun(Job):
    """A run of a Glue job."""

    operation = "GetJobRun"
    path = ("JobRun",)
    # What a run may still go through; EXPIRED, ERROR and so on are ends.
    _GOING = ("STARTING", "RUNNING", "STOPPING", "WAITING")

    def started(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Started:
        return {"JobName": request["JobName"], "RunId": answer["JobRunId"]}

    def look(self, client: Any, started: Started) -> Mapping[str, Any] | None:
        run: Mapping[str, Any] = client.get_job_run(**started)["JobRun"]
        return run

    def stop(self, client: Any, started: Started) -> None:
        client.batch_stop_job_run(JobName=started["JobName"], JobRunIds=[started["RunId"]])

    def succeeded(self, job: Mapping[str, Any]) -> bool | None:
        return None if job["JobRunState"] in self._GOING else bool(job["JobRunState"] == "SUCCEEDED")


class BatchJob(Job):
    """A job of AWS Batch."""

    operation = "DescribeJobs"
    path = ("jobs",)

    def started(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Started:
        return {"jobs": [answer["jobId"]]}

    def look(self, client: Any, started: Started) -> Mapping[str, Any] | None:
        jobs = client.describe_jobs(**started)["jobs"]
        return jobs[0] if jobs else None

    def stop(self, client: Any, started: Started) -> None:
        client.terminate_job(jobId=started["jobs"][0], reason="The task that waited for it has ended")

    def succeeded(self, job: Mapping[str, Any]) -> bool | None:
        return {"SUCCEEDED": True, "FAILED": False}.get(job["status"])


class EcsTasks(Job):
    """A task of ECS or Fargate; failed if it could not start or one of its containers did not exit with 0.

    Any of them, as seen on AWS: a sidecar that is killed (137) when the essential container has ended is a failure.

    Of several, all are waited for. ECS forgets a task an hour after its end; one that it does not know any more has not
    succeeded, for all that can be told.
    """

    operation = "DescribeTasks"

    def started(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Started:
        cluster = {"cluster": request["cluster"]} if "cluster" in request else {}
        return {"tasks": [task["taskArn"] for task in answer.get("tasks", ())], **cluster}

    def check(self, answer: Mapping[str, Any]) -> None:
        if answer.get("failures"):
            refusals = [{member_v1(name): value for name, value in item.items()} for item in answer["failures"]]
            # The guide: "If a non-empty Failures field is encountered, the task is failed with an AmazonECS.Unknown".
            raise TaskFailed("AmazonECS.Unknown", dumps({"Failures": refusals}).decode())

    def look(self, client: Any, started: Started) -> Mapping[str, Any] | None:
        description: Mapping[str, Any] = client.describe_tasks(**started)
        return description if description["tasks"] else None

    def stop(self, client: Any, started: Started) -> None:
        cluster = {"cluster": started["cluster"]} if "cluster" in started else {}
        failed: Exception | None = None
        for task in started["tasks"]:
            try:
                client.stop_task(task=task, **cluster)
            except Exception as error:
                # One that ECS has forgotten, say, must not keep the others running.
                failed = error
        if failed is not None:
            raise failed

    def succeeded(self, job: Mapping[str, Any]) -> bool | None:
        if any(task.get("lastStatus") != "STOPPED" for task in job["tasks"]):
            return None
        return not job.get("failures") and all(
            task.get("stopCode") != "TaskFailedToStart"
            and all(container.get("exitCode", 0) == 0 for container in task.get("containers", ()))
            for task in job["tasks"]
        )

    def outcome(self, result: dict[str, Any], job: Mapping[str, Any], pattern: str) -> Any:
        tasks, failures = result["Tasks"], result.get("Failures")
        # One task is the result itself; AWS says nothing of several.
        return super().outcome(tasks[0] if len(tasks) == 1 and not failures else result, job, pattern)


JOBS: dict[tuple[str, str], Job] = {
    ("athena", "startQueryExecution"): Query(),
    ("batch", "submitJob"): BatchJob(),
    ("ecs", "runTask"): EcsTasks(),
    ("glue", "startJobRun"): JobRun(),
    ("states", "startExecution"): Execution(),
}
