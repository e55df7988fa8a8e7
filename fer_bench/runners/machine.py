"""The support vector machine that the SVM runners share: fitted by one of three engines, evaluated as matrix products.

Import this module when it is needed, not before: it imports scikit-learn.
"""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from ..errors import InputError


class SupportVectorMachine(ClassifierMixin, BaseEstimator):
    """``sklearn.svm.SVC`` with an RBF kernel: the same problem, solved to the same tolerance.

    What differs is what is kept after the fit: the support vectors once, in float32. On the 28,709 Training faces
    scikit-learn-intelex's own SVC pickles to 1.8 GB and loads only where that package is installed. A machine that JAX
    fitted also predicts with JAX, and where JAX is missing with numpy.

    Args:
        C: as in SVC.
        gamma: "scale" is 1 / (features x variance), as in SVC.
        engine: "sklearn", "sklearnex" or "jax", what solves the dual problem.

    Attributes:
        classes_: (K,) the labels, ascending.
        support_vectors_: (S, D) float32.
        coefficients_: (S, pairs) float32, of the pairs (0, 1), (0, 2), ... (K - 2, K - 1); 0 outside the pair.
        intercept_: (pairs,) float64.
        n_iter_: iterations of the pair that took most; from "jax" only.
    """

    def __init__(self, C: float = 1.0, gamma: float | str = "scale", engine: str = "sklearn") -> None:
        self.C = C
        self.gamma = gamma
        self.engine = engine

    def fit(
        self, rows: np.ndarray, labels: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> SupportVectorMachine:
        """(N, D) float32 features, (N,) labels, (N,) weights that scale C per row.

        Raises:
            InputError: engine "jax", and rows of fewer than two classes with a weight above 0.
            MemoryError: engine "jax", and a Gram matrix that does not fit the device.
        """
        self.__dict__.pop("_resident", None)
        self.gamma_ = (
            float(1 / (rows.shape[1] * rows.var(dtype=np.float64))) if self.gamma == "scale" else float(self.gamma)
        )
        solve = self._solve_with_jax if self.engine == "jax" else self._solve_with_svc
        solve(rows, labels, sample_weight)
        self.norms_ = _norms(self.support_vectors_)
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

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_resident"}

    def _solve_with_svc(self, rows: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> None:
        if self.engine == "sklearnex":
            from sklearnex.svm import SVC
        else:
            from sklearn.svm import SVC
        solved = SVC(C=self.C, gamma=self.gamma_).fit(rows, labels, weights)
        self.classes_ = solved.classes_
        self.support_vectors_ = np.asarray(solved.support_vectors_, np.float32)
        self.coefficients_, self.intercept_ = _pairwise(solved)

    def _solve_with_jax(self, rows: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> None:
        from .smo import solve

        bounds = np.full(len(rows), self.C) if weights is None else self.C * np.asarray(weights, np.float64)
        used = bounds > 0  # libsvm, too, leaves out a row without weight
        rows, bounds = np.asarray(rows, np.float32)[used], bounds[used]
        self.classes_, columns = np.unique(labels[used], return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"an SVM needs two classes to tell apart; the training part has {len(self.classes_)}")
        solved = solve(rows, columns, bounds, self.gamma_)
        support = solved.coefficients.any(axis=1)
        self.support_vectors_, self.coefficients_ = rows[support], solved.coefficients[support]
        self.intercept_ = solved.intercept
        self.n_iter_ = int(solved.iterations.max())

    def _decisions(self, rows: np.ndarray) -> np.ndarray:
        """(N, pairs): above 0 where the first class of the pair wins."""
        # sklearn's rbf_kernel would copy all support vectors to float64 at each call: 0.1 s for a single image.
        rows = np.asarray(rows, np.float32)
        if self.engine == "jax" and find_spec("jax"):
            from .smo import decide

            return np.asarray(decide(rows, *self._resident, self.gamma_)) + self.intercept_
        squared = _norms(rows)[:, None] + self.norms_ - 2 * (rows @ self.support_vectors_.T)
        return np.exp(-self.gamma_ * np.maximum(squared, 0)) @ self.coefficients_ + self.intercept_

    @cached_property
    def _resident(self) -> tuple[Any, Any]:
        """Support vectors and coefficients in the device's memory, so that a call sends its own rows only."""
        import jax

        return jax.device_put(self.support_vectors_), jax.device_put(self.coefficients_)


def _norms(rows: np.ndarray) -> np.ndarray:
    """(N, D) -> (N,) squared lengths."""
    return np.einsum("nd,nd->n", rows, rows)


def most_voted(scores: np.ndarray) -> np.ndarray:
    """The column (N,) of the first class with the most votes, read off ``decision_function``."""
    return np.rint(scores).argmax(axis=1)


def _pairwise(solved: Any) -> tuple[np.ndarray, np.ndarray]:
    """One column of coefficients per pair of classes, 0 outside the pair, and the intercepts (libsvm's FAQ,
    "sv_coef").
    """
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
