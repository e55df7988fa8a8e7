"""``fer-bench log``: records for MLflow, Weights & Biases and TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from . import values
from .command import Command, tell_unreadable
from .options import JSON_OPTION, PLUGIN_OPTION, RESULTS_OPTION, load_plugins, results_folder, stored_runs
from .runs import filter_options, filtered, fitting
from .say import detail, note, say

if TYPE_CHECKING:
    from ..records.store import StoredRun
    from ..tracking.account import Tracker


@click.command(cls=Command, epilog="Example: fer-bench log svm mlp:tuned --to mlflow")
@click.argument("runs", nargs=-1, type=values.SYSTEM)
@click.option(
    "--to",
    "where",
    type=click.Choice(["mlflow", "wandb", "tensorboard"]),
    required=True,
    help="The tracker; each is an extra of this name.",
)
@click.option(
    "--uri",
    metavar="URI|FOLDER",
    help="Of MLflow: a server, a database or a folder. [default: MLFLOW_TRACKING_URI, else MLflow's own]",
)
@click.option(
    "--out",
    type=values.FOLDER,
    metavar="DIR",
    help="TensorBoard: the folder of logs; W&B: the folder above wandb/. [default: tensorboard; WANDB_DIR, else .]",
)
@click.option("--project", metavar="NAME", help="MLflow's experiment, or W&B's project. [default: fer-bench]")
@click.option("--online", is_flag=True, help="W&B: send the runs at once; without it nothing leaves this computer.")
@filter_options
@RESULTS_OPTION
@PLUGIN_OPTION
@click.option("--dry-run", is_flag=True, help="Say which records would be logged, and stop.")
@JSON_OPTION
def log_command(
    runs: tuple[str, ...],
    where: str,
    uri: str | None,
    out: str | None,
    project: str | None,
    online: bool,
    statuses: tuple[str, ...],
    dataset: str | None,
    split: str | None,
    results: str,
    plugins: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Log records, with their histories, to MLflow, Weights & Biases or TensorBoard.

    RUNS are runners (svm), with a recipe (svm:tuned), first digits of keys, or runs' folders: whatever one of them fits
    is logged. Without any, all records are. Each becomes a run with the recipe's fields as parameters, every score, the
    curves of its training, and its small files; models are not copied. What was logged already is not logged again.

    Exit codes: 0 all went well, 1 a record can't be read, 2 wrong input.
    """
    from ..records.store import Store

    check_options(where, uri, out, project, online)
    load_plugins(plugins)
    stored = stored_runs(Store(results_folder(results)))
    chosen = filtered(fitting(stored, runs), statuses, dataset, split)
    if dry_run:
        told(chosen, ["would be logged" for _ in chosen], as_json)
        return
    with closing(opened(where, uri, out, project or "fer-bench", online)) as tracker:
        outcomes = logged(chosen, tracker)
        told(chosen, outcomes, as_json)
        note(place_of(tracker, outcomes) + (f"; look at them: {tracker.look}" if tracker.look else ""))


def place_of(tracker: Tracker, outcomes: Sequence[str]) -> str:
    """How many records are where, and how they came there."""
    told = {"new": "new", "changed": "logged again, as they have changed", "there": "there already"}
    counts = [f"{outcomes.count(word)} {words}" for word, words in told.items() if word in outcomes]
    return f"records at {tracker.place}: {', '.join(counts) or 'none'}"


def check_options(where: str, uri: str | None, out: str | None, project: str | None, online: bool) -> None:
    """Raises InputError for an option that the tracker does not have."""
    given = {"--uri": uri, "--out": out, "--project": project, "--online": online}
    has = {"mlflow": {"--uri", "--project"}, "wandb": {"--out", "--project", "--online"}, "tensorboard": {"--out"}}
    for option, value in given.items():
        if value and option not in has[where]:
            others = " and ".join(name for name in has if option in has[name])
            raise InputError(f"{option} is for {others}, and --to {where} has no use for it; leave it out")


def opened(where: str, uri: str | None, out: str | None, project: str, online: bool) -> Tracker:
    """The tracker that --to names. Raises InputError where it can't be used."""
    if where == "mlflow":
        from ..tracking.to_mlflow import MLflow

        return MLflow(uri, project)
    if where == "wandb":
        from ..tracking.to_wandb import WandB

        return WandB(out, project, online)
    from ..tracking.to_tensorboard import TensorBoard

    return TensorBoard(out)


def logged(chosen: Sequence[StoredRun], tracker: Tracker) -> list[str]:
    """What became of each run: "new", "changed", "there", or "unreadable", which is told."""
    from ..tracking.account import account_of

    outcomes = []
    for run in chosen:
        try:
            account = account_of(run)
        except InputError as error:
            tell_unreadable([str(error)], f"{run.record.job.runner}, key {run.record.job.key[:8]}, is not logged: ")
            outcomes.append("unreadable")
            continue
        if account.left_out:
            say(f"{account.name}, key {account.key[:8]}: {', '.join(account.left_out)} is too large to be logged")
        outcomes.append(tracker.log(account))
        detail(f"{account.name}: {outcomes[-1]}")
    return outcomes


def told(chosen: Sequence[StoredRun], outcomes: Sequence[str], as_json: bool) -> None:
    """Prints which records were logged."""
    import json

    from ..board.listing import entries
    from .runs import table

    if as_json:
        lines = [
            {"key": run.record.job.key, "folder": str(run.folder), "outcome": outcome}
            for run, outcome in zip(chosen, outcomes, strict=True)
        ]
        click.echo(json.dumps(lines, indent=1))
        return
    said = {run.folder: outcome for run, outcome in zip(chosen, outcomes, strict=True)}
    listed = [entry for entry in entries(chosen)[0] if entry.evaluation is None]
    if listed:
        click.echo(table(listed, [said[entry.run.folder] for entry in listed]))
