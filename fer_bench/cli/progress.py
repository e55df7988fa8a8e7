"""How a sweep shows its progress, on stderr: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

import click

from ..engine import Observer
from .say import QUIET, VERBOSE, loudness

if TYPE_CHECKING:
    from ..engine.job import Job
    from ..records.record import RunRecord

#: Seconds between two plain lines of one run, at least.
PAUSE = 10.0


@contextmanager
def observer() -> Iterator[Observer]:
    """The observer that fits stderr, and how much is to be said there."""
    stderr = cast("IO[str]", Sturdy(sys.stderr))
    if loudness() <= QUIET:
        yield Observer()
        return
    if loudness() >= VERBOSE or not stderr.isatty():
        yield Lines(stderr, 0.0 if loudness() >= VERBOSE else PAUSE)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stderr), refresh_per_second=4, transient=True) as progress:
        yield Bars(progress)


class Sturdy:
    """A stream that goes on in silence when nobody reads it any more: a sweep does not end because its terminal did."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError:
            self._silence()
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError:
            self._silence()

    def _silence(self) -> None:
        """Turns the stream's file descriptor itself into the null device: others write to it, too."""
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), self.stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def state_of(event: Mapping[str, Any]) -> str:
    """An event in words: epoch 3/20 accuracy .412 validation .387."""
    if event.get("phase") or event.get("note"):
        return str(event.get("phase") or event["note"])
    so_far = ", so far:" if event.get("step") else ""
    words = [f"epoch {event.get('epoch', '?')}/{event.get('epochs', '?')}{so_far}"]
    for key, name in (
        ("loss", "loss"),
        ("accuracy", "accuracy"),
        ("val_loss", "val loss"),
        ("val_accuracy", "val accuracy"),
    ):
        if event.get(key) is not None:
            words.append(f"{name} {event[key]:.3f}")
    return " ".join(words)


def result_of(record: RunRecord) -> str:
    """A finished run in words."""
    if record.scores:
        return f"ok in {record.seconds:.0f} s, accuracy {record.scores.accuracy:.4f}, init {record.training.init}"
    failure = record.failure
    why = f": {failure.message}" + (f" ({failure.hint})" if failure.hint else "") if failure else ""
    return f"{record.status} after {record.seconds:.0f} s{why}"


class Lines(Observer):
    """One line when a run begins, one now and then, one when it ends."""

    def __init__(self, stream: IO[str], pause: float = PAUSE) -> None:
        self.stream = stream
        self.pause = pause
        self.prefix: dict[Job, str] = {}
        self.last: dict[Job, float] = {}

    def started(self, number: int, total: int, job: Job) -> None:
        self.prefix[job] = f"[{number}/{total}] {job.title}"
        self.last[job] = time.monotonic()
        click.echo(f"{self.prefix[job]}: started", file=self.stream)

    def waiting(self, number: int, total: int, job: Job, reason: str) -> None:
        self.prefix[job] = f"[{number}/{total}] {job.title}"
        click.echo(f"{self.prefix[job]}: {reason}", file=self.stream)

    def progressed(self, job: Job, event: Mapping[str, Any]) -> None:
        if event.get("note") or time.monotonic() - self.last[job] >= self.pause:
            self.last[job] = time.monotonic()
            click.echo(f"{self.prefix[job]}: {state_of(event)}", file=self.stream)

    def finished(self, job: Job, record: RunRecord) -> None:
        click.echo(f"{self.prefix.get(job, job.title)}: {result_of(record)}", file=self.stream)


class Bars(Observer):
    """A bar for the sweep and one for each run, of epochs and the steps inside them."""

    def __init__(self, progress: Any) -> None:
        self.progress = progress
        self.sweep: Any = None
        self.runs: dict[Job, Any] = {}
        self.done = 0

    def waiting(self, number: int, total: int, job: Job, reason: str) -> None:
        self.progress.console.print(f"{job.title}: {reason}", markup=False, highlight=False)

    def started(self, number: int, total: int, job: Job) -> None:
        if self.sweep is None:
            self.sweep = self.progress.add_task("all runs", total=total, completed=self.done, state="")
        self.runs[job] = self.progress.add_task(job.title, total=None, state="starting")

    def progressed(self, job: Job, event: Mapping[str, Any]) -> None:
        if event.get("note"):
            self.progress.console.print(f"{job.title}: {event['note']}", markup=False, highlight=False)
            return
        total, done = event.get("epochs"), None
        if total and event.get("epoch"):
            part = event["step"] / event["steps"] if event.get("steps") and event.get("step") else 1.0
            done = event["epoch"] - 1 + part
        self.progress.update(self.runs[job], total=total, completed=done, state=state_of(event))

    def finished(self, job: Job, record: RunRecord) -> None:
        self.done += 1
        if job in self.runs:  # else another process ran it
            self.progress.remove_task(self.runs.pop(job))
        self.progress.console.print(f"{job.title}: {result_of(record)}", markup=False, highlight=False)
        if self.sweep is not None:
            self.progress.update(self.sweep, completed=self.done)
