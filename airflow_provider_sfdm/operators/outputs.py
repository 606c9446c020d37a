"""Outputs of a map's tasks. Serialized they are XComArgs like any other."""

from __future__ import annotations

from typing import Any

from ..compat import AirflowFailException, Context, PlainXComArg, XComNotFound


class SummaryOf(PlainXComArg):
    """The output of write_results, which stands for the whole group in a chain.

    ``a >> summary`` then lets ``a`` end before anything is read. With Airflow's own XComArg only write_results would
    wait for it.
    """

    @property
    def _group(self) -> Any:
        return self.operator.task_group

    @property
    def roots(self) -> list[Any]:
        return list(self._group.roots)

    @property
    def leaves(self) -> list[Any]:
        return list(self._group.leaves)

    def set_upstream(self, task_or_task_list: Any, edge_modifier: Any = None) -> None:
        self._group.set_upstream(task_or_task_list, edge_modifier)

    def set_downstream(self, task_or_task_list: Any, edge_modifier: Any = None) -> None:
        self._group.set_downstream(task_or_task_list, edge_modifier)

    def update_relative(self, other: Any, upstream: bool = True, edge_modifier: Any = None) -> None:
        self._group.update_relative(other, upstream, edge_modifier=edge_modifier)


class MapRunFolderOf(PlainXComArg):
    """The map run's folder, of read_items: without it there is nothing that a retry could change.

    write_results runs when any of its upstream tasks succeeded, and an author may give it some of their own.
    """

    def resolve(self, context: Context) -> Any:  # type: ignore[override]
        try:
            return super().resolve(context)
        except XComNotFound:
            raise AirflowFailException(f"{self.operator.task_id} did not succeed: there is no map run") from None
