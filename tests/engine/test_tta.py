"""Test-time augmentation: which pixels a runner is shown, and what is made of its answers."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from fer_bench.api.context import Context, Part
from fer_bench.engine.job import Tta
from fer_bench.engine.tta import WINDOWS, Augmented, variants
from fer_bench.records.record import TestTime

#: Every pixel of an image has a value of its own, as far as 256 go; no row is its own mirror.
IMAGE = (np.arange(48 * 48).reshape(1, 48, 48) % 251).astype(np.uint8)


class Columns:
    """Says of an image what its first row's first two and last pixels are."""

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        self.asked.append(images)
        return images[:, 0, [0, 1, -1]].astype(np.float32) / 255


def test_a_flip_is_the_image_and_its_mirror():
    one, mirror = variants(IMAGE, "flip")
    assert np.array_equal(one, IMAGE)
    assert np.array_equal(mirror[0], np.fliplr(IMAGE[0]))


def test_ten_crops_are_the_centre_and_four_corners_pixel_by_pixel_and_their_mirrors():
    found = list(variants(IMAGE, "ten-crop"))
    assert len(found) == 10
    for pair, (down, right) in enumerate([(0, 0), (-4, -4), (-4, 4), (4, -4), (4, 4)]):
        wanted = np.empty((48, 48), np.uint8)
        for row in range(48):
            for column in range(48):
                wanted[row, column] = IMAGE[0, min(max(row + down, 0), 47), min(max(column + right, 0), 47)]
        assert np.array_equal(found[2 * pair][0], wanted), (down, right)
        assert np.array_equal(found[2 * pair + 1][0], wanted[:, ::-1]), (down, right)


def test_the_centre_of_the_crops_are_the_corners_of_the_image():
    """What a model that looks at 40 of 48 pixels sees are the ten crops of the literature, and no repeated edge."""
    centres = [view[0, 4:44, 4:44] for view in list(variants(IMAGE, "ten-crop"))[::2]]
    image = IMAGE[0]
    wanted = [image[4:44, 4:44], image[:40, :40], image[:40, 8:], image[8:, :40], image[8:, 8:]]
    assert all(np.array_equal(centre, corner) for centre, corner in zip(centres, wanted, strict=True))


@pytest.mark.parametrize("method", WINDOWS)
def test_views_are_the_same_every_time_and_leave_the_images_alone(method: str):
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    before = images.copy()
    first, second = list(variants(images, method)), list(variants(images, method))
    assert np.array_equal(first, second)
    assert all(view.dtype == np.uint8 and view.shape == images.shape and view.flags.c_contiguous for view in first)
    assert np.array_equal(images, before)
    alone = [list(variants(images[i : i + 1], method)) for i in range(5)]
    assert np.array_equal(np.concatenate(alone, axis=1), first)


def test_the_mean_is_that_of_the_answers_to_both_views():
    asked = Columns()
    found = Augmented(asked, "flip").predict_proba(IMAGE)
    a, b, y, z = IMAGE[0, 0, [0, 1, -2, -1]] / 255
    assert found.dtype == np.float32
    assert found[0] == pytest.approx([(a + z) / 2, (b + y) / 2, (z + a) / 2])
    assert len(asked.asked) == 2


def test_nothing_changes_for_an_image_that_is_its_own_mirror():
    symmetric = np.concatenate([IMAGE[:, :, :24], IMAGE[:, :, 23::-1]], axis=2)
    asked = Columns()
    assert np.array_equal(Augmented(asked, "flip").predict_proba(symmetric), Columns().predict_proba(symmetric))
    plain = np.full((1, 48, 48), 77, np.uint8)
    assert np.array_equal(Augmented(asked, "ten-crop").predict_proba(plain), Columns().predict_proba(plain))


def test_a_network_is_asked_about_its_views():
    import keras

    from fer_bench import KerasRunner, Recipe

    class Small(KerasRunner):
        recipes = {"default": Recipe(batch=14, epochs=1)}

        def build(self, input_shape, classes):
            layers = [keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(classes, "softmax")]
            return keras.Sequential(layers)

    rng = np.random.default_rng(1)
    faces = Part(rng.integers(0, 256, (14, 48, 48), dtype=np.uint8), np.tile(np.arange(7, dtype=np.int8), 2))
    runner = Small()
    runner.fit(faces, None, Context(tuple("abcdefg"), key="k"))
    plain, mirrored = (runner.predict_proba(faces.images[:, :, ::step]) for step in (1, -1))
    assert not np.allclose(plain, mirrored)
    assert Augmented(runner, "flip").predict_proba(faces.images) == pytest.approx((plain + mirrored) / 2, abs=1e-6)


def test_the_options_the_records_and_the_windows_know_the_same_methods():
    recorded = get_args(TestTime.model_fields["method"].annotation)
    assert {"none", *recorded} == set(get_args(Tta)) == {"none", *WINDOWS}
