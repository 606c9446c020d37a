"""The few calls of Airflow's REST API that the stack needs, without a dependency."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PAGE = 100


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """A run of a DAG; `duration` is in seconds, None until it has ended."""

    dag_id: str
    run_id: str
    state: str
    duration: float | None

    @property
    def ended(self) -> bool:
        return self.state in {"success", "failed"}


@dataclass(frozen=True, kw_only=True)
class TaskInstance:
    """One task instance of a run; `map_index` is -1 when it is not mapped, `state` None before it is scheduled.

    Each attempt has an `id` of its own.
    """

    id: str
    task_id: str
    map_index: int
    state: str | None
    attempt: int
    duration: float | None
    start_date: str | None
    end_date: str | None
    rendered_map_index: str | None


class AirflowApi:
    """A client of an api-server whose simple auth manager takes everybody for an admin."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._token: str | None = None

    def healthy(self) -> bool:
        """Tell whether the API answers and the scheduler and the dag-processor have reported to it."""
        try:
            health = self._request("GET", "/api/v2/monitor/health")
        except OSError:
            return False
        return all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor"))

    def has_dag(self, dag_id: str) -> bool:
        """Tell whether the DAG can be run: its file has been read and stored."""
        try:
            self.get(f"/dags/{_quote(dag_id)}/details")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return False
        return True

    def import_errors(self) -> dict[str, str]:
        """Return the stack traces of the DAG files that cannot be imported, by file."""
        found = self._pages("/importErrors", "import_errors")
        return {error["filename"]: error["stack_trace"] for error in found}

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run and return its id."""
        body = {"logical_date": None, "conf": dict(conf)}
        return str(self.post(f"/dags/{_quote(dag_id)}/dagRuns", body)["dag_run_id"])

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a run as it is now."""
        run = self.get(f"/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}")
        return DagRun(dag_id=dag_id, run_id=run_id, state=run["state"], duration=run.get("duration"))

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return all task instances of a run."""
        path = f"/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}/taskInstances"
        return [
            TaskInstance(
                id=found["id"],
                task_id=found["task_id"],
                map_index=found["map_index"],
                state=found["state"],
                attempt=found["try_number"],
                duration=found["duration"],
                start_date=found["start_date"],
                end_date=found["end_date"],
                rendered_map_index=found.get("rendered_map_index"),
            )
            for found in self._pages(path, "task_instances")
        ]

    def xcom(self, dag_id: str, run_id: str, task_id: str, *, key: str = "return_value", map_index: int = -1) -> Any:
        """Return a value that a task pushed."""
        path = f"/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}/taskInstances/{_quote(task_id)}/xcomEntries"
        query = {"map_index": str(map_index), "deserialize": "false", "stringify": "false"}
        return self.get(f"{path}/{_quote(key)}", query)["value"]

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task instance, as a person does in the UI."""
        path = f"/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}/taskInstances/{_quote(task_id)}"
        self._authorized("PATCH", f"/api/v2{path}", {"new_state": state})

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a whole run."""
        self._authorized("PATCH", f"/api/v2/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}", {"state": state})

    def clear(self, dag_id: str, run_id: str, task_ids: Sequence[str | tuple[str, int]]) -> None:
        """Clear task instances, so that they run again, and the run with them; one of a mapped task with its index."""
        body = {"dag_run_id": run_id, "task_ids": list(task_ids), "dry_run": False, "only_failed": False}
        self._authorized("POST", f"/api/v2/dags/{_quote(dag_id)}/clearTaskInstances", body)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the JSON that a path of the public API answers."""
        suffix = "?" + urllib.parse.urlencode(query) if query else ""
        return self._authorized("GET", f"/api/v2{path}{suffix}")

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post JSON to a path of the public API and return the JSON that it answers."""
        return self._authorized("POST", f"/api/v2{path}", body)

    def _pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self.get(path, {"limit": str(PAGE), "offset": str(offset)})
            yield from page[key]
            offset += PAGE
            if offset >= page["total_entries"]:
                return

    def _authorized(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        if self._token is None:
            self._token = str(self._request("GET", "/auth/token")["access_token"])
        return self._request(method, path, body, token=self._token)

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, token: str | None = None
    ) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        # No proxy: the server is on this machine, whatever the environment says.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)


def _quote(part: str) -> str:
    return urllib.parse.quote(part, safe="")
