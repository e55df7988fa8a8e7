"""The average of the weights: against a calculation by hand, and seen by all who look at the model between epochs."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fer_bench.api.context import Context, FitSummary
from fer_bench.api.recipe import Recipe

CLASSES = ("a", "b", "c")
#: One step an epoch, whose images are all of them, so that both loops take the same steps.
RECIPE = Recipe(optimizer="sgd", learning_rate=0.5, batch=60, epochs=6, ema=0.3)


@pytest.fixture(autouse=True, params=["fit", "epoch"] if os.environ.get("KERAS_BACKEND") == "jax" else ["fit"])
def loop(request: pytest.FixtureRequest, eager: None, monkeypatch: pytest.MonkeyPatch) -> str:
    from fer_bench.training.fit import train

    monkeypatch.setitem(train.__kwdefaults__, "loop", request.param)
    return request.param


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(60) % 3
    noise = np.random.default_rng(seed).normal(size=(60, 5))
    return (noise + 2 * np.eye(3, 5)[labels]).astype("float32"), labels


def net(normalised: bool = False) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    body = [layers.Dense(4, name="body"), layers.BatchNormalization(name="normal")] if normalised else []
    return keras.Sequential([keras.Input((5,)), *body, layers.Dense(3, activation="softmax")])


def run(recipe: Recipe, model: Any, validation: Any = (None, None)) -> FitSummary:
    from fer_bench.training.fit import train

    return train(model, *data(), None, *validation, recipe, Context(CLASSES))


def after_steps(steps: int) -> list[np.ndarray]:
    """The weights themselves after so many steps, without any average."""
    model = net()
    run(replace(RECIPE, epochs=steps, ema=0.0), model)
    return model.get_weights()


def by_hand(steps: int) -> list[np.ndarray]:
    average = after_steps(1)
    for step in range(1, steps):
        decay = min(0.3, step / (step + 9))
        average = [decay * a + (1 - decay) * w for a, w in zip(average, after_steps(step + 1), strict=True)]
    return average


def assert_close(ours: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_model_ends_with_the_average_of_its_steps():
    model = net()
    run(RECIPE, model)
    assert_close(model.get_weights(), by_hand(6))
    assert np.abs(by_hand(6)[0] - after_steps(6)[0]).max() > 1e-3


def test_validation_and_the_keeper_of_the_best_see_the_average():
    x, y = data(seed=1)
    model = net()
    summary = run(RECIPE, model, (x, y))
    loss = -np.log(model.predict_on_batch(x)[np.arange(60), y]).mean()
    assert summary.best_epoch is not None
    assert summary.history[summary.best_epoch - 1]["val_loss"] == pytest.approx(loss, abs=1e-5)
    assert_close(model.get_weights(), by_hand(summary.best_epoch))
    wrong = net()
    assert run(RECIPE, wrong, (x, (y + 1) % 3)).best_epoch == 1
    assert_close(wrong.get_weights(), by_hand(1))


def test_validation_changes_nothing_of_the_training():
    with_it, without = net(), net()
    histories = [run(RECIPE, model, part).history for model, part in ((with_it, data(1)), (without, (None, None)))]
    assert [row["loss"] for row in histories[0]] == [row["loss"] for row in histories[1]]


def test_batch_normalisation_has_the_statistics_of_the_averaged_weights():
    model = net(normalised=True)
    run(RECIPE, model)
    kernel, bias = (np.asarray(weights) for weights in model.get_layer("body").get_weights())
    outputs = data()[0].astype("float64") @ kernel + bias
    normal = model.get_layer("normal")
    np.testing.assert_allclose(np.asarray(normal.moving_mean), outputs.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(np.asarray(normal.moving_variance), outputs.var(axis=0), rtol=1e-4)
    assert normal.momentum == 0.99


def test_the_learning_rate_and_the_decay_of_weights_are_as_without():
    plain, averaged = net(), net()
    recipe = replace(RECIPE, schedule="cosine", weight_decay=0.1, epochs=3)
    rates = [[row["learning_rate"] for row in run(replace(recipe, ema=ema), net()).history] for ema in (0.0, 0.3)]
    assert rates[0] == rates[1]
    losses = [
        [row["loss"] for row in run(replace(recipe, ema=ema), model).history]
        for ema, model in ((0.0, plain), (0.3, averaged))
    ]
    assert losses[0] == losses[1]
