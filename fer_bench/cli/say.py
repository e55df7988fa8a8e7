"""What commands say on stderr, one line each; results go to stdout."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ..errors import visible


def say(message: str) -> None:
    """One line on stderr, in which nothing that came from a file gives orders to the terminal."""
    click.echo(f"fer-bench: {visible(' '.join(message.split()))}", err=True)


def warn(messages: Iterable[str]) -> None:
    """A line for each: what was left out, and why."""
    for message in messages:
        say(f"warning: {message}")
