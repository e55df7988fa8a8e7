"""Records -> leaderboards: pure functions, in which the order of the records never matters."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import fill
from typing import TYPE_CHECKING, Any, Protocol

from .columns import COLUMNS, Column, percent
from .records import ENSEMBLE, EXTERNAL, JobInfo, RunRecord
from .rows import NOT_RUN, STALE, Row
from .stats import Estimate

if TYPE_CHECKING:
    import pandas as pd


#: Of a terminal's lines; the short table keeps within it for every built-in runner.
WIDTH = 120


class Expected(Protocol):
    """What a board needs to know of a runner that should stand on it; each of ``registry.infos()`` has it.

    Rows of another version, or of a recipe with another digest, are stale. Without digests nothing is said of recipes.
    """

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def recipe_digests(self) -> tuple[tuple[str, str], ...]: ...


@dataclass(frozen=True)
class Pair:
    """Two ranked rows on the same images: what the first has more, and p of "equally accurate", plain and Holm-adjusted."""

    first: Row
    second: Row
    accuracy: Estimate
    macro_f1: Estimate
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class Board:
    """One leaderboard: everything measured on the same test images under the same labels. ``slug`` names its files.

    ``pairs`` are all pairs of ranked rows, from ``ranking.ranked``.
    """

    dataset: str
    dataset_digest: str
    split: str
    split_digest: str
    classes: tuple[str, ...]
    test_images: int
    rows: tuple[Row, ...] = ()
    slug: str = ""
    pairs: tuple[Pair, ...] = field(default=(), repr=False)

    @property
    def title(self) -> str:
        return f"{self.dataset}, split {self.split}: {self.test_images:,} test images, {len(self.classes)} emotions"

    def table(self, which: str) -> tuple[list[Column], list[list[str]]]:
        """The columns of the "report", "short" or "cost" table that have something to say, and the cells of each row."""
        columns = [column for column in COLUMNS if which in column.tables]
        cells = [[column.text(row) for column in columns] for row in self.rows]
        used = [i for i in range(len(columns)) if any(row[i] for row in cells)]
        return [columns[i] for i in used], [[row[i] for i in used] for row in cells]

    def frame(self) -> pd.DataFrame:
        """Every column of every row, unformatted (fractions, seconds), with what identifies the board in front."""
        import pandas as pd

        identity = {
            "dataset": self.dataset,
            "dataset_digest": self.dataset_digest,
            "split": self.split,
            "split_digest": self.split_digest,
            "classes": " ".join(self.classes),
        }
        rows = [[*identity.values(), *(column.value(row) for column in COLUMNS)] for row in self.rows]
        dtypes = dict.fromkeys(identity, "string") | {column.name: column.dtype for column in COLUMNS}
        return pd.DataFrame(rows, columns=list(dtypes), dtype=object).astype(dtypes)

    def text(self) -> str:
        """For a terminal: the short table, and below it what is too wide for it, notes and rows not run."""
        run = replace(self, rows=tuple(row for row in self.rows if row.records))
        table, below = run._short()
        lines = [self.title, table]
        noted: dict[str, list[str]] = defaultdict(list)
        for row in run.rows:
            noted[row.note()].append(f"{row.label} ({row.recipe})")
        below += [f"{', '.join(rows)}: {shorten(note)}" for note, rows in noted.items() if note]
        if waiting := [row.runner for row in self.rows if not row.records]:
            below.append(f"{NOT_RUN}: {', '.join(waiting)}")
        return "\n".join(
            [*lines, *(fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in below)]
        )

    def _short(self) -> tuple[str, list[str]]:
        """The short table; where a column with test-time augmentation makes it too wide, that as a line instead."""
        columns, cells = self.table("short")
        table = _column_table(columns, cells)
        wide = [i for i, column in enumerate(columns) if column.name == "tta_accuracy"]
        if not wide or max(map(len, table.splitlines())) <= WIDTH:
            return table, []
        place = wide[0]
        said = ", ".join(
            f"{row.label} ({row.recipe}) {line[place]}"
            for row, line in zip(self.rows, cells, strict=True)
            if line[place]
        )
        rest = [line[:place] + line[place + 1 :] for line in cells]
        return _column_table(columns[:place] + columns[place + 1 :], rest), [f"with test-time augmentation: {said}"]

    def by_hardware(self) -> list[tuple[str, Board]]:
        """For each hardware, the rows with their runs there: times can be compared only within one of these boards.

        External systems, and ensembles of runs on several, have no place.
        """
        runs = [run for row in self.rows for run in row.runs if run.environment.device not in (EXTERNAL, ENSEMBLE)]
        places = sorted({run.environment.hardware for run in runs})
        apart = [(place, tuple(row.on(place) for row in self.rows)) for place in places]
        return [(place, replace(self, rows=tuple(row for row in rows if row.runs))) for place, rows in apart]

    def emotion_rows(self) -> list[list[str]]:
        """For each row with scores: its label, recipe, and F1 in percent for each emotion, as means over seeds."""
        return [
            [row.label, row.recipe or "", *(percent(row.emotion_mean(name, "f1")) for name in self.classes)]
            for row in self.rows
            if row.runs
        ]

    def emotions_text(self) -> str:
        """F1 in percent, emotion by emotion, for a terminal."""
        align = ["left", "left", *["right"] * len(self.classes)]
        return _text_table(["Runner", "Recipe", *self.classes], self.emotion_rows(), align)


def _column_table(columns: Sequence[Column], cells: list[list[str]]) -> str:
    align = ["left" if column.dtype == "string" else "right" for column in columns]
    return _text_table([column.header for column in columns], cells, align)


def _text_table(headers: Sequence[str], cells: list[list[str]], align: Sequence[str]) -> str:
    from tabulate import tabulate

    return tabulate(cells, headers, disable_numparse=True, colalign=align if cells else None)


def shorten(text: str, length: int = 240) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def boards(runs: Iterable[RunRecord], expected: Iterable[Expected] = ()) -> list[Board]:
    """Leaderboards from records in any order: real data before synthetic, ``official`` before other splits.

    Where two records have the same job key, the later one stands. Rows are sorted by accuracy; below them those that can't
    have a rank, sorted likewise: stale ones, and those whose checkpoint the test part picked. Then come those that failed,
    and the ``expected`` runners that no record of that board names. Ranks need predictions: ``ranking.ranked``.
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
    ordered = sorted(
        groups, key=lambda b: (b.dataset.startswith("synthetic"), b.dataset, b.split != "official", repr(b))
    )
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
    """The boards whose data or split are no longer those of their name, and which: a newer record has another digest."""
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


