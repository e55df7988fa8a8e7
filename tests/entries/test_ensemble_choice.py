"""What an ensemble takes of which run: the greedy choice by hand, fitted weights beside other ways to find them."""

from __future__ import annotations

import numpy as np
import pytest
from made_records import said

from fer_bench.entries import ensemble_choice
from fer_bench.entries.ensemble_choice import choose, fitted_weights


def test_the_greedy_choice_of_a_case_by_hand(monkeypatch):
    """Probabilities of the right one of two classes, for four images. Alone A is right twice, B thrice, C never: B.

    Then A + B: .75 .45 .45 .65 is 2, B + B 3, C + B: .35 .45 .40 .30 is 0: B again. Then A + 2 B: .70 .57 .53 .57 is
    all 4.
    """
    monkeypatch.setattr(ensemble_choice, "ROUNDS", 3)
    right = np.array([[0.9, 0.1, 0.2, 0.9], [0.6, 0.8, 0.7, 0.4], [0.1, 0.1, 0.1, 0.2]])
    assert choose(np.stack([right, 1 - right], axis=2), np.zeros(4, int)).tolist() == [1, 2, 0]


def test_of_equally_accurate_ones_the_surer_is_chosen():
    right = np.array([[0.6, 0.6], [0.9, 0.8], [0.7, 0.7]])
    assert choose(np.stack([right, 1 - right], axis=2), np.zeros(2, int)).tolist() == [0, 1, 0]


def test_of_equals_the_choice_is_the_smallest():
    labels, one = said(1, 50, 2.0)
    assert choose(np.stack([one, one, one]), labels).tolist() == [1, 0, 0]


def test_accuracy_decides_before_log_loss():
    """The first is right by a hair, the second surer of two images and wrong on the third."""
    first = np.array([[0.51, 0.49]] * 3)
    second = np.array([[0.99, 0.01], [0.99, 0.01], [0.40, 0.60]])
    labels = np.zeros(3, int)
    assert -np.log(second[:, 0]).mean() < -np.log(first[:, 0]).mean()
    counts = choose(np.stack([second, first]), labels)
    mean = np.average(np.stack([second, first]), axis=0, weights=counts)
    assert (mean.argmax(axis=1) == 0).all()


@pytest.mark.parametrize("skills", [(1.0, 1.0), (0.3, 2.0), (3.0, 0.0)])
def test_fitted_weights_of_two_are_those_of_a_grid(skills):
    (labels, one), (_, other) = said(1, 400, skills[0]), said(2, 400, skills[1])
    of_label = [(p.astype(float) / p.astype(float).sum(axis=1)[:, None])[np.arange(400), labels] for p in (one, other)]
    grid = np.linspace(0, 1, 4001)
    losses = [-np.log(w * of_label[0] + (1 - w) * of_label[1]).mean() for w in grid]
    found = fitted_weights(np.stack([one, other]), labels)
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(grid[int(np.argmin(losses))], abs=1e-3)


def test_fitted_weights_of_many_are_a_fixed_point_of_expectation_maximisation():
    """Where the log loss is lowest, EM's step for mixture weights changes nothing; no other point is one with all above
    0.
    """
    runs = [said(seed, 300, 0.5 + seed / 4) for seed in range(6)]
    labels, given = runs[0][0], np.stack([p for _, p in runs])
    found = fitted_weights(given, labels)
    true = given[:, np.arange(300), labels].astype(float)
    gradient = (true / (found @ true)).mean(axis=1)
    assert gradient[found > 1e-4] == pytest.approx(1, abs=2e-3)
    assert (gradient <= 1 + 2e-3).all()
