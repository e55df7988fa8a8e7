"""The training loop on a linear model over a few features, where what should happen can be worked out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from eagerly import eagerly

from fer_bench.api.context import Context, FitSummary
from fer_bench.api.recipe import Augmentation, EarlyStopping, Recipe, ReduceLR, Stage
from fer_bench.errors import InputError

CLASSES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def eager(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests marked by the parameter name ``compiled`` do compile."""
    with nullcontext() if "compiled" in request.fixturenames else eagerly():
        yield


@pytest.fixture(autouse=True, params=["fit", "epoch"] if os.environ.get("KERAS_BACKEND") == "jax" else ["fit"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test holds for Keras's own loop and, under JAX (tox -e jax), for the one that compiles whole epochs."""
    from fer_bench.training.fit import train

    monkeypatch.setitem(train.__kwdefaults__, "loop", request.param)
    return request.param


@pytest.fixture
def compiled() -> None:
    """Asks for the model to be compiled as it is for users."""


def data(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 5) float32 and labels (n,) int8 that a linear model can learn."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 3).astype(np.int8)
    return (rng.normal(size=(n, 5)) + 2 * np.eye(3, 5)[labels]).astype("float32"), labels


def linear() -> Any:
    import keras

    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, activation="softmax")])


def run(recipe: Recipe, model: Any = None, *, val: Any = None, **kwargs: Any) -> FitSummary:
    """Trains on ``data()``; ``val`` is a pair, None for none."""
    from fer_bench.training.fit import train

    x, y = data()
    val_x, val_y = val if val is not None else (None, None)
    hook = kwargs.pop("set_trainable", None)
    context = Context(CLASSES, **kwargs)
    return train(model or linear(), x, y, None, val_x, val_y, recipe, context, set_trainable=hook)


RECIPE = Recipe(epochs=4, batch=30, learning_rate=0.05)


def contrary() -> tuple[np.ndarray, np.ndarray]:
    """Validation labels that are all wrong: the better the fit, the higher the validation loss."""
    x, y = data(seed=1)
    return x, ((y + 1) % 3).astype(np.int8)


def test_learns_and_writes_history(compiled):
    model = linear()
    summary = run(replace(RECIPE, epochs=12), model, val=data(seed=1))
    assert [row["epoch"] for row in summary.history] == list(range(1, 13))
    assert set(summary.history[0]) == {
        "stage", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds",
    }  # fmt: skip
    assert summary.history[-1]["loss"] < summary.history[0]["loss"] / 2
    assert summary.history[-1]["val_accuracy"] > 0.8
    assert (summary.epochs_run, summary.epochs_planned, summary.checkpoint, summary.stopped) == (
        12,
        12,
        "validation",
        "",
    )


def test_without_validation_the_last_epoch_stands():
    recipe = replace(RECIPE, early_stopping=EarlyStopping(patience=0), reduce_lr=ReduceLR(patience=0))
    summary = run(recipe)
    assert (summary.checkpoint, summary.epochs_run, summary.best_epoch) == ("last", 4, 4)
    assert "val_loss" not in summary.history[0]


def test_epochs_are_capped():
    assert run(RECIPE, epochs=2).epochs_run == 2
    assert run(RECIPE, epochs=9).epochs_run == 4


def test_early_stopping_stops_and_the_best_epoch_is_restored():
    model, val = linear(), contrary()
    summary = run(replace(RECIPE, epochs=30, early_stopping=EarlyStopping("val_loss", patience=3)), model, val=val)
    assert (summary.epochs_run, summary.epochs_planned, summary.best_epoch) == (4, 30, 1)
    assert summary.stopped == "early"
    one_epoch = linear()
    run(replace(RECIPE, epochs=1), one_epoch, val=val)
    for restored, best in zip(model.get_weights(), one_epoch.get_weights(), strict=True):
        np.testing.assert_array_equal(restored, best)


def test_accuracy_is_monitored_upwards():
    model, (x, y) = linear(), data(seed=1)
    summary = run(replace(RECIPE, epochs=8, monitor="val_accuracy"), model, val=(x, y))
    accuracies = [row["val_accuracy"] for row in summary.history]
    assert summary.best_epoch == int(np.argmax(accuracies)) + 1
    accuracy = (model.predict_on_batch(x).argmax(1) == y).mean()
    assert accuracy == pytest.approx(max(accuracies))


def test_learning_rate_is_reduced():
    recipe = replace(RECIPE, reduce_lr=ReduceLR("val_loss", factor=0.1, patience=1, min_lr=1e-3))
    summary = run(replace(recipe, epochs=5), val=contrary())
    rates = [row["learning_rate"] for row in summary.history]
    assert rates == pytest.approx([0.05, 0.05, 0.005, 0.001, 0.001])


def test_cosine_warms_up_and_ends_at_zero():
    recipe = replace(RECIPE, optimizer="sgd", schedule="cosine", warmup_epochs=2, epochs=6)
    rates = [row["learning_rate"] for row in run(recipe).history]
    cosine = [0.025, *(0.05 * 0.5 * (1 + np.cos(np.pi * k / 4)) for k in range(5))]
    assert rates == pytest.approx(cosine, abs=1e-6)