def file_name(text: str) -> str:
    """``text`` as part of a file's name on every system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)


def _age(run: RunRecord) -> tuple[str, str]:
    return run.started, run.model_dump_json()


def _configuration(run: RunRecord) -> tuple[Any, ...]:
    """What runs of one row share, but for its init, which a failed run may not have come to know."""
    job = run.job
    params = tuple(sorted((name, repr(value)) for name, value in job.params.items()))
    budget = (job.weights, job.epochs, job.limit, job.balance, job.fill_digest, job.checkpoint)
    return job.runner, job.recipe, params, *budget


def _rows(runs: Iterable[RunRecord], expected: Iterable[Expected], changed: str | None) -> tuple[Row, ...]:
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
    return (*rows, *(Row(info.name, info.family) for info in known.values() if info.name not in present))


def _with_members(row: Row, rows: Sequence[Row]) -> Row:
    """An ensemble's row, stale where a member is no longer what it was, or is stale itself by more than the board's data."""
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


def _stale(job: JobInfo, info: Expected | None) -> str | None:
    """What has changed in the program since a job ran; None where nothing did, or the program has no such runner."""
    if info is None or job.family in (EXTERNAL, ENSEMBLE):
        return None
    digests = dict(info.recipe_digests)
    today = (info.version, digests.get(job.recipe) if digests else job.recipe_digest)
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
