"""What counts as probabilities, whoever hands them over: a runner, a file of predictions, an ensemble. One contract."""

from __future__ import annotations

import numpy as np

#: How far below zero, or above one, rounding can put a number: float32 makes ``1 - sum`` -1.2e-7.
ROUNDING = 1e-5
#: How far from one the probabilities of an image may sum: what rounding to two digits, or bfloat16, does.
TOLERANCE = 0.05
#: By how much more a sum may be off in float16, in which what was accepted is stored: it rounds by 2**-11 at most.
_STORED = 2.0**-10


class NoProbabilitiesError(ValueError):
    """Numbers that are no probabilities.

    ``row`` is the first image's, ``column`` the class's where one number is wrong, ``value`` that number or the sum,
    ``complaint`` what is wrong with it, ``count`` in how many of ``images`` rows something is.
    """

    def __init__(self, row: int, column: int | None, value: float, complaint: str, count: int, images: int) -> None:
        what = "its sum" if column is None else f"output {column}"
        super().__init__(
            f"row {row} is no probability distribution: {what} is {value:.6g}, {complaint}; {count:,} of {images:,}"
            " rows are like that"
        )
        self.row, self.column, self.value, self.complaint = row, column, value, complaint
        self.count, self.images = count, images


def distributions(given: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities of (N, ``classes``), held against the contract: finite, from 0 to 1, each row summing to one.

    A row with a number below 0 or above 1 by what rounding does is mended: clipped, and divided by its sum. All others
    are returned as they are, in the type that they have.

    Raises:
        NoProbabilitiesError: a number is not finite, negative by more than ``ROUNDING``, or a row's sum is off by more
            than ``TOLERANCE``.
        ValueError: another shape.

    >>> distributions(np.array([[1.0000001, -0.0000001], [0.75, 0.25]]), 2).tolist()
    [[1.0, 0.0], [0.75, 0.25]]
    """
    given = np.asarray(given)
    if given.ndim != 2 or given.shape[1] != classes:
        raise ValueError(f"probabilities of shape {given.shape}, where {classes} for each image are wanted")
    values = given.astype(np.float64)
    _check_cells(values, ~np.isfinite(values), "no number")
    _check_cells(values, values < -ROUNDING, "negative")
    sums = values.sum(axis=1)
    far = np.abs(sums - 1) > TOLERANCE + (_STORED if given.dtype == np.float16 else 0)
    if far.any():
        row = int(far.argmax())
        raise NoProbabilitiesError(row, None, float(sums[row]), "not 1", int(far.sum()), len(values))
    odd = ((values < 0) | (values > 1 + ROUNDING)).any(axis=1)
    if not odd.any():
        return given
    clipped = values[odd].clip(0)
    mended = given.copy()
    mended[odd] = clipped / clipped.sum(axis=1, keepdims=True)
    return mended


def _check_cells(values: np.ndarray, wrong: np.ndarray, complaint: str) -> None:
    """Raises NoProbabilitiesError for the first cell that is ``wrong``, if any is."""
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        count = int(wrong.any(axis=1).sum())
        raise NoProbabilitiesError(row, column, float(values[row, column]), complaint, count, len(values))