def test_contradictory_recipe():
    with pytest.raises(InputError, match="not both"):
        run(replace(RECIPE, schedule="cosine", reduce_lr=ReduceLR()))


def test_stages_each_have_their_rate_batch_and_layers():
    import keras

    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), keras.layers.Dense(3, activation="softmax")])
    first = model.layers[0]
    start = first.get_weights()[0]
    calls: list[tuple[str, np.ndarray]] = []
    steps = set()

    def set_trainable(word: str) -> None:
        calls.append((word, first.get_weights()[0]))
        first.trainable = word == "all"

    summary = run(
        replace(RECIPE, stages=(Stage(3, 0.01, 20, "head"), Stage(5, 0.002, 60, "all"))),
        model,
        set_trainable=set_trainable,
        report=lambda event: steps.add((event["stage"], event["steps"], event["epochs"])),
        epochs=3,
    )
    assert [word for word, _ in calls] == ["head", "all"]
    np.testing.assert_array_equal(calls[1][1], start, err_msg="a frozen layer learned")
    assert (first.get_weights()[0] != start).all()
    assert [(row["stage"], row["epoch"]) for row in summary.history] == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]
    assert [row["learning_rate"] for row in summary.history] == pytest.approx([0.01] * 3 + [0.002] * 3)
    assert steps == {(1, 3, 6), (2, 1, 6)}


def test_the_best_of_the_last_stage_counts():
    summary = run(replace(RECIPE, stages=(Stage(2, 0.05, 30), Stage(2, 0.05, 30))), val=contrary())
    assert summary.best_epoch == 3


def test_same_seed_same_numbers():
    def losses(key: str) -> list[float]:
        return [row["loss"] for row in run(RECIPE, key=key).history]

    assert losses("one") == losses("one")
    assert losses("one") != losses("two")


def test_many_steps_in_one_call_change_nothing(compiled, monkeypatch):
    import keras

    def weights() -> list[np.ndarray]:
        model = linear()
        run(replace(RECIPE, batch=8, epochs=2), model)
        return model.get_weights()

    at_once = weights()
    compile_ = keras.Model.compile
    monkeypatch.setattr(
        keras.Model, "compile", lambda self, *a, **k: compile_(self, *a, **{**k, "steps_per_execution": 1})
    )
    for a, b in zip(at_once, weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_rows_of_weight_zero_teach_nothing():
    from fer_bench.training.fit import train

    x, y = data()
    wrong = ((y + 1) % 3).astype(np.int8)
    weights = np.repeat([1.0, 0.0], len(y)).astype("float32")
    model = linear()
    both = replace(RECIPE, epochs=5, learning_rate=0.2)
    train(model, np.concatenate([x, x]), np.concatenate([y, wrong]), weights, None, None, both, Context(CLASSES))
    assert (model.predict_on_batch(x).argmax(1) == y).mean() > 0.8


def test_mixup_mixes_the_labels_as_it_mixes_the_images(compiled):
    """White is one class, black the other, and the model answers with the brightness: a mixed image of share s then
    costs the entropy of s, 1/2 on average over s in [1/2, 1], where the labels are mixed, too, and 1 - ln 2 where not.
    Half of the pairs mix the classes; the others cost nothing.
    """
    import keras

    from fer_bench.training.augment import Augment
    from fer_bench.training.fit import train

    images = keras.Input((2, 2, 1), dtype="uint8")
    white = keras.layers.GlobalAveragePooling2D()(Augment(Augmentation(mixup=1.0), seed=1)(images))
    white = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)(keras.layers.Rescaling(1 / 255)(white))
    model = keras.Model(images, keras.layers.Concatenate()([white, 1 - white]))
    y = np.arange(2000) % 2
    x = np.repeat(255 * (1 - y), 4).reshape(-1, 2, 2, 1).astype(np.uint8)
    recipe = Recipe(epochs=1, batch=500, learning_rate=0.0, augmentation=Augmentation(mixup=1.0))
    summary = train(model, x, y, None, x[:50], y[:50], recipe, Context(("white", "black")))
    assert summary.history[0]["loss"] == pytest.approx(0.25, abs=0.03)
    assert summary.history[0]["val_loss"] == pytest.approx(0, abs=1e-4)


def test_cutmix_mixes_the_labels_as_it_mixes_the_images(compiled):
    """As above, but that the share of an image is that of its pixels, whatever Beta draw has led to them."""
    import keras

    from fer_bench.training.augment import Augment
    from fer_bench.training.fit import train

    augmentation = Augmentation(cutmix=1.0)
    y = np.arange(1000) % 2
    x = np.repeat(255 * (1 - y), 64).reshape(-1, 8, 8, 1).astype(np.uint8)
    augment = Augment(augmentation, seed=1)
    augment(x[:500], training=True)
    share = np.clip(np.asarray(augment.share), 1e-7, 1 - 1e-7)
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share)).mean()
    images = keras.Input((8, 8, 1), dtype="uint8")
    white = keras.layers.GlobalAveragePooling2D()(Augment(augmentation, seed=1)(images))
    white = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)(keras.layers.Rescaling(1 / 255)(white))
    model = keras.Model(images, keras.layers.Concatenate()([white, 1 - white]))
    recipe = Recipe(epochs=1, batch=500, learning_rate=0.0, augmentation=augmentation)
    summary = train(model, x, y, None, x[:50], y[:50], recipe, Context(("white", "black")))
    assert summary.history[0]["loss"] == pytest.approx(entropy / 2, abs=0.03)
    assert summary.history[0]["val_loss"] == pytest.approx(0, abs=1e-4)


