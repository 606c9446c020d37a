from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_sfdm.core.batching import Batching, CountProof, Greedy
from airflow_provider_sfdm.core.errors import DataLimitExceeded, InvalidDefinition
from airflow_provider_sfdm.core.selector_bound import SelectorBound
from airflow_provider_sfdm.core.values import UNSET

LIMIT = 262_144


def compact(value: Any) -> int:
    """The bytes of compact JSON, from another library than the one under test."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def naive(items: list[Any], max_items: int | None, max_bytes: int, batch_input: Any) -> list[Any]:
    """Put items into the last input as long as the whole of it keeps to both limits."""
    envelope = {} if batch_input is UNSET else {"BatchInput": batch_input}
    inputs: list[Any] = []
    for item in items:
        grown = {**envelope, "Items": [*(inputs[-1]["Items"] if inputs else []), item]}
        if inputs and compact(grown) <= max_bytes and (max_items is None or len(grown["Items"]) <= max_items):
            inputs[-1] = grown
        else:
            inputs.append({**envelope, "Items": [item]})
    return inputs


ITEMS = st.lists(
    st.one_of(
        st.integers(),
        st.none(),
        st.text(st.characters(codec="utf-8"), max_size=20),
        st.dictionaries(st.text("ab", max_size=2), st.integers() | st.text('é"\n', max_size=4), max_size=3),
    ),
    max_size=40,
)
COUNTS = st.none() | st.integers(1, 10)


def batches(batching: Batching, items: list[Any]) -> list[Any]:
    """The inputs that the greedy batcher makes of items, found from their sizes."""
    greedy = Greedy(batching)
    found: list[list[Any]] = []
    for index, item in enumerate(items):
        if greedy.starts_child(compact(item), index, "here"):
            found.append([])
        found[-1].append(item)
    return [batching.input_of(batch) for batch in found]


@given(ITEMS, COUNTS, st.integers(160, 600), st.just(UNSET) | st.dictionaries(st.just("k"), st.integers(0, 9)))
def test_greedy_batches(items: list[Any], max_items: int | None, max_bytes: int, batch_input: Any) -> None:
    batching = Batching(max_items=max_items, max_bytes=max_bytes, batch_input=batch_input)
    inputs = batches(batching, items)
    assert inputs == naive(items, max_items, max_bytes, batch_input)
    assert [item for child_input in inputs for item in child_input["Items"]] == items
    assert all(compact(child_input) <= max_bytes for child_input in inputs)


@given(ITEMS, COUNTS, st.integers(160, 600), st.data())
def test_from_where_a_batch_begins_the_same_batches_follow(
    items: list[Any], max_items: int | None, max_bytes: int, data: st.DataObject
) -> None:
    batching = Batching(max_items=max_items, max_bytes=max_bytes)
    inputs = batches(batching, items)
    skipped = data.draw(st.integers(0, len(inputs)))
    rest = [item for child_input in inputs[skipped:] for item in child_input["Items"]]
    assert batches(batching, rest) == inputs[skipped:]


@given(
    ITEMS,
    st.integers(1, 10),
    st.integers(60, 400),
    st.lists(st.integers(0, 60), min_size=40, max_size=40),
    st.lists(st.integers(0, 12), max_size=12),
    st.booleans(),
)
def test_what_is_proven_is_so(
    items: list[Any], max_items: int, max_bytes: int, slack: list[int], cuts: list[int], batched: bool
) -> None:
    """Where the proof holds for every stretch, counting gives the same batches as measuring."""
    batching = Batching(max_items=max_items, max_bytes=max_bytes) if batched else Batching(batched=False)
    bounds = [compact(item) + more for item, more in zip(items, slack, strict=False)]
    proof = CountProof(batching, SelectorBound())
    held, start = True, 0
    for length in [*cuts, len(items)]:
        held = held and proof.holds(bounds[start : start + length])
        start += length
    if held:
        count = batching.count_limit or 0
        counted = [batching.input_of(items[n : n + count]) for n in range(0, len(items), count)]
        assert batches(batching, items) == counted


def test_the_proof_uses_sums_when_the_largest_item_is_no_proof() -> None:
    batching = Batching(max_items=2, max_bytes=30)  # {"Items":[a,b]}: room for 17 bytes of items
    assert CountProof(batching, SelectorBound()).holds([16, 1, 1, 1])
    assert not CountProof(batching, SelectorBound()).holds([1, 16, 2, 1, 17, 17])
    proof = CountProof(batching, SelectorBound())
    assert proof.holds([1, 1, 10])
    assert not proof.holds([9])
    assert CountProof(batching, SelectorBound()).holds_for_any(8)
    assert not CountProof(batching, SelectorBound()).holds_for_any(9)
    assert not CountProof(batching, SelectorBound(constant=5, copies=1)).holds_for_any(4)
    with pytest.raises(ValueError, match="MaxItemsPerBatch"):
        CountProof(Batching(), SelectorBound())


def test_example_of_the_aws_guide() -> None:
    lengths = [len(child_input["Items"]) for child_input in batches(Batching(max_items=100), list(range(1130)))]
    assert lengths == [100] * 11 + [30]


def test_the_envelope_as_recorded() -> None:
    child_input = Batching(max_items=10, batch_input={"tag": "t"}).input_of([1, 2])
    assert json.dumps(child_input) == '{"BatchInput": {"tag": "t"}, "Items": [1, 2]}'
    assert Batching(max_items=10).input_of([1, 2]) == {"Items": [1, 2]}
    assert Batching(max_items=10, batch_input=None).input_of([1]) == {"BatchInput": None, "Items": [1]}


def test_children_do_not_share_batch_input() -> None:
    batching = Batching(max_items=1, batch_input={"a": [1]})
    batching.input_of([1])["BatchInput"]["a"].append(2)
    assert batching.input_of([2])["BatchInput"] == {"a": [1]}


def test_a_batch_may_have_exactly_the_limit() -> None:
    items = ["é" * 10, "b" * 20]  # 22 bytes each
    exact = compact({"Items": items})
    assert len(batches(Batching(max_bytes=exact), items)) == 1
    assert len(batches(Batching(max_bytes=exact - 1), items)) == 2


def test_a_count_alone_is_still_held_to_256_kib() -> None:
    items = ["x" * 99_998] * 5  # 100,000 bytes each
    for batching in (Batching(max_items=5), Batching(max_items=5, max_bytes=LIMIT * 2)):
        assert [len(child_input["Items"]) for child_input in batches(batching, items)] == [2, 2, 1]


def test_a_count_beyond_64_bits_is_no_limit() -> None:
    assert Batching(max_items=2**64).count_limit == LIMIT


def test_an_item_that_cannot_fit_is_named() -> None:
    greedy = Greedy(Batching(max_bytes=50))
    assert greedy.starts_child(1, 100, "a.csv")
    assert not greedy.starts_child(1, 101, "a.csv")
    with pytest.raises(DataLimitExceeded) as error:
        greedy.starts_child(42, 102, "a.csv")
    assert error.value.cause == (
        "Item 102 (a.csv) has 42 bytes of JSON and makes an input of 54 bytes, "
        "over the limit of 50 bytes for MaxInputBytesPerBatch"
    )


def test_unbatched_items_are_inputs_themselves() -> None:
    batching = Batching(batched=False)
    assert batches(batching, ["a", {"b": 1}]) == ["a", {"b": 1}]
    fits = "x" * (LIMIT - 2)
    assert batches(batching, [fits]) == [fits]
    with pytest.raises(DataLimitExceeded, match=r"Item 1 .* 262,145 bytes, .* for the input of a child execution"):
        batches(batching, ["a", fits + "x"])


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"max_items": 0}, "ItemBatcher.MaxItemsPerBatch"),
        ({"max_bytes": 0}, "ItemBatcher.MaxInputBytesPerBatch"),
        ({"batched": False, "max_items": 2}, "ItemBatcher"),
        ({"batched": False, "batch_input": 1}, "ItemBatcher"),
    ],
)
def test_impossible_limits(limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDefinition) as error:
        Batching(**limits)
    assert error.value.field == field
