"""Local binary patterns: against scikit-image, and against what they must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from made_faces import faces

from fer_bench.runners.lbp import LBP_LENGTH, PATTERNS, REGIONS, lbp, patterns

NOISE = np.random.default_rng(0).integers(0, 256, (20, 48, 48)).astype(np.uint8)


@pytest.mark.parametrize("radius", [1, 2])
def test_patterns_are_scikit_images_in_another_order(radius: int) -> None:
    from skimage.feature import local_binary_pattern

    images = np.concatenate([NOISE, faces(20, 0).images])
    expected = np.stack([local_binary_pattern(image, 8, radius, "nri_uniform") for image in images]).astype(int)
    found = patterns(images, radius)
    # A tie between interpolated values is broken by rounding there, and none is here.
    pairs, count = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1, return_counts=True)
    common = pairs[:, count > 20]
    assert len(set(common[0])) == len(set(common[1])) == common.shape[1] == PATTERNS
    assert count[count > 20].sum() / count.sum() > 0.9995


def test_histograms_are_those_of_a_plain_loop() -> None:
    found, described = patterns(NOISE[:2], 2), lbp(NOISE[:2])
    assert described.shape == (2, LBP_LENGTH)
    assert described.dtype == np.float32
    side = 48 // REGIONS
    for image in range(2):
        expected = [
            np.sqrt(np.bincount(region.ravel(), minlength=PATTERNS) / side**2)
            for row in range(REGIONS)
            for region in np.split(found[image, row * side : row * side + side], REGIONS, axis=1)
        ]
        np.testing.assert_allclose(described[image], np.concatenate(expected), atol=1e-6)


def test_brightness_and_contrast_change_nothing() -> None:
    dark = NOISE // 4  # of 0 to 63
    inside = np.s_[:, 2:-2, 2:-2]  # around the image it is black whatever the brightness
    for changed in (dark + 40, dark * 3, dark * 3 + 50):
        for radius in (1, 2):
            np.testing.assert_array_equal(
                patterns(changed.astype(np.uint8), radius)[inside], patterns(dark, radius)[inside]
            )


def test_a_level_image_is_one_pattern() -> None:
    level = np.full((1, 48, 48), 77, np.uint8)
    for radius in (1, 2):
        assert len(np.unique(patterns(level, radius)[:, 2:-2, 2:-2])) == 1


def test_chunks_and_no_images() -> None:
    np.testing.assert_array_equal(lbp(NOISE, chunk=7), lbp(NOISE))
    assert lbp(NOISE[:0]).shape == (0, LBP_LENGTH)
