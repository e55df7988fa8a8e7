"""Records -> leaderboards: pure functions, in which the order of the records never matters."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..api.runner import RunnerInfo
from ..data.dataset import is_embedded
from ..records.record import ENSEMBLE, EXTERNAL, JobInfo, RunRecord
from .board import Board, file_name
from .row import STALE, Row


def boards(runs: Iterable[RunRecord], expected: Iterable[RunnerInfo] = ()) -> list[Board]:
    """Leaderboards from records in any order: real data before synthetic, ``official`` before other splits.

    Where two records have the same job key, the later one stands. Rows are sorted by accuracy; below them those that
    can't have a rank, sorted likewise: stale ones, and those whose checkpoint the test part or somebody picked. Then
    come those that failed, and the ``expected`` runners that no record of that board names, but for those that run only
    where they are named. Ranks need predictions: ``ranking.ranked``.

    >>> from pathlib import Path
    >>> from fer_bench import Store, boards
    >>> runs, _ = Store(Path("results")).scan()
    >>> (board,) = boards(run.record for run in runs)
    >>> board.split, [row.runner for row in board.rows]
    ('official', ['hog-svm', 'svm'])
    """
    latest: dict[tuple[Board, str], RunRecord] = {}
    for run in runs:
        place = (_board_of(run), run.job.key)
        latest[place] = max(latest.get(place, run), run, key=_age)
    groups: dict[Board, list[RunRecord]] = defaultdict(list)
    for (board, _), run in latest.items():
        groups[board].append(run)
    names = Counter((board.dataset, board.split) for board in groups)
    known = list(expected)
    ordered = sorted(groups, key=lambda b: (is_embedded(b.dataset), b.dataset, b.split != "official", repr(b)))
    changed = _changed(groups)
    return [
        replace(
            board,
            rows=_rows(groups[board], known, changed.get(board)),
            slug=_slug(board, names[board.dataset, board.split] > 1),
        )
        for board in ordered
    ]


def _board_of(run: RunRecord) -> Board:
    job = run.job
    return Board(job.dataset, job.dataset_digest, job.split, job.split_digest, tuple(job.classes), job.test_images)


def _changed(groups: Mapping[Board, Sequence[RunRecord]]) -> dict[Board, str]:
    """The boards whose data or split are no longer those of their name, and which: a newer record has another
    digest.
    """
    latest = {board: max(run.started for run in runs) for board, runs in groups.items()}
    changed = {}
    for board in groups:
        same = [b for b in groups if (b.dataset, b.split, b.classes) == (board.dataset, board.split, board.classes)]
        newest = max(same, key=lambda b: (latest[b], b == board))
        if newest.dataset_digest != board.dataset_digest:
            changed[board] = "data changed"
        elif newest != board:
            changed[board] = "split changed"
    return changed


def _slug(board: Board, crowded: bool) -> str:
    name = f"{board.dataset}-{board.split}"
    if crowded:
        name += f"-{hashlib.sha256(repr(board).encode()).hexdigest()[:8]}"
    return file_name(name)


def _age(run: RunRecord) -> tuple[str, str]:
    return run.started, run.model_dump_json()


def _configuration(run: RunRecord) -> tuple[Any, ...]:
    """What runs of one row share, but for its init, which a failed run may not have come to know."""
    job = run.job
    params = tuple(sorted((name, repr(value)) for name, value in job.params.items()))
    budget = (job.weights, job.epochs, job.limit, job.balance, job.fill_digest, job.checkpoint)
    return job.runner, job.recipe, params, *budget


def _rows(runs: Iterable[RunRecord], expected: Iterable[RunnerInfo], changed: str | None) -> tuple[Row, ...]:
    """The rows of one board; ``changed`` says what of it is no longer that of its name."""
    known = {info.name: info for info in expected}
    configurations: dict[tuple[Any, ...], dict[tuple[int, str], list[RunRecord]]] = {}
    for run in sorted(runs, key=lambda run: (_configuration(run)[:2], run.job.seed, _age(run))):
        versions = configurations.setdefault(_configuration(run), {})
        versions.setdefault((run.job.runner_version, run.job.recipe_digest), []).append(run)
    rows: list[Row] = []
    for versions in configurations.values():
        newest = max(versions, key=lambda version: max(_age(run) for run in versions[version]))
        for version, members in versions.items():
            reasons = {_outdated(version, newest), _stale(members[0].job, known.get(members[0].job.runner)), changed}
            stale = tuple(reason for reason in STALE if reason in reasons)
            rows += [replace(row, stale=stale) for row in _rows_of(members, superseded=version != newest)]
    rows = [row if row.family != ENSEMBLE else _with_members(row, rows) for row in rows]
    rows.sort(key=_place)
    present = {row.runner for row in rows}
    waiting = [info for info in known.values() if info.in_all and info.name not in present]
    return (*rows, *(Row(info.name, info.family) for info in waiting))


def _with_members(row: Row, rows: Sequence[Row]) -> Row:
    """An ensemble's row, stale where a member is no longer what it was, or is stale itself by more than the board's
    data.
    """
    of_board = {"data changed", "split changed"}
    standing = {
        (run.job.key, run.started)
        for other in rows
        if not other.superseded and set(other.stale) <= of_board
        for run in other.runs
    }
    members = [member for run in row.runs if run.ensemble for member in run.ensemble.members]
    if all((member.key, member.started) in standing for member in members):
        return row
    reasons = {*row.stale, "members changed"}
    return replace(row, stale=tuple(reason for reason in STALE if reason in reasons))


def _stale(job: JobInfo, info: RunnerInfo | None) -> str | None:
    """What has changed in the program since a job ran; None where nothing did, or the program has no such runner."""
    if info is None or job.family in (EXTERNAL, ENSEMBLE):
        return None
    digests = dict(info.recipe_digests)
    own = digests and job.recipe_origin is None
    today = (info.version, digests.get(job.recipe) if own else job.recipe_digest)
    return _outdated((job.runner_version, job.recipe_digest), today)


def _outdated(then: tuple[int, str], now: tuple[int, str | None]) -> str | None:
    """What differs between two pairs of a runner's version and its recipe's digest."""
    return None if then == now else "runner changed" if then[0] != now[0] else "recipe changed"


def _place(row: Row) -> tuple[Any, ...]:
    accuracy = row.mean("accuracy")
    inits = [run.training.init for run in row.runs]
    return accuracy is None, not row.rankable, -(accuracy or 0.0), row.label, row.recipe, inits, row.note()


def _rows_of(members: Sequence[RunRecord], superseded: bool) -> list[Row]:
    """One row for each init among the runs that went well; failed ones stand with the largest of these, or alone."""
    job = members[0].job
    good: dict[str, list[RunRecord]] = {}
    for run in members:
        if run.status == "ok" and run.scores:
            good.setdefault(run.training.init, []).append(run)
    failed = tuple(run for run in members if run.status != "ok" or not run.scores)
    groups = sorted(good.values(), key=lambda group: (-len(group), group[0].training.init)) or [[]]
    return [
        Row(job.runner, job.family, job.recipe, tuple(group), failed if i == 0 else (), superseded)
        for i, group in enumerate(groups)
    ]
