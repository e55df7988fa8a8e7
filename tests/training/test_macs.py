"""Multiply-accumulates: figures known from elsewhere, TensorFlow's own profiler, sums written down here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from fer_bench.api.context import Context, Part  # noqa: E402
from fer_bench.api.registry import get, make  # noqa: E402
from fer_bench.training.macs import count_macs  # noqa: E402


@pytest.mark.parametrize(
    ("application", "size", "giga"),
    # torchvision's page of models, the papers of ResNet and MobileNet, and keras-flops.
    [("VGG19", 224, 19.63), ("ResNet50", 224, 3.86), ("InceptionV3", 299, 5.71), ("MobileNet", 224, 0.569)],
)
def test_the_figures_that_the_field_quotes(application: str, size: int, giga: float) -> None:
    model = getattr(keras.applications, application)(weights=None, input_shape=(size, size, 3))
    assert count_macs(model) == pytest.approx(giga * 1e9, rel=0.002)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="asks TensorFlow's profiler")
@pytest.mark.parametrize(
    "name", ["custom-cnn", "mini-xception", "mlp", "staged-cnn", "fer-net", "fer-net[arch=resnet]"]
)
def test_as_tensorflows_profiler_counts(name: str) -> None:
    runner = make(name)
    core = runner.core(7, "random")  # type: ignore[attr-defined]
    assert runner.count_macs() == count_macs(core) == profiled(core)


def profiled(model: Any) -> int:
    """Half the floating-point operations of the convolutions and matrix products in TensorFlow's graph of ``model``."""
    import tensorflow as tf

    one = tf.TensorSpec((1, *model.input_shape[1:]), model.inputs[0].dtype)
    graph = tf.function(lambda image: model(image, training=False)).get_concrete_function(one).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    whole = tf.compat.v1.profiler.profile(graph, options=options, cmd="op")
    chain, found = [whole], {}
    while chain:
        node = chain.pop()
        found[node.name] = node.float_ops
        chain += node.children
    return sum(found.get(kind, 0) for kind in ("Conv2D", "DepthwiseConv2dNative", "MatMul")) // 2


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (layers.Conv2D(8, 3, strides=2, padding="same"), (10, 10, 6), 5 * 5 * 8 * 3 * 3 * 6),
        (layers.Conv2D(8, 3, groups=2), (10, 10, 6), 8 * 8 * 8 * 3 * 3 * 3),
        (layers.Conv2D(8, 3, dilation_rate=2), (10, 10, 6), 6 * 6 * 8 * 3 * 3 * 6),
        (layers.DepthwiseConv2D((3, 5), depth_multiplier=2), (10, 10, 6), 8 * 6 * 6 * 2 * 3 * 5),
        (layers.SeparableConv2D(8, 3, depth_multiplier=2), (10, 10, 6), 8 * 8 * (6 * 2 * 3 * 3 + 6 * 2 * 8)),
        (layers.Conv1D(8, 3), (10, 6), 8 * 8 * 3 * 6),
        (layers.Dense(8), (10, 10, 6), 10 * 10 * 6 * 8),
        (layers.BatchNormalization(), (10, 10, 6), 0),
        (layers.MaxPooling2D(), (10, 10, 6), 0),
    ],
)
def test_one_layer(layer: Any, shape: tuple[int, ...], macs: int) -> None:
    assert count_macs(keras.Sequential([keras.Input(shape), layer])) == macs


def test_nested_models_and_layers_used_twice() -> None:
    dense = layers.Dense(5)
    inner_input = keras.Input((5,))
    inner = keras.Model(inner_input, dense(dense(inner_input)))
    images = keras.Input((3,))
    outer = keras.Model(images, inner(inner(layers.Dense(5)(images))))
    assert count_macs(outer) == 3 * 5 + 4 * 25
    keras.Model(images, inner(layers.Dense(5)(images)))  # another use, elsewhere
    assert count_macs(outer) == 3 * 5 + 4 * 25


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2DTranspose(4, 3),
        layers.TimeDistributed(layers.Dense(3)),
        layers.EinsumDense("nhwc,cd->nhwd", (None, None, 3)),
    ],
)
def test_no_figure_rather_than_a_wrong_one(layer: Any) -> None:
    images = keras.Input((6, 6, 2))
    assert count_macs(keras.Model(images, layers.Dense(3)(layer(images)))) is None


def test_a_product_without_weights_and_an_open_size_have_no_figure() -> None:
    images = keras.Input((6, 6, 2))
    assert count_macs(keras.Model(images, keras.ops.matmul(images, images[:, :, :2]))) is None
    assert count_macs(keras.Model(images, layers.Attention()([images, images]))) is None
    open_size = keras.Input((None, None, 2))
    assert count_macs(keras.Model(open_size, layers.Conv2D(3, 3)(open_size))) is None
    assert count_macs(keras.Sequential([layers.Dense(3)])) is None  # not built


def test_a_fitted_support_vector_machine() -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(60) % 3).astype(np.int8)
    images = rng.integers(0, 256, (60, 48, 48), dtype=np.uint8)
    for name, features in (("svm", 48 * 48), ("hog-svm", 1764)):
        runner = get(name)("", engine="sklearn")
        assert runner.count_macs(3) is None
        summary = runner.fit(Part(images, labels), None, Context(("a", "b", "c")))
        assert summary is not None
        assert runner.count_macs(3) == summary.extra["support_vectors"] * (features + 3)
