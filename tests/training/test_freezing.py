"""Which layers learn, and where a backbone is cut: counted by hand, and the halves compute what the whole does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fer_bench.training.freezing import before_share, freeze_first, split

SHAPE = (8, 8, 3)


def chain() -> Any:
    """Ten layers with weights: five convolutions, each normalised; activations between them."""
    import keras
    from keras import layers

    inputs = x = keras.Input(SHAPE)
    for number in range(5):
        x = layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(layers.BatchNormalization(name=f"norm{number}")(x))
    return keras.Model(inputs, x)


def branched() -> Any:
    """stem, then a residual block (one, two), then two branches that meet (left, right), then last."""
    import keras
    from keras import layers

    def conv(name: str, x: Any) -> Any:
        return layers.Conv2D(4, 3, padding="same", name=name)(x)

    inputs = keras.Input(SHAPE)
    stem = conv("stem", inputs)
    block = layers.add([stem, conv("two", conv("one", stem))], name="add")
    joined = layers.concatenate([conv("left", block), conv("right", block)], name="joined")
    return keras.Model(inputs, conv("last", joined))


@pytest.mark.parametrize(
    ("share", "learning"),
    [
        (0, []),
        (0.001, ["norm4"]),  # one at least
        (0.1, ["norm4"]),
        (0.149, ["norm4"]),
        (0.15, ["conv4", "norm4"]),  # halves up
        (0.2, ["conv4", "norm4"]),
        (0.3, ["norm3", "conv4", "norm4"]),
        (0.94, ["norm0", "conv1", "norm1", "conv2", "norm2", "conv3", "norm3", "conv4", "norm4"]),
    ],
)
def test_the_share_counts_layers_with_weights_from_the_end(share: float, learning: list[str]) -> None:
    model = chain()
    freeze_first(model, before_share(model, share))
    assert [layer.name for layer in model.layers if layer.trainable_weights] == learning


@pytest.mark.parametrize("share", [0.95, 1])
def test_all_of_them_is_all_of_the_backbone(share: float) -> None:
    model = chain()
    assert before_share(model, share) == 0
    freeze_first(model, 5)
    freeze_first(model, 0)
    assert len(model.trainable_weights) == 5 * 3


def test_frozen_normalisation_computes_as_in_inference_and_learning_one_does_not() -> None:
    model = chain()
    freeze_first(model, before_share(model, 0.2))
    before = {layer.name: layer.get_weights() for layer in model.layers}
    model(np.random.default_rng(0).random((4, *SHAPE), "float32"), training=True)
    moved = [
        name
        for name, weights in before.items()
        if any((a != b).any() for a, b in zip(weights, model.get_layer(name).get_weights(), strict=True))
    ]
    assert moved == ["norm4"]


@pytest.mark.parametrize(
    ("first", "at"),
    [
        ("stem", None),  # nothing before it
        ("one", "stem"),
        ("two", "stem"),  # the way around is open
        ("add", "stem"),
        ("left", "add"),
        ("last", "joined"),
    ],
)
def test_a_graph_is_cut_where_everything_passes(first: str, at: str | None) -> None:
    model = branched()
    images = np.random.default_rng(0).random((3, *SHAPE), "float32")
    frozen, learning = split(model, model.layers.index(model.get_layer(first)))
    assert learning is not None
    if at is None:
        assert frozen is None
        assert learning is model
        return
    assert frozen is not None
    assert frozen.layers[-1].name == at
    assert {layer.name for layer in frozen.layers} | {layer.name for layer in learning.layers} >= {
        layer.name for layer in model.layers[1:]
    }
    np.testing.assert_allclose(learning(frozen(images)), model(images), rtol=1e-5, atol=1e-6)


def test_a_frozen_whole_is_not_cut() -> None:
    model = branched()
    frozen, learning = split(model, len(model.layers))
    assert frozen is not None
    assert learning is None
    images = np.random.default_rng(0).random((3, *SHAPE), "float32")
    np.testing.assert_array_equal(frozen(images), model(images))


def test_what_is_frozen_draws_nothing() -> None:
    import keras
    from keras import layers

    inputs = keras.Input(SHAPE)
    x = layers.GaussianNoise(1.0)(layers.Dropout(0.5)(layers.Conv2D(4, 3, name="first")(inputs)))
    model = keras.Model(inputs, layers.Conv2D(4, 3, name="last")(layers.Dropout(0.5, name="between")(x)))
    images = np.random.default_rng(0).random((3, *SHAPE), "float32")
    frozen, learning = split(model, model.layers.index(model.get_layer("last")))
    assert frozen is not None
    assert learning is not None
    for training in (True, False):
        np.testing.assert_array_equal(frozen(images, training=training), model.get_layer("first")(images))
    assert len(frozen.variables) == 2
    np.testing.assert_allclose(learning(frozen(images)), model(images), rtol=1e-5, atol=1e-6)


def test_the_halves_share_their_layers() -> None:
    model = branched()
    freeze_first(model, model.layers.index(model.get_layer("last")))
    frozen, learning = split(model, model.layers.index(model.get_layer("last")))
    assert frozen is not None
    assert learning is not None
    assert frozen.trainable_weights == []
    assert [weight.path for weight in learning.trainable_weights] == ["last/kernel", "last/bias"]
    assert learning.get_layer("last") is model.get_layer("last")
    assert frozen.count_params() + learning.count_params() == model.count_params()


def test_cells_that_look_back_twice_leave_one_place_alone() -> None:
    """NASNet's cells take what two before them gave."""
    import keras
    from keras import layers

    def conv(name: str, x: Any) -> Any:
        return layers.Conv2D(4, 3, padding="same", name=name)(x)

    inputs = keras.Input(SHAPE)
    before = x = conv("stem", inputs)
    for cell in range(4):
        before, x = x, layers.add([conv(f"near{cell}", x), conv(f"far{cell}", before)], name=f"cell{cell}")
    model = keras.Model(inputs, x)
    frozen, _ = split(model, model.layers.index(model.get_layer("cell3")))
    assert frozen is not None
    assert [layer.name for layer in frozen.layers[1:]] == ["stem"]
