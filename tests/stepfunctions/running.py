"""Runs a definition on a Step Functions service without Airflow: the engine's own parts, one after the other."""

from __future__ import annotations

import time
import uuid
from typing import Any

from airflow_provider_sfdm import DistributedMap, MapRunSummary
from airflow_provider_sfdm.aws.state_machines import StateMachineContent
from airflow_provider_sfdm.aws.step_functions import StepFunctions
from airflow_provider_sfdm.core.state_machine import execution_input, state_machine_of
from airflow_provider_sfdm.core.watching import WatchOptions
from airflow_provider_sfdm.stepfunctions.map_run_summary import count_errors, find_manifest, summary_of
from airflow_provider_sfdm.stepfunctions.watcher import MapRunWatcher
from airflow_provider_sfdm.storage import Connections


def run_on(
    calls: StepFunctions,
    definition: DistributedMap,
    run_input: Any,
    *,
    name: str,
    role_arn: str,
    connections: Connections,
    options: WatchOptions | None = None,
) -> MapRunSummary:
    """The summary of one execution, watched to its end."""
    content = StateMachineContent(name=name, definition=state_machine_of(definition), role_arn=role_arn)
    machine = calls.create_or_update_state_machine(content, publish=True)
    text = execution_input(definition, run_input, definition.items)
    arn = calls.start(machine.start_arn, str(uuid.uuid4()), text)
    watcher = MapRunWatcher(calls, options or WatchOptions(poll_interval=0.5), execution_arn=arn)
    while (look := watcher.look()).judgement is None:
        time.sleep(look.wait)
    manifest, errors = None, {}
    if look.map_run is not None:
        manifest = find_manifest(calls, look.execution, look.map_run)
        errors = count_errors(calls, look.map_run, manifest, connections)
    return summary_of(look.execution, look.map_run, look.judgement, manifest=manifest, errors=errors)
