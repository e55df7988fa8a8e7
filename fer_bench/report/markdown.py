"""results/README.md: the leaderboards, and emotion by emotion, as Markdown."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..board.board import Board, shorten
from ..board.columns import percent
from ..board.row import Row, counted
from ..records.record import RunRecord
from ..scores.stats import Estimate
from .emotions import emotion_lines

#: Of a command line, what is shown: taking a longer one apart takes time that grows with the square of its length.
LONGEST_COMMAND = 4000
#: Rows of a board from which on not every pair of them is shown.
MANY = 12


def escape(text: str) -> str:
    """Writes text from outside (names, failures) as one line of Markdown that means nothing but itself."""
    text = " ".join(text.split()).replace("\\", "\\\\")
    for mark in "|`*_":
        text = text.replace(mark, f"\\{mark}")
    # Brackets alone are an interval; before one of these they would be a link, a picture or where one leads.
    text = re.sub(r"\](?=[(\[:])", r"\]", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Writes text from outside as it can stand in a line of code."""
    return " ".join(text.split()).replace("`", "'")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[int] = (0,), longest: int = 240) -> str:
    """A GitHub table, right aligned but for the columns ``left``; no cell has more than ``longest`` characters.

    Cells are not padded to equal width, so that a changed figure changes one line of the file.
    """
    text = set(left)
    lines = [[escape(header) for header in headers], ["---" if i in text else "--:" for i in range(len(headers))]]
    lines += [[escape(shorten(cell, longest)) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def board_table(board: Board, which: str) -> str:
    """The "report" or the "cost" table of a board, as Markdown."""
    columns, cells = board.table(which)
    left = [i for i, column in enumerate(columns) if column.dtype == "string"]
    return table([column.header for column in columns], cells, left)


def pair_table(board: Board) -> str:
    """A table of the pairs of ranked rows, of more than ``MANY`` rows those that follow one another; "" without any."""
    ranked = [row for row in board.rows if row.rank]
    neighbours = list(pairwise(ranked))
    lines = [
        [
            pair.first.title,
            pair.second.title,
            difference_text(pair.accuracy),
            difference_text(pair.macro_f1),
            p_text(pair.p),
            p_text(pair.p_adjusted),
        ]
        for pair in board.pairs
        if len(ranked) <= MANY or (pair.first, pair.second) in neighbours
    ]
    headers = ["Runner", "minus", "Accuracy [95 %]", "F1 macro [95 %]", "p", "p, Holm"]
    return table(headers, lines, left=(0, 1)) if lines else ""


def difference_text(difference: Estimate) -> str:
    """Writes a difference of fractions in points, with its interval: "+1.4 [-0.2, +3.0]"."""
    value, low, high = (f"{100 * part:+.1f}" for part in (difference.value, difference.low, difference.high))
    return f"{value} [{low}, {high}]"


def p_text(p: float | None) -> str:
    """Writes a p value with three digits, or "< 0.001"; "" for None."""
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def emotion_overview(board: Board) -> str:
    """A table with the F1 in percent of each row of a board, emotion by emotion."""
    return table(["Runner", "Recipe", *board.classes], board.emotion_rows(), left=(0, 1))


def emotion_table(row: Row, classes: Sequence[str]) -> str:
    """A table of one row, emotion by emotion, and of all images together; see ``emotions.emotion_lines``."""
    return table(*emotion_lines(row, classes))


def confusions(row: Row, classes: Sequence[str], count: int = 3) -> str:
    """Names the most frequent confusions of a row: "fear → sadness (22.0 % of fear), ..."."""
    matrix = row.confusion()
    shares = matrix / np.maximum(matrix.sum(axis=1), 1)[:, None]
    np.fill_diagonal(shares, 0)
    worst = np.argsort(-shares, axis=None, kind="stable")[:count]
    pairs = (divmod(int(place), len(classes)) for place in worst)
    return ", ".join(
        f"{classes[i]} → {classes[j]} ({percent(shares[i, j])} % of {classes[i]})" for i, j in pairs if shares[i, j] > 0
    )


def hardware(runs: Iterable[RunRecord]) -> list[str]:
    """Where the runs ran and how many ran there: "cpu, AMD EPYC 7763, 2 cores: 9 runs"."""
    places = Counter(run.environment.hardware for run in runs)
    return [escape(f"{place}: {counted(count, 'run')}") for place, count in sorted(places.items())]


def commands(runs: Iterable[RunRecord]) -> list[str]:
    """The command lines that wrote the records, each once, in alphabetical order, as ``portable`` writes them."""
    given = (command for run in runs for command in (run.command, run.tta.command if run.tta else "") if command)
    return sorted({portable(command) for command in given})


def portable(command: str) -> str:
    """A command line without the folders of the machine that it was typed on, cut where it is endless."""
    return code(shlex.join(_portable(word) for word in _words(shorten(command, LONGEST_COMMAND))))


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _portable(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{Path(value).name}" if Path(value).is_absolute() else word
