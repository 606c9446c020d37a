"""``@distributed_map``, also ``@task.distributed_map``: a Python function as the child workflow of a map."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Never, overload

from ..compat import task_group_function
from ..core.processors import PythonFunction
from ..core.values import UNSET
from ..task_group import DistributedMapTaskGroup


class DistributedMapFunction:
    """A decorated function: calling it in a DAG adds the map. ``function`` is the function itself, for unit tests."""

    __name__: str

    def __init__(self, function: Callable[..., Any], arguments: Mapping[str, Any], *, per_item: bool = False) -> None:
        # What @task_group makes of a function has no name of its own.
        named = task_group_function(function) or function
        # First, as it copies the attributes of a callable object, too.
        functools.update_wrapper(self, named)
        self.function = function
        self._named = named
        self._arguments = dict(arguments)
        self._per_item = per_item
        # Lambdas, partial(...) and callable objects have no name that a task group can have.
        name = getattr(named, "__name__", "")
        self._own_name = name if name.isidentifier() else None
        self.__name__ = self._own_name or str(self._arguments.get("group_id", type(named).__name__))

    def __call__(
        self,
        *others: Never,
        items: Any = UNSET,
        input: Any = UNSET,
        from_results: Any = UNSET,
        **unknown: Never,
    ) -> Any:
        """Add a ``DistributedMapTaskGroup`` to the DAG; return the map run's summary, an XComArg.

        Annotated as Any, because Airflow's stubs let no XComArg stand for the value that a task takes.

        :param items: the items, in place of the decorator's: an array or object, or an upstream task's output.
        :param input: the input of the run (``$``): JSON, which may hold templates and upstream tasks' outputs.
        :param from_results: the summary of an earlier map run (its output), or the URL of its manifest.json: its
            children that failed or never started are those of this map, whatever else it would read.
        :raises TypeError: other arguments, or a callable without a name and no ``group_id``.
        """
        if others or unknown:
            raise TypeError(
                f"{self.__name__} is a Distributed Map: call it with items=, input= or from_results=; parameters for "
                "the function go through batch_input or item_selector, arguments of the decorator through .override()"
            )
        # Called twice, it makes two groups: the second's id ends in __1, as with @task_group.
        arguments: dict[str, Any] = {"add_suffix_on_collision": True}
        if self._own_name is not None:
            arguments["group_id"] = self._own_name
            arguments["tooltip"] = (inspect.getdoc(self._named) or "").partition("\n")[0]
        arguments |= self._arguments
        if "group_id" not in arguments:
            raise TypeError(f"{self.function!r} has no name that a task group can have: give group_id=")
        for name, value in (("items", items), ("input", input), ("from_results", from_results)):
            if value is not UNSET:
                arguments[name] = value
        arguments["item_processor"] = PythonFunction(self.function, per_item=self._per_item)
        return DistributedMapTaskGroup(**arguments).output

    def override(self, **arguments: Any) -> DistributedMapFunction:
        """The same function with other arguments of the decorator (``group_id``, ``partitions``, ``retries``, …)."""
        per_item = arguments.pop("per_item", self._per_item)
        _refuse_processor(arguments)
        return DistributedMapFunction(self.function, {**self._arguments, **arguments}, per_item=per_item)

    def expand(self, **_: Any) -> None:
        """Refused: the map maps by itself.

        :raises TypeError: always.
        """
        raise TypeError(f"{self.__name__} is a Distributed Map already: call it with items= instead of expand()")

    partial = expand_kwargs = expand


@overload
def distributed_map(python_callable: Callable[..., Any], /) -> DistributedMapFunction: ...
@overload
def distributed_map(
    python_callable: None = None, /, *, per_item: bool = False, **arguments: Any
) -> Callable[[Callable[..., Any]], DistributedMapFunction]: ...
def distributed_map(
    python_callable: Callable[..., Any] | None = None, /, *, per_item: bool = False, **arguments: Any
) -> DistributedMapFunction | Callable[[Callable[..., Any]], DistributedMapFunction]:
    """Make a function the child workflow of a Distributed Map.

    ::

        @distributed_map(
            item_reader=S3CsvItemReader(bucket="flights", key="{{ ds }}.csv"),
            item_batcher=ItemBatcher(max_items_per_batch=500),
            max_concurrency=1000,
            tolerated_failure_percentage=10,
            result_writer=ResultWriter(bucket="processed", prefix="delays"),
        )
        def delays(batch): ...

        summary = delays()

    Above ``@task_group`` it makes every child execution an instance of that task group: for maps small enough to want
    task instances of their own for each child.

    :param per_item: the function takes one item of a batch at a time, and each item has an outcome of its own.
    :param arguments: those of :class:`~airflow_provider_sfdm.task_group.DistributedMapTaskGroup`: the fields of
        ``DistributedMap``, and arguments of TaskGroup and BaseOperator.
    """
    _refuse_processor(arguments)

    def decorate(function: Callable[..., Any]) -> DistributedMapFunction:
        if not callable(function):
            raise TypeError(f"distributed_map decorates a function, got {function!r}")
        return DistributedMapFunction(function, arguments, per_item=per_item)

    return decorate if python_callable is None else decorate(python_callable)


def _refuse_processor(arguments: Mapping[str, Any]) -> None:
    for name in ("item_processor", "definition"):
        if name in arguments:
            raise TypeError(f"the decorated function is the item processor: {name} is for DistributedMapTaskGroup")
