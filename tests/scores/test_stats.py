"""Intervals, tests and ranks against worked examples, other programs' ways, and simulations whose truth is known."""

from __future__ import annotations

from math import comb, erfc, sqrt

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from fer_bench.data.dataset import EMOTIONS
from fer_bench.scores.metrics import score
from fer_bench.scores.stats import (
    Estimate,
    bootstrap_p,
    figure_names,
    figures,
    holm,
    mcnemar_p,
    paired_p,
    ranks,
    resample,
)

#: The share of each emotion in FER-2013's PrivateTest.
SHARES = np.array([491, 55, 528, 879, 594, 416, 626]) / 3589


def simulated(rng: np.random.Generator, images: int, *answer: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels, and for each system the (1, N) answers drawn from its (C, C) probabilities of an answer given the label.

    Answers are drawn from one number an image, as far as half of it: systems tend to fail on the same images.
    """
    labels = rng.choice(len(SHARES), images, p=SHARES)
    common = rng.random(images)
    systems = []
    for of_label in answer:
        u = np.where(rng.random(images) < 0.5, common, rng.random(images))
        systems.append((u[:, None] > of_label[labels].cumsum(axis=1)[:, :-1]).sum(axis=1)[None])
    return labels, systems


def answering(right: float, rng: np.random.Generator) -> np.ndarray:
    """(C, C) probabilities of an answer given the label, with about a share ``right`` on the diagonal."""
    wrong = rng.dirichlet(np.full(len(SHARES), 2.0), len(SHARES))
    diagonal = np.clip(right + rng.normal(0, 0.1, len(SHARES)), 0.2, 0.95)
    return np.diag(diagonal) + (1 - diagonal)[:, None] * wrong


def test_figures_are_those_of_scikit_learn_where_classes_are_absent_too():
    rng = np.random.default_rng(0)
    names = figure_names(EMOTIONS)
    for trial in range(40):
        there = rng.choice(7, rng.integers(2, 8), replace=False)
        labels, predicted = rng.choice(there, (2, 5 + 5 * trial))
        found = dict(zip(names, figures(confusion_matrix(labels, predicted, labels=range(7))), strict=True))
        assert found["accuracy"] == pytest.approx((labels == predicted).mean(), abs=1e-12)
        assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"), abs=1e-12)
        assert found["weighted_f1"] == pytest.approx(f1_score(labels, predicted, average="weighted"), abs=1e-12)
        every = {"labels": range(7), "average": None, "zero_division": 0}
        assert [found[f"recall of {name}"] for name in EMOTIONS] == pytest.approx(
            recall_score(labels, predicted, **every)
        )
        assert [found[f"F1 of {name}"] for name in EMOTIONS] == pytest.approx(f1_score(labels, predicted, **every))
        scores = score(labels, np.eye(7)[predicted], EMOTIONS)
        assert found["macro_f1"] == pytest.approx(scores.macro_f1, abs=1e-12)


def test_the_interval_of_an_accuracy_is_that_of_the_binomial_distribution():
    labels = np.zeros(3589, int)
    predicted = (np.arange(3589) >= 1600).astype(int)
    drawn = resample(labels, [predicted[None]], ("yes", "no"), resamples=20_000).estimate(0, "accuracy")
    assert drawn.value == 1600 / 3589
    ends = binom.ppf((0.025, 0.975), 3589, 1600 / 3589) / 3589
    assert (drawn.low, drawn.high) == pytest.approx(ends, abs=0.0006)


def test_the_interval_of_a_macro_f1_is_that_of_resampling_by_hand():
    rng = np.random.default_rng(1)
    labels, (predicted,) = simulated(rng, 300, answering(0.6, rng))
    by_hand = []
    for _ in range(600):
        rows = rng.integers(0, 300, 300)
        by_hand.append(f1_score(labels[rows], predicted[0, rows], average="macro"))
    drawn = resample(labels, [predicted], EMOTIONS).estimate(0, "macro_f1")
    assert (drawn.low, drawn.high) == pytest.approx(np.quantile(by_hand, (0.025, 0.975)), abs=0.015)


def test_a_difference_is_paired():
    """b is a, but for 40 images that it gets right besides: what is common to both cancels out."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 7, 1000)
    right = rng.random(1000) < 0.5
    more = right.copy()
    more[np.flatnonzero(~right)[:40]] = True
    systems = [np.where(mask, labels, (labels + 1) % 7)[None] for mask in (right, more, right)]
    drawn = resample(labels, systems, EMOTIONS, resamples=20_000)
    gain = drawn.difference(1, 0, "accuracy")
    assert gain.value == pytest.approx(0.04)
    assert (gain.low, gain.high) == pytest.approx(binom.ppf((0.025, 0.975), 1000, 0.04) / 1000, abs=0.0011)
    apart = drawn.estimate(1, "accuracy")
    assert gain.high - gain.low < 0.5 * (apart.high - apart.low)
    assert drawn.difference(0, 2, "macro_f1") == drawn.difference(2, 0, "macro_f1")
    assert drawn.difference(0, 2, "macro_f1").high == 0


def test_an_interval_does_not_depend_on_the_company():
    rng = np.random.default_rng(3)
    labels, (one, other) = simulated(rng, 400, answering(0.6, rng), answering(0.4, rng))
    alone = resample(labels, [one], EMOTIONS)
    beside = resample(labels, [other, one], EMOTIONS)
    assert np.array_equal(alone.resampled[0], beside.resampled[1])


def test_several_seeds_are_resampled_together():
    rng = np.random.default_rng(4)
    labels, seeds = simulated(rng, 400, answering(0.6, rng), answering(0.5, rng))
    together = resample(labels, [np.concatenate(seeds)], EMOTIONS)
    apart = resample(labels, seeds, EMOTIONS)
    assert together.resampled[0] == pytest.approx(apart.resampled.mean(axis=0))
    assert together.values[0] == pytest.approx(apart.values.mean(axis=0))


def test_a_single_image_has_an_interval_of_no_width():
    drawn = resample(np.array([1]), [np.array([[1]])], ("no", "yes"), resamples=10)
    assert drawn.estimate(0, "accuracy") == drawn.estimate(0, "macro_f1") == Estimate(1.0, 1.0, 1.0)


@pytest.mark.parametrize(("b", "c"), [(1, 9), (0, 6), (12, 12), (11, 13), (0, 0), (24, 0)])
def test_mcnemar_is_exact_where_few_images_decide(b: int, c: int):
    tail = sum(comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert mcnemar_p(b, c) == pytest.approx(min(1, 2 * tail))
    assert mcnemar_p(b, c) == mcnemar_p(c, b)
    if b + c:
        assert mcnemar_p(b, c) == pytest.approx(binomtest(b, b + c).pvalue)


@pytest.mark.parametrize(
    ("b", "c", "chi_square"),
    [
        (86, 150, 63**2 / 236),  # Agresti, Categorical Data Analysis, 2nd edition, table 10.1, with Edwards' correction
        (25, 15, 2.025),  # Raschka, Model Evaluation, Model Selection, and Algorithm Selection, 2018: p = 0.155
        (30, 30, 0.0),
    ],
)
def test_mcnemar_takes_chi_square_where_many_do(b: int, c: int, chi_square: float):
    assert mcnemar_p(b, c) == pytest.approx(erfc(sqrt(chi_square / 2)))


def test_holm_as_in_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_of_several_seeds_the_least_clear_pair_counts():
    base = np.zeros(200, bool)
    good, better, best = (base | (np.arange(200) < n) for n in (100, 110, 130))
    assert paired_p(best[None], good[None]) == pytest.approx(mcnemar_p(30, 0))
    assert paired_p(np.stack([better, best]), good[None]) == pytest.approx(mcnemar_p(10, 0))
    assert paired_p(good[None], np.stack([better, best])) == pytest.approx(mcnemar_p(10, 0))
    assert paired_p(np.stack([good, best]), better[None]) == 1
    assert paired_p(np.stack([good, best]), good[None]) == 1


def test_the_p_of_a_bootstrap_agrees_with_its_interval():
    differences = np.linspace(-0.1, 0.9, 2001)
    assert bootstrap_p(differences) == pytest.approx(0.2, abs=0.002)
    assert bootstrap_p(-differences) == bootstrap_p(differences)
    assert bootstrap_p(np.zeros(2000)) == 1
    assert bootstrap_p(np.ones(1999)) == 0.001


def test_a_rank_counts_those_who_are_clearly_better():
    accuracy = np.array([0.60, 0.59, 0.58, 0.40])
    p = np.ones((4, 4))
    p[3, :3] = p[:3, 3] = 0.001
    p[0, 2] = p[2, 0] = 0.049
    assert ranks(accuracy, p) == [1, 1, 2, 4]


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    """800 samples of 1,000 images: of the 95 % intervals 92.5 to 97.5 % hold the truth.

    Chance alone moves that share by 0.8 points (one standard deviation). Equal systems differ at 5 % in at most 6.5 %.
    """
    rng = np.random.default_rng(5)
    one, other = answering(0.6, rng), answering(0.55, rng)
    names = ("accuracy", "macro_f1")
    places = [figure_names(EMOTIONS).index(name) for name in names]
    truth = [figures(1e6 * SHARES[:, None] * answer)[places] for answer in (one, other)]
    held, false_alarms, samples = np.zeros((3, 2)), 0, 800
    for _ in range(samples):
        labels, (first, second, again) = simulated(rng, 1000, one, other, one)
        drawn = resample(labels, [first, second], EMOTIONS, resamples=1000)
        for figure, name in enumerate(names):
            estimates = (drawn.estimate(0, name), drawn.estimate(1, name), drawn.difference(0, 1, name))
            true = (truth[0][figure], truth[1][figure], truth[0][figure] - truth[1][figure])
            held[:, figure] += [e.low <= value <= e.high for e, value in zip(estimates, true, strict=True)]
        false_alarms += paired_p(first == labels, again == labels) < 0.05
    assert (np.abs(held / samples - 0.95) < 0.025).all(), held / samples
    assert false_alarms / samples < 0.065
