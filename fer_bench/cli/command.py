"""What all commands have in common: --quiet and --verbose, settings from the environment, old names, plain refusals."""

from __future__ import annotations

import difflib
import os
import shlex
import traceback
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from ..errors import InputError, did_you_mean
from . import mistakes
from .say import LOUDNESS, PENDING, QUIET, VERBOSE, detail, say_pending, warn

#: In a context's ``meta``: the records that could not be read and were told.
UNREADABLE = "fer_bench.unreadable"
#: What variables are called that are good for several commands, behind FER_BENCH_.
GENERAL = ("DATA", "RESULTS", "CACHE", "TTA", "EXECUTOR", "SCHEDULER", "EXECUTOR_CONFIG")


def _loud(value: int) -> Any:
    def callback(ctx: click.Context, _param: click.Parameter, given: bool) -> None:
        if given and ctx.meta.setdefault(LOUDNESS, value) != value:
            raise click.UsageError("--quiet and --verbose contradict each other; leave one of them out", ctx)

    return callback


def _loudness_options() -> list[click.Parameter]:
    quiet = "Say only what is wrong on stderr: warnings, failures, refusals."
    verbose = "Say more on stderr: every epoch of a training, and of a refusal where in the program it arose."
    return [
        click.Option(["--quiet", "-q"], is_flag=True, expose_value=False, callback=_loud(QUIET), help=quiet),
        click.Option(["--verbose", "-v"], is_flag=True, expose_value=False, callback=_loud(VERBOSE), help=verbose),
    ]


