"""What test images can tell: bootstrap intervals of scores and of their differences, paired tests, ranks.

Everything here compares systems that answered the same images. A system is its runs, one a seed, and its score is the
mean of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES, SEED = 2_000, 0
#: The confidence level of intervals, and the level of tests.
LEVEL, ALPHA = 0.95, 0.05
#: Discordant answers from which on McNemar's test takes the chi-square distribution for the binomial one.
FEW = 25
#: Resamples that are held in memory at a time, each a count for every image. What is drawn does not depend on it.
_BATCH = 50


@dataclass(frozen=True)
class Estimate:
    """A figure, or a difference of two, with its interval over test images."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampled:
    """The figures of several systems on the test images and on resamples of them, the same resamples for all.

    names: of the M figures; see ``figures``. values: (systems, M) float64, on the images as they are.
    resampled: (systems, M, resamples) float64.
    """

    names: tuple[str, ...]
    values: np.ndarray
    resampled: np.ndarray

    def estimate(self, system: int, name: str) -> Estimate:
        """One figure of one system, with its percentile interval."""
        figure = self.names.index(name)
        return _estimate(self.values[system, figure], self.resampled[system, figure])

    def difference(self, first: int, second: int, name: str) -> Estimate:
        """How much more the first system has of a figure, with its paired percentile interval."""
        figure = self.names.index(name)
        value = self.values[first, figure] - self.values[second, figure]
        return _estimate(value, self.differences(first, second, name))

    def differences(self, first: int, second: int, name: str) -> np.ndarray:
        """(resamples,) float64, first less second."""
        figure = self.names.index(name)
        return np.subtract(self.resampled[first, figure], self.resampled[second, figure])


def _estimate(value: float, resampled: np.ndarray) -> Estimate:
    return Estimate(float(value), *percentile_interval(resampled))


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], units: int, *, resamples: int = RESAMPLES, seed: int = SEED
) -> np.ndarray:
    """The distribution of a statistic over resamples: units (images, or subjects) drawn with replacement.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. What is drawn depends on ``seed`` and
    ``units`` alone, so that statistics of the same units are paired in every resample.

    Args:
        statistic: (B, units) int64, how often each unit is drawn in each of B resamples -> (..., B).
        units: how many there are.
        resamples: how many are drawn.
        seed: of the draws.

    Returns:
        (..., resamples) float64.
    """
    from scipy import stats

    def of_rows(rows: np.ndarray, axis: int) -> np.ndarray:
        start = units * np.arange(len(rows))[:, None]
        times = np.bincount((rows + start).ravel(), minlength=len(rows) * units).reshape(len(rows), units)
        return statistic(times)

    return stats.bootstrap(
        (np.arange(max(units, 2)) % units,),  # a single unit is given twice: scipy insists on two
        of_rows,
        n_resamples=resamples,
        batch=_BATCH,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).bootstrap_distribution


