"""KerasRunner, through the ten lines that a plugin's author writes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fer_bench.api.context import Context, Part
from fer_bench.api.recipe import Augmentation, Recipe, Stage
from fer_bench.errors import InputError
from fer_bench.runners.keras import KerasRunner

CLASSES = tuple("abcdefg")


@pytest.fixture(autouse=True)
def tiny_application(monkeypatch):
    """keras.applications.Tiny: one convolution and a batch normalisation."""
    import keras

    def application(weights, include_top, input_shape, name):
        inputs = keras.Input(input_shape)
        x = keras.layers.Conv2D(4, 3, strides=4, use_bias=False)(inputs)
        return keras.Model(inputs, keras.layers.BatchNormalization()(x), name=name)

    monkeypatch.setattr(keras.applications, "Tiny", application, raising=False)


BASE = Recipe(batch=16, epochs=2, learning_rate=0.01)


class Tiny(KerasRunner):
    recipes = {
        "default": replace(BASE, augmentation=Augmentation(rotation=15, shift=0.1, flip=True)),
        "large": replace(BASE, image_size=64, channels=3, scaling="signed", precision="mixed_bfloat16"),
        "bright": replace(BASE, epochs=30, learning_rate=0.03),
    }

    def build(self, input_shape, classes):
        from keras import Input, Sequential, layers

        body = [layers.Conv2D(4, 3, strides=2, activation="elu"), layers.GlobalAveragePooling2D()]
        return Sequential(
            [Input(input_shape), *body, layers.Dropout(0.02), layers.Dense(classes, activation="softmax")]
        )


class Relu(KerasRunner):
    """Ends in a relu, and its bias makes nearly every row of outputs zero at the start."""

    recipes = {"default": BASE}

    def build(self, input_shape, classes):
        from keras import Input, Sequential, layers

        head = layers.Dense(classes, activation="relu", bias_initializer=self.bias)
        return Sequential([Input(input_shape), layers.Flatten(), head])

    bias: Any = "zeros"


class OnBackbone(KerasRunner):
    recipes = {
        "default": replace(BASE, channels=3, epochs=1, stages=(Stage(1, 0.01, 30, "head"), Stage(1, 0.01, 30, "all"))),
        "imagenet": replace(BASE, channels=3, epochs=1, weights="imagenet"),
    }

    def build(self, input_shape, classes):
        from keras import Input, Model, layers

        inputs = Input(input_shape)
        backbone = self.backbone("Tiny", input_shape, name="backbone")
        x = layers.GlobalAveragePooling2D()(backbone(inputs))
        return Model(inputs, layers.Dense(classes, activation="softmax", name="head")(x))

    def set_trainable(self, model, trainable):
        model.get_layer("backbone").trainable = trainable == "all"
        self.seen = [*getattr(self, "seen", []), (trainable, model.get_layer("backbone").get_weights()[0].copy())]


def part(n: int, seed: int = 0) -> Part:
    """Images whose brightness tells the class."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 7).astype(np.int8)
    images = np.clip(30 * labels[:, None, None] + rng.normal(30, 10, (n, 48, 48)), 0, 255).astype(np.uint8)
    return Part(images, labels)


TRAIN, VALIDATION, TEST = part(63), part(21, 1), part(10, 2)


def fitted(runner: KerasRunner, key: str = "k", **kwargs: Any) -> KerasRunner:
    runner.fit(TRAIN, VALIDATION, Context(CLASSES, key=key, **kwargs))
    return runner


def checked(probabilities: np.ndarray, n: int = len(TEST.labels)) -> np.ndarray:
    assert probabilities.shape == (n, 7)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    return probabilities


@pytest.mark.parametrize("recipe", ["default", "large"])
def test_save_and_load_give_the_same_predictions(recipe, tmp_path):
    runner = fitted(Tiny(recipe))
    before = checked(runner.predict_proba(TEST.images))
    runner.save(tmp_path)
    again = Tiny(recipe)
    again.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(TEST.images), before)
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_batches_do_not_matter_and_no_images_is_no_error(eager):
    runner = fitted(Tiny())
    many = np.concatenate([TEST.images] * 30)
    np.testing.assert_allclose(
        checked(runner.predict_proba(many), 300)[:10], runner.predict_proba(TEST.images), atol=1e-6
    )
    assert runner.predict_proba(TEST.images[:0]).shape == (0, 7)


def test_learns():
    runner = Tiny("bright")
    summary = runner.fit(TRAIN, VALIDATION, Context(CLASSES))
    assert summary.history[-1]["val_accuracy"] > 4 / 7
    assert (summary.init, summary.checkpoint, summary.epochs_planned) == ("random", "validation", 30)


def test_seed_decides_everything(eager):
    one, same, other = (fitted(Tiny(), key).predict_proba(TEST.images) for key in ("one", "one", "two"))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-4


def test_what_picks_the_epoch_changes_nothing_of_the_training(eager):
    """The same key, another part to watch, or none: the same losses, epoch by epoch (with augmentation and dropout)."""
    watched = (VALIDATION, TEST, None)
    summaries = [Tiny("default").fit(TRAIN, part, Context(CLASSES, key="k", epochs=2)) for part in watched]
    losses = [[row["loss"] for row in summary.history] for summary in summaries]
    assert losses[0] == losses[1] == losses[2]
    assert summaries[0].history[0]["val_loss"] != summaries[1].history[0]["val_loss"]


