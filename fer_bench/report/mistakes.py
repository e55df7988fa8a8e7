"""What the best model of a board gets wrong: confused pairs, calibration, and its most confident mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..board.board import Board
from ..board.columns import percent
from ..board.row import Row
from ..data.audit import blank
from ..records.predictions import Predictions
from ..records.record import RunRecord
from ..records.run_files import RunFiles
from ..scores.metrics import calibration_error
from . import markdown

if TYPE_CHECKING:
    from ..data.dataset import Dataset

#: How many confused pairs, and most confident mistakes, the tables have.
PAIRS, MISTAKES = 6, 20


@dataclass(frozen=True, eq=False)
class Mistakes:
    """The test predictions of one run, the first seed of the best ranked row that keeps them.

    Attributes:
        rows: (N,) rows of the data set.
        labels: (N,) true classes, indices into ``board.classes``.
        predicted: (N,) the most probable class.
        probabilities: (N, C) float64, rows summing to one.
        wrong: (M,) places of the wrong predictions in the arrays above, the most confident first, equals by place.
    """

    board: Board
    row: Row
    run: RunRecord
    rows: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    wrong: np.ndarray

    @property
    def title(self) -> str:
        """The run as the report calls it: "svm (published), seed 0"."""
        return f"{self.row.title}, seed {self.run.job.seed}"

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the predicted class of each image, (N,) float64."""
        highest: np.ndarray = self.probabilities.max(axis=1)
        return highest

    @property
    def right(self) -> np.ndarray:
        """Which images are predicted rightly, (N,) bool."""
        return self.predicted == self.labels


def of_best(board: Board, files: RunFiles) -> Mistakes | None:
    """The mistakes of the best ranked row that keeps predictions; None where no row of the board does.

    Answers from outside without probabilities have no confidence, so they are passed over.
    """
    ranked = sorted((row for row in board.rows if row.rank is not None), key=lambda row: row.rank or 0)
    for row in ranked:
        for run in sorted(row.runs, key=lambda run: run.job.seed):
            saved = files.predictions(run) if run.scores and run.scores.log_loss is not None else None
            if saved is not None:
                return _mistakes(board, row, run, saved)
    return None


def _mistakes(board: Board, row: Row, run: RunRecord, saved: Predictions) -> Mistakes:
    given = saved.probabilities.astype(np.float64)
    probabilities = given / given.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != saved.labels)
    worst_first = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return Mistakes(board, row, run, saved.rows, saved.labels, predicted, probabilities, wrong[worst_first])


def confused_pairs(confusion: np.ndarray, count: int = PAIRS) -> list[tuple[int, int]]:
    """The pairs of classes (a, b) with most confusions in both directions together, most first.

    confusion: (C, C) counts, true by predicted. a is taken for b more often than b for a. Pairs that are
    never confused are left out.
    """
    both = np.triu(confusion + confusion.T, 1)
    worst = [divmod(int(place), len(both)) for place in np.argsort(-both, axis=None, kind="stable")[:count]]
    return [(a, b) if confusion[a, b] >= confusion[b, a] else (b, a) for a, b in worst if both[a, b]]


def pair_table(found: Mistakes) -> str:
    """A table of the most confused pairs: images, and their share of that emotion's images and of all mistakes."""
    classes = found.board.classes
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (found.labels, found.predicted), 1)
    images = np.maximum(confusion.sum(axis=1), 1)
    lines = []
    for a, b in confused_pairs(confusion):
        ways = [f"{confusion[i, j]:,} ({percent(confusion[i, j] / images[i])} %)" for i, j in ((a, b), (b, a))]
        together = int(confusion[a, b] + confusion[b, a])
        lines.append([classes[a], classes[b], *ways, f"{together:,}", percent(together / len(found.wrong))])
    headers = ["One", "Other", "One taken for other", "Other taken for one", "Together", "% of all mistakes"]
    return markdown.table(headers, lines, left=(0, 1))


def mistake_table(found: Mistakes, dataset: Dataset | None) -> str:
    """A table of the most confident mistakes; with the data at hand it says which of their images are blank."""
    classes, worst = found.board.classes, found.wrong[:MISTAKES]
    blanks = np.zeros(len(worst), bool) if dataset is None else blank(dataset.images[found.rows[worst]])
    lines = [
        [
            str(found.rows[i]),
            classes[found.labels[i]],
            classes[found.predicted[i]],
            percent(found.confidence[i]),
            percent(found.probabilities[i, found.labels[i]]),
            *(["blank image" if blanks[place] else ""] if blanks.any() else []),
        ]
        for place, i in enumerate(worst)
    ]
    headers = ["Row", "True", "Predicted", "Confidence", "Of the true one", *(["Remark"] if blanks.any() else [])]
    return markdown.table(headers, lines, left=(1, 2, 5))


def calibration_text(found: Mistakes) -> str:
    """Says "On average 58.6 % sure and 59.0 % right; expected calibration error 2.2 %" of the run."""
    confidence, right = found.confidence, found.right
    error = percent(calibration_error(confidence, right))
    sure, correct = percent(float(confidence.mean())), percent(float(right.mean()))
    return f"On average {sure} % sure and {correct} % right; expected calibration error {error} %"
