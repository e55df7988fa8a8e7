"""Our batch normalisation against Keras's own layer: outputs, gradients, statistics, and a model that is saved and
read.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

#: Its argument is a folder with a model and its inputs; it writes the outputs there.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from fer_bench.training.model_file import load_model

folder = Path(sys.argv[1])
model = load_model(folder / "model.keras")
np.save(folder / "outputs.npy", model.predict(np.load(folder / "images.npy"), verbose=0))
"""
IMAGES = np.random.default_rng(0).normal(2.0, 3.0, (16, 5, 7, 6)).astype("float32")


def pair(policy: str = "float32", trainable: bool = True, shape: tuple[int, ...] = IMAGES.shape) -> list[Any]:
    """Keras's layer and ours with the same weights, none of which is where it begins."""
    import keras

    from fer_bench.training.batch_norm import BatchNormalization

    layers = [kind(dtype=policy) for kind in (keras.layers.BatchNormalization, BatchNormalization)]
    for layer in layers:
        layer.build(shape)
        draw = np.random.default_rng(1)
        layer.set_weights([draw.uniform(0.5, 2.0, weight.shape) for weight in layer.weights])
        layer.trainable = trainable
    return layers


def numbers(tensor: Any) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("trainable", [True, False])
def test_outputs_and_statistics_are_those_of_keras(policy: str, training: bool, trainable: bool) -> None:
    stock, ours = pair(policy, trainable)
    outputs = [numbers(layer(IMAGES, training=training)) for layer in (stock, ours)]
    np.testing.assert_allclose(*outputs, rtol=1e-5 if policy == "float32" else 1e-2, atol=1e-5)
    for theirs, own in zip(stock.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-5)


def test_statistics_follow_the_momentum_as_it_is_set() -> None:
    _, ours = pair()
    ours.momentum = 0.0
    ours(IMAGES, training=True)
    np.testing.assert_allclose(numbers(ours.moving_mean), IMAGES.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(numbers(ours.moving_variance), IMAGES.var(axis=(0, 1, 2)), rtol=1e-5)


def test_rows_without_height_and_width_are_normalised_too() -> None:
    stock, ours = pair(shape=(16, 6))
    np.testing.assert_allclose(*(numbers(layer(IMAGES[:, 0, 0], training=True)) for layer in (stock, ours)), rtol=1e-6)


def test_a_step_of_training_changes_the_same_weights_by_the_same() -> None:
    import keras
    from keras import layers

    from fer_bench.training.batch_norm import BatchNormalization

    learnt = []
    for kind in (layers.BatchNormalization, BatchNormalization):
        keras.utils.set_random_seed(0)
        body = [layers.Conv2D(4, 3, use_bias=False), kind(), layers.ReLU(), layers.Flatten(), layers.Dense(3)]
        model = keras.Sequential([keras.Input(IMAGES.shape[1:]), *body])
        model.compile("sgd", "mse")
        model.train_on_batch(IMAGES, np.eye(3)[np.arange(16) % 3])
        learnt.append(model.get_weights())
    for theirs, own in zip(*learnt, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-3, atol=1e-5)


def test_a_saved_model_is_read_by_a_program_that_knows_nothing_of_it(tmp_path: Path) -> None:
    import keras

    from fer_bench.training.batch_norm import BatchNormalization

    model = keras.Sequential([keras.Input(IMAGES.shape[1:]), BatchNormalization()])
    model.layers[0].set_weights(pair()[1].get_weights())
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_array_equal(np.load(tmp_path / "outputs.npy"), model.predict(IMAGES, verbose=0))
