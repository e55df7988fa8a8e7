"""What commands say on stderr, one line each; results go to stdout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from ..errors import visible

if TYPE_CHECKING:
    from ..data.dataset import Dataset


def say(message: str) -> None:
    """One line on stderr, in which nothing that came from a file gives orders to the terminal."""
    click.echo(f"fer-bench: {visible(' '.join(message.split()))}", err=True)


def warn(messages: Iterable[str]) -> None:
    """A line for each: what was left out, and why."""
    for message in messages:
        say(f"warning: {message}")


def say_reading(dataset: Dataset) -> None:
    """A line for each kind of file that lies with the data and was not read, and for what was decided in reading."""
    for text in reading(dataset):
        say(text)


def reading(dataset: Dataset) -> list[str]:
    """The same as texts."""
    return [*(f"not read: {text}" for text in dataset.left_out), *dataset.notes]
