"""Features of a frozen backbone: the same training as through the backbone, and a cache that is right or not used."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_bench.api.context import Context, FitSummary, Part
from fer_bench.api.recipe import Augmentation, Recipe, Stage
from fer_bench.api.registry import get
from fer_bench.files.cache import make_room
from fer_bench.runners.keras import KerasRunner
from fer_bench.training import bottleneck, compiling, fit

CLASSES = tuple("abcdefg")
BASE = Recipe(channels=3, batch=16, epochs=3, learning_rate=3e-3, monitor="val_accuracy")
MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache; and keras.applications.Tiny: two convolutions, each normalised and activated."""
    import keras
    from keras import layers

    def application(weights: None, include_top: bool, input_shape: tuple[int, int, int], name: str) -> Any:
        inputs = x = keras.Input(input_shape)
        for filters in (6, 8):
            x = layers.BatchNormalization()(layers.Conv2D(filters, 3, strides=3)(x))
            x = layers.Activation("relu")(x)
        return keras.Model(inputs, x, name=name)

    monkeypatch.setattr(keras.applications, "Tiny", application, raising=False)
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


class Frozen(KerasRunner):
    """Two dense layers with dropout between them, on a frozen backbone."""

    recipes = {"default": BASE}
    cut = "features"

    def build(self, input_shape: tuple[int, int, int], classes: int) -> Any:
        from keras import Input, Model, layers

        inputs = Input(input_shape)
        backbone = self.backbone("Tiny", input_shape, name="backbone")
        self.freeze(backbone)
        x = layers.Flatten(name=self.cut)(self.between(backbone(inputs)))
        x = layers.Dropout(0.5)(layers.Dense(16, activation="relu")(x))
        return Model(inputs, layers.Dense(classes, activation="softmax")(x))

    def freeze(self, backbone: Any) -> None:
        backbone.trainable = False

    def between(self, x: Any) -> Any:
        return x


class Whole(Frozen):
    """The same model with a layer's name changed, so that it is trained through its backbone."""

    cut = "flatten"


