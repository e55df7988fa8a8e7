"""What commands say on stderr, one line each; results go to stdout.

``say`` and ``warn`` always speak, ``note`` does not under --quiet, and ``detail`` only does under --verbose.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from ..errors import shortened, visible

if TYPE_CHECKING:
    from ..data.dataset import Dataset

#: Places in a context's ``meta``: how much is said, and a line that is still to be said.
LOUDNESS, PENDING = "fer_bench.loudness", "fer_bench.pending"
QUIET, VERBOSE = -1, 1


def say(message: str) -> None:
    """One line on stderr, in which nothing that came from a file gives orders to the terminal."""
    click.echo(f"fer-bench: {visible(shortened(' '.join(message.split())))}", err=True)


def warn(messages: Iterable[str]) -> None:
    """A line for each: what was left out, and why."""
    for message in messages:
        say(f"warning: {message}")


def note(message: str) -> None:
    """A line that helps to follow what is done, for who did not ask for quiet."""
    if loudness() > QUIET:
        say(message)


def detail(message: str) -> None:
    """A line for who asked for more."""
    if loudness() >= VERBOSE:
        say(message)


def loudness() -> int:
    """-1 under --quiet, 1 under --verbose, else 0."""
    context = click.get_current_context(silent=True)
    return context.meta.get(LOUDNESS, 0) if context else 0


def say_pending() -> None:
    """What was put off until the command's input is known to be right, so that a refusal stays one line."""
    context = click.get_current_context(silent=True)
    if context and (line := context.meta.pop(PENDING, "")):
        note(line)


def say_reading(dataset: Dataset) -> None:
    """A line for each kind of file that lies with the data and was not read, and for what was decided in reading."""
    for text in reading(dataset):
        say(text)


def reading(dataset: Dataset) -> list[str]:
    """The same as texts."""
    return [*(f"not read: {text}" for text in dataset.left_out), *dataset.notes]
