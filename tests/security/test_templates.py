"""Data is never taken for a template, a path or an expression, wherever it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_sfdm import (
    CsvHeaders,
    DistributedMap,
    ItemBatcher,
    S3CsvItemReader,
    S3JsonItemReader,
    S3ObjectsItemReader,
)
from airflow_provider_sfdm.core.render import render
from tests.runtime.helpers import inputs, put, run

JINJA = "{{ conn.aws_default.password }}"
HOSTILE = [JINJA, "{% for x in () %}{% endfor %}", "{% $states.input %}", "$.secret", "$$.Execution", "States.UUID()"]


def rendered(definition: DistributedMap) -> DistributedMap:
    """What Airflow does to a definition before it runs."""

    def renderer(template: str) -> str:
        assert template in ("{{ ds }}", "a{{ ds }}"), f"this was data: {template}"
        return template.replace("{{ ds }}", "2026-11-25")

    return render(definition, renderer)


def test_items_and_input_are_not_rendered() -> None:
    data = {"x": HOSTILE, "y.$": "$.secret"}
    definition = DistributedMap(item_processor=str, items=[data], input=data, label="a{{ ds }}")
    found = rendered(definition)
    assert (found.items, found.input, found.label) == ([data], data, "a2026-11-25")


@pytest.mark.parametrize("selector", [None, {"v.$": "$$.Map.Item.Value", "fixed": "{{ ds }}"}])
def test_values_of_files_reach_the_child_as_they_are(selector: dict[str, Any] | None, tmp_path: Path) -> None:
    rows = [{"x.$": "$.secret", **dict(zip("abcdef", HOSTILE, strict=True))}]
    url = put(tmp_path / "rows.json", json.dumps(rows))
    found = rendered(DistributedMap(item_processor=str, item_reader=S3JsonItemReader(url=url), item_selector=selector))
    assert found.item_reader is not None
    summary = run(tmp_path, given={"secret": 1}, item_reader=found.item_reader, item_selector=found.item_selector)
    expected = rows if selector is None else [{"v": rows[0], "fixed": "2026-11-25"}]
    assert inputs(summary) == expected


def test_names_of_columns_and_keys_are_data(tmp_path: Path) -> None:
    header = ",".join(f'"{name}"' for name in HOSTILE)
    url = put(tmp_path / "rows.csv", f"{header}\n" + ",".join("123456") + "\n")
    reader = S3CsvItemReader(url=url, csv_headers=CsvHeaders.use_first_row())
    summary = run(tmp_path / "csv", item_reader=reader, item_batcher=ItemBatcher(max_items_per_batch=2))
    assert inputs(summary) == [{"Items": [dict(zip(HOSTILE, "123456", strict=True))]}]
    put(tmp_path / "data" / JINJA, "x")
    listed = run(tmp_path / "list", item_reader=S3ObjectsItemReader(url=(tmp_path / "data").as_uri()))
    assert [item["Key"] for item in inputs(listed)] == [JINJA]


def test_outputs_and_errors_are_data(tmp_path: Path) -> None:
    def child(value: str) -> str:
        if value == JINJA:
            raise ValueError(value)
        return value

    summary = run(tmp_path, child, given=HOSTILE, tolerated_failure_count=1)
    assert summary.status == "SUCCEEDED"
    results = tmp_path / "results"
    written = "".join(path.read_text() for path in results.rglob("*.json"))
    assert all(json.dumps(json.dumps(text))[3:-3] in written for text in HOSTILE)