def part(n: int, seed: int) -> Part:
    """Images whose brightness tells the class, of different weights."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 7).astype(np.int8)
    images = np.clip(30 * labels[:, None, None] + rng.normal(30, 20, (n, 48, 48)), 0, 255).astype(np.uint8)
    return Part(images, labels, rng.uniform(0.5, 1.5, n).astype("float32"))


TRAIN, VALIDATION, TEST = part(63, 0), part(21, 1), part(10, 2)


def fitted(
    runner: KerasRunner, weights: Path | str = "random", key: str = "k", train: Part = TRAIN, **recipe: Any
) -> tuple[KerasRunner, FitSummary]:
    runner.recipe = replace(runner.recipe, **recipe)
    return runner, runner.fit(train, VALIDATION, Context(CLASSES, key=key, weights=str(weights)))


def measures(summary: FitSummary) -> np.ndarray:
    return np.array([[row[name] for name in MEASURES] for row in summary.history])


def backbone_file(path: Path, seed: int = 0) -> Path:
    """A file of weights of Tiny; its normalisations have statistics to use."""
    import keras

    model = keras.applications.Tiny(None, False, (48, 48, 3), "backbone")
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(-0.2 if w.ndim > 1 else 0.1, 0.2, w.shape) for w in model.get_weights()])
    model.save_weights(path)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return backbone_file(tmp_path / "tiny.weights.h5")


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.02)])
def test_training_on_features_is_training_through_the_backbone(
    monkeypatch: pytest.MonkeyPatch, precision: str, tolerance: float, weights: Path
) -> None:
    # The loop compiles a dense head with XLA, which draws other dropout masks from the same seed.
    monkeypatch.setattr(compiling, "_convolves", lambda model: True)
    on_features, summary = fitted(Frozen(), weights, precision=precision)
    through, wanted = fitted(Whole(), weights, precision=precision)
    assert summary.extra["features"] == "computed"
    assert wanted.extra == {}
    np.testing.assert_allclose(measures(summary), measures(wanted), rtol=tolerance, atol=tolerance)
    assert summary.history[-1]["loss"] < summary.history[0]["loss"] - 0.01, "nothing was learned"
    assert (summary.best_epoch, summary.init, summary.checkpoint) == (wanted.best_epoch, wanted.init, "validation")
    assert on_features._model is not None
    assert through._model is not None
    for a, b in zip(on_features._model.get_weights(), through._model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=10 * tolerance)
    found = on_features.predict_proba(TEST.images)
    np.testing.assert_allclose(found, through.predict_proba(TEST.images), atol=10 * tolerance)


def test_the_saved_model_takes_images(eager: None, weights: Path, tmp_path: Path) -> None:
    runner, _ = fitted(Frozen(), weights)
    found = runner.predict_proba(TEST.images)
    runner.save(tmp_path)
    again = Frozen()
    again.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(TEST.images), found)
    # What validation measured on features is what the assembled model does on images.
    loss = -np.log(runner.predict_proba(VALIDATION.images)[np.arange(21), VALIDATION.labels]).mean()
    _, summary = fitted(runner, weights)
    assert summary.best_epoch is not None
    assert summary.history[summary.best_epoch - 1]["val_loss"] == pytest.approx(loss, rel=1e-4)


def halves(runner: KerasRunner, **recipe: Any) -> bottleneck.Halves | None:
    runner.recipe = replace(runner.recipe, **recipe)
    core = runner.core(7, "random")
    return bottleneck.cut(core, runner.recipe, lambda trainable: runner.set_trainable(core, trainable))


class EachLayer(Frozen):
    def freeze(self, backbone: Any) -> None:
        for layer in backbone.layers:
            layer.trainable = False


class ByStage(Frozen):
    recipes = {"default": replace(BASE, stages=(Stage(2, 0.01, 16, "head"),))}

    def freeze(self, backbone: Any) -> None:
        pass

    def set_trainable(self, model: Any, trainable: str) -> None:
        model.get_layer("backbone").trainable = trainable == "all"


class Learning(Frozen):
    def freeze(self, backbone: Any) -> None:
        backbone.layers[1].trainable = True
        backbone.layers[2].trainable = False


class Dropping(Frozen):
    def between(self, x: Any) -> Any:
        from keras import layers

        return layers.Dropout(0.1)(x)


class Normalising(Frozen):
    """Nothing to learn, but in training it takes the statistics of the batch."""

    def between(self, x: Any) -> Any:
        from keras import layers

        return layers.BatchNormalization(center=False, scale=False)(x)


class Bypassing(Frozen):
    def build(self, input_shape: tuple[int, int, int], classes: int) -> Any:
        from keras import Model, layers

        inner = super().build(input_shape, classes)
        around = layers.GlobalAveragePooling2D()(inner.inputs[0])
        x = layers.Concatenate()([inner.get_layer("features").output, around])
        return Model(inner.inputs, layers.Dense(classes, activation="softmax")(x))


@pytest.mark.parametrize("runner", [Frozen, EachLayer, ByStage])
def test_a_frozen_part_is_found(runner: type[KerasRunner]) -> None:
    found = halves(runner())
    assert found is not None
    assert found.frozen.output_shape == (None, 5 * 5 * 8)
    assert [w.shape for w in found.head.weights] == [(200, 16), (16,), (16, 7), (7,)]


@pytest.mark.parametrize(
    ("runner", "recipe"),
    [
        (Frozen, {"augmentation": Augmentation(flip=True)}),
        (Frozen, {"augment_validation": True}),
        (ByStage, {"stages": (Stage(1, 0.01, 16, "head"), Stage(1, 0.01, 16, "all"))}),
        (ByStage, {"stages": (Stage(1, 0.01, 16, "all"),)}),
        (Whole, {}),
        (Learning, {}),
        (Dropping, {}),
        (Normalising, {}),
        (Bypassing, {}),
    ],
)
def test_what_changes_from_epoch_to_epoch_is_not_cut(runner: type[KerasRunner], recipe: dict[str, Any]) -> None:
    assert halves(runner(), **recipe) is None


@pytest.mark.parametrize(
    ("name", "recipe", "learning"),
    [
        ("vgg-bottleneck", "published", 266_247),
        ("vgg-bottleneck", "tuned", 266_247 + 4 * 512),
        ("vgg19-frozen", "bottleneck", 499_943 + 4 * 512),
        ("vgg19-frozen", "tuned", None),
        ("inception-v3", "published", None),
        ("resnet50", "published", None),
    ],
)
def test_built_in_runners(name: str, recipe: str, learning: int | None) -> None:
    runner = get(name)(recipe)
    assert isinstance(runner, KerasRunner)
    found = halves(runner)
    assert (found and found.head.count_params()) == learning


def files(cache: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in cache.glob("*/features.npy")}


def test_features_are_kept_and_shared(eager: None, monkeypatch, weights: Path, cache: Path) -> None:
    _, first = fitted(Frozen(), weights)
    assert first.extra["features"] == "computed"
    kept = {len(array): array for array in (np.load(path) for path in cache.glob("*/features.npy"))}
    assert {n: (array.shape, array.dtype) for n, array in kept.items()} == {
        63: ((63, 200), np.float32),
        21: ((21, 200), np.float32),
    }
    runner = Frozen()
    core = runner.core(7, str(weights))
    pixels = np.repeat(TRAIN.images[..., None], 3, axis=-1).astype("float32") / 255
    np.testing.assert_allclose(kept[63], np.asarray(core.get_layer("backbone")(pixels)).reshape(63, -1), rtol=1e-4)

    monkeypatch.setattr(fit, "predict", None)  # nothing goes through the backbone again
    before = files(cache)
    runner, again = fitted(Frozen(), weights)
    assert again.extra["features"] == "reused"
    np.testing.assert_array_equal(measures(again), measures(first))
    _, other_seed = fitted(Frozen(), weights, key="other")
    _, other_recipe = fitted(Frozen(), weights, label_smoothing=0.1, optimizer="sgd")
    assert (other_seed.extra["features"], other_recipe.extra["features"]) == ("reused", "reused")
    assert (measures(other_seed) != measures(first)).any()
    assert files(cache) == before


class Relu(Frozen):
    """Differs from Sigmoid in an activation, and in a layer's name that reads the same."""

    activation = "relu"

    def between(self, x: Any) -> Any:
        from keras import layers

        return layers.Activation(self.activation, name=self.activation)(x)


