"""Images as bags of visual words: how often each word stands in each region of a face.

Import this module when it is needed, not before: it imports scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from threadpoolctl import threadpool_limits

from .dense_sift import dense_sift, places
from .features import SIZE
from .vocabulary import Vocabulary

#: A vocabulary is learnt from so many images at most, and from so many descriptors of each on average.
LEARNT_FROM, SAMPLED = 1500, 160
CHUNK = 128


class VisualWords(TransformerMixin, BaseEstimator):
    """Faces to histograms of visual words over a spatial pyramid (Lazebnik, Schmid and Ponce 2006).

    Descriptors of each size have a vocabulary of their own. The square root of a count stands for it, and an image is
    a unit vector, so that a linear machine on it is one with Hellinger's kernel. An image and its mirror are the same
    row: their histograms are added, which to a linear machine is what learning from both is, at half the price.

    Args:
        bin_widths: of the descriptors, in pixels; a descriptor is four bins wide.
        step: pixels from descriptor to descriptor.
        coarse: branches of a vocabulary, an even number.
        fine: words in each branch.
        components: of the descriptors that are compared.
        grids: the pyramid's levels: g cuts a face into g x g regions.
        random_state: seed of the vocabularies.
    """

    def __init__(
        self,
        bin_widths: tuple[int, ...] = (2, 3, 4, 6),
        step: int = 2,
        coarse: int = 128,
        fine: int = 128,
        components: int = 64,
        grids: tuple[int, ...] = (1, 3),
        random_state: int | None = None,
    ) -> None:
        self.bin_widths = bin_widths
        self.step = step
        self.coarse = coarse
        self.fine = fine
        self.components = components
        self.grids = grids
        self.random_state = random_state

    def fit(self, rows: np.ndarray, labels: np.ndarray | None = None) -> VisualWords:
        """Learns the vocabularies from (N, 2304) uint8 pixels; labels are not looked at."""
        images = rows.reshape(-1, SIZE, SIZE)
        rng = np.random.default_rng(self.random_state)
        some = images[np.sort(rng.permutation(len(images))[:LEARNT_FROM])]
        seeds = rng.integers(1 << 31, size=len(self.bin_widths))
        self.vocabularies_ = in_threads(self._vocabulary, [some] * len(seeds), self.bin_widths, seeds)
        return self

    def transform(self, rows: np.ndarray) -> sparse.csr_matrix:
        """(N, 2304) uint8 pixels -> (N, D) float32, rows of length 1."""
        images = rows.reshape(-1, SIZE, SIZE)
        starts = range(0, max(len(images), 1), CHUNK)
        described = in_threads(self._described, [images[start : start + CHUNK] for start in starts])
        return sparse.vstack(described, format="csr")

    def _vocabulary(self, images: np.ndarray, bin_width: int, seed: int) -> Vocabulary:
        rng = np.random.default_rng(seed)
        sample = []
        for start in range(0, len(images), CHUNK):
            found = dense_sift(images[start : start + CHUNK], bin_width, self.step)
            found = found.reshape(-1, found.shape[-1])
            sample.append(found[rng.permutation(len(found))[: SAMPLED * CHUNK]])
        return Vocabulary(self.coarse, self.fine, self.components, int(seed)).fit(np.concatenate(sample))

    def _described(self, images: np.ndarray) -> sparse.csr_matrix:
        levels = []
        for bin_width, vocabulary in zip(self.bin_widths, self.vocabularies_, strict=True):
            found = dense_sift(images, bin_width, self.step)
            words = vocabulary.predict(found.reshape(-1, found.shape[-1])).reshape(found.shape[:-1])
            levels += [with_mirror(words, bin_width, self.step, grid, vocabulary.words) for grid in self.grids]
        whole = sparse.hstack(levels, format="csr")
        lengths = np.sqrt(whole.multiply(whole).sum(axis=1)).A1
        whole.data /= np.repeat(np.maximum(lengths, 1e-12), np.diff(whole.indptr)).astype(np.float32)
        return whole


def in_threads(task: Callable[..., Any], *arguments: Iterable[Any]) -> list[Any]:
    """What ``task`` makes of each, in order: a thread for each, and none within, as its products are small."""

    def alone(*each: Any) -> Any:
        with threadpool_limits(1, user_api="openmp"):  # counts for the thread that says it; that of BLAS for all
            return task(*each)

    with threadpool_limits(1):
        return Parallel(n_jobs=-1, prefer="threads")(delayed(alone)(*each) for each in zip(*arguments, strict=True))


def with_mirror(words: np.ndarray, bin_width: int, step: int, grid: int, count: int) -> sparse.csr_matrix:
    """Square roots of the counts of words in the regions of images, those of their mirrors added.

    Args:
        words: (N, P, P) the word of each descriptor.
        bin_width: of these descriptors.
        step: from one to the next, in pixels.
        grid: regions each way.
        count: words in the vocabulary; word w of a descriptor is w + count / 2, modulo count, of its mirror.

    Returns:
        (N, grid * grid * count / 2) float32: a column stands for a word in a region, and for its mirror.
    """
    counted = counts(words, bin_width, step, grid, count)
    pair = pairs(grid, count)
    both = sparse.csr_matrix(
        (np.sqrt(counted.data), pair[counted.indices], counted.indptr),
        shape=(len(words), grid * grid * count // 2),
    )
    both.sum_duplicates()
    return both


@lru_cache(maxsize=16)
def pairs(grid: int, count: int) -> np.ndarray:
    """(grid * grid * count,) int32: the number of the pair that a column of ``counts`` and its mirror are."""
    columns = np.arange(grid * grid * count).reshape(grid, grid, count)
    mirrors = np.roll(columns[:, ::-1], count // 2, axis=2).ravel()
    return np.unique(np.minimum(columns.ravel(), mirrors), return_inverse=True)[1].astype(np.int32)


def counts(words: np.ndarray, bin_width: int, step: int, grid: int, count: int) -> sparse.csr_matrix:
    """(N, P, P) words -> (N, grid * grid * count) float32: how often each word stands in each region, row by row."""
    left = ((places(bin_width, step)[: words.shape[1] // 2] + 0.5) * grid / SIZE).astype(np.intp)
    region = np.concatenate([left, grid - 1 - left[::-1]])  # so that what lies on a border does so in the mirror, too
    column = (region[:, None] * grid + region) * count + words
    each = words.shape[1] * words.shape[2]
    counted = sparse.csr_matrix(
        (np.ones(words.size, np.float32), column.ravel(), np.arange(0, words.size + 1, each)),
        shape=(len(words), grid * grid * count),
    )
    counted.sum_duplicates()
    return counted
