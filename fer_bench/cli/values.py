"""What options take: paths, splits, recipes, systems, seconds. Each completes itself in the shell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ..errors import InputError

if TYPE_CHECKING:
    from ..records.store import StoredRun


class Words(click.ParamType):
    """Text, for which the shell offers words, and paths where it may be one.

    Attributes:
        name: of the value, as help shows it.
        words: what is offered, of a call's other options.
        files: whether paths are offered, too.
    """

    def __init__(self, name: str, words: Callable[[dict[str, Any]], Iterable[str]], files: bool = False) -> None:
        self.name, self.words, self.files = name, words, files

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = list(dict.fromkeys(self.words(ctx.params)))
        except (InputError, OSError):  # what is half typed can't be read
            found = []
        items = [CompletionItem(word) for word in found if word.startswith(incomplete)]
        return [*items, CompletionItem(incomplete, type="file")] if self.files else items


class Seconds(click.ParamType):
    """A number of seconds, at least 1; 0 is no limit, and becomes None."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and (seconds == 0 or seconds >= 1)):
            self.fail(f"{value!r} is no number of seconds: at least 1, or 0 for no limit", param, ctx)
        return seconds or None


class Folder(click.Path):
    """A folder's path. Whether it can be used, the command itself says: some make it, some want it empty."""

    def __init__(self) -> None:
        super().__init__(file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value


class Plugin(click.Path):
    """A module's name or a .py file; several in a variable are apart by spaces, whatever the system writes between
    paths.
    """

    envvar_list_splitter = None  # type: ignore[assignment]  # whitespace


def _runners(_params: dict[str, Any]) -> list[str]:
    """Runners; with recipes too, each behind its colon."""
    from ..api import registry

    registry.know_plugins()
    return [
        *registry.names(),
        *(f"{name}:{recipe}" for name in registry.names() for recipe in registry.get(name).recipes),
    ]


def _recipes(params: dict[str, Any]) -> list[str]:
    from .mistakes import recipes

    return [*recipes(params.get("names") or ()), "all"]


def _fields(params: dict[str, Any]) -> list[str]:
    from ..api import registry
    from ..api.recipe_fields import options_of
    from ..api.recipe_file import can_be_set

    runners = [registry.get(registry.parse(name).runner) for name in params.get("names") or ()]
    options = [option for runner in runners for option in options_of(runner.recipes)]
    return [f"{name}=" for name in can_be_set(options)]


def _splits(_params: dict[str, Any]) -> list[str]:
    from ..data.splits import NAMES, expand

    return [one for name in NAMES for one in dict.fromkeys((name, *expand(name)))]


def stored(params: dict[str, Any]) -> list[StoredRun]:
    """The runs of the results folder that a half typed command names."""
    from ..records.store import Store

    return Store(Path(params.get("results") or "results")).scan()[0]


def _systems(params: dict[str, Any]) -> list[str]:
    jobs = [run.record.job for run in stored(params)]
    return [word for job in jobs for word in (job.runner, f"{job.runner}:{job.recipe}", job.key[:8])]


def _studies(params: dict[str, Any]) -> list[str]:
    from ..search.studies import found

    return [folder.name for folder in found(Path(params.get("results") or "results"))]


def _boards(params: dict[str, Any]) -> list[str]:
    return [run.record.job.dataset for run in stored(params)]


FILE = click.Path()
FOLDER = Folder()
RUNNER = Words("runner", _runners)
RECIPE = Words("recipe|file", _recipes, files=True)
FIELD = Words("field=value", _fields)
SPLIT = Words("split", _splits)
#: A row of a leaderboard, or one run: by its runner, the digits of its key, or its folder.
SYSTEM = Words("system", _systems, files=True)
BOARD = Words("name", _boards)
STUDY = Words("name", _studies)
DEVICE = Words("device", lambda params: ("auto", "cpu", "gpu", "gpu:0", "gpu:1"))
WEIGHTS = Words("word|file", lambda params: ("auto", "imagenet", "random"), files=True)
SCHEDULER = Words("address", lambda params: ("tcp://127.0.0.1:8786",))
#: Where a server listens.
HOST = Words("address", lambda params: ("127.0.0.1", "0.0.0.0"))
SECONDS = Seconds()
