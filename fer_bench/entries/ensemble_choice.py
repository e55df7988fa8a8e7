"""Which runs an ensemble takes, and how much of each: decided by their predictions of the validation part, which is all
it gets.
"""

from __future__ import annotations

import numpy as np

from ..scores.metrics import LOG_LOSS_EPS

#: Members that the greedy selection adds, the same one several times if that is best.
ROUNDS = 50
#: Digits of a fitted weight; what is zero in them is no member.
DIGITS = 6


def choose(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often each candidate belongs to the ensemble, (K,) int64, by greedy forward selection with replacement.

    In each of ``ROUNDS`` rounds the candidate is added with which the mean of all added so far has the highest
    accuracy, of equals the lowest log loss, then the first. The best of the ensembles on the way is taken, the smallest
    of equals.

    Caruana, Niculescu-Mizil, Crew, Ksikes: Ensemble Selection from Libraries of Models, ICML 2004, sections 2 and 2.1.

    Args:
        probabilities: (K, N, C) of the validation part.
        labels: (N,) int, its truth.
    """
    given = probabilities.astype(np.float64)
    total, order = np.zeros_like(given[0]), []
    quality = []
    for _ in range(ROUNDS):
        found = [_quality(total + one, labels) for one in given]
        best = max(range(len(given)), key=lambda candidate: found[candidate])
        total += given[best]
        order.append(best)
        quality.append(found[best])
    size = quality.index(max(quality)) + 1
    return np.bincount(order[:size], minlength=len(given))


def _quality(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Accuracy and minus the log loss, without the digits that are rounding alone; rows need not sum to one."""
    right = (probabilities.argmax(axis=1) == labels).mean()
    true = probabilities[np.arange(len(labels)), labels] / probabilities.sum(axis=1)
    return float(right), round(float(np.log(np.maximum(true, LOG_LOSS_EPS)).mean()), 12)


def fitted_weights(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The weights (K,) float64, none negative, of sum 1, whose mean has the lowest log loss: a convex problem.

    probabilities: (K, N, C) of the validation part. labels: (N,) int.
    """
    from scipy.optimize import minimize

    members, images = probabilities.shape[:2]
    of_label = probabilities[:, np.arange(images), labels].astype(np.float64) / probabilities.sum(axis=2, dtype=float)
    of_label = np.maximum(of_label, LOG_LOSS_EPS)
    found = minimize(
        lambda weights: -np.log(weights @ of_label).mean(),
        np.full(members, 1 / members),
        jac=lambda weights: -(of_label / (weights @ of_label)).mean(axis=1),
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(members)},
        options={"ftol": 1e-10, "maxiter": 500},
    )
    weights = np.maximum(found.x, 0).round(DIGITS)
    return np.asarray(weights / weights.sum(), np.float64)
