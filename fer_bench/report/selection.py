"""What picking the checkpoint on the test part is worth: the same training with and without it, on the same images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..board import Board
from ..predictions import Predictions
from ..records import JobInfo
from ..rows import Row
from .files import Folders, predictions_of

#: Of the bootstrap over test images.
RESAMPLES, SEED = 2000, 0


@dataclass(frozen=True)
class Selection:
    """One system on one board, its checkpoint picked by the test part and not; accuracies are means over ``seeds``.

    ``row`` is that of the fair runs. ``difference`` is test-picked minus fair, ``low`` and ``high`` its 95 % bootstrap
    interval over test images. All fractions.
    """

    board: Board
    row: Row
    seeds: tuple[int, ...]
    accuracy: float
    accuracy_picked: float
    difference: float
    low: float
    high: float


def selections(boards: Iterable[Board], folders: Folders) -> list[Selection]:
    """Every system that ran both ways on one split with one seed at least, where the predictions are there."""
    found = []
    for board in boards:
        fair = [row for row in board.rows if row.runs and not row.test_selected]
        for picked in (row for row in board.rows if row.runs and row.test_selected):
            found += [_worth(board, row, picked, folders) for row in fair if _same_but_for_checkpoint(row, picked)]
    return [selection for selection in found if selection]


def _same_but_for_checkpoint(fair: Row, picked: Row) -> bool:
    one, other = fair.runs[0], picked.runs[0]
    return one.training.init == other.training.init and _what_ran(one.job) == _what_ran(other.job)


def _what_ran(job: JobInfo) -> JobInfo:
    """A job without what tells its seeds and its two ways of picking apart."""
    return job.model_copy(update={"key": "", "seed": 0, "checkpoint": "validation", "recipe_fields": {}})


def _worth(board: Board, fair: Row, picked: Row, folders: Folders) -> Selection | None:
    pairs = [(one, other) for one in fair.runs for other in picked.runs if one.job.seed == other.job.seed]
    saved = [(one.job.seed, predictions_of(one, folders), predictions_of(other, folders)) for one, other in pairs]
    right = {seed: (_right(one), _right(other)) for seed, one, other in saved if one and other}
    if not right:
        return None
    mean_fair, mean_picked = np.mean(list(right.values()), axis=0)
    low, high = paired_interval(mean_picked - mean_fair)
    return Selection(
        board=board,
        row=fair,
        seeds=tuple(sorted(right)),
        accuracy=float(mean_fair.mean()),
        accuracy_picked=float(mean_picked.mean()),
        difference=float((mean_picked - mean_fair).mean()),
        low=low,
        high=high,
    )


def _right(saved: Predictions) -> np.ndarray:
    """(N,) float64, 1 where the prediction of an image is right."""
    return (saved.probabilities.argmax(axis=1) == saved.labels).astype(np.float64)


def paired_interval(difference: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean of (N,) differences, one an image; the same for the same input.

    Efron and Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.
    """
    from scipy.stats import bootstrap

    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    drawn = bootstrap(
        (difference,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=200,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return float(drawn.low), float(drawn.high)
