"""A vocabulary of visual words: descriptors that look alike are the same word.

Import this module when it is needed, not before: it imports scikit-learn.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import MiniBatchKMeans

from .dense_sift import mirrored


class Vocabulary(BaseEstimator):
    """Words as a tree of two levels (Nistér and Stewénius 2006): some coarse words, each split into some fine ones.

    A descriptor is compared with the coarse words and those of one branch, in place of all. The vocabulary is closed
    under mirroring: word w of a descriptor is word (w + words / 2) modulo words of its mirror. Both halves are learnt
    from descriptors and their mirrors.

    Args:
        coarse: branches of the tree, an even number.
        fine: words in each; ``coarse * fine`` in all.
        components: principal components of the descriptors that are compared.
        seed: of k-means.
    """

    def __init__(self, coarse: int = 32, fine: int = 32, components: int = 48, seed: int = 0) -> None:
        self.coarse = coarse
        self.fine = fine
        self.components = components
        self.seed = seed

    @property
    def words(self) -> int:
        """How many there are."""
        return self.coarse * self.fine

    def fit(self, descriptors: np.ndarray) -> Vocabulary:
        """Learns from (N, 128) float32 descriptors."""
        rng = np.random.default_rng(self.seed)
        self._learn_components(descriptors)
        rows = self._project(descriptors)
        rows[rng.random(len(rows)) < 0.5] *= self.signs_
        half = self._means(rows, self.coarse // 2)
        self.coarse_ = np.concatenate([half, half * self.signs_])
        rows = np.concatenate([rows, rows * self.signs_])
        branch = _nearest(rows, self.coarse_)
        halves = [self._split(rows[branch == k], self.coarse_[k], rng) for k in range(self.coarse // 2)]
        self.fine_ = np.stack([*halves, *(half * self.signs_ for half in halves)])
        return self

    def predict(self, descriptors: np.ndarray) -> np.ndarray:
        """(N, 128) float32 -> (N,) int32, the word of each."""
        rows = self._project(descriptors)
        branch = _nearest(rows, self.coarse_)
        order = np.argsort(branch, kind="stable")
        ends = np.searchsorted(branch[order], np.arange(self.coarse + 1))
        found = np.empty(len(rows), np.int32)
        for k in range(self.coarse):
            own = order[ends[k] : ends[k + 1]]
            found[own] = k * self.fine + _nearest(rows[own], self.fine_[k])
        return found

    def _learn_components(self, descriptors: np.ndarray) -> None:
        """Principal components of the descriptors and their mirrors, by which a mirror changes signs and no more."""
        turned = mirrored()
        mean = descriptors.mean(axis=0, dtype=np.float64)
        mean = (mean + mean[turned]) / 2
        rows = descriptors - mean.astype(np.float32)
        spread = (rows.T @ rows).astype(np.float64)
        _, axes = np.linalg.eigh(spread + spread[turned][:, turned])
        axes = axes[:, ::-1][:, : self.components]
        # An axis is its own mirror or its opposite, but for rounding; where two spread alike, neither. None did so far.
        self.signs_ = np.sign((axes * axes[turned]).sum(axis=0)).astype(np.float32)
        axes = axes + self.signs_ * axes[turned]
        self.axes_ = (axes / np.linalg.norm(axes, axis=0)).astype(np.float32)
        self.offset_ = (mean @ self.axes_).astype(np.float32)

    def _project(self, descriptors: np.ndarray) -> np.ndarray:
        return descriptors @ self.axes_ - self.offset_

    def _split(self, rows: np.ndarray, centre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(fine, components): the words of one branch; where few descriptors fell into it, some of these, or copies."""
        if len(rows) >= 3 * self.fine:
            return self._means(rows, self.fine)
        few = rows if len(rows) else centre[None]
        return few[rng.integers(0, len(few), self.fine)]

    def _means(self, rows: np.ndarray, count: int) -> np.ndarray:
        means = MiniBatchKMeans(
            count, batch_size=2048, n_init=1, max_iter=15, init="random", compute_labels=False, random_state=self.seed
        )
        return means.fit(rows).cluster_centers_.astype(np.float32)


def _nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N, D), (K, D) -> (N,) the nearest centre of each row."""
    closeness = rows @ centres.T
    closeness -= (centres**2).sum(axis=1) / 2
    return closeness.argmax(axis=1)