def test_targets_may_be_probabilities():
    """A net that sees nothing of its images learns the mean of its targets, and one-hot targets are labels."""
    from fer_bench.training.fit import train

    x, y = data()
    blind, targets = linear(), np.random.default_rng(2).dirichlet((1, 2, 3), len(x)).astype("float32")
    recipe = replace(RECIPE, optimizer="sgd", learning_rate=1.0, epochs=60, batch=60)
    train(blind, np.zeros_like(x), targets, None, None, None, recipe, Context(CLASSES))
    np.testing.assert_allclose(blind.predict_on_batch(x[:1] * 0)[0], targets.mean(axis=0), atol=1e-3)
    losses = [
        [row["loss"] for row in train(linear(), x, given, None, x, y, RECIPE, Context(CLASSES)).history]
        for given in (y, np.eye(3, dtype="float32")[y])
    ]
    assert losses[0] == losses[1]


def test_label_smoothing_keeps_probabilities_from_the_corners():
    x, _ = data()
    sharp, smooth = linear(), linear()
    run(replace(RECIPE, epochs=8, learning_rate=0.3), sharp)
    run(replace(RECIPE, epochs=8, learning_rate=0.3, label_smoothing=0.4), smooth)
    assert smooth.predict_on_batch(x).max(1).mean() < sharp.predict_on_batch(x).max(1).mean() - 0.1


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adamw", "rmsprop"])
def test_weight_decay_shrinks_weights(optimizer):
    sizes = []
    for decay in (0.0, 0.5):
        model = linear()
        run(replace(RECIPE, optimizer=optimizer, weight_decay=decay, epochs=4), model)
        sizes.append(np.abs(model.get_weights()[0]).mean())
    assert sizes[1] < sizes[0]


def test_a_loss_that_is_no_number_ends_the_training():
    x, y = data()
    x[0] = np.nan
    from fer_bench.training.fit import train

    summary = train(linear(), x, y, None, None, None, RECIPE, Context(CLASSES))
    assert (summary.epochs_run, summary.stopped) == (1, "loss is not a number")


def test_phases_and_reports(compiled):
    events: list[dict[str, Any]] = []
    seconds: dict[str, float] = {}
    run(RECIPE, val=data(seed=1), report=lambda event: events.append(dict(event)), seconds=seconds)
    assert set(seconds) == {"compile", "train", "validate"}
    assert all(value > 0 for value in seconds.values())
    ends = [event for event in events if event["step"] == event["steps"] and event["val_accuracy"] is not None]
    assert [event["epoch"] for event in ends] == [1, 2, 3, 4]
    assert {event["epochs"] for event in events} == {4}
    assert all(event["validated"] in (event["epoch"], event["epoch"] - 1, None) for event in events)
    assert [event["validated"] for event in ends] == [1, 2, 3, 4]


def test_validation_images_are_augmented_anew_each_epoch():
    import keras

    keras.utils.set_random_seed(3)
    frozen = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    frozen.trainable = False
    images = np.random.default_rng(0).integers(0, 256, (30, 48, 48, 1), dtype=np.uint8)
    labels = (np.arange(30) % 3).astype(np.int8)
    recipe = replace(RECIPE, epochs=3, augmentation=Augmentation(rotation=30), augment_validation=True)

    def val_losses(recipe: Recipe) -> list[float]:
        from fer_bench.training.fit import train

        summary = train(frozen, images, labels, None, images, labels, recipe, Context(CLASSES))
        return [row["val_loss"] for row in summary.history]

    assert len(set(val_losses(recipe))) == 3
    assert val_losses(recipe) == val_losses(recipe)
    assert len(set(val_losses(replace(recipe, augment_validation=False)))) == 1


def test_tensorboard_has_losses_and_histograms(tmp_path):
    pytest.importorskip("tensorboard")
    run(RECIPE, tensorboard=tmp_path, val=contrary())
    logs = b"".join(path.read_bytes() for path in (tmp_path / "stage-1" / "train").glob("events.out.tfevents.*"))
    assert logs.count(b"epoch_loss") >= RECIPE.epochs
    assert logs.count(b"kernel/histogram") >= RECIPE.epochs
    assert list((tmp_path / "stage-1" / "validation").glob("events.out.tfevents.*"))


def test_tensorboard_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("fer_bench.training.tensorboard.importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'fer-bench\[tensorboard\]'"):
        run(RECIPE, tensorboard=tmp_path)
