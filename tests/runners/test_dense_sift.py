"""Dense SIFT and its vocabulary: against a plain loop and OpenCV, shifted, mirrored, brighter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fer_bench.runners.dense_sift import LENGTH, dense_sift, gradients, mirrored, places
from fer_bench.runners.vocabulary import Vocabulary

SMOOTH = np.stack(
    [gaussian_filter(np.random.default_rng(n).normal(128, 400, (48, 48)), 2).clip(0, 255) for n in range(6)]
).astype(np.uint8)


def slowly(image: np.ndarray, row: float, column: float, bin_width: int) -> np.ndarray:
    """One descriptor, gradient by gradient."""
    down, right = np.gradient(image.astype(float))
    summed = np.zeros((8, 4, 4))
    for r in range(48):
        for c in range(48):
            angle = np.arctan2(down[r, c], right[r, c]) * 4 / np.pi % 8
            size = np.hypot(down[r, c], right[r, c])
            for i in range(4):
                for j in range(4):
                    share = max(0, 1 - abs(r - row - (i - 1.5) * bin_width) / bin_width)
                    share *= max(0, 1 - abs(c - column - (j - 1.5) * bin_width) / bin_width)
                    summed[int(angle) % 8, i, j] += share * size * (1 - angle % 1)
                    summed[(int(angle) + 1) % 8, i, j] += share * size * (angle % 1)
    clipped = np.minimum(summed / np.linalg.norm(summed), 0.2).ravel()
    return np.sqrt(clipped / clipped.sum())


@pytest.mark.parametrize(("bin_width", "step"), [(3, 4), (6, 5)])
def test_a_descriptor_is_that_of_a_plain_loop(bin_width: int, step: int) -> None:
    found, at = dense_sift(SMOOTH[:1], bin_width, step), places(bin_width, step)
    assert found.shape == (1, len(at), len(at), LENGTH)
    assert found.dtype == np.float32
    for i, j in ((0, 0), (1, 2), (-1, 0)):
        np.testing.assert_allclose(found[0, i, j], slowly(SMOOTH[0], at[i], at[j], bin_width), atol=1e-5)


def test_it_tells_places_apart_as_opencv_does() -> None:
    """Which of two places looks more like a third: mostly the same answer, though OpenCV blurs first and weighs."""
    import cv2

    at = places(4, 8)
    points = [cv2.KeyPoint(x, y, 8 / 3, 0) for y in at for x in at]  # a bin is 3 * size / 2 wide
    lowe = cv2.SIFT_create(sigma=0.6)
    theirs = np.concatenate([lowe.compute(image, points)[1] for image in SMOOTH])
    theirs = theirs / theirs.sum(axis=1, keepdims=True)
    ours = dense_sift(SMOOTH, 4, 8).reshape(-1, LENGTH)
    first, second = (np.sqrt(rows) @ np.sqrt(rows).T for rows in (theirs, ours**2))
    upper = np.triu_indices(len(first), 1)
    assert np.corrcoef(first[upper], second[upper])[0, 1] > 0.8


def test_a_shifted_image_has_its_descriptors_shifted() -> None:
    whole = np.pad(SMOOTH[:, 8:40, 8:40], ((0, 0), (8, 8), (8, 8)), mode="edge")
    shifted = np.roll(whole, (4, -2), axis=(1, 2))
    before, after = dense_sift(whole, 2, 2), dense_sift(shifted, 2, 2)
    np.testing.assert_allclose(after[:, 6:-6, 6:-6], np.roll(before, (2, -1), axis=(1, 2))[:, 6:-6, 6:-6], atol=1e-5)


def test_a_mirrored_image_has_its_descriptors_mirrored() -> None:
    for bin_width in (2, 3, 4, 6):
        turned = dense_sift(SMOOTH[:, :, ::-1], bin_width, 2)
        expected = dense_sift(SMOOTH, bin_width, 2)[:, :, ::-1][..., mirrored()]
        np.testing.assert_allclose(turned, expected, atol=1e-3)
        assert places(bin_width, 2).sum() == pytest.approx(23.5 * len(places(bin_width, 2)))


def test_brightness_and_contrast_change_nothing() -> None:
    dark = SMOOTH // 4
    np.testing.assert_allclose(dense_sift(dark * 3 + 50, 3, 3), dense_sift(dark, 3, 3), atol=1e-5)


def test_an_image_without_gradients_has_empty_descriptors() -> None:
    level = np.full((2, 48, 48), 9, np.uint8)
    assert not dense_sift(level, 2, 2).any()
    assert not gradients(level).any()
    assert dense_sift(level[:0], 2, 2).shape[0] == 0


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(coarse=6, fine=5, components=20, seed=3).fit(dense_sift(SMOOTH, 3, 2).reshape(-1, LENGTH))


def test_words_of_a_mirrored_image_are_mirrored_words(vocabulary: Vocabulary) -> None:
    some = np.concatenate([SMOOTH, np.random.default_rng(0).integers(0, 256, (4, 48, 48)).astype(np.uint8)])

    def words(images: np.ndarray) -> np.ndarray:
        found = dense_sift(images, 3, 2)
        return vocabulary.predict(found.reshape(-1, LENGTH)).reshape(found.shape[:3])

    turned = (words(some) + vocabulary.words // 2) % vocabulary.words
    assert (words(some[:, :, ::-1])[:, :, ::-1] == turned).mean() > 0.97  # a symmetric descriptor is near two words
    assert len(np.unique(turned)) > 0.8 * vocabulary.words


def test_a_word_is_the_nearest_one_of_its_branch(vocabulary: Vocabulary) -> None:
    rows = dense_sift(SMOOTH, 3, 5).reshape(-1, LENGTH)
    seen = rows @ vocabulary.axes_ - vocabulary.offset_
    for row, word in zip(seen, vocabulary.predict(rows), strict=True):
        branch = ((vocabulary.coarse_ - row) ** 2).sum(axis=1).argmin()
        assert word == branch * 5 + ((vocabulary.fine_[branch] - row) ** 2).sum(axis=1).argmin()


def test_the_components_are_orthonormal_and_turn_with_the_mirror(vocabulary: Vocabulary) -> None:
    axes = vocabulary.axes_
    np.testing.assert_allclose(axes.T @ axes, np.eye(20), atol=1e-4)
    np.testing.assert_allclose(axes[mirrored()], axes * vocabulary.signs_, atol=1e-5)
    assert set(vocabulary.signs_) == {-1, 1}


def test_the_seed_decides(vocabulary: Vocabulary) -> None:
    rows = dense_sift(SMOOTH, 3, 2).reshape(-1, LENGTH)
    same, other = (Vocabulary(6, 5, 20, seed).fit(rows) for seed in (3, 4))
    np.testing.assert_array_equal(same.fine_, vocabulary.fine_)
    assert not np.array_equal(other.fine_, vocabulary.fine_)
