"""The short form of `make chaos`: what runs maps is killed, on both executors, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from random import Random
from signal import SIGKILL, SIGTERM
from tempfile import TemporaryDirectory

import pytest

from tools.chaos.killing import Kill, Place
from tools.chaos.trials import Job, Trials
from tools.chaos.world import EXECUTORS, airflow

pytestmark = [pytest.mark.server, pytest.mark.scheduler]

ITEMS = 16_000
PLANS = {
    "local": [
        [Kill(0.1, Place.TASK, SIGKILL, False), Kill(0.5, Place.TASK, SIGTERM, False)],
        [Kill(0.2, Place.SUPERVISOR, SIGKILL, False), Kill(0.4, Place.SCHEDULER, SIGKILL, True)],
    ],
    "celery": [
        [Kill(0.1, Place.WORKER, SIGKILL, False), Kill(0.6, Place.SCHEDULER, SIGKILL, False)],
        [Kill(0.1, Place.SUPERVISOR, SIGKILL, False), Kill(0.5, Place.WORKER, SIGTERM, False)],
    ],
}


@pytest.mark.parametrize("executor", PLANS)
def test_nothing_is_lost(executor: str) -> None:
    # Not in pytest's folder: started as root, PostgreSQL has a user of its own, and whoever starts pytest meanwhile
    # shuts that out.
    with TemporaryDirectory() as home, airflow(EXECUTORS[executor], Path(home)) as world:
        job = Job(world.write_items(ITEMS), ITEMS)
        outcomes = Trials(world, job, Random(1)).run([list(plan) for plan in PLANS[executor]], 2, print)
    assert [outcome for outcome in outcomes if outcome.failed] == []
    assert len(outcomes) == len(PLANS[executor])
    planned = [kill for plan in PLANS[executor] for kill in plan]
    done = [kill for outcome in outcomes for kill in outcome.kills]
    assert len(done) >= len(planned) - 1, "a run may end before its last kill"
    assert sum(outcome.repeated.children for outcome in outcomes) > 0, "what is killed in the middle was in flight"
