"""Child executions that are Airflow task groups: one mapped instance of the group for each child."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .compat import TriggerRule, XComArg, task_group, task_group_function
from .core.definition import DistributedMap
from .core.errors import UnsupportedField
from .core.processors import PythonFunction, TaskGroupProcessor
from .operators.child_execution import EndChildOperator, StartChildOperator

GROUP, START, END = "child_execution", "start", "end"
_LABEL = "{{ task.partition['label'] }}"
# Airflow sometimes takes a task that rescheduled itself for one that was killed (apache/airflow#71172). A start can
# always be repeated, and a child must not fail for that.
_RETRIES_OF_A_WAITING_START = 5


def group_function(definition: DistributedMap) -> Callable[..., Any] | None:
    """The function that makes a child's tasks, or None where the processor is no task group."""
    processor = definition.item_processor
    if isinstance(processor, TaskGroupProcessor):
        return task_group_function(processor.function) or processor.function
    return task_group_function(processor.function) if isinstance(processor, PythonFunction) else None


def unsupported_with_a_group(definition: DistributedMap) -> list[UnsupportedField]:
    """What a map whose children are task groups cannot honour."""
    # Only where a bare @task_group function was given: TaskGroupProcessor refuses these itself.
    own = (("Retry", definition.retry), ("TimeoutSeconds", definition.timeout))
    return [UnsupportedField(name, "the tasks of the group say it themselves") for name, given in own if given]


def mapped_children(
    function: Callable[..., Any], partitions: Any, arguments: Mapping[str, Any], *, limited: bool
) -> Any:
    """Map a task group over ``partitions``, an XComArg. Its start hands ``function`` the child's input.

    ``function`` gets that input as an XComArg and may return one task's output, which becomes the child's output; the
    group's end records it, or that the child failed. ``arguments`` are those of BaseOperator for start and end.
    ``limited`` tells that there may be a MaxConcurrency.
    """

    options = {"map_index_template": _LABEL, **arguments}
    start_options = options
    if limited:
        # Airflow's default puts what comes first in a DAG first: starts that only look whether it is their turn would
        # take the workers from the children that they wait for.
        start_options = {"weight_rule": "absolute", **options}

    @task_group(group_id=GROUP)
    def child_execution(partition: Any) -> None:
        start = StartChildOperator(
            task_id=START,
            partition=partition,
            trigger_rule=TriggerRule.ALL_SUCCESS,  # of read_items: default_args must not change it
            **start_options,
        )
        if limited:
            start.retries = max(start.retries or 0, _RETRIES_OF_A_WAITING_START)
        output = function(start.output)
        tasks = [task for task in start.task_group or () if task.task_id != start.task_id]
        if not tasks:
            raise ValueError(f"{function.__name__} makes no task: a child execution needs one at least")
        own = {task.task_id for task in tasks}
        leaves = [task for task in tasks if not task.downstream_task_ids & own]
        end = EndChildOperator(
            task_id=END,
            partition=partition,
            output=output if isinstance(output, XComArg) else None,
            first_task=start.task_id,
            last_tasks=[task.task_id for task in leaves],
            trigger_rule=TriggerRule.ALL_DONE,  # see WriteResultsOperator: default_args must not change it
            **options,
        )
        start.last_task = end.task_id
        for task in tasks:
            if not task.upstream_task_ids & own:
                task.set_upstream(start)
        end.set_upstream([start, *leaves])

    return child_execution.expand(partition=partitions)
