"""``fer-bench runs``: a list of the records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from . import values
from .command import Command, tell_unreadable
from .options import JSON_OPTION, PLUGIN_OPTION, RESULTS_OPTION, load_plugins, results_folder, stored_runs
from .say import note

if TYPE_CHECKING:
    from ..board.listing import Entry
    from ..records.store import StoredRun

#: The states of a record, see ``records.record.Status``.
STATUS = click.Choice(["ok", "error", "timeout", "oom", "interrupted", "skipped"])
#: Of a note in the table; all of it is in JSON, and ``show`` prints it.
LONGEST_NOTE = 40


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which records: --status, --board and --split."""
    for option in (
        click.option("--split", type=values.SPLIT, help="Only records of this split."),
        click.option("--board", "dataset", type=values.BOARD, help="Only records of the data set with this name."),
        click.option(
            "--status", "statuses", type=STATUS, multiple=True, help="Only records with this status; can be repeated."
        ),
    ):
        command = option(command)
    return command


def filtered(
    stored: Sequence[StoredRun], statuses: Sequence[str], dataset: str | None, split: str | None
) -> list[StoredRun]:
    """The runs that the options of ``filter_options`` leave."""
    return [
        run
        for run in stored
        if (not statuses or run.record.status in statuses)
        and dataset in (None, run.record.job.dataset)
        and split in (None, run.record.job.split)
    ]


def fitting(stored: Sequence[StoredRun], names: Sequence[str]) -> list[StoredRun]:
    """The runs that some of the names fits, each once; all of them where there are no names.

    Raises InputError for a name that fits none.
    """
    from ..board.select import all_of

    if not names:
        return list(stored)
    folders = {run.folder for name in names for run in all_of(stored, name)}
    return [run for run in stored if run.folder in folders]


@click.command(cls=Command, epilog="Example: fer-bench runs svm mlp:tuned --status ok")
@click.argument("names", nargs=-1, type=values.SYSTEM)
@filter_options
@RESULTS_OPTION
@PLUGIN_OPTION
@JSON_OPTION
def runs_command(
    names: tuple[str, ...],
    statuses: tuple[str, ...],
    dataset: str | None,
    split: str | None,
    results: str,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the records of a results folder: what ran, what became of it, when and where.

    NAMES are runners (svm), with a recipe (svm:tuned) or parameters, first digits of keys, or runs' folders: whatever
    one of them fits is listed. Without any, all is. Rows from outside, ensembles and evaluations on other data are
    among them; stale records are, too, and say what has changed since.

    Exit codes: 0 all went well, 1 a record can't be read, 2 wrong input.
    """
    import json

    from ..api import registry
    from ..board.listing import entries
    from ..records.store import Store

    load_plugins(plugins)
    stored = stored_runs(Store(results_folder(results)))
    shown = filtered(fitting(stored, names), statuses, dataset, split)
    listed, problems = entries(stored, registry.infos(), shown)
    tell_unreadable(problems)
    if as_json:
        click.echo(json.dumps([entry.to_json() for entry in listed], indent=1))
        return
    if listed:
        click.echo(table(listed))
    note(f"{len(shown)} of {len(stored)} records in {results}" + ("; `fer-bench show KEY` shows one" * bool(shown)))


def table(listed: Sequence[Entry], notes: Sequence[str] | None = None) -> str:
    """The list for a terminal; with other ``notes``, one for each entry, than the entries have."""
    from tabulate import tabulate

    from ..board.board import shorten
    from ..board.columns import percent

    headers = ["key", "system", "data", "split", "seed", "status", "acc. %", "when (UTC)", "where", "note"]
    rows = [
        [
            entry.run.record.job.key[:8],
            entry.system,
            entry.data,
            entry.run.record.job.split,
            str(entry.run.record.job.seed),
            entry.status,
            percent(entry.scores.accuracy) if entry.scores else "",
            entry.started[:16].replace("T", " "),
            entry.where,
            shorten(told, LONGEST_NOTE),
        ]
        for entry, told in zip(listed, notes or [entry.note for entry in listed], strict=True)
    ]
    align = [*["left"] * 4, "right", "left", "right", *["left"] * 3]
    return tabulate(rows, headers, disable_numparse=True, colalign=align)


def one_of(stored: Sequence[StoredRun], name: str, dataset: str | None, split: str | None) -> StoredRun:
    """The one record that a name stands for. Raises InputError where it stands for several seeds."""
    from ..board.select import records_of

    found = records_of(stored, name, dataset=dataset, split=split)
    if len(found) > 1:
        seeds = ", ".join(f"{run.record.job.key[:8]} (seed {run.record.job.seed})" for run in found)
        raise InputError(f"{name} has {len(found)} records; name one of them by its key: {seeds}")
    return found[0]