class Sigmoid(Relu):
    activation = "sigmoid"


def test_a_change_of_what_computes_is_a_miss(eager: None, weights: Path, tmp_path: Path, cache: Path) -> None:
    other = backbone_file(tmp_path / "other.weights.h5", seed=1)
    images = TRAIN.images.copy()
    images[5, 7, 11] ^= 1
    changes: list[Callable[[], tuple[KerasRunner, FitSummary]]] = [
        lambda: fitted(Frozen(), weights, epochs=1),
        lambda: fitted(Frozen(), other, epochs=1),
        lambda: fitted(Frozen(), weights, epochs=1, scaling="signed"),
        lambda: fitted(Frozen(), weights, epochs=1, image_size=50),
        lambda: fitted(Frozen(), weights, epochs=1, precision="mixed_bfloat16"),
        lambda: fitted(Relu(), weights, epochs=1),
        lambda: fitted(Sigmoid(), weights, epochs=1),
    ]
    for number, change in enumerate(changes, 1):
        assert change()[1].extra["features"] == "computed"
        assert len(files(cache)) == 2 * number
    # One pixel of one training image: validation's features are still there.
    _, summary = fitted(Frozen(), weights, train=TRAIN._replace(images=images), epochs=1)
    assert summary.extra["features"] == "computed"
    assert len(files(cache)) == 2 * len(changes) + 1


