"""``fer-bench report``: tables and pictures from the records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from . import values
from .command import Command, tell_unreadable
from .options import DATA_VARIABLE, PLUGIN_OPTION, RESULTS_OPTION, data_under, load_plugins, results_folder
from .say import note

if TYPE_CHECKING:
    from ..board.board import Board
    from ..data.dataset import Dataset


@click.command(cls=Command, epilog="Example: fer-bench report --results results")
@RESULTS_OPTION
@click.option(
    "--data",
    type=values.FILE,
    envvar=DATA_VARIABLE,
    help="The data of the runs, for pictures of the best model's worst mistakes.",
)
@PLUGIN_OPTION
@click.option("--dry-run", is_flag=True, help="Print the leaderboards, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the leaderboard as JSON, one object a row.")
def report_command(results: str, data: str | None, plugins: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Write README.md, index.html, published.md, leaderboard.csv and plots into the results folder; print the leaderboards.

    Where the data of a leaderboard is at hand, the faces that its best model gets wrong are drawn in sheets/, which git
    ignores.

    Exit codes: 0 all went well, 1 some record (the report leaves it out) or predictions can't be read, 2 no records.
    """
    root = results_folder(results)
    from ..api import registry
    from ..board.ranking import leaderboards
    from ..records.predictions import damaged_predictions
    from ..records.store import Store
    from ..report.write import frame, write_report

    load_plugins(plugins)
    runs, problems = Store(root).scan()
    problems += damaged_predictions(runs)
    tell_unreadable(problems)
    infos = registry.infos()
    found = leaderboards(runs, infos)
    if dry_run and not runs:
        raise InputError(f"no records in {root}; `fer-bench run` makes some")
    if not dry_run:
        written = write_report(root, runs, infos, at_hand(found, data), found)
        note(f"{len(written)} files written; look at {root / 'index.html'} or read {root / 'README.md'}")
    if as_json:
        click.echo(frame(found).to_json(orient="records", indent=1, double_precision=15))
    else:
        for board in found:
            click.echo(f"{board.text()}\n")
            if board.emotion_rows():
                click.echo(f"F1 by emotion, in %\n{board.emotions_text()}\n")


def at_hand(boards: Iterable[Board], path: str | None) -> dict[str, Dataset]:
    """The data of these leaderboards, by digest, as far as it is here; says in a line of which it is not."""
    found: dict[str, Dataset] = {}
    lacking: dict[str, str] = {}
    for board in boards:
        if board.dataset_digest in found or not any(row.rank for row in board.rows):
            continue
        try:
            dataset = data_of(board, path)
        except InputError as error:
            lacking[board.dataset] = str(error)
            continue
        if dataset is not None and dataset.digest == board.dataset_digest:
            found[dataset.digest] = dataset
        else:
            lacking[board.dataset] = "other data is here" if dataset else "bring it with --data"
    if lacking:
        words = "; ".join(f"{name} ({why})" for name, why in lacking.items())
        note(f"no pictures of mistakes without the data: {words}")
    return found


def data_of(board: Board, path: str | None) -> Dataset | None:
    """What is at hand under a board's labels: the embedded set, ``path`` or what was downloaded; None without any."""
    from ..data.dataset import is_embedded
    from ..data.load import find, load_dataset
    from ..data.synthetic import synthetic

    if is_embedded(board.dataset):
        dataset = synthetic()
    elif find(path)[0] is not None:
        dataset = load_dataset(path)
    else:
        return None
    return data_under(dataset, board.classes)
