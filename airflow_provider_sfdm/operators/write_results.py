"""The last task of a map run: its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from ..compat import XCOM_RETURN_KEY, AirflowFailException, BaseOperator, Context, TriggerRule
from ..core.counters import counted
from ..core.errors import StatesError
from ..core.summary import MapRunSummary
from ..hooks.connections import AWS_CONN_ID, airflow_connections
from ..runtime.ends import latest, root_of
from ..runtime.finish import write_results
from ..runtime.folder import MapRunFolder
from ..runtime.partition import RUN_AGAIN
from ..storage import StorageError, open_folder

_LOGGED_ERRORS = 5


class WriteResultsOperator(BaseOperator):
    """Writes the manifest, says how the map run ended, and returns the summary; fails if the verdict is not SUCCEEDED.

    The summary is pushed before the task fails, so that a task with ``trigger_rule="all_done"`` can report it.

    :param map_run: the map run's folder, from read_items.
    :param aws_conn_id: Airflow connection for S3 (templated).
    """

    template_fields: Sequence[str] = ("map_run", "aws_conn_id")
    ui_color = "#d5e8f7"

    def __init__(
        self,
        *,
        map_run: Any,
        aws_conn_id: str | None = AWS_CONN_ID,
        # Partitions that failed are part of the verdict, so failures upstream must not keep it from being given; but
        # without any success not even the plan is there: then this is "upstream failed", like any other task.
        trigger_rule: str = TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, **kwargs)
        self.map_run = map_run
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        try:
            connections = airflow_connections(self.aws_conn_id)
            # Partitions that were cleared by themselves have begun a redrive that read_items knows nothing of.
            root = root_of(MapRunFolder(open_folder(self.map_run, connections)), connections)
            summary = write_results(latest(root, connections), connections)
        except StatesError as error:
            if isinstance(error.__cause__, StorageError):
                raise  # the store may answer next time: Airflow's retries decide
            raise AirflowFailException(str(error)) from error
        self._log_summary(summary)
        content = summary.to_dict()
        try:
            summary.raise_for_status()
        except StatesError as error:
            context["ti"].xcom_push(XCOM_RETURN_KEY, content)
            # Not tried again: the verdict stays what it is however often it is asked for. And without a traceback,
            # as nothing went wrong in this task.
            raise AirflowFailException(f"{error}; {_next_step(summary)}") from None
        return content

    def _log_summary(self, summary: MapRunSummary) -> None:
        self.log.info("%s", summary.describe())
        for name, number in islice(summary.errors.items(), _LOGGED_ERRORS):
            self.log.info("%s failed with %s", counted(number, "child execution"), name)
        if len(summary.errors) > _LOGGED_ERRORS:
            self.log.info("... and with %s", counted(len(summary.errors) - _LOGGED_ERRORS, "other error"))
        self.log.info("Results: %s", summary.manifest)


def _next_step(summary: MapRunSummary) -> str:
    return RUN_AGAIN
