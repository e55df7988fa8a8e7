"""The stored predictions of a run: read, and held against what they must be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..files.npz import load_npz
from .store import PREDICTIONS, StoredRun


class Predictions(NamedTuple):
    """Rows of the data set (n,) int32, their labels (n,) int8 and probabilities (n, classes) float16.

    Of an external system, float32 where the file had more digits, and one-hot where it had answers alone.
    """

    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    def in_order(self) -> Predictions:
        """The same by ascending row."""
        order = np.argsort(self.rows, kind="stable")
        return Predictions(*(array[order] for array in self))


def load_predictions(folder: Path, part: str = "test", *, tta: bool = False) -> Predictions:
    """The saved predictions of a run's "test" or "validation" part, with ``tta`` those with test-time augmentation.

    Raises InputError where there are none to be read.
    """
    path = folder / PREDICTIONS
    prefix = {"test": "", "validation": "val_"}[part]
    names = [prefix + name for name in ("rows", "labels", "tta_probabilities" if tta else "probabilities")]
    try:
        saved = load_npz(path, names)
        found = Predictions(*(saved[name] for name in names))
    except FileNotFoundError:
        raise InputError(f"{path} is missing, so nothing can be computed again for that run; run it again") from None
    except InputError as error:
        raise InputError(f"{error}; run it again") from None
    except KeyError as error:
        raise InputError(f"{path}: no array {error}; run it again") from None
    _check_predictions(found, path)
    return found


def _check_predictions(found: Predictions, path: Path) -> None:
    """Raises InputError unless rows, labels and probabilities are numbers that can be what they are called."""
    shapes, kinds = [array.shape for array in found], [array.dtype.kind for array in found]
    labels, probabilities = found.labels, found.probabilities
    if not (probabilities.ndim == 2 and shapes[0] == shapes[1] == shapes[2][:1]):
        raise InputError(f"{path}: rows, labels and probabilities of shapes {shapes} don't fit; run it again")
    if kinds[0] not in "iu" or kinds[1] not in "iu" or kinds[2] != "f":
        raise InputError(
            f"{path}: rows, labels and probabilities of types {', '.join(str(array.dtype) for array in found)}; whole "
            "numbers twice, then floating-point ones are wanted; run it again"
        )
    outside = labels.size and not 0 <= labels.min() <= labels.max() < probabilities.shape[1]
    if outside or not ((probabilities >= 0) & (probabilities <= 1.01)).all():
        raise InputError(f"{path}: labels that are no class, or probabilities outside 0 to 1; run it again")


def stored_predictions(runs: Iterable[StoredRun]) -> dict[str, Predictions]:
    """The test predictions of the runs by job key, without those that are missing or damaged."""
    found = {}
    for run in runs:
        with contextlib.suppress(InputError):  # the board says of its row that it has none
            found[run.record.job.key] = load_predictions(run.folder)
    return found


def damaged_predictions(runs: Iterable[StoredRun]) -> list[str]:
    """One line for each run whose predictions are there and can't be read."""
    problems = []
    for run in runs:
        if (run.folder / PREDICTIONS).exists():
            try:
                load_predictions(run.folder)
            except InputError as error:
                problems.append(str(error))
    return problems
