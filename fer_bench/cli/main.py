"""The ``fer-bench`` command: its groups, and how it fails."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from .. import __version__
from ..errors import InputError

#: command -> the module of fer_bench.cli that defines it (as ``<name>`` with dashes turned into underscores, plus "_command")
COMMANDS = {
    "run": "run",
    "report": "report",
    "list": "runners",
    "info": "runners",
    "new-runner": "runners",
    "data": "data",
    "doctor": "doctor",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used; errors of the user end with code 2 and one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[name]}", __package__)
        command: click.Command = getattr(module, f"{name.replace('-', '_')}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"fer-bench: {' '.join(str(error).split())}", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo("fer-bench: interrupted", err=True)
            sys.exit(130)


@click.group(
    cls=LazyGroup,
    context_settings={
        "auto_envvar_prefix": "FER_BENCH",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    epilog="Example: fer-bench run --all",
)
@click.version_option(__version__, prog_name="fer-bench")
def main() -> None:
    """Train facial-emotion-recognition models on one split, score them alike, rank them on one leaderboard."""
