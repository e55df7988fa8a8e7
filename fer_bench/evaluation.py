"""How well a trained model does on data of another kind: classes matched by name, intervals over images and subjects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from .data.balance import labels_in
from .data.dataset import Dataset
from .errors import InputError
from .json_file import read_json
from .metrics import Scores, score
from .records import Environment

SCHEMA_VERSION = 1
EVALUATION = "evaluation.json"
#: In a run's folder, a folder for each set that its model was evaluated on.
EVALUATIONS = "evaluations"
RESAMPLES, SEED = 2000, 0
#: Resamples drawn at a time, which bounds the memory: so many row numbers for each image.
_BATCH = 50


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Intervals(_Model):
    """95 % bootstrap intervals, low and high."""

    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]


class View(_Model):
    """Scores of one way to take the outputs, with intervals over images, and over subjects where these are known.

    Macro F1 is that of the emotions that model and set share.
    """

    scores: Scores
    over_images: Intervals | None
    over_subjects: Intervals | None = None


class Evaluation(_Model):
    """A trained model on a foreign set.

    ``images`` of the set, of which ``scored`` show an emotion that the model knows; ``dropped`` counts the others by
    their emotion. ``missing`` are the model's emotions of which the set has no image: ``whole`` takes all outputs of the
    model, ``masked`` only the others, each image's probabilities divided by their sum. That is None where nothing is
    missing, or where a single emotion is left, of which every answer would be right.
    """

    schema_version: int = SCHEMA_VERSION
    command: str
    started: str
    key: str
    runner: str
    recipe: str
    seed: int
    trained_on: str
    trained_digest: str
    split: str
    data: str
    data_digest: str
    images: int
    scored: int
    subjects: int | None
    dropped: dict[str, int]
    missing: list[str]
    whole: View
    masked: View | None
    environment: Environment

    @property
    def slug(self) -> str:
        """Names the foreign set: in folders and tables."""
        return f"{self.data}-{self.data_digest[:8]}"


def match(classes: Sequence[str], foreign: Dataset) -> tuple[np.ndarray, dict[str, int], list[str]]:
    """A model's classes and a foreign set's, matched by name; an emotion counts as the merged class that holds it.

    Returns:
        labels (N,) int8 of the set's images, indices into ``classes``, -1 where the model has no such class; the number
        of those by the set's class; the model's classes of which the set has no image.

    Raises:
        InputError: no image shows an emotion that the model knows.
    """
    labels = labels_in(tuple(classes), foreign)
    if not (labels >= 0).any():
        there = ", ".join(name for name, count in foreign.counts().items() if count)
        raise InputError(f"no class in common: {foreign.source} has {there}; the model knows {', '.join(classes)}")
    dropped = {name: count for name, count in foreign.counts(labels < 0).items() if count}
    return labels, dropped, [name for code, name in enumerate(classes) if not (labels == code).any()]


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
    names = [classes[code] for code in present]
    return whole, _view(np.searchsorted(present, labels), masked, names, subjects)


def _view(labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], subjects: np.ndarray | None) -> View:
    scores = score(labels, probabilities, classes)
    # score() counts a class that is only predicted, too, with an F1 of zero.
    shared = [emotion.f1 for emotion in scores.emotions.values() if emotion.images]
    cells = np.eye(len(classes) ** 2)[labels.astype(np.int64) * len(classes) + probabilities.argmax(axis=1)]
    return View(
        scores=scores.model_copy(update={"macro_f1": float(np.mean(shared))}),
        over_images=bootstrap(cells),
        over_subjects=None if subjects is None else bootstrap(_summed(cells, subjects)),
    )


def _summed(cells: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """(N, K) -> (subjects, K), each subject's rows added."""
    names, owner = np.unique(subjects, return_inverse=True)
    sums = np.zeros((len(names), cells.shape[1]))
    np.add.at(sums, owner, cells)
    return sums


def bootstrap(confusions: np.ndarray) -> Intervals | None:
    """95 % percentile intervals of accuracy and macro F1, resampling units: images, or subjects with all their images.

    Images of one subject are alike, so that resampling them alone makes intervals too narrow: the cluster bootstrap
    resamples whole subjects (Field and Welsh: Bootstrapping clustered data, JRSS B 69, 2007).

    Args:
        confusions: (U, C * C), each unit's confusion matrix, true by predicted.

    Returns:
        The intervals, from 2,000 seeded resamples; None for fewer than two units.
    """
    from scipy import stats

    units = len(confusions)
    if units < 2:
        return None

    def statistic(drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        """(B, U) units -> (2, B)."""
        start = units * np.arange(len(drawn))[:, None]
        times = np.bincount((drawn + start).ravel(), minlength=drawn.size).reshape(drawn.shape)
        return np.stack(_accuracy_and_f1(times @ confusions))

    result = stats.bootstrap(
        (np.arange(units),),
        statistic,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    )
    low, high = (bound.tolist() for bound in result.confidence_interval)
    return Intervals(accuracy=(low[0], high[0]), macro_f1=(low[1], high[1]))


def _accuracy_and_f1(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, C * C) confusions -> (B,) accuracy, and (B,) mean F1 of the classes that occur."""
    classes = round(cells.shape[1] ** 0.5)
    confusion = cells.reshape(-1, classes, classes)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    true = confusion.sum(axis=2)
    f1 = 2 * right / np.maximum(true + confusion.sum(axis=1), 1)
    return right.sum(axis=1) / cells.sum(axis=1), (f1 * (true > 0)).sum(axis=1) / (true > 0).sum(axis=1)


def read_evaluations(folder: Path) -> list[Evaluation]:
    """What stands in a run's folder, by name of the set. Raises InputError for a file that is no evaluation."""
    found = []
    for path in sorted(folder.glob(f"{EVALUATIONS}/*/{EVALUATION}")):
        try:
            found.append(Evaluation.model_validate(read_json(path)))
        except (OSError, ValidationError) as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"{path}: not a readable evaluation ({reason}); remove it and evaluate again") from None
    return found