class Command(click.Command):
    """A command whose options say by which variable of the environment they can be set, and which says when they are.

    ``old`` are names that options had in earlier versions, and the names that these have today.
    """

    def __init__(self, *args: Any, old: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.old = dict(old or {})
        self.params += _loudness_options()

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """As click's, with the variables of this command added to those that an option names itself."""
        if ctx.auto_envvar_prefix:
            for option in self.params:
                own = f"{ctx.auto_envvar_prefix}_{_long(option).lstrip('-').replace('-', '_').upper()}"
                if isinstance(option, click.Option) and own not in _variables(option):
                    option.envvar, option.show_envvar = [own, *_variables(option)], True
        return super().get_params(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # completion: words may be missing
            return super().parse_args(ctx, args)
        end = args.index("--") if "--" in args else len(args)
        args = [*(self._today(ctx, word) for word in args[:end]), *args[end:]]
        self._refuse_twice(ctx, list(args))
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if rest:
            raise click.UsageError(mistakes.extra(ctx.command_path, {_long(o) for o in self.params}, rest), ctx)
        return rest

    def _today(self, ctx: click.Context, word: str) -> str:
        """A word of the command line under the name that its option has today. Refuses what only looks like an
        option.
        """
        name, equals, value = word.partition("=")
        names = [name for option in self.params if isinstance(option, click.Option) for name in option.opts]
        if meant := mistakes.meant_option(name, names):
            raise click.UsageError(f"{name} is no option; type {meant}{equals}{value}", ctx)
        return f"{self.old.get(name, name)}{equals}{value}"

    def _refuse_twice(self, ctx: click.Context, args: list[str]) -> None:
        """Refuses an option that is given twice and takes one value: which of them is meant, nobody said."""
        try:
            _, _, order = self.make_parser(ctx).parse_args(args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser forgets of which command an option lacks its value
            raise
        for option, times in Counter(order).items():
            one = isinstance(option, click.Option) and not (option.multiple or option.count)
            if one and times > 1 and (option.secondary_opts or not getattr(option, "is_flag", False)):
                raise click.UsageError(f"{_long(option)} is given twice; leave one of them out", ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example on one line, however long: it is there to be copied."""
        if self.epilog:
            formatter.write(f"\n{self.epilog}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """As click's. Exit code 1 where a record could not be read: what was done, was done without it."""
        warn(unknown_variables(ctx))
        used = from_environment(ctx)
        if used:
            ctx.meta[PENDING] = f"from the environment: {', '.join(used)}"
        try:
            result = super().invoke(ctx)
        except InputError as error:
            detail(f"where it arose: {' '.join(traceback.format_exc().split())}")
            ctx.meta.pop(PENDING, None)
            if own := [setting for setting in used if setting.startswith(f"{ctx.auto_envvar_prefix}_")]:
                raise InputError(f"{error} (from the environment: {', '.join(own)})") from error
            raise
        finally:
            say_pending()
        if ctx.meta.get(UNREADABLE):
            ctx.exit(1)
        return result


class Group(click.Group):
    """A group of such commands, which says of a word that is none of them what to type instead."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; of an option before the command it says where that belongs."""
        try:
            return super().parse_args(ctx, list(args))
        except click.NoSuchOption as error:
            command = next((place for place, word in enumerate(args) if word in self.list_commands(ctx)), None)
            if command is None or ctx.resilient_parsing:
                raise
            meant = shlex.join([*args[command:], *args[:command]])
            raise InputError(
                f"{error.option_name} stands before the command; type: {ctx.command_path} {meant}"
            ) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        there = self.list_commands(ctx)
        if args and args[0] not in there and not args[0].startswith("-"):
            raise InputError(mistakes.no_command(args[0], ctx.parent is None, ctx.command_path, there, args[1:]))
        return super().resolve_command(ctx, args)


def tell_unreadable(problems: Sequence[str], so: str = "") -> None:
    """Says once of each record that can't be read why, and what follows; the command goes on, and ends with exit code
    1.
    """
    told = click.get_current_context().meta.setdefault(UNREADABLE, set())
    warn(f"{so}{problem}" for problem in dict.fromkeys(problems) if problem not in told)
    told.update(problems)


def from_environment(ctx: click.Context) -> list[str]:
    """The settings in the environment that this call of a command uses, as VARIABLE=value."""
    found = []
    for option in ctx.command.params:
        if option.name and ctx.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT:
            variable = next(name for name in _accepted(ctx, option) if os.environ.get(name))
            found.append(f"{variable}={os.environ[variable]}")
    return found


def given_as(ctx: click.Context, option: click.Option) -> str:
    """How a message calls an option: by its name, or by the variable where its value came from there."""
    if option.name and ctx.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT:
        return next(name for name in _accepted(ctx, option) if os.environ.get(name))
    return f"'{_long(option)}'"


def unknown_variables(ctx: click.Context) -> list[str]:
    """A line for each variable of the environment that has this command's prefix and is none of its options'."""
    prefix = f"{ctx.auto_envvar_prefix}_"
    known = {name for option in ctx.command.params for name in _accepted(ctx, option)}
    meant = {name: _short_of(name, prefix, known) for name in sorted(os.environ) if not name.startswith(prefix)}
    return [f"{name} sets nothing; did you mean {other}?" for name, other in meant.items() if other] + [
        f"{name} sets nothing: {ctx.command_path} has no such option{did_you_mean(name, known)}"
        for name in sorted(os.environ)
        if ctx.auto_envvar_prefix and name.startswith(prefix) and name not in known
    ]


def _short_of(name: str, prefix: str, known: Collection[str]) -> str:
    """The variable that somebody meant who left out the command in its name, or mistyped one that all commands take; or
    "".
    """
    first, found, rest = name.partition("FER_BENCH_")
    if first or not found or rest in GENERAL or rest.endswith(tuple(f"_{one}" for one in GENERAL)):
        return ""
    if f"{prefix}{rest}" in known:
        return f"{prefix}{rest}"
    close = difflib.get_close_matches(rest, GENERAL, 1, 0.7)
    return f"{found}{close[0]}" if close else ""


def _accepted(ctx: click.Context, option: click.Parameter) -> list[str]:
    """Variables that set an option; the last has the name that it has inside the program, as earlier versions took
    it.
    """
    return [*_variables(option), f"{ctx.auto_envvar_prefix}_{(option.name or '').upper()}"]


def _variables(option: click.Parameter) -> list[str]:
    named = option.envvar or ()
    return [named] if isinstance(named, str) else list(named)


def _long(option: click.Parameter) -> str:
    """The longest name of an option: --jobs, not -j."""
    return max(option.opts, key=len)
