"""Naming a system: what a user types for one row of a leaderboard -> the stored runs behind it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..api import registry
from ..api.spec import Spec, parse
from ..errors import InputError
from ..records.record import RunRecord
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


@dataclass(frozen=True)
class Wanted:
    """Which boards may be meant: those of a data set's name, of a split, of these classes; None: of any."""

    dataset: str | None = None
    split: str | None = None
    classes: frozenset[str] | None = None

    def has(self, board: Board) -> bool:
        return (
            self.dataset in (None, board.dataset)
            and self.split in (None, board.split)
            and self.classes in (None, frozenset(board.classes))
        )

    def __str__(self) -> str:
        emotions = f", emotions {', '.join(sorted(self.classes))}" if self.classes else ""
        return f"data set {self.dataset or 'of any name'}, split {self.split or 'of any name'}{emotions}"


def select(
    stored: Sequence[StoredRun],
    name: str,
    *,
    dataset: str | None = None,
    split: str | None = None,
    classes: Iterable[str] | None = None,
) -> System:
    """The system that ``name`` stands for, among runs that went well.

    name: "svm"; "svm:tuned" where it ran with several recipes; "stacked-cnn[n=3]:tuned" (see ``api.spec``); the first
    six or more digits of a job's key, or the path of a run's folder, for that one run. Without ``dataset``, ``split``
    and ``classes`` the first board that has it counts: real data before synthetic, ``official`` before other splits. A
    run on all training images is preferred to one with --limit.

    Raises InputError where nothing, or more than one system, is called so, or a run is not of the board that is wanted.
    """
    wanted = Wanted(dataset, split, None if classes is None else frozenset(classes))
    good = [run for run in stored if run.record.status == "ok" and run.record.scores]
    if single := _single(good, name):
        (board,) = boards([single.record])
        if not wanted.has(board):
            raise InputError(f"{name} is a run on {_of(board)}; wanted is {wanted}: name another, or leave that out")
        return System(board, next(row for row in board.rows if row.runs), (single,))
    if "/" in name:
        raise InputError(f"{name} is no folder of a run that went well here; name a run's folder, a key or a runner")
    found = boards(run.record for run in good)
    there = [board for board in found if wanted.has(board)]
    if found and not there:
        raise InputError(f"no runs on {wanted}; there are {', '.join(map(_of, found))}")
    spec = parse(name)
    for board in there:
        exact = _fitting(board, spec)
        if len(exact) > 1:
            raise InputError(
                f"{name!r} is more than one system on {board.dataset}, split {board.split}: {_choice(exact)}"
            )
        if exact:
            return System(board, exact[0], _stored(exact[0].runs, good))
    raise InputError(_unknown(name, spec, there))


def records_of(
    stored: Sequence[StoredRun],
    name: str,
    *,
    dataset: str | None = None,
    split: str | None = None,
    only: bool = False,
) -> tuple[StoredRun, ...]:
    """The runs that ``name`` stands for as for ``select``, whatever became of them, in the order of their seeds.

    ``only``: nothing is preferred. A name that fits runs of several boards, or of several systems, is refused.

    Raises InputError where nothing, or more than one system, is called so.
    """
    if single := _single(stored, name, only=only):
        return (single,)
    if "/" in name:
        raise InputError(f"{name} is no folder of a record here; name a run's folder, a key or a runner")
    spec, wanted = parse(name), Wanted(dataset, split)
    found = boards(run.record for run in stored)
    there = [board for board in found if wanted.has(board)]
    if found and not there:
        raise InputError(f"no records on {wanted}; there are {', '.join(map(_of, found))}")
    fitting = [(board, rows) for board in there if (rows := _fitting(board, spec, only=only))]
    for board, rows in fitting:
        if len(rows) > 1 or (only and len(fitting) > 1):
            several = [row for _, more in fitting for row in more] if only else rows
            where = "here" if only else f"on {_of(board)}"
            raise InputError(f"{name!r} is more than one system {where}: {_choice(several)}")
        return _stored(rows[0].records, stored)
    raise InputError(_unknown(name, spec, there))


