"""What the best model of a board gets wrong: confused pairs, calibration, and its most confident mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..board import Board
from ..columns import percent
from ..metrics import calibration_error
from ..records import RunRecord
from ..rows import Row
from . import markdown
from .files import Folders, predictions_of

if TYPE_CHECKING:
    from ..data.dataset import Dataset

#: How many confused pairs, and most confident mistakes, the tables have.
PAIRS, MISTAKES = 6, 20


@dataclass(frozen=True, eq=False)
class Errors:
    """The test predictions of one run, the first seed of the best ranked row that keeps them.

    Attributes:
        rows: (N,) rows of the data set.
        labels: (N,) true classes, indices into ``board.classes``.
        predicted: (N,) the most probable class.
        probabilities: (N, C) float64, rows summing to one.
        mistakes: (M,) places of the wrong predictions in the arrays above, the most confident first, equals by place.
    """

    board: Board
    row: Row
    run: RunRecord
    rows: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    mistakes: np.ndarray

    @property
    def title(self) -> str:
        return f"{self.row.label} ({self.row.recipe}), seed {self.run.job.seed}"

    @property
    def confidence(self) -> np.ndarray:
        """(N,) the probability of the predicted class."""
        highest: np.ndarray = self.probabilities.max(axis=1)
        return highest

    @property
    def right(self) -> np.ndarray:
        return self.predicted == self.labels


def of_best(board: Board, folders: Folders) -> Errors | None:
    """Of the best ranked row with predictions; None where the board has none.

    Answers from outside without probabilities have no confidence, so they are passed over.
    """
    ranked = sorted((row for row in board.rows if row.rank is not None), key=lambda row: row.rank or 0)
    for row in ranked:
        for run in sorted(row.runs, key=lambda run: run.job.seed):
            saved = predictions_of(run, folders) if run.scores and run.scores.log_loss is not None else None
            if saved is not None:
                return _errors(board, row, run, saved.rows, saved.labels, saved.probabilities)
    return None


def _errors(board: Board, row: Row, run: RunRecord, rows: np.ndarray, labels: np.ndarray, given: np.ndarray) -> Errors:
    probabilities = given.astype(np.float64) / given.astype(np.float64).sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    worst_first = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return Errors(board, row, run, rows, labels, predicted, probabilities, wrong[worst_first])


def confused_pairs(confusion: np.ndarray, count: int = PAIRS) -> list[tuple[int, int]]:
    """(C, C) true by predicted -> the pairs (a, b) with most confusions in both directions together, most first.

    a is the one more often taken for the other; pairs that are never confused are left out.
    """
    both = np.triu(confusion + confusion.T, 1)
    worst = [divmod(int(place), len(both)) for place in np.argsort(-both, axis=None, kind="stable")[:count]]
    return [(a, b) if confusion[a, b] >= confusion[b, a] else (b, a) for a, b in worst if both[a, b]]


def pair_table(errors: Errors) -> str:
    """The most confused pairs, both ways: images, and their share of that emotion's images and of all mistakes."""
    classes = errors.board.classes
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (errors.labels, errors.predicted), 1)
    images = np.maximum(confusion.sum(axis=1), 1)
    lines = []
    for a, b in confused_pairs(confusion):
        ways = [f"{confusion[i, j]:,} ({percent(confusion[i, j] / images[i])} %)" for i, j in ((a, b), (b, a))]
        together = int(confusion[a, b] + confusion[b, a])
        lines.append([classes[a], classes[b], *ways, f"{together:,}", percent(together / len(errors.mistakes))])
    headers = ["One", "Other", "One taken for other", "Other taken for one", "Together", "% of all mistakes"]
    return markdown.table(headers, lines, left=(0, 1))


def mistake_table(errors: Errors, dataset: Dataset | None) -> str:
    """The most confident mistakes; with the data at hand, which of their images are blank."""
    classes, worst = errors.board.classes, errors.mistakes[:MISTAKES]
    blank = blanks(dataset, errors.rows[worst])
    lines = [
        [
            str(errors.rows[i]),
            classes[errors.labels[i]],
            classes[errors.predicted[i]],
            percent(errors.confidence[i]),
            percent(errors.probabilities[i, errors.labels[i]]),
            *(["blank image" if blank[place] else ""] if blank.any() else []),
        ]
        for place, i in enumerate(worst)
    ]
    headers = ["Row", "True", "Predicted", "Confidence", "Of the true one", *(["Remark"] if blank.any() else [])]
    return markdown.table(headers, lines, left=(1, 2, 5))


def blanks(dataset: Dataset | None, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """(len(rows),) bool: the images of a single grey; none where the data is not at hand."""
    if dataset is None:
        return np.zeros(len(rows), bool)
    images = dataset.images[rows]
    return np.ptp(images.reshape(len(rows), -1), axis=1) == 0 if len(rows) else np.zeros(0, bool)


def calibration_text(errors: Errors) -> str:
    """ "On average 58.6 % sure and 59.0 % right; expected calibration error 2.2 %" """
    confidence, right = errors.confidence, errors.right
    error = percent(calibration_error(confidence, right))
    sure, correct = percent(float(confidence.mean())), percent(float(right.mean()))
    return f"On average {sure} % sure and {correct} % right; expected calibration error {error} %"
