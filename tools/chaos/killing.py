"""What is killed in a trial, and when: chosen at random, from a seed."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import psutil

from tools.airflow_api import TaskInstance
from tools.airflow_stack import AirflowStack

SCHEDULER = "scheduler"
# What a component that is asked to end (SIGTERM) gets before it and its tasks are killed, as a pod that is evicted.
GRACE_SECONDS = 5.0


class Place(StrEnum):
    """What is killed."""

    TASK = "task process"
    SUPERVISOR = "supervisor"
    WORKER = "worker"
    SCHEDULER = "scheduler"


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: when ``at`` of the children have ended (below 0: before any has begun), and how."""

    at: float
    place: Place
    number: signal.Signals
    alone: bool
    """The tasks below the component live on, without it."""

    def __str__(self) -> str:
        family = " alone" if self.alone and self.place is Place.SCHEDULER else ""
        return f"{self.place}{family} {self.number.name} at {min(max(self.at, 0), 1):.0%}"


def plan(random: Random, *, workers: bool) -> list[Kill]:
    """One to three kills for a trial, in their order. One of them hits children that run."""
    moments = [random.uniform(0, 0.9), *(random.uniform(-0.1, 1.1) for _ in range(random.randint(0, 2)))]
    weights = {Place.TASK: 4, Place.SUPERVISOR: 2, Place.WORKER: 3 if workers else 0, Place.SCHEDULER: 2}
    return [
        Kill(
            moment,
            random.choices(list(weights), list(weights.values()))[0],
            signal.SIGTERM if random.random() < 0.25 else signal.SIGKILL,
            random.random() < 0.5,
        )
        for moment in sorted(moments)
    ]


def carry_out(kill: Kill, stack: AirflowStack, running: Sequence[TaskInstance], busy: Collection[int]) -> bool:
    """Kill what one of the ``running`` task instances depends on; False where none has a process.

    One whose process is among the ``busy`` ones, which have begun children, comes before one that is starting. A
    component is started again at once.
    """
    found = [process for instance in running if (process := stack.task_process(instance)) is not None]
    if not found:
        return False
    process = next((one for one in found if one.pid in busy), found[0])
    try:
        match kill.place:
            case Place.TASK:
                process.send_signal(kill.number)
            case Place.SUPERVISOR:
                return _kill_supervisor(process, kill.number)
            case Place.WORKER:
                return _replace(stack, stack.component_of(process), kill, alone=False)
            case Place.SCHEDULER:
                return _replace(stack, SCHEDULER, kill, alone=kill.alone)
    except (psutil.NoSuchProcess, ProcessLookupError):  # it has ended meanwhile
        return False
    return True


def _kill_supervisor(process: psutil.Process, number: signal.Signals) -> bool:
    supervisor = process.parent()
    # A task whose supervisor is gone already belongs to whoever adopts orphans here.
    if supervisor is None or os.getsid(supervisor.pid) != os.getsid(process.pid):
        return False
    supervisor.send_signal(number)
    return True


def _replace(stack: AirflowStack, component: str | None, kill: Kill, *, alone: bool) -> bool:
    if component is None:  # its worker has been killed: the process is on its way out
        return False
    stack.kill(component, kill.number, alone=alone, grace=GRACE_SECONDS if kill.number is signal.SIGTERM else 0.0)
    stack.restart(component)
    return True
