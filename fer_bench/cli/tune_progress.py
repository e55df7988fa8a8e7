"""How a study goes, on stderr: a line where a trial begins, one now and then, one where it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

import click

from ..search.tune import Observer
from .progress import PAUSE, Sturdy, state_of
from .say import QUIET, VERBOSE, loudness

if TYPE_CHECKING:
    from ..search.studies import Account
    from ..search.trials import Taken


@contextmanager
def observer(objective: str) -> Iterator[Observer]:
    """The observer that fits how much is to be said."""
    if loudness() <= QUIET:
        yield Observer()
        return
    yield TrialLines(cast("IO[str]", Sturdy(sys.stderr)), objective, 0.0 if loudness() >= VERBOSE else PAUSE)


def value_words(objective: str, value: float) -> str:
    """The value of a trial: "accuracy 0.4131"."""
    return f"{objective.replace('-', ' ')} {value:.4f}"


def cell(value: object) -> str:
    """A value of a recipe, a number with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class TrialLines(Observer):
    """Plain lines, those of one trial ``pause`` seconds apart at least."""

    def __init__(self, stream: IO[str], objective: str, pause: float) -> None:
        self.stream, self.objective, self.pause = stream, objective, pause
        self.last: dict[int, float] = {}

    def started(self, taken: Taken, most: int) -> None:
        self.last[taken.number] = time.monotonic()
        values = ", ".join(f"{name} {cell(value)}" for name, value in taken.values.items())
        self._line(taken.number, "the recipe as it is" if taken.is_base else values)

    def progressed(self, taken: Taken, event: Mapping[str, Any]) -> None:
        if event.get("note") or time.monotonic() - self.last[taken.number] >= self.pause:
            self.last[taken.number] = time.monotonic()
            self._line(taken.number, state_of(event))

    def finished(self, taken: Taken, account: Account) -> None:
        told = next(one for one in account["trials"] if one["number"] == taken.number)
        best = account["best"]
        so_far = f"; best so far {best['value']:.4f}, trial {best['number']}" if best else ""
        if told["state"] == "complete":
            words = f"validation {value_words(self.objective, told['value'])}"
        elif told["state"] == "pruned":
            words = f"ended early, after epoch {max(map(int, told['curve']), default=0)}"
        else:
            failure = told["failure"] or {}
            words = f"{failure.get('status', 'failed')}: {failure.get('message', '')}"
        self._line(taken.number, f"{words}{so_far}")

    def waiting(self, why: str) -> None:
        click.echo(f"fer-bench: {why}; waits for it", file=self.stream)

    def _line(self, number: int, words: str) -> None:
        click.echo(f"[trial {number}] {words}", file=self.stream)
