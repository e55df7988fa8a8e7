"""One leaderboard: its rows, and its tables as text, cells or a data frame."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from textwrap import fill
from typing import TYPE_CHECKING

from ..records.record import ENSEMBLE, EXTERNAL
from ..scores.stats import Estimate
from .columns import COLUMNS, Column, percent
from .row import NOT_RUN, Row

if TYPE_CHECKING:
    import pandas as pd


#: Of a part of a file's name; two of them, and some words, fit into the 255 bytes that there are.
LONGEST_NAME = 100
#: Of a terminal's lines; the short table keeps within it for every built-in runner.
WIDTH = 120


@dataclass(frozen=True)
class Pair:
    """Two ranked rows on the same images: what the first has more, and p of "equally accurate", plain and
    Holm-adjusted.
    """

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
        """What is measured here, on one line: data set, split, and the numbers of test images and emotions."""
        return f"{self.dataset}, split {self.split}: {self.test_images:,} test images, {len(self.classes)} emotions"

    def table(self, which: str) -> tuple[list[Column], list[list[str]]]:
        """The columns of the "report", "short" or "cost" table that have something to say, and the cells of each
        row.
        """
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
        """The board for a terminal: the short table, and below it what is too wide for it, notes and rows not run."""
        run = replace(self, rows=tuple(row for row in self.rows if row.records))
        table, below = run._short()
        lines = [self.title, table]
        noted: dict[str, list[str]] = defaultdict(list)
        for row in run.rows:
            noted[row.note()].append(row.title)
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
            f"{row.title} {line[place]}" for row, line in zip(self.rows, cells, strict=True) if line[place]
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
        """A table for a terminal: the F1 of each row in percent, emotion by emotion."""
        align = ["left", "left", *["right"] * len(self.classes)]
        return _text_table(["Runner", "Recipe", *self.classes], self.emotion_rows(), align)


def _column_table(columns: Sequence[Column], cells: list[list[str]]) -> str:
    align = ["left" if column.dtype == "string" else "right" for column in columns]
    return _text_table([column.header for column in columns], cells, align)


def _text_table(headers: Sequence[str], cells: list[list[str]], align: Sequence[str]) -> str:
    from tabulate import tabulate

    return tabulate(cells, headers, disable_numparse=True, colalign=align if cells else None)


def shorten(text: str, length: int = 240) -> str:
    """``text``, cut to at most ``length`` characters, the last of them "…" where it was longer."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def file_name(text: str) -> str:
    """``text`` as part of a file's name on every system, which a long one is cut for."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    if len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[: LONGEST_NAME - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
