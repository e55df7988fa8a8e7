"""Naming a system: what a user types for one row of a leaderboard -> the stored runs behind it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..records.store import StoredRun
from .board import Board
from .build import boards
from .row import Row

#: A shorter piece of a job's key is taken for a runner's name.
SHORTEST_KEY = 6


@dataclass(frozen=True)
class System:
    """A row of a board with where its runs are stored: one run a seed, in the order of their seeds."""

    board: Board
    row: Row
    runs: tuple[StoredRun, ...]


def select(stored: Sequence[StoredRun], name: str, *, dataset: str | None = None, split: str | None = None) -> System:
    """The system that ``name`` stands for, among runs that went well.

    name: "svm"; "svm:tuned" where it ran with several recipes; "stacked-cnn[n=3]:tuned"; the first six or more digits of
    a job's key, or the path of a run's folder, for that one run. Without ``dataset`` and ``split`` the first board that
    has it counts: real data before synthetic, ``official`` before other splits. A run on all training images is preferred
    to one with --limit.

    Raises InputError where nothing, or more than one system, is called so.
    """
    good = [run for run in stored if run.record.status == "ok" and run.record.scores]
    if single := _single(good, name):
        (board,) = boards([single.record])
        return System(board, next(row for row in board.rows if row.runs), (single,))
    runner, _, recipe = name.partition(":")
    found = boards(run.record for run in good)
    wanted = [b for b in found if dataset in (None, b.dataset) and split in (None, b.split)]
    if found and not wanted:
        there = ", ".join(f"{b.dataset} {b.split}" for b in found)
        raise InputError(
            f"no runs on data set {dataset or 'of any name'}, split {split or 'of any name'}; there are {there}"
        )
    for board in wanted:
        rows = [row for row in board.rows if runner in (row.runner, row.label) and recipe in ("", row.recipe)]
        exact = [row for row in rows if row.label == runner and not (row.superseded or row.test_selected)] or rows
        exact = [row for row in exact if not row.quick_look] or exact
        if len(exact) > 1:
            raise InputError(
                f"{name!r} is more than one system on {board.dataset}, split {board.split}: {_choice(exact)}"
            )
        if exact:
            return System(board, exact[0], _stored(exact[0], good))
    raise InputError(_unknown(name, wanted))


def _single(runs: Iterable[StoredRun], name: str) -> StoredRun | None:
    """The one run whose folder or key (its beginning) is given; of several with that key the latest."""
    folder = Path(name).resolve()
    is_key = len(name) >= SHORTEST_KEY and set(name) <= set("0123456789abcdef")
    found = [r for r in runs if r.folder.resolve() == folder or (is_key and r.record.job.key.startswith(name))]
    if len({run.record.job.key for run in found}) > 1:
        raise InputError(f"the key {name} is that of several runs; give more digits of it")
    return max(found, key=lambda run: run.record.started, default=None)


def _stored(row: Row, runs: Iterable[StoredRun]) -> tuple[StoredRun, ...]:
    at = {(run.record.job.key, run.record.started): run for run in runs}
    found = (at[record.job.key, record.started] for record in row.runs)
    return tuple(sorted(found, key=lambda run: run.record.job.seed))


def _choice(rows: Iterable[Row]) -> str:
    """What to type instead: recipe, and for rows that share it the key of their first run."""
    words = [
        f"{row.label}:{row.recipe} ({row.note() or row.runs[0].training.init}; key {row.runs[0].job.key[:8]})"
        for row in rows
    ]
    return f"{', '.join(words)}; name a recipe or a key"


def _unknown(name: str, wanted: Iterable[Board]) -> str:
    there = list(dict.fromkeys(row.label for board in wanted for row in board.rows))
    close = difflib.get_close_matches(name.partition(":")[0], there, 1)
    if close and close[0] == name.partition(":")[0]:
        recipes = {row.recipe or "" for board in wanted for row in board.rows if close[0] in (row.runner, row.label)}
        return f"no run of {name}; {close[0]} ran with {', '.join(sorted(recipes))}"
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(there) or 'none'}"
    return f"no run called {name!r}; {hint}"
