"""The problems of a definition, collected with where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ...core.errors import InvalidDefinition


class Problem(NamedTuple):
    """One thing that is wrong. ``location`` is as AWS gives it: ``/States/Pick/Choices[0]/Next``."""

    location: str
    message: str

    def __str__(self) -> str:
        return f"{self.location or '/'}: {self.message}"


class InvalidMachine(InvalidDefinition):
    """A definition that cannot run, with all its problems; its own text is the first and how many more there are."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first, more = problems[0], len(problems) - 1
        super().__init__(first.location or "/", f"{first.message} (and {more} more)" if more else first.message)
        self.problems = tuple(problems)
        for problem in problems[1:]:
            self.add_note(str(problem))

    def __reduce__(self) -> tuple[type[InvalidMachine], tuple[Sequence[Problem]]]:  # type: ignore[override]
        return type(self), (self.problems,)


class Found:
    """Collects problems."""

    def __init__(self) -> None:
        # Two looks at one field may find the same.
        self._problems: dict[Problem, None] = {}

    @property
    def problems(self) -> list[Problem]:
        """All of them, in the order in which they were found."""
        return list(self._problems)

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, location: str, message: str) -> None:
        self._problems[Problem(location, message)] = None

    @contextmanager
    def at(self, location: str) -> Iterator[None]:
        """What is refused inside is a problem at ``location``."""
        try:
            yield
        except InvalidDefinition as error:
            self.add(location, error.problem)

    def attempt(self, location: str, check: Callable[[], object]) -> None:
        """What ``check`` refuses is a problem at ``location``."""
        with self.at(location):
            check()