def test_probabilities_are_float32_under_bfloat16():
    runner = fitted(Tiny("large"))
    bits = runner.predict_proba(VALIDATION.images).view(np.uint32)
    assert (bits & 0xFFFF != 0).mean() > 0.9, "the lower half of a float32 is zero where it was a bfloat16"
    import keras

    assert keras.config.dtype_policy().name == "float32"


def test_bfloat16_gives_way_to_float32_where_it_would_be_emulated(eager, monkeypatch):
    from fer_bench.hardware import host

    monkeypatch.setattr(host, "cpu_flags", lambda: frozenset({"avx2"}))
    runner = Tiny("large")
    summary = runner.fit(TRAIN, VALIDATION, Context(CLASSES))
    assert summary.extra["precision"] == "float32"
    assert {layer.compute_dtype for layer in runner._model.layers} == {"float32"}


def test_parameters_are_counted_without_a_fit():
    assert Tiny().count_parameters() == {"total": 40 + 35, "trainable": 40 + 35}
    assert Tiny("large").count_parameters(6) == {"total": 112 + 30, "trainable": 112 + 30}
    # A kernel of 3x3x3x4; gain, offset and, not trainable, mean and variance of four channels; a head of 4x7 and 7.
    assert OnBackbone("imagenet").count_parameters() == {"total": 108 + 16 + 35, "trainable": 108 + 8 + 35}


def test_outputs_that_are_no_softmax_are_normalised(eager):
    runner = fitted(Relu())
    checked(runner.predict_proba(TEST.images))


def test_all_zero_outputs_are_uniform_and_do_not_break_the_loss(eager):
    class Dead(Relu):
        bias = "zeros"

        def build(self, input_shape, classes):
            import keras

            self.bias = keras.initializers.Constant(-100.0)
            return super().build(input_shape, classes)

    runner = Dead()
    summary = runner.fit(TRAIN, VALIDATION, Context(CLASSES))
    assert summary.history[0]["loss"] == pytest.approx(np.log(7), abs=1e-3)
    np.testing.assert_allclose(runner.predict_proba(TEST.images), 1 / 7, atol=1e-6)


def test_stages_reach_the_runner(eager):
    runner = OnBackbone()
    summary = runner.fit(TRAIN, VALIDATION, Context(CLASSES))
    (first, start), (second, after_head) = runner.seen
    assert (first, second) == ("head", "all")
    np.testing.assert_array_equal(start, after_head)
    trained = runner._model.get_layer(index=-1).get_layer("backbone").get_weights()[0]
    assert (trained != start).any()
    assert [row["stage"] for row in summary.history] == [1, 2]


def test_a_stage_that_nobody_knows(eager):
    class Staged(Tiny):
        recipes = {"default": replace(BASE, stages=(Stage(1, 0.01, 30, "head"),))}

    with pytest.raises(NotImplementedError, match=r"Staged.set_trainable must say what 'head' means"):
        fitted(Staged())


def test_weights_of_a_file_start_a_model_without_backbone(eager, tmp_path):
    first = fitted(Tiny())
    first.save(tmp_path)
    still = Tiny()
    still.recipe = replace(still.recipe, learning_rate=0.0)
    summary = still.fit(TRAIN, None, Context(CLASSES, weights=str(tmp_path / "model.keras")))
    assert summary.init == "file:model.keras"
    np.testing.assert_allclose(still.predict_proba(TEST.images), first.predict_proba(TEST.images), atol=1e-6)


def test_imagenet_means_nothing_without_a_backbone(eager):
    assert Tiny().fit(TRAIN, None, Context(CLASSES, weights="imagenet", epochs=1)).init == "random"


def test_weights_words_reach_the_backbone(monkeypatch, tmp_path):
    from fer_bench.training import weights

    asked: list[str] = []
    real = weights.backbone

    def spy(application, input_shape, words, **kwargs):
        asked.append(words)
        return real(application, input_shape, "random", **kwargs)

    monkeypatch.setattr(weights, "backbone", spy)
    for recipe, words in (("default", "auto"), ("imagenet", "auto"), ("default", "imagenet"), ("imagenet", "random")):
        OnBackbone(recipe).core(7, words)
    assert asked == ["random", "auto", "imagenet", "random"]
    OnBackbone("imagenet").count_parameters()
    assert asked[-1] == "random"


def test_a_missing_file_of_weights():
    with pytest.raises(InputError, match="no such file"):
        fitted(OnBackbone(), weights="nowhere.weights.h5")


def test_family_and_misuse():
    assert Tiny.info.family == "deep"
    with pytest.raises(RuntimeError, match="before fit or load"):
        Tiny().predict_proba(TEST.images)


def test_importing_a_runner_imports_no_framework():
    code = (
        "import sys, fer_bench.runners.keras, fer_bench.hardware.device, fer_bench.training.weights;"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
