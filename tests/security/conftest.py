"""Runs of DAGs, as the tests of the operators have them."""

from __future__ import annotations

from tests.airflow.conftest import airflow_database as airflow_database
from tests.airflow.conftest import run_dag as run_dag
