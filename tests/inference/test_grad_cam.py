"""Grad-CAM against its closed form, which a net of one convolution, a global mean and a softmax has."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fer_bench import KerasRunner, Recipe
from fer_bench.inference.grad_cam import grad_cam

WINDOW = 40


class Pooled(KerasRunner):
    """Behind the convolution come pooling and dropout, which the map does not go through."""

    recipes = {"default": Recipe(), "window": Recipe(window=WINDOW, image_size=WINDOW)}

    def build(self, input_shape, classes):
        from keras import Sequential, layers

        return Sequential(
            [
                layers.Input(input_shape),
                layers.Conv2D(5, 8, strides=8, activation="relu", name="seen"),
                layers.AveragePooling2D(1),
                layers.Dropout(0.5),
                layers.GlobalAveragePooling2D(),
                layers.Dense(classes, "softmax", name="said"),
            ]
        )


class Flat(KerasRunner):
    """No features have a place in the image."""

    def build(self, input_shape, classes):
        from keras import Sequential, layers

        return Sequential([layers.Input(input_shape), layers.Flatten(), layers.Dense(classes, "softmax")])


class Forked(KerasRunner):
    """Two branches come together behind what has a place."""

    def build(self, input_shape, classes):
        import keras
        from keras import layers

        image = keras.Input(input_shape)
        branches = [layers.GlobalAveragePooling2D()(layers.Conv2D(2, side)(image)) for side in (3, 5)]
        return keras.Model(image, layers.Dense(classes, "softmax")(layers.Concatenate()(branches)))


def assembled(runner):
    import keras

    keras.utils.set_random_seed(0)
    runner.assemble(runner.core(7, "random"))
    return runner


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)


@pytest.mark.parametrize("recipe", ["default", "window"])
def test_the_map_is_what_the_formula_says(recipe):
    """Of log p_c by a feature: (w_c - sum over k of p_k w_k) / (H W), the same everywhere; the map is the rectified sum
    of features times that.
    """
    runner = assembled(Pooled(recipe))
    core = runner._model.layers[-1]
    kernel, bias = core.get_layer("seen").get_weights()
    weights, offset = core.get_layer("said").get_weights()
    side = WINDOW if recipe == "window" else 48
    first = (48 - side) // 2
    seen = image()[first : first + side, first : first + side] / 255.0
    cells = side // 8
    patches = seen.reshape(cells, 8, cells, 8).transpose(0, 2, 1, 3).reshape(cells, cells, 64)
    features = np.maximum(patches @ kernel.reshape(64, 5) + bias, 0)
    scores = features.mean(axis=(0, 1)) @ weights + offset
    p = np.exp(scores) / np.exp(scores).sum()
    for column in range(7):
        found = grad_cam(runner, image(), column)
        wanted = np.maximum(features @ (weights[:, column] - weights @ p), 0).astype(np.float32)
        wanted = wanted / wanted.max() if wanted.max() > 0 else wanted
        inner = cv2.resize(wanted, (side, side), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(found[first : first + side, first : first + side], inner, atol=2e-3)
        assert found.sum() == pytest.approx(found[first : first + side, first : first + side].sum())
        assert found.shape == (48, 48)


@pytest.mark.parametrize("kind", [Flat, Forked])
def test_a_model_without_such_a_layer_has_none(kind):
    assert grad_cam(assembled(kind()), image(), 0) is None
