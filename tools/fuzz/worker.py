"""The process that runs inputs. What hangs or kills it, its parent sees from outside."""

from __future__ import annotations

import logging
import resource
import sys
import traceback
from multiprocessing.connection import Connection
from random import Random
from typing import Any, NamedTuple, Protocol

from .mutations import mutated
from .targets import NAMES, TARGETS

MAX_GROWTH = 300 << 20
"""Bytes that one input may make the process grow by."""
_MAX_MEMORY = 4 << 30
"""The machine's other programs go on, whatever an input does."""


class Counter(Protocol):
    """A whole number that both processes see."""

    value: int


class Input(NamedTuple):
    """One input: the target's name and what it is given."""

    target: str
    value: Any


class Problem(NamedTuple):
    """What an input did. ``place`` makes two problems the same."""

    text: str
    place: str


def made(seed: int, number: int) -> Input:
    """Input ``number`` of a seed."""
    random = Random(f"{seed}:{number}")
    name = NAMES[number % len(NAMES)]
    target = TARGETS[name]
    return Input(name, mutated(random.choice(target.seeds), random, target.seeds, target.words))


def problem_of(given: Input) -> Problem | None:
    """Run an input here; what is wrong with what it did."""
    before = _peak()
    try:
        TARGETS[given.target].check(given.value)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = "".join(traceback.format_exception(error, limit=-12))
        return Problem(text, f"{type(error).__name__} {last.filename}:{last.lineno}")
    grown = _peak() - before
    return Problem(f"grew by {grown >> 20} MB", "memory") if grown > MAX_GROWTH else None


def _peak() -> int:
    """The most memory that this process ever had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def work(seed: int, first: int, current: Counter, results: Connection) -> None:
    """Run inputs from ``first`` on, without end; ``current`` tells which one."""
    logging.disable()
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    number = first
    while True:
        given = made(seed, number)
        current.value = number
        if (problem := problem_of(given)) is not None:
            results.send((number, problem))
        number += 1
