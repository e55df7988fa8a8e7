"""``fer-bench rm``: records that are to go."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from . import values
from .command import Command
from .options import JSON_OPTION, PLUGIN_OPTION, RESULTS_OPTION, load_plugins, results_folder, stored_runs
from .runs import filter_options, filtered
from .say import note, say

if TYPE_CHECKING:
    from ..records.store import Store, StoredRun


@click.command(cls=Command, epilog="Example: fer-bench rm 103270ea mlp:tuned --dry-run")
@click.argument("keys", nargs=-1, type=values.SYSTEM)
@filter_options
@RESULTS_OPTION
@PLUGIN_OPTION
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal to ask on.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and stop.")
@JSON_OPTION
def rm_command(
    keys: tuple[str, ...],
    statuses: tuple[str, ...],
    dataset: str | None,
    split: str | None,
    results: str,
    plugins: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove records, with their predictions, histories, models and evaluations.

    KEYS are first digits of keys, runs' folders, or runners (svm:tuned), each with all its seeds; what fits several
    systems is refused. Without KEYS, --status, --board and --split choose: `--status error` removes all that failed so.
    What would go is printed first. A record that another process is at is never removed.

    Exit codes: 0 removed, 1 a record can't be read, or the answer was no, 2 wrong input: nothing was removed.
    """
    from ..records.removal import remove
    from ..records.store import Store

    load_plugins(plugins)
    store = Store(results_folder(results))
    stored = stored_runs(store)
    going = chosen(stored, keys, statuses, dataset, split)
    tell(store, going, stored, as_json)
    if dry_run or not going:
        return
    if not (yes or agreed(len(going))):
        say("nothing was removed")
        sys.exit(1)
    store.prepare()
    remove(store, going)
    note(f"removed {len(going)} of {len(stored)} records")


def chosen(
    stored: Sequence[StoredRun],
    keys: Sequence[str],
    statuses: Sequence[str],
    dataset: str | None,
    split: str | None,
) -> list[StoredRun]:
    """The runs that are to go. Raises InputError where nobody said which, or a name is not that of one system."""
    from ..board.select import records_of

    if not (keys or statuses or dataset or split):
        raise InputError("name records by their keys, or choose them by --status, --board or --split; `fer-bench runs`")
    left = filtered(stored, statuses, dataset, split)
    if not keys:
        return left
    folders = [run.folder for key in keys for run in records_of(left, key, only=True)]
    return [run for run in left if run.folder in folders]


def tell(store: Store, going: Sequence[StoredRun], stored: Sequence[StoredRun], as_json: bool) -> None:
    """What would go; and before that the ensembles that stay and are made of it."""
    import json

    from ..board.listing import entries
    from ..board.row import counted
    from ..records.removal import needing, size_of
    from .runs import table

    folders = {run.folder for run in going}
    needed = {run.folder: [one for one in needing(run, stored) if one.folder not in folders] for run in going}
    if as_json:
        told = [
            {
                "key": run.record.job.key,
                "folder": str(run.folder),
                "status": run.record.status,
                "bytes": size_of(run).bytes,
                "needed_by": [one.record.job.key for one in needed[run.folder]],
            }
            for run in going
        ]
        click.echo(json.dumps(told, indent=1))
        return
    for run in going:
        for one in needed[run.folder]:
            job, other = run.record.job, one.record.job
            say(
                f"{job.runner}:{job.recipe}, key {job.key[:8]}, is a member of the ensemble {other.runner}, key"
                f" {other.key[:8]}: that keeps its scores, counts as stale from then on, and can't be made again"
            )
    if not going:
        note("no such record; nothing to remove")
        return
    listed = [entry for entry in entries(stored, shown=going)[0] if entry.evaluation is None]
    sizes = [size_of(run) for run in going]
    click.echo(table(listed))
    click.echo(
        f"{counted(len(going), 'record')} in {store.root}: {sum(size.files for size in sizes):,} files,"
        f" {sum(size.bytes for size in sizes) / 2**20:,.1f} MiB"
    )


def agreed(count: int) -> bool:
    """What the user answers. Raises InputError where there is nobody to be asked."""
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask on: --yes removes them without asking; nothing was removed")
    return click.confirm(f"Remove {'it' if count == 1 else f'these {count}'}?", err=True)
