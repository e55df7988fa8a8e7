"""The table of networks says what keras.applications says, and mistakes get one line."""

from __future__ import annotations

import inspect
import math
import sys
from typing import Any

import numpy as np
import pytest

from fer_bench.errors import InputError
from fer_bench.runners.shared import own_preprocessing
from fer_bench.training.applications import APPLICATIONS, LARGEST, application, check_side


def make(name: str, side: int, **kwargs: Any) -> Any:
    import keras

    found = getattr(keras.applications, name)
    return found(weights=None, include_top=False, input_shape=(side, side, 3), **kwargs)


def test_the_table_has_every_network_that_keras_has() -> None:
    import keras

    there = {name for name, found in vars(keras.applications).items() if inspect.isfunction(found)}
    assert set(APPLICATIONS) == there


@pytest.mark.parametrize("name", APPLICATIONS)
def test_each_gets_its_own_preprocessing(name: str) -> None:
    import keras

    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1)).repeat(3, axis=-1).astype("float32")
    module = sys.modules[getattr(keras.applications, name).__module__]
    if APPLICATIONS[name].first:  # its own is left out, and would be this one: (x / 255 - mean) / deviation
        wanted = keras.applications.imagenet_utils.preprocess_input(pixels.copy(), mode="torch")
    else:
        wanted = module.preprocess_input(pixels.copy())
    found = keras.ops.convert_to_numpy(own_preprocessing(APPLICATIONS[name].preprocessing)(pixels / 255))
    np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_smaller_images_than_the_smallest_are_refused_by_keras(name: str) -> None:
    with pytest.raises(ValueError, match="size"):
        make(name, APPLICATIONS[name].smallest - 1)


#: One of each family that is built within a second, and the rest.
QUICK = ("ConvNeXtTiny", "DenseNet121", "EfficientNetV2B0", "MobileNet", "MobileNetV3Small", "ResNet50", "VGG16")


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in APPLICATIONS if name not in QUICK)]
)
def test_the_smallest_images_are_taken_and_kernels_are_counted(name: str) -> None:
    import keras

    network = APPLICATIONS[name]
    with keras.StatelessScope():  # shapes alone
        model = make(name, network.smallest)
        shapes = [weight.shape for weight in model.weights if len(weight.shape) == 4]
    assert (len(shapes), sum(map(math.prod, shapes))) == (network.kernels, network.numbers)
    inside = {type(layer).__name__ for layer in model._flatten_layers()} & {"Rescaling", "Normalization"}
    assert bool(inside) == (network.preprocessing == "inside" or bool(network.first))
    if network.first:
        before = model.layers[: model.layers.index(model.get_layer(network.first))]
        assert {type(layer).__name__ for layer in before} == {"InputLayer", "Rescaling", "Normalization"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("vgg16", "did you mean VGG16 or VGG19"),
        ("EffcientNetV2B0", "did you mean EfficientNetV2B0"),
        ("alexnet", "It has ConvNeXtBase, "),
    ],
)
def test_an_unknown_network_gets_a_line(name: str, meant: str) -> None:
    with pytest.raises(InputError, match=meant) as raised:
        application(name, "who")
    assert str(raised.value).startswith(f"who: keras.applications has no {name!r}; ")


@pytest.mark.parametrize(("name", "side"), [("Xception", 70), ("VGG16", 31), ("VGG16", -1), ("VGG16", LARGEST + 1)])
def test_a_side_that_cannot_be_gets_a_line_with_those_that_can(name: str, side: int) -> None:
    smallest = APPLICATIONS[name].smallest
    with pytest.raises(
        InputError, match=f"who: {name} takes images of {smallest} to {LARGEST} pixels a side, not {side}"
    ):
        check_side(name, side, "who")
    check_side(name, smallest, "who")
    check_side(name, LARGEST, "who")
