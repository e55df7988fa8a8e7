"""The stored predictions of a run: read, and held against what they must be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..files import inside
from ..files.npz import load_npz
from ..scores.metrics import Scores
from .store import MOST_PREDICTIONS, PREDICTIONS, StoredRun


class Predictions(NamedTuple):
    """Rows of the data set (n,) int32, their labels (n,) int8 and probabilities (n, classes) float16.

    Of an external system, float32 where the file had more digits, and one-hot where it had answers alone.
    """

    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    def in_order(self) -> Predictions:
        """The same predictions by ascending row."""
        order = np.argsort(self.rows, kind="stable")
        return Predictions(*(array[order] for array in self))


class Contradiction(InputError):
    """A record and the predictions beside it, of which one is not the other's."""


def load_predictions(folder: Path, part: str = "test", *, tta: bool = False, digest: str | None = None) -> Predictions:
    """The saved predictions in a run's folder, as they stand there; ``predictions_of`` holds them against its record.

    Args:
        folder: the run's.
        part: "test" or "validation".
        tta: those with test-time augmentation.
        digest: the sha256 (hex) that the file must have; None: any.

    Raises:
        Contradiction: another digest.
        InputError: there are none to be read.
    """
    path = folder / PREDICTIONS
    prefix = {"test": "", "validation": "val_"}[part]
    names = [prefix + name for name in ("rows", "labels", "tta_probabilities" if tta else "probabilities")]
    try:
        content = inside.read(folder, path, MOST_PREDICTIONS)
        saved = load_npz(path, names, content)
        arrays = Predictions(*(saved[name] for name in names))
    except FileNotFoundError:
        raise InputError(f"{path} is missing, so nothing can be computed again for that run; run it again") from None
    except InputError as error:
        raise InputError(f"{error}; run it again") from None
    except KeyError as error:
        raise InputError(f"{path}: no array {error}; run it again") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error}); run it again") from None
    _check_predictions(arrays, path)
    if digest is not None and (found := hashlib.sha256(content).hexdigest()) != digest:
        raise Contradiction(
            f"{path}: not those of its record: sha256 {found[:12]}, {digest[:12]} in the record; run it again"
        )
    return arrays


def predictions_of(run: StoredRun, part: str = "test", *, tta: bool = False) -> Predictions:
    """The saved predictions of a run, held against its record: the file's digest, where the record has it, and the
    answers.

    Raises:
        Contradiction: the record is of other predictions.
        InputError: there are none to be read.
    """
    record = run.record
    found = load_predictions(run.folder, part, tta=tta, digest=record.predictions_digest)
    holder = record.tta if tta else record
    scores = (holder.scores if part == "test" else holder.validation_scores) if holder else None
    if scores is not None and (wrong := _difference(found, scores, len(record.job.classes))):
        raise Contradiction(f"{run.folder / PREDICTIONS}: not those of its record: {wrong}; run it again")
    return found


def _difference(found: Predictions, scores: Scores, classes: int) -> str:
    """What a record's scores say otherwise than the predictions, as far as that is counted quickly; "" for nothing."""
    images, width = found.probabilities.shape
    if (images, width) != (scores.images, classes):
        return f"{images:,} images of {width} classes, {scores.images:,} of {classes} in the record"
    # numpy compares float16 slowly, and no two of them are one float32.
    wide = found.probabilities.astype(np.float32) if found.probabilities.dtype == np.float16 else found.probabilities
    cells = found.labels.astype(np.int64) * classes + wide.argmax(axis=1)
    counts = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    if counts.tolist() != scores.confusion:
        return f"accuracy {counts.trace() / images:.6g}, {scores.accuracy:.6g} in the record, or other mistakes"
    if not np.diff(np.sort(found.rows)).all():
        return "a row twice"
    return ""


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


class Held(NamedTuple):
    """Runs whose records and predictions have been held against each other.

    ``runs`` are those that stand: all but those that contradict their predictions. ``predictions`` are theirs of the
    test part by job key, where these can be read; ``problems`` has a line for each of the others.
    """

    runs: list[StoredRun]
    predictions: dict[str, Predictions]
    problems: list[str]


def held(runs: Iterable[StoredRun]) -> Held:
    """Reads the test predictions of runs, each once. What has none, and never had, is no problem."""
    result = Held([], {}, [])
    for run in sorted(runs, key=lambda run: run.record.started):  # of two records of a job, a board takes the later one
        try:
            found = predictions_of(run)
        except InputError as error:
            if os.path.lexists(run.folder / PREDICTIONS):
                result.problems.append(str(error))
            if not isinstance(error, Contradiction):
                result.runs.append(run)  # the board says of its row that it has none
        else:
            result.runs.append(run)
            result.predictions[run.record.job.key] = found
    return result


def stored_predictions(runs: Iterable[StoredRun]) -> dict[str, Predictions]:
    """The test predictions of the runs by job key, without those that are missing, damaged or of another record."""
    return held(runs).predictions
