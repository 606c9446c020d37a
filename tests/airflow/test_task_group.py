"""What stands in the DAG: tasks, their arguments, what is refused when the file is read, what is stored of it."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Label, TaskGroup, XComArg, chain, task, task_group
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_sfdm import (
    AslProcessor,
    DistributedMap,
    DistributedMapTaskGroup,
    InvalidDefinition,
    ItemBatcher,
    Retrier,
    S3CsvItemReader,
    TaskGroupProcessor,
    UnsupportedField,
    distributed_map,
)
from airflow_provider_sfdm.core.values import UNSET

SERIALIZED_ITEM = "an item that must not be stored"


def same(item: Any) -> Any:
    """Give back the item."""
    return item


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("maps", schedule=None, max_active_tasks=12) as made:
        yield made


def make(group_id: str = "m", **arguments: Any) -> DistributedMapTaskGroup:
    return DistributedMapTaskGroup(group_id, **{"item_processor": same, "items": [1, 2], **arguments})


def operator(dag: DAG, task_id: str) -> Any:
    return dag.get_task(task_id)


def serialized(dag: DAG) -> dict[str, Any]:
    found: dict[str, Any] = DagSerialization.to_dict(dag)
    return found


def test_three_tasks_in_a_row(dag: DAG) -> None:
    group = make()
    assert set(dag.task_dict) == {"m.read_items", "m.run_partition", "m.write_results"}
    assert dag.get_task("m.run_partition").upstream_task_ids == {"m.read_items"}
    assert dag.get_task("m.write_results").upstream_task_ids == {"m.read_items", "m.run_partition"}
    assert [made.task_id for made, _ in group.output.iter_references()] == ["m.write_results"]


def test_the_group_is_chained_like_any_other(dag: DAG) -> None:
    @task
    def before() -> None: ...

    @task
    def after(summary: Any = None) -> None: ...

    group = make()
    before() >> group >> after()
    after(group.output)
    assert dag.get_task("m.read_items").upstream_task_ids == {"before"}
    assert dag.get_task("m.write_results").downstream_task_ids == {"after", "after__1"}


CHAINS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "shifts": lambda a, m, b: a >> m >> b,
    "left shifts": lambda a, m, b: (m << a, b << m),
    "lists": lambda a, m, b: ([a] >> m, m >> [b]),
    "chain": lambda a, m, b: chain(a, m, b),
    "chain of lists": lambda a, m, b: chain(a, [m], b),
    "labels": lambda a, m, b: (a >> Label("x") >> m, m >> Label("y") >> b),
    "calls": lambda a, m, b: (m.set_upstream(a), m.set_downstream(b)),
}


@pytest.mark.parametrize("how", CHAINS)
def test_a_summary_is_chained_like_its_group(dag: DAG, how: str) -> None:
    @task
    def before() -> None: ...

    @task
    def after() -> None: ...

    @task
    def report(summary: Any) -> None: ...

    one, other = make("one").output, make("other").output
    CHAINS[how](before(), one, after())
    CHAINS[how](one, other, report(other))
    report.expand(summary=[1]) << one
    for read_back in (dag, DagSerialization.from_dict(serialized(dag))):
        upstream = {name: set(made.upstream_task_ids) for name, made in read_back.task_dict.items()}
        assert upstream["one.read_items"] == {"before"}
        assert upstream["one.write_results"] == {"one.read_items", "one.run_partition"}
        assert upstream["after"] == upstream["other.read_items"] == {"one.write_results"}
        assert upstream["other.write_results"] == {"other.read_items", "other.run_partition"}
        assert upstream["report"] == {"other.write_results"}


def test_a_summary_is_serialized_like_any_output(dag: DAG) -> None:
    @task
    def report(summary: Any) -> None: ...

    with TaskGroup("outer"):
        summary = make().output
    report.expand(summary=summary)
    read_back: Any = DagSerialization.from_dict(serialized(dag)).get_task("report")
    references = list(read_back.iter_mapped_dependencies())
    assert [made.task_id for made in references] == ["outer.m.write_results"]
    assert summary["status"].operator.task_id == "outer.m.write_results"


def test_upstream_outputs_in_items_and_input_are_upstream_tasks(dag: DAG) -> None:
    @task
    def found() -> list[int]:
        return [1]

    @task
    def deep() -> int:
        return 1

    make(items=found(), input={"a": [{"b": deep()}]})
    assert dag.get_task("m.read_items").upstream_task_ids == {"found", "deep"}


def test_arguments_of_base_operator_reach_all_tasks(dag: DAG) -> None:
    given: dict[str, Any] = {
        "retries": 7,
        "retry_delay": timedelta(seconds=1),
        "pool": "small",
        "queue": "q",
        "priority_weight": 3,
        "executor": "LocalExecutor",
        "execution_timeout": timedelta(minutes=5),
        "owner": "someone",
    }
    make(**given)
    for made in dag.tasks:
        assert {name: getattr(made, name) for name in given} == given


def test_default_args_of_the_dag_and_of_the_group() -> None:
    with DAG("maps", schedule=None, default_args={"retries": 5, "owner": "dag", "trigger_rule": "one_failed"}) as dag:
        make(default_args={"owner": "group", "aws_conn_id": "other"})
    for made in dag.tasks:
        assert (made.retries, made.owner) == (5, "group")
    assert operator(dag, "m.read_items").aws_conn_id == "other"
    assert dag.get_task("m.write_results").trigger_rule == "all_done_min_one_success"


def test_default_args_that_would_break_the_group() -> None:
    broken = {"do_xcom_push": False, "multiple_outputs": True, "trigger_rule": "all_done", "on_success_callback": print}

    @task_group
    def child(item: Any) -> None:
        @task
        def work(item: Any) -> None: ...

        work(item)

    with DAG("maps", schedule=None, default_args=broken) as dag:
        make()
        make("groups", item_processor=child)
    own = [made for made in dag.tasks if made.task_id != "groups.child_execution.work"]
    assert len(own) == 7
    arguments: list[Any] = [getattr(made, "partial_kwargs", made.__dict__) for made in own]
    assert {(given["do_xcom_push"], given["multiple_outputs"]) for given in arguments} == {(True, False)}
    # Only what comes before the group is the author's to decide.
    assert {made.task_id.rpartition(".")[2]: made.trigger_rule for made in own} == {
        "read_items": "all_done",
        "run_partition": "all_success",
        "start": "all_success",
        "end": "all_done",
        "write_results": "all_done_min_one_success",
    }
    assert all(made.has_on_success_callback for made in own)


def test_success_is_that_of_the_map_run(dag: DAG) -> None:
    make(on_success_callback=print)
    assert [made.task_id for made in dag.tasks if made.has_on_success_callback] == ["m.write_results"]


def test_arguments_for_one_task_only(dag: DAG) -> None:
    make(trigger_rule="all_done", map_index_template="{{ task.task_id }}", max_active_tis_per_dagrun=2)
    read, run, write = (operator(dag, f"m.{name}") for name in ("read_items", "run_partition", "write_results"))
    assert (read.trigger_rule, run.trigger_rule) == ("all_done", "all_success")
    assert write.trigger_rule == "all_done_min_one_success"
    assert (read.map_index_template, run.map_index_template) == (None, "{{ task.task_id }}")
    assert (read.max_active_tis_per_dagrun, run.max_active_tis_per_dagrun) == (None, 2)
    assert read.active == 2


@pytest.mark.parametrize(
    ("max_concurrency", "active"), [(None, 12), (0, 12), (1, 1), (5, 5), (1000, 12), ("{{ params.n }}", 12)]
)
def test_partitions_at_once(dag: DAG, max_concurrency: Any, active: int) -> None:
    make(max_concurrency=max_concurrency)
    assert dag.get_task("m.run_partition").max_active_tis_per_dagrun == active


def test_more_partitions_at_once_than_the_dag_runs_tasks(dag: DAG) -> None:
    with pytest.warns(UserWarning, match="m: max_active_tis_per_dagrun is 40, but the DAG runs at most 12 tasks"):
        make(max_active_tis_per_dagrun=40)


def test_the_warning_points_at_the_dag_file(dag: DAG) -> None:
    class Mine(DistributedMapTaskGroup):
        def __init__(self, group_id: str, **arguments: Any) -> None:
            super().__init__(group_id, **arguments)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make(max_active_tis_per_dagrun=40)
        distributed_map(items=[1], max_active_tis_per_dagrun=40)(same)()
        Mine("mine", item_processor=same, items=[1], max_active_tis_per_dagrun=40)
    files = [Path(one.filename) for one in caught if "max_active_tis_per_dagrun" in str(one.message)]
    assert files == [Path(__file__)] * 3


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "3"])
def test_max_active_tis_per_dagrun_is_a_whole_number(dag: DAG, number: Any) -> None:
    with pytest.raises(ValueError, match="max_active_tis_per_dagrun must be a whole number from 1"):
        make(max_active_tis_per_dagrun=number)
    assert not dag.task_dict


def test_the_function_in_the_place_of_the_definition(dag: DAG) -> None:
    wrong: Any = same
    with pytest.raises(TypeError, match=r"the second argument is a DistributedMap, got .*: give item_processor="):
        DistributedMapTaskGroup("m", wrong, items=[1])


@pytest.mark.parametrize("arguments", [{}, {"input": {}}])
def test_a_map_without_items(dag: DAG, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinition, match="give item_reader=, items=, or input= with items_path="):
        DistributedMapTaskGroup("m", item_processor=same, **arguments)
    assert not dag.task_dict


@pytest.mark.parametrize(
    "arguments",
    [
        {"items": []},
        {"items_path": "$.a"},
        {"input": [1]},
        {"input": {"a": [1]}, "items_path": "$.a"},
        {"definition": DistributedMap(item_processor=same, input=[1])},
        {"item_reader": S3CsvItemReader(url="file:///a.csv")},
    ],
)
def test_where_items_may_be(dag: DAG, arguments: dict[str, Any]) -> None:
    processor: dict[str, Any] = {} if "definition" in arguments else {"item_processor": same}
    DistributedMapTaskGroup("m", **processor, **arguments)
    assert "m.read_items" in dag.task_dict


@pytest.mark.parametrize("storage", ["rel/dir", "/data", Path("/data"), 3])
@pytest.mark.parametrize("place", ["argument", "default_args"])
def test_storage_that_is_no_url(dag: DAG, storage: Any, place: str) -> None:
    with pytest.raises(InvalidDefinition, match="is no URL: it needs a scheme") as refused:
        make(**({"storage": storage} if place == "argument" else {"default_args": {"storage": storage}}))
    assert refused.value.field == "storage"


def test_storage_that_may_be_a_url(dag: DAG) -> None:
    @task
    def folder() -> str:
        return "file:///data"

    make("literal", storage="s3://b/runs")
    make("template", storage="{{ params.storage }}")
    make("output", storage=folder())
    assert dag.get_task("output.read_items").upstream_task_ids == {"folder"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"max_concurency": 3}, "unknown argument 'max_concurency'"),
        ({"b": 1, "a": 2}, "unknown arguments 'a', 'b'"),
        ({"task_id": "x"}, "takes no argument 'task_id': the argument is group_id"),
        ({"do_xcom_push": False}, "takes no argument 'do_xcom_push'"),
        (
            {"definition": DistributedMap(item_processor=same)},
            "give definition= or its fields, not both: item_processor",
        ),
    ],
)
def test_arguments_that_nothing_knows(dag: DAG, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        make(**arguments)


@pytest.mark.parametrize("partitions", [0, -1, 2.5, True, "3"])
def test_partitions_is_a_whole_number(dag: DAG, partitions: Any) -> None:
    with pytest.raises(ValueError, match="partitions must be a whole number from 1"):
        make(partitions=partitions)


TOKEN = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "Parameters": {"QueueUrl": "https://queue", "MessageBody.$": "$$.Task.Token"},
    "End": True,
}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"max_concurrency": -1}, "MaxConcurrency"),
        ({"label": "a b"}, "Label"),
        ({"item_reader": S3CsvItemReader(url="file:///a.csv")}, "Items"),
        ({"item_processor": AslProcessor(start_at="A", states={"A": {"Type": "Pass"}})}, "ItemProcessor/States/A"),
        ({"item_processor": AslProcessor(start_at="A", states={"A": TOKEN})}, "ItemProcessor/States/A"),
        ({"query_language": "JSONata", "item_selector": {"a": "{% ( %}"}}, "ItemSelector/a"),
        ({"item_processor": task_group(same), "timeout": 3}, "TimeoutSeconds"),
        ({"item_processor": task_group(same), "retry": (Retrier(error_equals=("E",)),)}, "Retry"),
        ({"state_fields": {"Catch": []}}, "Catch"),
    ],
)
def test_a_definition_that_cannot_run_is_refused_when_the_file_is_read(
    dag: DAG, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        make(**arguments)
    assert refused.value.field == field


def test_all_unsupported_fields_are_named(dag: DAG) -> None:
    with pytest.raises(UnsupportedField) as refused:
        make(state_fields={"Catch": [], "Assign": {"a": 1}})
    assert refused.value.field == "Catch"
    assert [note.partition(": is for")[0] for note in refused.value.__notes__] == ["also: Assign"]


class TestTaskGroupsAsChildren:
    def test_the_group_is_mapped_between_its_start_and_end(self, dag: DAG) -> None:
        @distributed_map(items=[1], retries=4)
        @task_group
        def child(item: Any) -> Any:
            """One child."""

            @task
            def first(item: Any) -> Any: ...

            @task
            def second(item: Any = None) -> Any: ...

            @task
            def alone() -> None: ...

            alone()
            return second(first(item))

        child()
        upstream = {
            name.removeprefix("child."): {other.removeprefix("child.") for other in made.upstream_task_ids}
            for name, made in dag.task_dict.items()
        }
        assert upstream == {
            "read_items": set(),
            "child_execution.start": {"read_items"},
            "child_execution.first": {"child_execution.start"},
            "child_execution.second": {"child_execution.first"},
            "child_execution.alone": {"child_execution.start"},
            # Both ends take the partition from read_items.
            "child_execution.end": {
                "read_items",
                *(f"child_execution.{name}" for name in ("start", "second", "alone")),
            },
            "write_results": {"read_items", "child_execution.end"},
        }
        assert dag.get_task("child.child_execution.end").retries == 4
        group: Any = dag.task_group.get_child_by_label("child")
        assert group.tooltip == "One child."
        DagSerialization.from_dict(serialized(dag))

    @pytest.mark.parametrize(
        "limit", [{}, {"max_concurrency": 0}, {"max_concurrency": 3}, {"max_concurrency_path": "$.n"}]
    )
    def test_starts_that_may_wait_give_way_and_may_be_repeated(self, dag: DAG, limit: dict[str, Any]) -> None:
        @task_group
        def child(item: Any) -> None:
            @task
            def work(item: Any) -> None: ...

            work(item)

        make("few", item_processor=child, **limit)
        make("many", item_processor=child, **limit, retries=7)
        few, many = (operator(dag, f"{name}.child_execution.start") for name in ("few", "many"))
        waits = any(limit.values())
        assert (few.weight_rule, few.retries, many.retries) == (("absolute", 5, 7) if waits else ("downstream", 0, 7))
        assert few.last_task == "few.child_execution.end"
        assert dag.get_task("few.child_execution.end").retries == 0

    def test_a_group_without_a_task(self, dag: DAG) -> None:
        with pytest.raises(ValueError, match="same makes no task: a child execution needs one at least"):
            make(item_processor=TaskGroupProcessor(same))

    def test_partitions_are_the_children(self, dag: DAG) -> None:
        with pytest.raises(ValueError, match="partitions: where children are task groups"):
            make(item_processor=TaskGroupProcessor(same), partitions=3)


def test_not_inside_a_mapped_task_group(dag: DAG) -> None:
    @task_group
    def mapped(number: int) -> None:
        @task_group
        def inner() -> None:
            make()

        inner()

    with pytest.raises(ValueError, match=r"the Distributed Map 'mapped.inner.m' is inside a mapped task group"):
        mapped.expand(number=[1, 2])


def test_the_serialized_dag_is_the_same_at_every_parse_and_holds_no_items() -> None:
    def parse() -> str:
        def local(batch: Any) -> Any:
            return batch

        with DAG("maps", schedule=None) as dag:
            make(
                item_processor=local,
                items=[{"row": SERIALIZED_ITEM}],
                item_batcher=ItemBatcher(max_items_per_batch=3),
                item_selector=lambda item: item,
                retry=(Retrier(error_equals=("States.ALL",)),),
            )
        return json.dumps(serialized(dag), sort_keys=True)

    first = parse()
    assert first == parse()
    assert SERIALIZED_ITEM not in first
    assert " at 0x" not in first
    assert "max_items_per_batch" in first


def test_a_dag_with_maps_can_be_read_back(dag: DAG) -> None:
    with TaskGroup("outer"):
        make(item_reader=S3CsvItemReader(url="s3://b/{{ ds }}.csv"), items=UNSET)
    read_back = DagSerialization.from_dict(serialized(dag))
    assert set(read_back.task_dict) == {f"outer.m.{name}" for name in ("read_items", "run_partition", "write_results")}
    shown = getattr(read_back.get_task("outer.m.read_items"), "distributed_map")  # noqa: B009  # not declared
    assert shown["item_reader"] == {"type": "S3CsvItemReader", "bucket": "b", "key": "{{ ds }}.csv"}


class TestDecorator:
    def test_it_keeps_the_function_for_unit_tests(self) -> None:
        @distributed_map(items=[1], retries=3)
        def double(item: int) -> int:
            """Twice the item."""
            return item * 2

        assert double.function(4) == 8
        assert double.__name__ == "double"
        assert double.__doc__ == "Twice the item."

    def test_calling_it_adds_a_group_and_returns_the_summary(self, dag: DAG) -> None:
        @distributed_map(item_batcher=ItemBatcher(max_items_per_batch=3), per_item=True, retries=3, doc_md="*text*")
        def double(item: int) -> int:
            """Twice the item."""
            return item * 2

        summary = double(items=[1, 2])
        assert isinstance(summary, XComArg)
        group = dag.task_group.get_child_by_label("double")
        assert isinstance(group, DistributedMapTaskGroup)
        assert (group.tooltip, group.doc_md) == ("Twice the item.", "*text*")
        authored = operator(dag, "double.read_items").authored
        assert authored.definition.item_processor.per_item
        assert authored.definition.items == [1, 2]
        assert dag.get_task("double.run_partition").retries == 3

    def test_bare_it_takes_items_only(self, dag: DAG) -> None:
        @distributed_map
        def double(item: int) -> int:
            return item * 2

        double(items=[1])
        wrong: Any = double
        advice = "double is a Distributed Map: call it with items=, input= or from_results=; parameters for "
        with pytest.raises(TypeError, match=advice):
            wrong([1])
        with pytest.raises(TypeError, match=advice):
            wrong(rate=3)

    def test_callables_without_a_name_need_a_group_id(self, dag: DAG) -> None:
        class Scale:
            """Multiplies."""

            function = 3

            def __init__(self) -> None:
                self.function = 4

            def __call__(self, item: int) -> int:
                return item * self.function

        callables: list[Any] = [functools.partial(same), Scale(), lambda item: item]
        for made in callables:
            unnamed = distributed_map(items=[1])(made)
            assert unnamed.function is made
            with pytest.raises(TypeError, match="has no name that a task group can have: give group_id="):
                unnamed()
            unnamed.override(group_id="named")()
            with pytest.raises(TypeError, match="more is a Distributed Map already"):
                distributed_map(group_id="more")(made).expand()
        assert {name.partition(".")[0] for name in dag.task_dict} == {"named", "named__1", "named__2"}
        DagSerialization.from_dict(serialized(dag))

    def test_override_leaves_the_first_alone(self, dag: DAG) -> None:
        @distributed_map(items=[1], retries=1)
        def double(item: int) -> int:
            return item * 2

        double.override(retries=2, group_id="more")()
        double()
        assert dag.get_task("more.read_items").retries == 2
        assert dag.get_task("double.read_items").retries == 1

    def test_it_is_a_task_decorator(self, dag: DAG) -> None:
        decorator: Any = task.distributed_map

        def double(item: int) -> int:
            return item * 2

        decorator(items=[1, 2])(double)()
        assert "double.run_partition" in dag.task_dict

    def test_it_is_not_expanded_again(self) -> None:
        @distributed_map
        def double(item: int) -> int:
            return item * 2

        for name in ("expand", "partial", "expand_kwargs"):
            again = getattr(double, name)
            with pytest.raises(TypeError, match="double is a Distributed Map already: call it with items="):
                again(item=[1])

    @pytest.mark.parametrize("name", ["item_processor", "definition"])
    def test_the_function_is_the_processor(self, name: str) -> None:
        with pytest.raises(TypeError, match=f"{name} is for DistributedMapTaskGroup"):
            distributed_map(**{name: same})  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=f"{name} is for DistributedMapTaskGroup"):
            distributed_map(same).override(**{name: same})


def test_from_results_is_refused_on_step_functions(dag: DAG) -> None:
    with pytest.raises(UnsupportedField, match="from_results"):
        DistributedMapTaskGroup("m", item_processor=abs, from_results="s3://b/m.json", engine="stepfunctions")
