"""results/README.md: the leaderboards, emotion by emotion, and what was published beside what was measured."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..columns import NOT_RUN, Row, percent
from ..leaderboard import Board, shorten
from ..records import RunRecord
from ..runners.base import Published, RunnerInfo

EMPTY = "–"
#: The splits of published figures that this suite can rebuild.
SPLITS = ("official", "notebook", "notebook-90-10")


def escape(text: str) -> str:
    """Text from outside (names, errors) as one line of Markdown that means nothing but itself."""
    text = " ".join(text.split()).replace("\\", "\\\\")
    for mark in "|`*_":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[int] = (0,)) -> str:
    """A GitHub table, right aligned but for the columns ``left``.

    Cells are not padded to equal width, so that a changed figure changes one line of the file.
    """
    text = set(left)
    lines = [[escape(header) for header in headers], ["---" if i in text else "--:" for i in range(len(headers))]]
    lines += [[escape(shorten(cell)) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def board_table(board: Board, which: str) -> str:
    """The "report" or the "cost" table."""
    columns, cells = board.table(which)
    left = [i for i, column in enumerate(columns) if column.dtype == "string"]
    return table([column.header for column in columns], cells, left)


def emotion_overview(board: Board) -> str:
    """F1 of each row for each emotion."""
    return table(["Runner", "Recipe", *board.classes], board.emotion_rows(), left=(0, 1))


def emotion_table(row: Row, classes: Sequence[str]) -> str:
    """One row of the board, emotion by emotion; percentages, over all seeds."""
    confusion = row.confusion()
    shares = confusion / np.maximum(confusion.sum(axis=1), 1)[:, None]
    lines = []
    for i, name in enumerate(classes):
        images = f"{confusion[i].sum() // len(row.runs):,}"
        means = (percent(row.emotion_mean(name, score)) for score in ("recall", "precision", "f1", "confidence"))
        lines.append([name, images, *means, *(percent(share) for share in shares[i])])
    headers = ["Emotion", "Images", "Accuracy", "Precision", "F1", "Confidence", *(f"→ {name}" for name in classes)]
    return table(headers, lines)


def confusions(row: Row, classes: Sequence[str], count: int = 3) -> str:
    """The most frequent confusions: "fear → sadness (22.0 % of fear), ..."."""
    matrix = row.confusion()
    shares = matrix / np.maximum(matrix.sum(axis=1), 1)[:, None]
    np.fill_diagonal(shares, 0)
    worst = np.argsort(-shares, axis=None, kind="stable")[:count]
    pairs = (divmod(int(place), len(classes)) for place in worst)
    return ", ".join(
        f"{classes[i]} → {classes[j]} ({percent(shares[i, j])} % of {classes[i]})" for i, j in pairs if shares[i, j] > 0
    )


def published_table(boards: Sequence[Board], runners: Mapping[str, RunnerInfo]) -> str:
    """Each published figure beside ours on the split it names and on ``official``; empty where nothing was published.

    Synthetic faces have nothing to say about FER-2013, so their boards are left out.
    """
    real = [board for board in boards if not board.dataset.startswith("synthetic")]
    lines = []
    for info in runners.values():
        for figure in info.published:
            same = [board for board in real if board.split == figure.split]
            official = [board for board in real if board.split == "official"]
            lines.append([
                info.name,
                _published(figure),
                figure.split,
                figure.protocol,
                figure.trap or EMPTY,
                _measured(same, info.name) if figure.split in SPLITS else EMPTY,
                _measured(official, info.name),
                _measured(official, info.name, "binary_accuracy"),
            ])  # fmt: skip
    headers = ["Runner", "Published", "Split", "Protocol", "Trap", "Ours, that split", "Ours, official", "Ours, binary"]
    return table(headers, lines, left=(0, 2, 3, 4, 5, 6, 7)) if lines else ""


def _published(figure: Published) -> str:
    return " / ".join(EMPTY if value is None else percent(value) for value in (figure.accuracy, figure.weighted_f1))


def _measured(boards: Sequence[Board], runner: str, *names: str) -> str:
    """Every row of a runner as "accuracy / weighted F1 (recipe)", with whatever makes it unlike the published run."""
    cells = []
    for board in boards:
        for row in board.rows:
            if row.runner != runner or not row.records or row.superseded:
                continue
            inside = [row.recipe or "", row.label.removeprefix(runner), row.note() if row.runs else ""]
            inside += [board.dataset] if board.dataset != "fer2013" else []
            scores = " / ".join(percent(row.mean(name)) for name in names or ("accuracy", "weighted_f1"))
            cells.append(f"{scores if row.runs else row.status} ({', '.join(filter(None, inside))})")
    return "; ".join(cells) or NOT_RUN


def hardware(runs: Iterable[RunRecord]) -> list[str]:
    """Where the runs ran and how many ran there: "cpu, AMD EPYC 7763, 2 cores: 9 runs"."""
    places = Counter(run.environment.hardware for run in runs)
    return [escape(f"{place}: {count} {'run' if count == 1 else 'runs'}") for place, count in sorted(places.items())]


def commands(runs: Iterable[RunRecord]) -> list[str]:
    """The command lines that wrote the records, with the folders of that machine cut off."""
    return sorted({shlex.join(_portable(word) for word in _words(run.command)) for run in runs})


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _portable(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{Path(value).name}" if Path(value).is_absolute() else word