def percentile_interval(resampled: np.ndarray) -> tuple[float, float]:
    """Low and high end of the 95 % percentile interval of a statistic, from its (R,) bootstrapped values."""
    low, high = np.quantile(resampled, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def figure_names(classes: Sequence[str]) -> tuple[str, ...]:
    """What ``figures`` computes, in order: "accuracy", "macro_f1", "weighted_f1", "recall of anger", ..., "F1 of
    anger", ...
    """
    by_class = [f"{figure} of {name}" for figure in ("recall", "F1") for name in classes]
    return ("accuracy", "macro_f1", "weighted_f1", *by_class)


def figures(confusions: np.ndarray) -> np.ndarray:
    """Scores of confusion matrices (..., C, C), true by predicted, counts: (..., 3 + 2 C) float64, as ``figure_names``.

    They are those of ``metrics.score``: macro F1 leaves out classes that are neither among the labels nor among the
    predictions, and a recall or F1 without a denominator is 0.
    """
    right = np.diagonal(confusions, axis1=-2, axis2=-1)
    true, predicted = confusions.sum(axis=-1), confusions.sum(axis=-2)
    images = true.sum(axis=-1)
    recall = right / np.maximum(true, 1)
    f1 = 2 * right / np.maximum(true + predicted, 1)
    accuracy = right.sum(axis=-1) / images
    macro_f1 = f1.sum(axis=-1) / (true + predicted > 0).sum(axis=-1)
    weighted_f1 = (f1 * true).sum(axis=-1) / images
    return np.concatenate([np.stack([accuracy, macro_f1, weighted_f1], axis=-1), recall, f1], axis=-1)


def resample(
    labels: np.ndarray,
    systems: Sequence[np.ndarray],
    classes: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Resampled:
    """The ``figures`` of several systems on bootstrapped test images.

    An image is drawn with its label and all answers to it. So the figures of two systems are paired in every resample,
    and the interval of their difference is that of the differences. A system's interval is the same whichever systems
    stand beside it; see ``bootstrap``.

    Args:
        labels: (N,) int, indices into ``classes``.
        systems: for each system (runs, N) int, the predicted label of each image by each of its runs.
        classes: names of the C labels.
        resamples: how many are drawn.
        seed: of the draws.
    """
    from scipy.sparse import csr_array

    images, count = len(labels), len(classes)
    predicted = np.concatenate(systems)
    runs = len(predicted)
    ends = np.cumsum([len(system) for system in systems])
    # One row for each cell of each run's confusion matrix, one column for each image.
    cells = (np.arange(runs)[:, None] * count + np.asarray(labels, np.int64)) * count + predicted
    columns = np.broadcast_to(np.arange(images), cells.shape)
    shape = (runs * count * count, images)
    counted_in = csr_array((np.ones(cells.size, np.int64), (cells.ravel(), columns.ravel())), shape)

    def statistic(times: np.ndarray) -> np.ndarray:
        """How often each image is drawn (B, N) -> (systems, M, B)."""
        confusions = (counted_in @ times.T).T.reshape(len(times), runs, count, count)
        by_run = np.split(figures(confusions), ends[:-1], axis=1)
        return np.stack([of_runs.mean(axis=1).T for of_runs in by_run])

    as_they_are = statistic(np.ones((1, images), np.int64))[..., 0]
    resampled = bootstrap(statistic, images, resamples=resamples, seed=seed)
    return Resampled(figure_names(classes), as_they_are, resampled)


def bootstrap_p(differences: np.ndarray) -> float:
    """Two-sided p of "no difference" from bootstrapped differences (R,): twice the share at or beyond zero, at most 1.

    It agrees with the percentile interval. One is added to both counts, so that it is never 0: Davison and Hinkley,
    Bootstrap Methods and their Application, 1997, section 4.2.
    """
    beyond = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (1 + beyond) / (1 + len(differences))))


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's test, from the number of images that only the one and only the other got right.

    Exact (binomial) below 25 such images, else chi-square with Edwards' continuity correction. McNemar, Psychometrika
    12, 1947; Edwards, Psychometrika 13, 1948.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    # Edwards' correction brings the two counts together; equal ones it would drive apart.
    table, correction = [[0, only_first], [only_second, 0]], only_first != only_second
    return float(mcnemar(table, exact=only_first + only_second < FEW, correction=correction).pvalue)


def paired_p(first: np.ndarray, second: np.ndarray) -> float:
    """p of "equally accurate" for two systems, from which images (runs, N) bool each of their runs got right.

    One system counts as better only where each of its runs is better than each of the other's: McNemar's test is made
    for every such pair of runs and the largest p is taken, or 1 where the pairs disagree on which is better. That is an
    intersection-union test, whose level is that of the single tests: Berger, Technometrics 24, 1982.
    """
    ones, others = first.astype(np.int64), second.astype(np.int64)
    only_first, only_second = ones @ (1 - others).T, (1 - ones) @ others.T
    if np.ptp(np.sign(only_first - only_second)):
        return 1.0
    return max(mcnemar_p(int(b), int(c)) for b, c in zip(only_first.ravel(), only_second.ravel(), strict=True))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given: Scandinavian Journal of Statistics 6, 1979."""
    from statsmodels.stats.multitest import multipletests

    return multipletests(p, alpha=ALPHA, method="holm")[1].tolist() if len(p) else []


def ranks(accuracy: np.ndarray, p: np.ndarray) -> list[int]:
    """1 + the number of systems that are significantly more accurate; systems that can't be told apart share a rank.

    accuracy: (K,) float. p: (K, K) float, symmetric, of "equally accurate", adjusted for the number of pairs.
    """
    beaten_by = (accuracy[:, None] > accuracy) & (p < ALPHA)
    return (1 + beaten_by.sum(axis=0)).tolist()
