"""The loop that compiles whole epochs, held to Keras's ``fit``; it needs KERAS_BACKEND=jax (tox -e jax)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

if os.environ.get("KERAS_BACKEND") != "jax":
    pytest.skip("needs KERAS_BACKEND=jax (tox -e jax)", allow_module_level=True)

import keras

from fer_bench.api.recipe import Augmentation
from fer_bench.training import epoch
from fer_bench.training.augment import Augment


def data(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 6, 6, 1) uint8 images whose brightness tells the class of three, and one-hot targets (n, 3) float32."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = 60 * labels[:, None, None, None] + rng.integers(0, 90, (n, 6, 6, 1))
    return images.astype(np.uint8), np.eye(3, dtype="float32")[labels]


def small(optimizer: Any) -> keras.Model:
    """With all that has a state: batch normalisation, a penalty, a schedule's iterations."""
    keras.utils.set_random_seed(1)
    penalty = keras.regularizers.L2(0.01)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Rescaling(1 / 255),
            # No bias: before a normalisation its gradient is rounding alone, which Adam would blow up.
            keras.layers.Conv2D(4, 3, use_bias=False, kernel_regularizer=penalty),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


class Logs(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.rows.append({name: float(value) for name, value in (logs or {}).items()})


def run(model: keras.Model, train: Any, validation: Any = None, *, epochs: int = 3, batch: int = 10**6) -> list[dict]:
    logs = Logs()
    given = None if validation is None else lambda: validation
    epoch.fit(model, train, given, batch=batch, epochs=epochs, seed=5, callbacks=[logs], on_compiled=lambda: None)
    return logs.rows


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("make", [
    lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 4), momentum=0.9, weight_decay=1e-2),
    lambda: keras.optimizers.AdamW(0.01),
])  # fmt: skip
def test_full_batches_give_keras_numbers(make, weighted):
    """With the whole set in one batch no order matters, so the two loops must agree to rounding."""
    x, y = data(60)
    val = data(epoch.EVALUATION_BATCH + 44, seed=1)
    weights = np.linspace(0, 2, len(x)).astype("float32") if weighted else None
    ours, theirs = small(make()), small(make())
    rows = run(ours, (x, y, weights), val)
    history = theirs.fit(
        x, y, sample_weight=weights, batch_size=60, epochs=3, validation_data=val, validation_batch_size=100, verbose=0
    ).history
    assert rows[0]["loss"] != pytest.approx(rows[2]["loss"], rel=1e-3)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [row[name] for row in rows] == pytest.approx(history[name], rel=1e-4, abs=1e-5), name
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_an_epoch_takes_each_image_at_most_once_and_drops_the_ragged_rest():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(3, activation="softmax", use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), keras.losses.CategoricalCrossentropy())
    kernels = [model.get_weights()[0]]
    x, y = np.eye(10, dtype="float32"), np.eye(3, dtype="float32")[np.arange(10) % 3]
    touched = []
    for seed in (1, 2):
        epoch.fit(model, (x, y, None), None, batch=4, epochs=1, seed=seed, callbacks=[], on_compiled=lambda: None)
        kernels.append(model.get_weights()[0])
        touched.append(tuple(np.flatnonzero(np.abs(kernels[-1] - kernels[-2]).sum(axis=1) > 1e-6)))
    assert [len(rows) for rows in touched] == [8, 8]
    assert touched[0] != touched[1]


class Means(keras.layers.Layer):
    """Passes its input on and keeps the mean of each batch."""

    def build(self, shape: Any) -> None:
        self.kept = self.add_weight(shape=(4,), initializer="zeros", trainable=False, name="kept")
        self.place = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False, name="place")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            here = keras.ops.one_hot(self.place, 4)
            self.kept.assign(self.kept + here * keras.ops.mean(x))
            self.place.assign(self.place + 1)
        return x


def test_each_step_draws_its_own_augmentation():
    images = keras.Input((6, 6, 1), dtype="uint8")
    means = Means()
    x = means(Augment(Augmentation(noise=0.2), seed=3)(images))
    model = keras.Model(images, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(x)))
    model.compile("sgd", keras.losses.CategoricalCrossentropy())
    gray = np.full((8, 6, 6, 1), 128, np.uint8)
    run(model, (gray, np.eye(3, dtype="float32")[np.arange(8) % 3], None), epochs=2, batch=4)
    assert len(set(np.asarray(means.kept.value).tolist())) == 4


def test_python_runs_once_however_many_epochs():
    calls = []

    class Counted(keras.layers.Layer):
        def call(self, x: Any, training: bool = False) -> Any:
            calls.append(training)
            return x

    model = keras.Sequential([keras.Input((10,)), Counted(), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", keras.losses.CategoricalCrossentropy())
    x, y = np.eye(10, dtype="float32"), np.eye(3, dtype="float32")[np.arange(10) % 3]
    calls.clear()
    run(model, (x, y, None), (x, y), epochs=1, batch=2)
    once = len(calls)
    calls.clear()
    run(model, (x, y, None), (x, y), epochs=7, batch=2)
    assert len(calls) == once <= 4


def test_a_set_smaller_than_a_batch_is_one_step():
    assert [epoch.steps_per_epoch(n, 4) for n in (3, 4, 7, 8)] == [1, 1, 1, 2]
    model = small("sgd")
    before = model.get_weights()
    run(model, (*data(9), None), epochs=1, batch=32)
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
