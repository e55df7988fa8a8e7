"""``fer-bench report``: tables and pictures from the records."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError, visible
from . import values
from .command import Command, tell_unreadable
from .options import DATA_VARIABLE, PLUGIN_OPTION, RESULTS_OPTION, data_under, load_plugins, results_folder
from .say import note, say

if TYPE_CHECKING:
    from ..board.board import Board
    from ..data.dataset import Dataset
    from ..records.store import StoredRun


@click.command(cls=Command, epilog="Example: fer-bench report --results results")
@RESULTS_OPTION
@click.option(
    "--data",
    type=values.FILE,
    envvar=DATA_VARIABLE,
    help="The data of the runs, for pictures of the best model's worst mistakes.",
)
@PLUGIN_OPTION
@click.option(
    "--verify",
    is_flag=True,
    help="Write nothing: compute every score of every record again from its predictions; with the data of the runs at "
    "hand (--data), hold labels and scores on unseen images against that, too.",
)
@click.option(
    "--push",
    metavar="USER/NAME",
    help="Upload the report, as a static Space, to the Hugging Face Hub; no faces with it.",
)
@click.option("--dry-run", is_flag=True, help="Print the leaderboards, and neither write nor upload anything.")
@click.option("--json", "as_json", is_flag=True, help="Print the leaderboard as JSON, one object a row.")
def report_command(
    results: str,
    data: str | None,
    plugins: tuple[str, ...],
    verify: bool,
    push: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write README.md, index.html, published.md, leaderboard.csv and plots into the results folder; print the
    leaderboards.

    Where the data of a leaderboard is at hand, the faces that its best model gets wrong are drawn in sheets/, which git
    ignores.

    Exit codes: 0 all went well, 1 some record, or a file beside it, can't be read or contradicts the other (the report
    leaves it out), or with --verify a score differs, 2 no records.
    """
    root = results_folder(results)
    from ..api import registry
    from ..board.ranking import leaderboards_of
    from ..export import hub
    from ..export.space import space_files
    from ..records.predictions import held
    from ..records.store import Store
    from ..report.spare import spared
    from ..report.write import write_report

    if push is not None and verify:
        raise InputError("--verify writes no report that --push could upload: leave one of them out")
    if push is not None:
        hub.check(push)
    load_plugins(plugins)
    stored, problems = Store(root).scan()
    if verify and as_json:
        raise InputError("--verify prints a line for each figure that differs, and no JSON: leave one of them out")
    if verify:
        sys.exit(verified(root, stored, problems, data))
    vouched = held(stored)
    infos = registry.infos()

    def ranked(some: Sequence[StoredRun]) -> list[Board]:
        boards = leaderboards_of(vouched._replace(runs=list(some)), infos)
        for as_object in (False, True):
            tables(boards, as_object)  # so that what can't be printed is known before anything is written
        return boards

    found, runs, unforeseen = spared(vouched.runs, ranked)
    tell_unreadable([*problems, *vouched.problems, *unforeseen])
    if dry_run:
        if not runs:
            raise InputError(f"no records in {root}; `fer-bench run` makes some")
        click.echo(tables(found, as_json))
        return
    written = write_report(root, runs, infos, at_hand(found, data), found)
    tell_unreadable(written.problems)
    click.echo(tables(written.boards, as_json))
    note(f"{len(written.paths)} files written; look at {root / 'index.html'} or read {root / 'README.md'}")
    if push is not None:
        note(f"uploaded to {hub.push(push, 'space', space_files(root, written.paths), 'the report of fer-bench')}")


def verified(root: Path, stored: Sequence[StoredRun], problems: Sequence[str], data: str | None) -> int:
    """Prints each score that its predictions do not give; returns the exit code."""
    from ..board.build import boards
    from ..report.verify import verify

    if not stored and not problems:
        raise InputError(f"no records in {root}; `fer-bench run` makes some")
    tell_unreadable(problems)
    datasets, lacking = brought(boards(run.record for run in stored), data)
    if lacking:
        say(f"labels and unseen images are not checked without the data: {lacking}")
    checked, lines = verify(stored, datasets)
    for line in lines:
        click.echo(visible(line))
    words = "every score is that of its predictions" if not lines else f"{len(lines):,} figures or files differ"
    say(f"{checked:,} records with scores, computed again: {words}")
    return 1 if lines or problems else 0


def tables(boards: Sequence[Board], as_json: bool) -> str:
    """The leaderboards as they are printed."""
    from ..report.write import frame

    if as_json:
        return str(frame(boards).to_json(orient="records", indent=1, double_precision=15)) if boards else "[]"
    parts = []
    for board in boards:
        parts.append(f"{board.text()}\n")
        if board.emotion_rows():
            parts.append(f"F1 by emotion, in %\n{board.emotions_text()}\n")
    return "\n".join(parts)


def at_hand(boards: Iterable[Board], path: str | None) -> dict[str, Dataset]:
    """The data of these leaderboards, by digest, as far as it is here; says in a line of which it is not."""
    found, lacking = brought([board for board in boards if any(row.rank for row in board.rows)], path)
    if lacking:
        note(f"no pictures of mistakes without the data: {lacking}")
    return found


def brought(boards: Iterable[Board], path: str | None) -> tuple[dict[str, Dataset], str]:
    """The data of leaderboards, by digest, as far as it is here, and of which it is not, in words."""
    found: dict[str, Dataset] = {}
    lacking: dict[str, str] = {}
    for board in boards:
        if board.dataset_digest in found:
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
    return found, "; ".join(f"{name} ({why})" for name, why in lacking.items())


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