def test_random_features_are_not_kept(eager: None, cache: Path) -> None:
    _, summary = fitted(Frozen())
    assert summary.extra["features"] == "computed"
    assert files(cache) == {}


def test_what_third_parties_compute_is_not_kept(eager: None, weights: Path, cache: Path) -> None:
    import keras

    class Doubling(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    def doubled(x: Any) -> Any:
        return 2 * x

    class Foreign(Frozen):
        def between(self, x: Any) -> Any:
            return Doubling()(x)

    class ForeignFunction(Frozen):
        def between(self, x: Any) -> Any:
            return keras.layers.Activation(doubled)(x)

    for runner in (Foreign(), ForeignFunction()):
        _, summary = fitted(runner, weights, epochs=1)
        assert summary.extra["features"] == "computed"
        assert files(cache) == {}


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _replace_rows(path: Path) -> None:
    np.save(path, np.zeros((3, 200), "float32"))


def _change_a_number(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_truncate, _replace_rows, _change_a_number])
def test_damaged_features_are_computed_again(
    eager: None, caplog, damage: Callable[[Path], None], weights: Path, cache: Path
) -> None:
    _, first = fitted(Frozen(), weights)
    good = files(cache)
    for path in cache.glob("*/features.npy"):
        damage(path)
    with caplog.at_level(logging.WARNING):
        _, again = fitted(Frozen(), weights)
    assert again.extra["features"] == "computed"
    np.testing.assert_array_equal(measures(again), measures(first))
    assert files(cache) == good
    said = [record.message for record in caplog.records if record.name.startswith("fer_bench")]
    assert ["damaged" in message for message in said] == [True, True]


def test_a_cache_that_cannot_be_written_costs_one_warning(eager: None, caplog, weights: Path, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        _, summary = fitted(Frozen(), weights)
    assert summary.extra["features"] == "computed"
    assert [record.message for record in caplog.records] == [
        f"can't keep features in the cache {cache} (File exists)",
    ]


def test_features_that_nobody_has_used_for_long_make_room(
    eager: None, weights: Path, tmp_path: Path, cache: Path
) -> None:
    other = backbone_file(tmp_path / "other.weights.h5", seed=1)
    for path in (weights, other):
        fitted(Frozen(), path, epochs=1)
    both = files(cache)
    for place in cache.iterdir():
        os.utime(place, (0, 0))
    assert fitted(Frozen(), weights, epochs=1)[1].extra["features"] == "reused"  # these are the younger ones now
    used = {place.name for place in cache.iterdir() if place.stat().st_mtime > 0}
    assert len(used) == 2
    size = sum(path.stat().st_size for name in used for path in (cache / name).iterdir())
    make_room(cache, size)
    assert {name: both[name] for name in used} == files(cache)
    make_room(cache, 0)
    assert len(files(cache)) == 1, "the youngest stays, whatever its size"
    assert all(len(place.name) == 64 for place in cache.iterdir()), "nothing half removed is left"


class Watching(Context):
    """Knows the phase it is in."""

    now = ""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        before, self.now = self.now, name
        with super().phase(name):
            yield
        self.now = before


def test_features_count_in_the_phase_of_their_part(eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    context = Watching(CLASSES, weights="random", epochs=1)
    phases: list[tuple[str, int]] = []
    predict = fit.predict
    monkeypatch.setattr(fit, "predict", lambda model, x: phases.append((context.now, len(x))) or predict(model, x))
    summary = Frozen().fit(TRAIN, VALIDATION, context)
    assert phases == [("train", 63), ("validate", 21)]
    assert summary.extra["feature_seconds"] > 0
    without = Frozen().fit(TRAIN, None, Context(CLASSES, epochs=1))
    assert without.checkpoint == "last"
