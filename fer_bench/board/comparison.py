"""Two systems compared on the same test images: what the one gains over the other, how surely, and on which images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..records.answers import Answers, answers
from ..records.predictions import predictions_of
from ..scores.stats import Estimate, Resampled, bootstrap_p, paired_p, resample
from .select import System

#: Images on which two systems disagree that are named, at most.
NAMED = 49


@dataclass(frozen=True)
class Contrast:
    """One figure of A and of B, and B - A. p is two-sided, of "no difference"; None for an emotion's figures."""

    a: Estimate
    b: Estimate
    difference: Estimate
    p: float | None = None


@dataclass(frozen=True)
class Agreement:
    """Numbers of images that both, only A, only B or neither got right; over several seeds the mean of all pairs of
    seeds.
    """

    both: float
    only_a: float
    only_b: float
    neither: float


@dataclass(frozen=True)
class Disagreement:
    """An image, as a row of the data set, to which A and B give different emotions, with the probability that each
    gives.
    """

    row: int
    emotion: str
    a: str
    a_confidence: float
    b: str
    b_confidence: float


@dataclass(frozen=True)
class Comparison:
    """B against A on the test images of one board; fractions in [0, 1].

    ``recall`` and ``f1`` are by emotion. ``disagreed`` counts the images to which they give different emotions, of
    which ``disagreements`` are those where the less confident of the two is most confident, such first. Both are of the
    mean of the seeds' probabilities.
    """

    a: str
    b: str
    board: str
    images: int
    emotion_images: dict[str, int]
    seeds_a: int
    seeds_b: int
    accuracy: Contrast
    macro_f1: Contrast
    weighted_f1: Contrast
    recall: dict[str, Contrast]
    f1: dict[str, Contrast]
    agreement: Agreement
    disagreed: int
    disagreements: tuple[Disagreement, ...]


def compare(a: System, b: System, *, tta: bool = False) -> Comparison:
    """Compares two systems, from ``select``, by the stored predictions of their runs, with ``tta`` those with test-time
    augmentation.

    Intervals are 95 % percentile bootstrap intervals over test images, paired for differences. p is McNemar's for the
    accuracy and the paired bootstrap's for the F1s; see ``stats``.

    Raises InputError where both are the same, stand on different boards, or lack predictions.

    >>> from pathlib import Path
    >>> from fer_bench import Store, compare, select
    >>> runs, _ = Store(Path("results")).scan()
    >>> found = compare(select.select(runs, "svm"), select.select(runs, "hog-svm"))
    >>> found.images, found.accuracy.difference.value > 0
    (144, True)
    """
    names = _names(a, b, tta)
    classes = a.board.classes
    left, right = _answers(a, tta), _answers(b, tta)
    if not left.same_images(right):
        raise InputError(
            f"the predictions of {names[0]} and {names[1]} are not of the same images; run one of them again"
        )
    drawn = resample(left.labels, [left.predicted, right.predicted], classes)
    counts = np.bincount(left.labels, minlength=len(classes))
    disagreed, disagreements = _disagreements(left, right, classes)
    return Comparison(
        *names,
        a.board.title,
        len(left.labels),
        dict(zip(classes, counts.tolist(), strict=True)),
        len(a.runs),
        len(b.runs),
        accuracy=_contrast(drawn, "accuracy", paired_p(left.right, right.right)),
        macro_f1=_contrast(drawn, "macro_f1", bootstrap_p(drawn.differences(1, 0, "macro_f1"))),
        weighted_f1=_contrast(drawn, "weighted_f1", bootstrap_p(drawn.differences(1, 0, "weighted_f1"))),
        recall={name: _contrast(drawn, f"recall of {name}") for name in classes},
        f1={name: _contrast(drawn, f"F1 of {name}") for name in classes},
        agreement=_agreement(left.right, right.right),
        disagreed=disagreed,
        disagreements=disagreements,
    )


def _names(a: System, b: System, tta: bool) -> tuple[str, str]:
    """What to call them. Raises InputError where they can't be compared."""
    keys = [{run.record.job.key for run in system.runs} for system in (a, b)]
    plain = [system.row.title for system in (a, b)]
    if tta:
        plain = [f"{name} with {_method(system)}" for name, system in zip(plain, (a, b), strict=True)]
    if keys[0] & keys[1]:
        raise InputError(f"A and B are the same system, {plain[0]}; name two")
    boards = [(s.board.dataset_digest, s.board.split_digest, s.board.classes) for s in (a, b)]
    if boards[0] != boards[1]:
        raise InputError(
            f"{plain[0]} and {plain[1]} stand on different boards: {a.board.title}; {b.board.title}; "
            "--board and --split choose one"
        )
    if plain[0] != plain[1]:
        return plain[0], plain[1]
    with_key = [f"{name}, {s.runs[0].record.job.key[:8]}" for name, s in zip(plain, (a, b), strict=True)]
    return with_key[0], with_key[1]


def _method(system: System) -> str:
    """The test-time augmentation of its runs. Raises InputError where they have none, or not the same."""
    if not system.row.tta:
        raise InputError(
            f"--with-tta: {system.row.title} has no predictions with test-time augmentation, or not the same for all of"
            " its seeds; `fer-bench run` with --tta flip or ten-crop adds them, or for an ensemble `fer-bench"
            " ensemble` with --with-tta"
        )
    return system.row.tta


def _answers(system: System, tta: bool) -> Answers:
    found = answers(predictions_of(run, tta=tta) for run in system.runs)
    if found is None:
        folders = ", ".join(str(run.folder) for run in system.runs)
        raise InputError(
            f"the seeds of {system.row.label} have predictions of different images: {folders}; run them again"
        )
    return found


def _contrast(drawn: Resampled, name: str, p: float | None = None) -> Contrast:
    return Contrast(drawn.estimate(0, name), drawn.estimate(1, name), drawn.difference(1, 0, name), p)


def _agreement(a: np.ndarray, b: np.ndarray) -> Agreement:
    """Agreement of two systems, from which images (runs, N) bool each got right."""
    first, second = a.mean(axis=0), b.mean(axis=0)
    shares = (first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second))
    return Agreement(*(float(share.sum()) for share in shares))


def _disagreements(a: Answers, b: Answers, classes: Sequence[str]) -> tuple[int, tuple[Disagreement, ...]]:
    """How many there are, and the most confident."""
    given = [one.probabilities.astype(np.float64) for one in (a, b)]
    means = [(each / each.sum(axis=2, keepdims=True)).mean(axis=0) for each in given]
    (a_label, b_label), (a_sure, b_sure) = ([f(mean, axis=1) for mean in means] for f in (np.argmax, np.max))
    places = np.flatnonzero(a_label != b_label)
    first = places[np.argsort(-np.minimum(a_sure, b_sure)[places], kind="stable")][:NAMED]
    named = tuple(
        Disagreement(
            int(a.rows[i]),
            classes[a.labels[i]],
            classes[a_label[i]],
            float(a_sure[i]),
            classes[b_label[i]],
            float(b_sure[i]),
        )
        for i in first
    )
    return len(places), named
