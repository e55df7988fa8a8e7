"""The first layer of every deep model: scaling, size, channels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fer_bench.errors import InputError


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)


def run(images: np.ndarray, *args: object) -> np.ndarray:
    from keras import ops

    from fer_bench.training.preprocess import Preprocess

    layer = Preprocess(*args)  # type: ignore[arg-type]
    out = ops.convert_to_numpy(layer(images))
    assert out.shape == layer.compute_output_shape(images.shape)
    return out


@pytest.mark.parametrize(("scaling", "low", "high"), [("unit", 0, 1), ("signed", -1, 1)])
def test_scaling(images, scaling, low, high):
    out = run(images, 48, 1, scaling)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, low + images / 255 * (high - low), atol=1e-6)


def test_three_equal_channels(images):
    out = run(images, 48, 3, "unit")
    assert out.shape == (3, 48, 48, 3)
    for channel in range(3):
        np.testing.assert_array_equal(out[..., channel], out[..., 0])


def test_resize_is_bilinear(images):
    out = run(images, 75, 1, "unit")
    for ours, image in zip(out, images, strict=True):
        theirs = Image.fromarray(image[..., 0].astype("float32")).resize((75, 75), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(ours[..., 0], np.asarray(theirs) / 255, atol=1e-3)


@pytest.mark.parametrize(("window", "start"), [(44, 2), (41, 3), (48, 0)])
def test_a_window_is_the_centre_to_the_pixel(images, window, start):
    out = run(images, window, 1, "unit", window)
    wanted = images[:, start : start + window, start : start + window]
    np.testing.assert_allclose(out, wanted / 255, rtol=1e-6)


def test_a_window_larger_than_the_image(images):
    with pytest.raises(InputError, match="window of 50 pixels: the images have 48"):
        run(images, 48, 1, "unit", 50)


def test_a_window_is_resized_after_it_is_cut(images):
    out = run(images, 48, 1, "unit", 40)
    np.testing.assert_allclose(out, run(images[:, 4:44, 4:44], 48, 1, "unit"), atol=1e-6)


def test_normalise_makes_a_row_of_zeros_uniform():
    from keras import ops

    from fer_bench.training.preprocess import Normalise

    out = ops.convert_to_numpy(Normalise()(np.array([[0, 0, 0, 0], [1, 3, 0, 0]], "float32")))
    np.testing.assert_allclose(out, [[0.25] * 4, [0.25, 0.75, 0, 0]], atol=1e-6)