def all_of(stored: Sequence[StoredRun], name: str) -> list[StoredRun]:
    """Every run that a name fits, on any board and whatever became of it; nothing is preferred.

    Raises InputError where there is none.
    """
    if found := _by_place(stored, name):
        return found
    spec = parse(name)
    given = _given(spec)
    for run in stored if "/" not in name else ():
        job = run.record.job
        params = {word: str(value) for word, value in job.params.items()}
        if job.runner == spec.runner and spec.recipe in ("", job.recipe) and (not spec.params or params == given):
            found.append(run)
    if not found:
        raise InputError(_unknown(name, spec, boards(run.record for run in stored)))
    return found


def _fitting(board: Board, spec: Spec, *, only: bool = False) -> list[Row]:
    """The rows of a board that a spec fits: without parameters the one that has none, and of those today's, if there
    are such, unless nothing is to be preferred.
    """
    given = _given(spec)
    rows = [row for row in board.rows if row.runner == spec.runner and spec.recipe in ("", row.recipe)]
    alike = [row for row in rows if _params(row) == given]
    rows = alike if spec.params else rows
    if only:
        return rows
    exact = [row for row in alike if not (row.superseded or row.test_selected)] or rows
    return [row for row in exact if not row.quick_look] or exact


def _of(board: Board) -> str:
    return f"{board.dataset} {board.split}"


def _given(spec: Spec) -> dict[str, str]:
    """The parameters of a name as records write them: of their types, without those that are the runner's defaults."""
    try:
        runner = registry.make(spec.model)
    except InputError:  # made elsewhere, or by a runner that is not here any more
        return spec.params
    return {name: str(value) for name, value in runner.params.items() if value != runner.parameters[name]}


def _params(row: Row) -> dict[str, str]:
    return {name: str(value) for name, value in row.records[0].job.params.items()}


def _single(runs: Iterable[StoredRun], name: str, *, only: bool = False) -> StoredRun | None:
    """The one run whose folder or key (its beginning) is given; of several with that key the latest, or none is meant
    where ``only`` one may be.
    """
    found = _by_place(runs, name)
    keys = {run.record.job.key for run in found}
    if len(keys) > 1 or (only and len(found) > 1):
        more = "give more digits of it" if len(keys) > 1 else "name its folder"
        raise InputError(f"the key {name} is that of several runs: {_listed(found)}; {more}")
    return max(found, key=lambda run: run.record.started, default=None)


def _by_place(runs: Iterable[StoredRun], name: str) -> list[StoredRun]:
    """The runs whose folder or key (its beginning) is given."""
    folder = Path(name).resolve()
    is_key = len(name) >= SHORTEST_KEY and set(name) <= set("0123456789abcdef")
    return [r for r in runs if r.folder.resolve() == folder or (is_key and r.record.job.key.startswith(name))]


def _listed(runs: Sequence[StoredRun]) -> str:
    """The keys of runs with what they are, as many as fit a line."""
    words = [f"{run.record.job.key[:12]} ({run.record.job.runner}, {run.folder})" for run in runs[:6]]
    return ", ".join(words) + (f" and {len(runs) - 6} more" if len(runs) > 6 else "")


def _stored(records: Iterable[RunRecord], runs: Iterable[StoredRun]) -> tuple[StoredRun, ...]:
    at = {(run.record.job.key, run.record.started): run for run in runs}
    found = (at[record.job.key, record.started] for record in records)
    return tuple(sorted(found, key=lambda run: run.record.job.seed))


def _choice(rows: Iterable[Row]) -> str:
    """What to type instead: recipe, and for rows that share it the key of their first run."""
    words = [
        f"{row.label}:{row.recipe} ({row.note() or row.records[0].training.init}; key {row.records[0].job.key[:8]})"
        for row in rows
    ]
    return f"{', '.join(words)}; name a recipe or a key"


def _unknown(name: str, spec: Spec, wanted: Iterable[Board]) -> str:
    rows = [row for board in wanted for row in board.rows]
    if of_runner := [row for row in rows if spec.runner == row.runner]:
        ran = {f"{row.label}:{row.recipe}" if spec.params else row.recipe or "" for row in of_runner}
        return f"no run of {name}; {spec.runner} ran {'as' if spec.params else 'with'} {', '.join(sorted(ran))}"
    there = list(dict.fromkeys(row.label for row in rows))
    found = f"no run called {name!r}; there are {', '.join(there) or 'none'}"
    if spec.runner in registry.names():
        return f"{found}: run {spec.runner} first, or name another results folder with --results"
    close = difflib.get_close_matches(spec.runner.lower(), there, 1)
    return f"no run called {name!r}; did you mean {close[0]}?" if close else found
