"""Scores on data of another kind than a model was trained on: intervals over images and over subjects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from .metrics import Scores, score
from .stats import bootstrap, figures, percentile_interval


class Intervals(BaseModel, extra="forbid"):
    """95 % bootstrap intervals, each its low and its high end."""

    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]


class View(BaseModel, extra="forbid"):
    """Scores of one way to take the outputs, with intervals over images, and over subjects where these are known.

    Macro F1 is that of the emotions that model and set share.
    """

    scores: Scores
    over_images: Intervals | None
    over_subjects: Intervals | None = None


def views(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], subjects: np.ndarray | None = None
) -> tuple[View, View | None]:
    """The scores with all outputs, and with those alone whose class occurs; None where all do, or only one.

    Args:
        labels: (N,) int, indices into ``classes``.
        probabilities: (N, C) float.
        classes: the model's.
        subjects: (N,), whom each image shows, or None.
    """
    whole = _view(labels, probabilities, classes, subjects)
    present = np.unique(labels)
    if len(present) in (1, len(classes)):
        return whole, None
    masked = probabilities[:, present].astype(np.float64)
    # An image with nothing on any of these is undecided between them.
    masked[masked.sum(axis=1) == 0] = 1
    masked /= masked.sum(axis=1, keepdims=True)
    names = [classes[code] for code in present]
    return whole, _view(np.searchsorted(present, labels), masked, names, subjects)


def _view(labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], subjects: np.ndarray | None) -> View:
    scores = score(labels, probabilities, classes)
    # score() counts a class that is only predicted, too, with an F1 of zero.
    shared = [emotion.f1 for emotion in scores.emotions.values() if emotion.images]
    cells = np.eye(len(classes) ** 2)[labels.astype(np.int64) * len(classes) + probabilities.argmax(axis=1)]
    return View(
        scores=scores.model_copy(update={"macro_f1": float(np.mean(shared))}),
        over_images=intervals(cells),
        over_subjects=None if subjects is None else intervals(_summed(cells, subjects)),
    )


def _summed(cells: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """(N, K) -> (subjects, K), each subject's rows added."""
    names, owner = np.unique(subjects, return_inverse=True)
    sums = np.zeros((len(names), cells.shape[1]))
    np.add.at(sums, owner, cells)
    return sums


def intervals(confusions: np.ndarray) -> Intervals | None:
    """95 % percentile intervals of accuracy and macro F1, resampling units: images, or subjects with all their images.

    Images of one subject are alike, so that resampling them alone makes intervals too narrow: the cluster bootstrap
    resamples whole subjects (Field and Welsh: Bootstrapping clustered data, JRSS B 69, 2007).

    Args:
        confusions: (U, C * C), each unit's confusion matrix, true by predicted.

    Returns:
        The intervals, from 2,000 seeded resamples; None for fewer than two units.
    """
    if len(confusions) < 2:
        return None
    drawn = bootstrap(lambda times: _accuracy_and_f1(times @ confusions), len(confusions))
    accuracy, macro_f1 = (percentile_interval(values) for values in drawn)
    return Intervals(accuracy=accuracy, macro_f1=macro_f1)


def _accuracy_and_f1(cells: np.ndarray) -> np.ndarray:
    """(B, C * C) confusions -> (2, B): the accuracy, and the mean F1 of the classes that occur."""
    classes = round(cells.shape[1] ** 0.5)
    confusions = cells.reshape(-1, classes, classes)
    found, occur = figures(confusions), confusions.sum(axis=2) > 0
    f1 = found[:, -classes:]
    return np.stack([found[:, 0], (f1 * occur).sum(axis=1) / occur.sum(axis=1)])
