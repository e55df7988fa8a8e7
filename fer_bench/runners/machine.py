"""The support vector machine that the SVM runners share: fitted by a library, evaluated as matrix products.

Import this module when it is needed, not before: it imports scikit-learn.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class SupportVectorMachine(ClassifierMixin, BaseEstimator):
    """``sklearn.svm.SVC`` with an RBF kernel: the same support vectors, the same scores, the same predictions.

    What differs is what is kept after the fit: the support vectors once, in float32. On the 28,709 Training faces
    scikit-learn-intelex's own SVC pickles to 1.8 GB and loads only where that package is installed.

    Args:
        C: as in SVC.
        gamma: "scale" is 1 / (features x variance), as in SVC.
        engine: "sklearn" or "sklearnex", the library that solves the dual problem.
    """

    def __init__(self, C: float = 1.0, gamma: float | str = "scale", engine: str = "sklearn") -> None:
        self.C = C
        self.gamma = gamma
        self.engine = engine

    def fit(
        self, rows: np.ndarray, labels: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> SupportVectorMachine:
        """(N, D) float32 features, (N,) labels."""
        if self.engine == "sklearnex":
            from sklearnex.svm import SVC
        else:
            from sklearn.svm import SVC
        self.gamma_ = (
            float(1 / (rows.shape[1] * rows.var(dtype=np.float64))) if self.gamma == "scale" else float(self.gamma)
        )
        solved = SVC(C=self.C, gamma=self.gamma_).fit(rows, labels, sample_weight)
        self.classes_ = solved.classes_
        self.support_vectors_ = np.asarray(solved.support_vectors_, np.float32)
        self.norms_ = _norms(self.support_vectors_)
        self.coefficients_, self.intercept_ = _pairwise(solved)
        return self

    def decision_function(self, rows: np.ndarray, chunk: int = 1024) -> np.ndarray:
        """(N, K): the votes of the class in all pairs, plus its confidence squeezed to within ±1/3."""
        signs = np.zeros((len(self.intercept_), len(self.classes_)))
        for pair, (first, second) in enumerate(combinations(range(len(self.classes_)), 2)):
            signs[pair, first], signs[pair, second] = 1, -1
        starts = range(0, max(len(rows), 1), chunk)
        decisions = np.concatenate([self._decisions(rows[start : start + chunk]) for start in starts])
        confidence = decisions @ signs
        votes = (decisions > 0) @ (signs > 0).astype(float) + (decisions <= 0) @ (signs < 0).astype(float)
        return votes + confidence / (3 * (np.abs(confidence) + 1))

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """(N,) labels: the first class with the most votes, as libsvm decides."""
        return self.classes_[most_voted(self.decision_function(rows))]

    def _decisions(self, rows: np.ndarray) -> np.ndarray:
        """(N, pairs): above 0 where the first class of the pair wins."""
        # sklearn's rbf_kernel would copy all support vectors to float64 at each call: 0.1 s for a single image.
        rows = np.asarray(rows, np.float32)
        squared = _norms(rows)[:, None] + self.norms_ - 2 * (rows @ self.support_vectors_.T)
        return np.exp(-self.gamma_ * np.maximum(squared, 0)) @ self.coefficients_ + self.intercept_


def _norms(rows: np.ndarray) -> np.ndarray:
    """(N, D) -> (N,) squared lengths."""
    return np.einsum("nd,nd->n", rows, rows)


def most_voted(scores: np.ndarray) -> np.ndarray:
    """The column (N,) of the first class with the most votes, read off ``decision_function``."""
    return np.rint(scores).argmax(axis=1)


def _pairwise(solved: Any) -> tuple[np.ndarray, np.ndarray]:
    """One column of coefficients per pair of classes, 0 outside the pair, and the intercepts (libsvm's FAQ, "sv_coef")."""
    dual, intercept = np.asarray(solved.dual_coef_), np.asarray(solved.intercept_)
    if len(solved.classes_) == 2:  # scikit-learn turns the sign round, for two classes only
        return -dual.T.astype(np.float32), -intercept
    ends = np.cumsum(solved.n_support_)
    own = [slice(end - count, end) for end, count in zip(ends, solved.n_support_, strict=True)]
    coefficients = np.zeros((dual.shape[1], len(intercept)), np.float32)
    for pair, (first, second) in enumerate(combinations(range(len(own)), 2)):
        coefficients[own[first], pair] = dual[second - 1, own[first]]
        coefficients[own[second], pair] = dual[first, own[second]]
    return coefficients, intercept
