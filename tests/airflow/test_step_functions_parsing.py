"""What is refused and what is taken when a DAG with maps on Step Functions is parsed, and what is stored of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup, chain, task, task_group
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_sfdm import (
    AslProcessor,
    DistributedMap,
    DistributedMapTaskGroup,
    InvalidDefinition,
    ItemBatcher,
    JsonPath,
    LambdaFunction,
    MapRunCondition,
    MapRunSensor,
    MapRunUpdate,
    ResultWriter,
    S3CsvItemReader,
    StepFunctionsDistributedMapOperator,
    UnsupportedField,
    UpdateMapRunOperator,
    distributed_map,
)
from airflow_provider_sfdm.operators.machines import map_run_of

PLACE = "arn:aws:states:eu-west-1:123456789012"
MACHINE = f"{PLACE}:stateMachine:flights"
EXECUTION = f"{PLACE}:execution:flights:run-1"
MAP_RUN = f"{PLACE}:mapRun:flights/delays:4a0e7c1e-8d1f-4f0e-9f5c-0d3c2b1a0f9e"
CHILD = f"{PLACE}:execution:flights/delays:3318ddf7-9a0e-3259-a825-55a4e8e3e9b1"
ROLE = "arn:aws:iam::123456789012:role/flights"
CLOUD = LambdaFunction("delays")
MAP = DistributedMap(item_processor=CLOUD, items=[1, 2])
PASS: dict[str, Any] = {"Type": "Pass", "End": True}
DOCUMENT = {"StartAt": "Only", "States": {"Only": PASS}}
SERIALIZED_ITEM = "an item that must not be stored"


def same(item: Any) -> Any:
    """Give back the item."""
    return item


async def later(item: Any) -> Any:
    return item


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("maps", schedule=None) as made:
        yield made


def operator(**arguments: Any) -> Any:
    return StepFunctionsDistributedMapOperator(**{"task_id": "map", "role_arn": ROLE, **arguments})


def group(group_id: str = "m", **arguments: Any) -> DistributedMapTaskGroup:
    """A task group on Step Functions."""
    fields: dict[str, Any] = {} if "definition" in arguments else {"item_processor": CLOUD, "items": [1, 2]}
    others: dict[str, Any] = {"engine": "stepfunctions", "step_functions": {"role_arn": ROLE}}
    return DistributedMapTaskGroup(group_id, **{**fields, **others, **arguments})


def refused_field(make: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(InvalidDefinition) as refused:
        make(**arguments)
    return refused.value.field


def read_back(dag: DAG) -> Any:
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def rendered(task: Any, **context: Any) -> Any:
    """The task after Airflow rendered its template fields."""
    task.render_template_fields({"ds": "2026-11-24", "params": {"n": 3, "b": "flights"}, **context})
    return task


class TestOperator:
    @pytest.mark.parametrize(
        "arguments",
        [
            {},
            {"definition": MAP, "state_machine_arn": MACHINE},
            {"definition": DOCUMENT, "state_machine_arn": "{{ params.machine }}"},
        ],
    )
    def test_one_thing_to_run(self, dag: DAG, arguments: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match=r"give definition= \(a DistributedMap or a whole state machine\) or"):
            operator(**arguments)

    @pytest.mark.parametrize("definition", [MAP, DOCUMENT, json.dumps(DOCUMENT)])
    def test_a_machine_that_is_made_needs_a_role(self, dag: DAG, definition: Any) -> None:
        with pytest.raises(
            InvalidDefinition, match=r"a state machine needs a role: give role_arn= or \[sfdm\] role_arn"
        ):
            operator(definition=definition, role_arn=None)

    @pytest.mark.parametrize("role", ["flights", "arn:aws:iam::123456789012:user/u", MACHINE])
    def test_what_is_no_role(self, dag: DAG, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert refused_field(operator, definition=MAP, role_arn=role) == "role_arn"
        monkeypatch.setenv("AIRFLOW__SFDM__ROLE_ARN", role)
        assert refused_field(operator, task_id="configured", definition=MAP, role_arn=None) == "role_arn"

    def test_the_role_of_the_configuration(self, dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__SFDM__ROLE_ARN", ROLE)
        assert operator(definition=MAP, role_arn=None).role_arn == ROLE
        assert operator(task_id="own", definition=MAP, role_arn="{{ params.role }}").role_arn == "{{ params.role }}"

    @pytest.mark.parametrize("arguments", [{"state_machine_arn": MACHINE}, {"redrive": EXECUTION}])
    def test_what_is_there_needs_no_role(self, dag: DAG, arguments: dict[str, Any]) -> None:
        assert operator(role_arn=None, **arguments).role_arn is None

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"state_machine_arn": EXECUTION}, "state_machine_arn"),
            ({"state_machine_arn": f"{MACHINE}/delays"}, "state_machine_arn"),
            ({"state_machine_arn": MAP_RUN}, "state_machine_arn"),
            ({"state_machine_arn": "flights"}, "state_machine_arn"),
            ({"redrive": MACHINE}, "redrive"),
            ({"redrive": CHILD}, "redrive"),
            ({"redrive": MAP_RUN}, "redrive"),
            ({"redrive": "run-1"}, "redrive"),
            ({"redrive": 3}, "redrive"),
        ],
    )
    def test_arns_of_another_kind(self, dag: DAG, arguments: dict[str, Any], field: str) -> None:
        assert refused_field(operator, **arguments) == field

    @pytest.mark.parametrize(
        "arguments",
        [{"definition": MAP}, {"state_machine_arn": MACHINE}, {"input": {}}, {"items": [1]}, {"definition": DOCUMENT}],
    )
    def test_a_redrive_runs_what_ran(self, dag: DAG, arguments: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match="redrive= runs an earlier execution again: give no definition, machine"):
            operator(redrive=EXECUTION, **arguments)

    @pytest.mark.parametrize(
        ("definition", "problem"),
        [
            ({"Type": "Map", "ItemProcessor": {}}, "this is a Map state, give DistributedMap.from_asl"),
            (DistributedMap(item_processor=CLOUD).to_asl(), "this is a Map state, give DistributedMap.from_asl"),
            ({"States": {}}, "a state machine has StartAt and States"),
            ({}, "a state machine has StartAt and States"),
            ("{}", "a state machine has StartAt and States"),
            ("{", "is not JSON"),
            ("{{ params.definition }}", "is not JSON"),
            ("[]", "must be a DistributedMap or a state machine"),
            (3, "must be a DistributedMap or a state machine"),
            (same, "must be a DistributedMap or a state machine"),
        ],
    )
    def test_what_is_no_machine(self, dag: DAG, definition: Any, problem: str) -> None:
        with pytest.raises(InvalidDefinition, match=f"^definition: .*{problem}"):
            operator(definition=definition)

    def test_a_machine_that_is_no_json(self, dag: DAG) -> None:
        wrong = {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": float("nan")}}}
        assert refused_field(operator, definition=wrong) == "definition.States.A.Seconds"

    @pytest.mark.parametrize("arguments", [{"definition": DOCUMENT}, {"state_machine_arn": MACHINE}])
    def test_items_of_a_machine_are_in_its_input(self, dag: DAG, arguments: dict[str, Any]) -> None:
        with pytest.raises(
            TypeError, match="items= goes with a DistributedMap; a state machine gets them in its input="
        ):
            operator(items=[1], **arguments)

    @pytest.mark.parametrize("processor", [same, later, lambda item: item])
    def test_a_python_function_and_the_ways_out(self, dag: DAG, processor: Any) -> None:
        definition = DistributedMap(item_processor=processor, items=[1])
        with pytest.raises(
            UnsupportedField, match=r"give LambdaFunction\(…\), or .* give AslProcessor\(…\)"
        ) as refused:
            operator(definition=definition)
        assert refused.value.field == "ItemProcessor"

    def test_all_that_cannot_be_is_told(self, dag: DAG) -> None:
        definition = DistributedMap(
            item_processor=same,
            item_selector=same,
            item_reader=S3CsvItemReader(url="file:///a.csv"),
            result_writer=ResultWriter(url="file:///results"),
        )
        with pytest.raises(UnsupportedField) as refused:
            operator(definition=definition)
        assert [note.split(":")[1].strip() for note in refused.value.__notes__] == [
            "ItemSelector",
            "ItemReader",
            "ResultWriter",
        ]

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"fail_when": "nonsense"}, "fail_when"),
            ({"fail_when": ["failed > 2%", "faild > 2%"]}, "fail_when"),
            ({"fail_when": ["{{ params.condition }}", "nonsense"]}, "fail_when"),
            ({"fail_when": 3}, "fail_when"),
            ({"succeed_when": "succeeded >= 101%"}, "succeed_when"),
            ({"succeed_when": [None, 3]}, "succeed_when"),
            ({"updates": "after 60"}, "updates"),
            ({"updates": [{"after": 60}]}, "updates"),
            ({"updates": [{"after": 60, "max_concurency": 3}]}, "updates"),
            ({"updates": {"at": "25:00", "max_concurrency": 3}}, "updates.at"),
            ({"updates": {"when": "nonsense", "max_concurrency": 3}}, "updates.when"),
            ({"on_retry": "redrive"}, "on_retry"),
            ({"on_retry": None}, "on_retry"),
            ({"timeout": 0}, "timeout"),
            ({"timeout": -1}, "timeout"),
            ({"timeout": "60"}, "timeout"),
            ({"timeout": True}, "timeout"),
            ({"timeout": timedelta()}, "timeout"),
            ({"poll_interval": 0}, "poll_interval"),
            ({"poll_interval": "5"}, "poll_interval"),
        ],
    )
    @pytest.mark.parametrize("what", [{"definition": MAP}, {"state_machine_arn": MACHINE}, {"redrive": EXECUTION}])
    def test_arguments_that_cannot_be(
        self, dag: DAG, arguments: dict[str, Any], field: str, what: dict[str, Any]
    ) -> None:
        assert refused_field(operator, **what, **arguments) == field

    def test_an_argument_that_nothing_knows(self, dag: DAG) -> None:
        with pytest.raises(TypeError, match="fail_if"):
            operator(definition=MAP, fail_if="failed > 2%")

    def test_templates_wherever_they_are_rendered(self, dag: DAG) -> None:
        made = operator(
            definition=DistributedMap(
                item_processor=LambdaFunction("delays-{{ params.b }}"),
                item_reader=S3CsvItemReader(bucket="{{ params.b }}", key="{{ ds }}.csv", max_items="{{ params.n }}"),
                item_batcher=ItemBatcher(max_items_per_batch="{{ params.n }}", batch_input={"day": "{{ ds }}"}),
                max_concurrency="{{ params.n }}",
                tolerated_failure_percentage="{{ params.n }}",
                label="day-{{ params.n }}",
                result_writer=ResultWriter(url="s3://out/{{ ds }}"),
            ),
            input={"day": "{{ ds }}"},
            role_arn="arn:aws:iam::123456789012:role/{{ params.b }}",
            state_machine_name="maps-{{ params.b }}",
            execution_name="run-{{ ds }}",
            fail_when=["failed > {{ params.n }}%", MapRunCondition.parse("timedOut > 3")],
            succeed_when="succeeded >= {{ params.n }}",
            tags={"day": "{{ ds }}"},
            map_label="day-{{ params.n }}",
        )
        rendered(made)
        assert made.role_arn == "arn:aws:iam::123456789012:role/flights"
        assert (made.state_machine_name, made.execution_name, made.map_label) == (
            "maps-flights",
            "run-2026-11-24",
            "day-3",
        )
        assert (made.fail_when, made.succeed_when) == (["failed > 3%", "timedOut > 3"], "succeeded >= 3")
        assert made.tags == {"day": "2026-11-24"}
        machine, text = map_run_of(made.source.authored, made.distributed_map, made.input, {})
        assert text == '{"day":"2026-11-24"}'
        state = machine["States"]["Map"]
        assert state["ItemReader"]["Parameters"] == {"Bucket": "flights", "Key": "2026-11-24.csv"}
        assert state["ItemReader"]["ReaderConfig"]["MaxItems"] == 3
        assert state["ItemBatcher"] == {"MaxItemsPerBatch": 3, "BatchInput": {"day": "2026-11-24"}}
        assert (state["MaxConcurrency"], state["ToleratedFailurePercentage"], state["Label"]) == (3, 3, "day-3")
        assert state["ResultWriter"]["Parameters"] == {"Bucket": "out", "Prefix": "2026-11-24"}
        assert state["ItemProcessor"]["States"]["Invoke"]["Parameters"]["FunctionName"] == "delays-flights"

    def test_a_template_that_becomes_what_cannot_run(self, dag: DAG) -> None:
        definition = DistributedMap(item_processor=CLOUD, item_reader=S3CsvItemReader(url="{{ params.url }}"))
        made = rendered(operator(definition=definition), params={"url": "file:///a.csv"})
        with pytest.raises(UnsupportedField, match=r"file:///a\.csv is not in S3"):
            map_run_of(made.source.authored, made.distributed_map, made.input, {})

    @pytest.mark.parametrize(
        ("name", "template"),
        [
            ("state_machine_arn", "{{ params.machine }}"),
            ("redrive", "{{ params.execution }}"),
            ("redrive", {"executionArn": "{{ params.execution }}"}),
        ],
    )
    def test_what_to_run_may_be_a_template(self, dag: DAG, name: str, template: Any) -> None:
        made = operator(**{name: template})
        rendered(made, params={"machine": MACHINE, "execution": EXECUTION})
        wanted = {"state_machine_arn": MACHINE, "redrive": EXECUTION}[name]
        assert getattr(made, name) in (wanted, {"executionArn": wanted})

    def test_upstream_outputs_are_upstream_tasks(self, dag: DAG) -> None:
        @task
        def found() -> list[int]:
            return [1]

        @task
        def deep() -> int:
            return 1

        operator(definition=DistributedMap(item_processor=CLOUD), items=found(), input={"a": [{"b": deep()}]})
        operator(task_id="inside", definition=DistributedMap(item_processor=CLOUD, items=found()))
        operator(task_id="machine", state_machine_arn=found(), input={"a": deep()})
        operator(task_id="again", redrive=dag.get_task("map").output)
        operator(task_id="role", definition=MAP, role_arn=found())
        upstream = {name: made.upstream_task_ids for name, made in dag.task_dict.items()}
        assert upstream["map"] == {"found", "deep"}
        assert upstream["inside"] == {"found__1"}
        assert upstream["machine"] == {"found__2", "deep__1"}
        assert upstream["again"] == {"map"}
        assert upstream["role"] == {"found__3"}

    @pytest.mark.parametrize("name", ["fail_when", "succeed_when"])
    def test_a_condition_may_be_an_upstream_output(self, dag: DAG, name: str) -> None:
        @task
        def condition() -> str:
            return "failed > 2%"

        operator(definition=MAP, **{name: condition()})
        assert dag.get_task("map").upstream_task_ids == {"condition"}

    @pytest.mark.parametrize("name", ["fail_when", "succeed_when"])
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            (None, None),
            ("failed > 2%", "failed > 2%"),
            (MapRunCondition.parse("failed>2.0 %"), ["failed > 2%"]),
            (["failed > 2%", MapRunCondition.parse("timedOut > 1")], ["failed > 2%", "timedOut > 1"]),
            (("failed > 2%",), ["failed > 2%"]),
            ([], []),
        ],
    )
    def test_conditions_are_kept_as_text(self, dag: DAG, name: str, given: Any, kept: Any) -> None:
        assert getattr(operator(definition=MAP, **{name: given}), name) == kept

    @pytest.mark.parametrize("name", ["fail_when", "succeed_when"])
    def test_conditions_that_can_be_taken_once(self, dag: DAG, name: str) -> None:
        made = operator(definition=MAP, **{name: (f"{counter} > 2%" for counter in ("failed", "timedOut"))})
        assert getattr(made, name) == ["failed > 2%", "timedOut > 2%"]

    def test_times_and_policies(self, dag: DAG) -> None:
        made = operator(definition=MAP, timeout=timedelta(minutes=5), poll_interval=1.5, on_retry="restart")
        assert (made.timeout, made.poll_interval, made.on_retry) == (300.0, 1.5, "restart")
        update = MapRunUpdate(after=60, max_concurrency=3)
        assert operator(task_id="one", definition=MAP, updates=update).updates == (update,)
        assert operator(task_id="two", definition=MAP, updates=[update.to_json()]).updates == (update,)

    def test_default_args(self) -> None:
        defaults = {
            "role_arn": ROLE,
            "retries": 3,
            "fail_when": "failed > 2%",
            "deferrable": True,
            "aws_conn_id": "other",
        }
        with DAG("maps", schedule=None, default_args=defaults) as dag:
            StepFunctionsDistributedMapOperator(task_id="map", definition=MAP)
            StepFunctionsDistributedMapOperator(
                task_id="own", definition=MAP, fail_when="failed > 5%", deferrable=False
            )
        made, own = (dag.get_task(name) for name in ("map", "own"))
        names = ("role_arn", "retries", "fail_when", "deferrable", "aws_conn_id")
        assert [getattr(made, name) for name in names] == [ROLE, 3, "failed > 2%", True, "other"]
        assert [getattr(own, name) for name in names] == [ROLE, 3, "failed > 5%", False, "other"]

    def test_default_args_that_cannot_be(self) -> None:
        with (
            DAG("maps", schedule=None, default_args={"role_arn": "flights"}),
            pytest.raises(InvalidDefinition) as refused,
        ):
            StepFunctionsDistributedMapOperator(task_id="map", definition=MAP)
        assert refused.value.field == "role_arn"


# Braces and percent signs that Jinja would fall over, or take for its own.
JSONATA = DistributedMap(
    item_processor=AslProcessor(
        start_at="Shape",
        query_language="JSONata",  # type: ignore[arg-type]  # a plain string is taken as well
        states={
            "Shape": {"Type": "Pass", "Output": "{% $states.input.{'a': $count(x)} %}", "Next": "Loop"},
            "Loop": {"Type": "Pass", "Output": {"n": "{% for %}", "t": "{{ not_a_template }}"}, "End": True},
        },
    ),
    query_language="JSONata",  # type: ignore[arg-type]
    item_reader=S3CsvItemReader(bucket="{{ params.b }}", key="{% $states.input.day & '.csv' %}"),
    item_selector={"day": "{% $states.input.day %}", "fixed": "{{ ds }}", "deep": ["{% {'a':{'b':1}} %}"]},
    item_batcher=ItemBatcher(max_items_per_batch="{% $states.input.n %}"),
    max_concurrency="{% $states.input.n %}",
    result_writer=ResultWriter(bucket="out", prefix="{% $states.input.day %}"),
)


class TestRendering:
    def test_jsonata_and_states_are_not_rendered(self, dag: DAG) -> None:
        made = rendered(operator(definition=JSONATA, input={"day": "{{ ds }}", "n": 3}))
        machine, text = map_run_of(made.source.authored, made.distributed_map, made.input, {})
        assert text == '{"day":"2026-11-24","n":3}'
        state = machine["States"]["Map"]
        given = JSONATA.item_processor
        assert isinstance(given, AslProcessor)
        assert state["ItemProcessor"]["States"] == given.states
        assert state["ItemReader"]["Arguments"] == {"Bucket": "flights", "Key": "{% $states.input.day & '.csv' %}"}
        assert state["ItemSelector"] == {
            "day": "{% $states.input.day %}",
            "fixed": "2026-11-24",
            "deep": ["{% {'a':{'b':1}} %}"],
        }
        assert state["ItemBatcher"] == {"MaxItemsPerBatch": "{% $states.input.n %}"}
        assert state["MaxConcurrency"] == "{% $states.input.n %}"
        assert state["ResultWriter"]["Arguments"] == {"Bucket": "out", "Prefix": "{% $states.input.day %}"}

    @pytest.mark.parametrize("name", ["Loop {{ nothing }}", "50 {% of them"])
    def test_names_of_states_are_no_templates(self, dag: DAG, name: str) -> None:
        definition = DistributedMap(item_processor=AslProcessor(start_at=name, states={name: PASS}), items=[1])
        made = rendered(operator(definition=definition))
        machine, _ = map_run_of(made.source.authored, made.distributed_map, made.input, {})
        assert list(machine["States"]["Map"]["ItemProcessor"]["States"]) == [name]

    def test_a_whole_machine_is_not_rendered(self, dag: DAG) -> None:
        document = {"StartAt": "A", "States": {"A": {**PASS, "Comment": "{{ ds }}", "Output": "{% for %}"}}}
        for number, definition in enumerate((document, json.dumps(document))):
            made = rendered(operator(task_id=f"map{number}", definition=definition, input={"day": "{{ ds }}"}))
            assert made.source.document == document
            assert made.input == {"day": "2026-11-24"}

    def test_items_are_not_rendered(self, dag: DAG) -> None:
        definition = DistributedMap(item_processor=CLOUD, items=["{{ ds }}", "{% for %}"])
        made = rendered(operator(definition=definition))
        _, text = map_run_of(made.source.authored, made.distributed_map, made.input, {})
        assert json.loads(text) == {"input": {}, "items": ["{{ ds }}", "{% for %}"]}

    def test_paths_stay_paths(self, dag: DAG) -> None:
        definition = DistributedMap(
            item_processor=CLOUD,
            item_reader=S3CsvItemReader(bucket="b", key=JsonPath("$.key")),
            max_concurrency_path="$.n",
            item_selector={"value.$": "$$.Map.Item.Value"},
        )
        made = rendered(operator(definition=definition))
        machine, _ = map_run_of(made.source.authored, made.distributed_map, made.input, {})
        assert machine["States"]["Map"] == definition.to_asl()


class TestStored:
    def test_the_same_at_every_parse_and_without_items(self) -> None:
        def parse() -> str:
            with DAG("maps", schedule=None) as dag:
                operator(
                    definition=DistributedMap(
                        item_processor=AslProcessor(start_at="A", states={"A": PASS}),
                        items=[{"row": SERIALIZED_ITEM}],
                        item_batcher=ItemBatcher(max_items_per_batch=3),
                    ),
                    fail_when=MapRunCondition.parse("failed > 2%"),
                    updates=MapRunUpdate(after=60, max_concurrency=3),
                )
                operator(task_id="document", definition=DOCUMENT)
                group(items=[SERIALIZED_ITEM])
                MapRunSensor(task_id="sensor", execution_arn=EXECUTION, succeed_when="succeeded >= 1")
                UpdateMapRunOperator(task_id="update", map_run_arn=MAP_RUN, max_concurrency=3)
            return json.dumps(DagSerialization.to_dict(dag), sort_keys=True)

        first = parse()
        assert first == parse()
        assert SERIALIZED_ITEM not in first
        assert " at 0x" not in first
        assert "max_items_per_batch" in first

    def test_it_can_be_read_back(self, dag: DAG) -> None:
        operator(definition=JSONATA, fail_when=["failed > {{ params.n }}%"], tags={"day": "{{ ds }}"})
        MapRunSensor(task_id="sensor", execution_arn="{{ params.e }}", fail_when="failed > 1", deferrable=True)
        UpdateMapRunOperator(task_id="update", execution_arn=EXECUTION, tolerated_failure_percentage="{{ params.p }}")
        with TaskGroup("outer"):
            group()
        found = read_back(dag)
        assert set(found.task_dict) == {"map", "sensor", "update", "outer.m.run_map"}
        shown = found.get_task("map")
        assert shown.fail_when == ["failed > {{ params.n }}%"]
        assert shown.distributed_map["item_processor"] == {"type": "AslProcessor", "states": ["Shape", "Loop"]}
        # No JSONata is where Jinja would look for it.
        assert "{%" not in json.dumps(shown.distributed_map)
        assert found.get_task("sensor").execution_arn == "{{ params.e }}"
        assert found.get_task("outer.m.run_map").role_arn == ROLE

    def test_links(self, dag: DAG) -> None:
        operator(definition=MAP)
        MapRunSensor(task_id="sensor", map_run_arn=MAP_RUN)
        found = read_back(dag)
        links = {name: {link.name for link in made.operator_extra_links} for name, made in found.task_dict.items()}
        assert links["map"] == {"State Machine Details", "State Machine Executions Details", "Map Run"}
        assert links["sensor"] == {"State Machine Executions Details", "Map Run"}


class TestSensor:
    @staticmethod
    def sensor(**arguments: Any) -> Any:
        return MapRunSensor(**{"task_id": "sensor", **arguments})

    @pytest.mark.parametrize("arguments", [{}, {"execution_arn": EXECUTION, "map_run_arn": MAP_RUN}])
    def test_one_thing_to_watch(self, dag: DAG, arguments: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match="give execution_arn= or map_run_arn="):
            self.sensor(**arguments)

    def test_a_map_run_is_chosen_already(self, dag: DAG) -> None:
        with pytest.raises(TypeError, match="map_label= chooses among the Map Runs of an execution"):
            self.sensor(map_run_arn=MAP_RUN, map_label="delays")

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"execution_arn": MAP_RUN}, "execution_arn"),
            ({"execution_arn": MACHINE}, "execution_arn"),
            ({"execution_arn": "run-1"}, "execution_arn"),
            ({"map_run_arn": EXECUTION}, "map_run_arn"),
            ({"map_run_arn": CHILD}, "map_run_arn"),
            ({"map_run_arn": ""}, "map_run_arn"),
            ({"execution_arn": EXECUTION, "fail_when": "nonsense"}, "fail_when"),
            ({"execution_arn": EXECUTION, "succeed_when": ["{{ x }}", "nonsense"]}, "succeed_when"),
            ({"execution_arn": EXECUTION, "poll_interval": 0}, "poll_interval"),
            ({"execution_arn": EXECUTION, "poll_interval": "5"}, "poll_interval"),
        ],
    )
    def test_what_cannot_be(self, dag: DAG, arguments: dict[str, Any], field: str) -> None:
        assert refused_field(self.sensor, **arguments) == field

    @pytest.mark.parametrize(
        "arguments",
        [
            {"execution_arn": EXECUTION},
            {"execution_arn": CHILD},
            {"execution_arn": "{{ params.e }}", "map_label": "{{ params.label }}"},
            {"map_run_arn": MAP_RUN},
            {"map_run_arn": "{{ params.m }}"},
            {"execution_arn": EXECUTION, "succeed_when": "succeeded >= {{ params.n }}%", "fail_when": ["failed > 3"]},
            {"execution_arn": EXECUTION, "mode": "reschedule", "timeout": 60, "soft_fail": True},
            {"execution_arn": EXECUTION, "deferrable": True, "poll_interval": 5},
        ],
    )
    def test_what_can(self, dag: DAG, arguments: dict[str, Any]) -> None:
        assert self.sensor(**arguments).task_id == "sensor"
        read_back(dag)

    def test_it_watches_what_an_upstream_task_started(self, dag: DAG) -> None:
        started = operator(definition=MAP)
        self.sensor(execution_arn=started.output)
        assert dag.get_task("sensor").upstream_task_ids == {"map"}

    def test_its_templates_are_rendered(self, dag: DAG) -> None:
        made = self.sensor(execution_arn="{{ params.e }}", succeed_when=["succeeded >= {{ params.n }}%"])
        rendered(made, params={"e": EXECUTION, "n": 95})
        assert (made.execution_arn, made.succeed_when) == (EXECUTION, ["succeeded >= 95%"])

    def test_conditions_that_can_be_taken_once(self, dag: DAG) -> None:
        made = self.sensor(execution_arn=EXECUTION, succeed_when=iter(["succeeded >= 95%"]))
        assert made.succeed_when == ["succeeded >= 95%"]


class TestUpdate:
    @staticmethod
    def update(**arguments: Any) -> Any:
        return UpdateMapRunOperator(**{"task_id": "update", **arguments})

    @pytest.mark.parametrize("arguments", [{}, {"execution_arn": EXECUTION, "map_run_arn": MAP_RUN}])
    def test_one_thing_to_change(self, dag: DAG, arguments: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match="give execution_arn= or map_run_arn="):
            self.update(max_concurrency=3, **arguments)

    def test_nothing_to_change(self, dag: DAG) -> None:
        with pytest.raises(InvalidDefinition, match="give one of max_concurrency, tolerated_failure_count"):
            self.update(map_run_arn=MAP_RUN)

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"execution_arn": MAP_RUN, "max_concurrency": 3}, "execution_arn"),
            ({"execution_arn": CHILD, "max_concurrency": 3}, "execution_arn"),
            ({"map_run_arn": EXECUTION, "max_concurrency": 3}, "map_run_arn"),
            ({"map_run_arn": MAP_RUN, "max_concurrency": 10_001}, "MaxConcurrency"),
            ({"map_run_arn": MAP_RUN, "max_concurrency": -1}, "MaxConcurrency"),
            ({"map_run_arn": MAP_RUN, "max_concurrency": "many"}, "MaxConcurrency"),
            ({"map_run_arn": MAP_RUN, "tolerated_failure_count": 1.5}, "ToleratedFailureCount"),
            ({"map_run_arn": MAP_RUN, "tolerated_failure_percentage": 101}, "ToleratedFailurePercentage"),
        ],
    )
    def test_what_cannot_be(self, dag: DAG, arguments: dict[str, Any], field: str) -> None:
        assert refused_field(self.update, **arguments) == field

    @pytest.mark.parametrize(
        "limits",
        [
            {"max_concurrency": 0},
            {"max_concurrency": "{{ params.n }}"},
            {"tolerated_failure_count": "{% if params.n %}3{% endif %}"},
            {"tolerated_failure_percentage": 2.5, "max_concurrency": 10_000},
        ],
    )
    @pytest.mark.parametrize("where", [{"execution_arn": "{{ params.e }}"}, {"map_run_arn": "{{ params.m }}"}])
    def test_what_can(self, dag: DAG, limits: dict[str, Any], where: dict[str, Any]) -> None:
        made = self.update(**where, **limits)
        read_back(dag)
        rendered(made, params={"n": 3, "e": EXECUTION, "m": MAP_RUN})
        assert (made.execution_arn, made.map_run_arn) in ((EXECUTION, None), (None, MAP_RUN))

    def test_upstream_outputs(self, dag: DAG) -> None:
        @task
        def started() -> str:
            return EXECUTION

        @task
        def decide() -> int:
            return 3

        self.update(execution_arn=started(), max_concurrency=decide())
        assert dag.get_task("update").upstream_task_ids == {"started", "decide"}


class TestTaskGroup:
    def test_one_task(self, dag: DAG) -> None:
        made = group()
        assert set(dag.task_dict) == {"m.run_map"}
        assert made.engine == "stepfunctions"
        assert [one.task_id for one, _ in made.output.iter_references()] == ["m.run_map"]
        assert isinstance(dag.get_task("m.run_map"), StepFunctionsDistributedMapOperator)

    def test_the_engine_of_the_configuration(self, dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__SFDM__ENGINE", "stepfunctions")
        group("configured", engine=None)
        group("own", engine="airflow", item_processor=same)
        monkeypatch.setenv("AIRFLOW__SFDM__ENGINE", "airflow")
        group("other", engine=None, item_processor=same)
        monkeypatch.delenv("AIRFLOW__SFDM__ENGINE")
        group("unset", engine=None, item_processor=same)
        assert "configured.run_map" in dag.task_dict
        assert {"own.read_items", "other.read_items", "unset.read_items"} <= dag.task_dict.keys()

    @pytest.mark.parametrize("name", ["step_functions", "StepFunctions", "lambda"])
    def test_what_is_no_engine(self, dag: DAG, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert refused_field(group, engine=name) == "engine"
        monkeypatch.setenv("AIRFLOW__SFDM__ENGINE", name)
        assert refused_field(group, engine=None) == "engine"
        assert not dag.task_dict

    @pytest.mark.parametrize("place", ["argument", "configuration"])
    @pytest.mark.parametrize("processor", [same, later])
    def test_a_python_function_and_the_ways_out(
        self, dag: DAG, processor: Any, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = "stepfunctions" if place == "argument" else None
        monkeypatch.setenv("AIRFLOW__SFDM__ENGINE", "stepfunctions")
        ways_out = r"give LambdaFunction\(…\), or .* give AslProcessor\(…\)"
        with pytest.raises(UnsupportedField, match=ways_out):
            group(item_processor=processor, engine=engine)
        decorated = distributed_map(items=[1], engine=engine)(processor)
        with pytest.raises(UnsupportedField, match=ways_out):
            decorated()

    def test_a_task_group_as_child(self, dag: DAG) -> None:
        @task_group
        def child(item: Any) -> None:
            @task
            def work(item: Any) -> None: ...

            work(item)

        with pytest.raises(UnsupportedField, match=r"give LambdaFunction\(…\), or .* give AslProcessor\(…\)"):
            group(item_processor=child)
        decorated = distributed_map(items=[1], engine="stepfunctions")(child)
        with pytest.raises(UnsupportedField, match=r"give LambdaFunction\(…\), or .* give AslProcessor\(…\)"):
            decorated()

    def test_a_role_is_needed(self, dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
        assert refused_field(group, step_functions=None) == "role_arn"
        monkeypatch.setenv("AIRFLOW__SFDM__ROLE_ARN", ROLE)
        group("configured", step_functions=None)
        made: Any = dag.get_task("configured.run_map")
        assert made.role_arn == ROLE

    def test_a_map_without_items(self, dag: DAG) -> None:
        """Refused as on the other engine: ItemsPath is "$" then, and the input has no array there."""
        with pytest.raises(InvalidDefinition, match="give item_reader=, items=, or input= with items_path="):
            group(definition=DistributedMap(item_processor=CLOUD))

    @pytest.mark.parametrize(
        "name",
        ["definition", "state_machine_arn", "input", "items", "task_id", "aws_conn_id", "rol_arn", "retries", "kwargs"],
    )
    def test_arguments_that_the_operator_does_not_get(self, dag: DAG, name: str) -> None:
        with pytest.raises(TypeError, match=f"step_functions takes arguments of the operator's own, not '{name}'"):
            group(step_functions={"role_arn": ROLE, name: "x"})

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"fail_when": "nonsense"}, "fail_when"),
            ({"succeed_when": 3}, "succeed_when"),
            ({"updates": [{"after": 1}]}, "updates"),
            ({"on_retry": "sometimes"}, "on_retry"),
            ({"timeout": 0}, "timeout"),
            ({"role_arn": "flights"}, "role_arn"),
        ],
    )
    def test_options_that_cannot_be(self, dag: DAG, options: dict[str, Any], field: str) -> None:
        assert refused_field(group, step_functions={"role_arn": ROLE, **options}) == field

    @pytest.mark.parametrize(
        "options",
        [
            {"fail_when": "failed > 2%"},
            {"succeed_when": ["succeeded >= 95%"]},
            {"updates": MapRunUpdate(after=60, max_concurrency=3)},
            {"timeout": 60},
        ],
    )
    def test_what_changes_the_outcome_is_refused_on_the_airflow_engine(
        self, dag: DAG, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (name,) = options
        for engine in ("airflow", None):
            field = refused_field(
                group, engine=engine, item_processor=same, step_functions={"role_arn": ROLE, **options}
            )
            assert field == f"step_functions.{name}"
        decorated = distributed_map(items=[1], step_functions=options)(same)
        with pytest.raises(
            UnsupportedField, match=f"^step_functions.{name}: is for Step Functions: the airflow engine"
        ):
            decorated()
        assert not dag.task_dict

    def test_how_step_functions_is_reached_says_nothing_on_the_airflow_engine(self, dag: DAG) -> None:
        """So that one DAG runs on one engine in development and on the other in production."""
        options = {"role_arn": ROLE, "deferrable": True, "on_retry": "restart", "fail_when": None, "region_name": "x"}
        group(engine="airflow", item_processor=same, step_functions=options)
        assert "m.read_items" in dag.task_dict

    def test_options_reach_the_task(self, dag: DAG) -> None:
        group(
            step_functions={
                "role_arn": "{{ params.role }}",
                "fail_when": "failed > 2% after 1000",
                "timeout": timedelta(hours=1),
                "deferrable": True,
                "region_name": "eu-central-1",
                "state_machine_name": "delays",
            },
            aws_conn_id="production",
        )
        made: Any = dag.get_task("m.run_map")
        assert (made.role_arn, made.fail_when, made.timeout) == ("{{ params.role }}", "failed > 2% after 1000", 3600.0)
        assert (made.deferrable, made.region_name, made.state_machine_name) == (True, "eu-central-1", "delays")
        assert made.aws_conn_id == "production"

    def test_arguments_of_base_operator_reach_the_task(self, dag: DAG) -> None:
        given: dict[str, Any] = {
            "retries": 7,
            "pool": "small",
            "trigger_rule": "all_done",
            "execution_timeout": timedelta(minutes=5),
            "owner": "someone",
        }
        # Of partitions there are none here, and the same DAG may have them on the other engine.
        group(**given, max_active_tis_per_dagrun=3, map_index_template="{{ ds }}", partitions=5, storage="s3://b/runs")
        made: Any = dag.get_task("m.run_map")
        assert {name: getattr(made, name) for name in given} == given
        assert made.max_active_tis_per_dagrun is None

    def test_the_timeout_of_a_child_is_not_that_of_the_map(self, dag: DAG) -> None:
        group(timeout=30, step_functions={"role_arn": ROLE, "timeout": 3600})
        made: Any = dag.get_task("m.run_map")
        assert made.timeout == 3600.0
        assert made.source.authored.definition.timeout == 30

    def test_default_args_of_the_dag_and_of_the_group(self) -> None:
        defaults = {
            "retries": 5,
            "owner": "dag",
            "role_arn": ROLE,
            "do_xcom_push": False,
            "multiple_outputs": True,
            "trigger_rule": "all_done",
        }
        with DAG("maps", schedule=None, default_args=defaults) as dag:
            group(step_functions=None, default_args={"owner": "group", "aws_conn_id": "other"})
        made: Any = dag.get_task("m.run_map")
        assert (made.retries, made.owner, made.role_arn, made.aws_conn_id) == (5, "group", ROLE, "other")
        # Without XCom the summary could not be handed on; what comes before the group is the author's to decide.
        assert (made.do_xcom_push, made.multiple_outputs, made.trigger_rule) == (True, False, "all_done")

    @pytest.mark.parametrize(
        "how",
        [
            lambda a, m, b: a >> m >> b,
            lambda a, m, b: chain(a, m, b),
            lambda a, m, b: (m << a, b << m),
            lambda a, m, b: a >> m.output >> b,
            lambda a, m, b: chain(a, [m.output], b),
        ],
    )
    def test_it_is_chained_like_any_other_group(self, dag: DAG, how: Callable[[Any, Any, Any], Any]) -> None:
        @task
        def before() -> None: ...

        @task
        def after() -> None: ...

        how(before(), group(), after())
        for found in (dag, read_back(dag)):
            upstream = {name: set(made.upstream_task_ids) for name, made in found.task_dict.items()}
            assert upstream == {"before": set(), "m.run_map": {"before"}, "after": {"m.run_map"}}

    def test_upstream_outputs_and_the_summary(self, dag: DAG) -> None:
        @task
        def found() -> list[int]:
            return [1]

        @task
        def day() -> str:
            return "d"

        @task
        def report(summary: Any) -> None: ...

        report(group(items=found(), input={"day": day()}).output)
        assert dag.get_task("m.run_map").upstream_task_ids == {"found", "day"}
        assert dag.get_task("report").upstream_task_ids == {"m.run_map"}

    def test_items_and_input_in_place_of_those_of_the_definition(self, dag: DAG) -> None:
        definition = DistributedMap(item_processor=CLOUD, items=[1], input={"a": 1})
        group(definition=definition, items=[2, 3], input={"b": 2})
        made: Any = dag.get_task("m.run_map")
        _, text = map_run_of(made.source.authored, made.distributed_map, made.input, {})
        assert json.loads(text) == {"input": {"b": 2}, "items": [2, 3]}

    def test_in_a_mapped_task_group(self, dag: DAG) -> None:
        """Here the map is one task, which Airflow can map."""

        @task_group
        def mapped(day: str) -> None:
            group(input={"day": day})

        mapped.expand(day=["a", "b"])
        assert "mapped.m.run_map" in dag.task_dict
        read_back(dag)

    @pytest.mark.parametrize(
        "processor", [CLOUD, AslProcessor(start_at="A", states={"A": PASS}), LambdaFunction("f-{{ ds }}")]
    )
    def test_processors_that_run_there(self, dag: DAG, processor: Any) -> None:
        group(item_processor=processor)
        read_back(dag)

    def test_two_calls_of_one_decorated_function(self, dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__SFDM__ENGINE", "stepfunctions")
        decorated = distributed_map(items=[1], engine="airflow")(same)
        # What the decorator says is more than what the configuration says.
        decorated()
        decorated()
        assert {"same.read_items", "same__1.read_items"} <= dag.task_dict.keys()
