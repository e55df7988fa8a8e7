"""The ``fer-bench`` command: its groups, and how it fails."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import __version__
from ..errors import InputError, RunError, did_you_mean, is_disk_full
from . import mistakes
from .command import Group, given_as
from .say import say

#: command -> the module of fer_bench.cli that defines it (as ``<name>`` with dashes turned into underscores, plus
#: "_command")
COMMANDS = {
    "run": "run",
    "tune": "tune",
    "runs": "runs",
    "show": "show",
    "rm": "rm",
    "log": "log",
    "report": "report",
    "compare": "compare",
    "score": "score",
    "ensemble": "ensemble",
    "evaluate": "evaluate",
    "predict": "predict",
    "demo": "demo",
    "export": "export",
    "card": "card",
    "list": "runners",
    "info": "runners",
    "new-runner": "runners",
    "data": "data",
    "doctor": "doctor",
}


#: What is wrong with a path, as an OSError says it: whoever gave it can give another. Else something failed here.
OF_PATHS = {
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP,
    errno.ENAMETOOLONG, errno.EINVAL, errno.EROFS, errno.ENXIO,
}  # fmt: skip


class LazyGroup(Group):
    """Imports a command's module when the command is used; errors of the user end with code 2 and one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[name]}", __package__)
        command: click.Command = getattr(module, f"{name.replace('-', '_')}_command")
        return command

    def main(  # type: ignore[override]  # click's has overloads that say the same
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's, but that a mistake of the user is one line, and Ctrl-C exits with 130."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        stand_in_for_streams()
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except click.UsageError as error:
            say(refusal(error))
            sys.exit(2)
        except (InputError, click.ClickException) as error:
            say(str(error))
            sys.exit(2)
        except RunError as error:
            say(str(error))
            sys.exit(1)
        except OSError as error:
            say(unforeseen(error))
            sys.exit(2 if error.errno in OF_PATHS else 1)
        except (KeyboardInterrupt, click.Abort):
            say("interrupted")
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else 0)


def unforeseen(error: OSError) -> str:
    """What is said of an error of the system that no command expects."""
    where = f"{error.filename}: " if error.filename else ""
    safe = "; what was finished is safe: free some space and run it again" if is_disk_full(error) else ""
    return f"{where}{error.strerror or error}{safe}"


def stand_in_for_streams() -> None:
    """Puts the null device where a standard stream was closed, and lets what a terminal's encoding lacks be printed.

    Else the next file that is opened would take the place of the stream, and get what is meant for that.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def refusal(error: click.UsageError) -> str:
    """What is wrong with the words of a command line, and what to type."""
    if isinstance(error, click.BadParameter) and isinstance(error.param, click.Option) and error.ctx:
        error.param_hint = given_as(error.ctx, error.param)
    said = error.format_message().rstrip(".").replace("is not a valid integer range", "is no whole number")
    said = said.replace("is not a valid float range", "is no number").replace(
        "is not a valid integer", "is no whole number"
    )
    if error.ctx is None:
        return f"{said}; see 'fer-bench --help'"
    command, path = error.ctx.command, error.ctx.command_path
    if isinstance(error, click.NoSuchOption):
        names = [name for option in command.params for name in option.opts]
        said = f"no option {error.option_name}{did_you_mean(error.option_name, names)}"
    elif isinstance(error, click.MissingParameter | click.BadOptionUsage):
        said += mistakes.example(command)
    return f"{said}; see '{path} --help'"


@click.group(
    cls=LazyGroup,
    context_settings={
        "auto_envvar_prefix": "FER_BENCH",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    epilog="Example: fer-bench run --all",
)
@click.version_option(__version__, "--version", "-V", prog_name="fer-bench", help="Show the version and exit.")
def main() -> None:
    """Facial-emotion recognition: train models on one split, score them alike, rank them; ask one about a face."""
