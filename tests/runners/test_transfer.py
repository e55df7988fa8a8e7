"""transfer: what learns, what is computed once, and that networks of keras.applications go all the way through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from fer_bench.api.context import Context, FitSummary, Part
from fer_bench.api.recipe import Augmentation, Stage
from fer_bench.api.registry import get, infos, make, specs
from fer_bench.cli import main
from fer_bench.errors import InputError
from fer_bench.runners.transfer import Transfer
from fer_bench.training import bottleneck, compiling, fit
from fer_bench.training.applications import APPLICATIONS, Application

CLASSES = tuple("abcdefg")
MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")


def tiny(weights: None = None, include_top: bool = False, input_shape: Any = (48, 48, 3), **kwargs: Any) -> Any:
    """Six layers with weights: a stem, a residual block, one more; normalisation and dropout in each part."""
    import keras
    from keras import layers

    def conv(x: Any, name: str, strides: int = 1) -> Any:
        x = layers.Conv2D(8, 3, strides=strides, padding="same", name=name)(x)
        return layers.ReLU()(layers.BatchNormalization(name=f"{name}_norm")(x))

    inputs = keras.Input(input_shape)
    stem = layers.MaxPooling2D(4)(conv(inputs, "stem", strides=4))
    block = layers.add([stem, layers.Dropout(0.5)(conv(stem, "block"))])
    return keras.Model(inputs, conv(block, "last"), **kwargs)


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """keras.applications.Tiny, an empty cache, and a file of weights of Tiny whose normalisations have statistics."""
    import keras

    monkeypatch.setattr(keras.applications, "Tiny", tiny, raising=False)
    monkeypatch.setitem(APPLICATIONS, "Tiny", Application("tf", 3, 1368))
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    model, rng = tiny(), np.random.default_rng(0)
    model.set_weights([rng.uniform(-0.2 if w.ndim > 1 else 0.1, 0.2, w.shape) for w in model.get_weights()])
    model.save_weights(tmp_path / "tiny.weights.h5")
    return tmp_path / "tiny.weights.h5"


def part(n: int, seed: int) -> Part:
    """Images whose brightness tells the class."""
    labels = (np.arange(n) % 7).astype(np.int8)
    noise = np.random.default_rng(seed).normal(30, 20, (n, 48, 48))
    return Part(np.clip(30 * labels[:, None, None] + noise, 0, 255).astype(np.uint8), labels)


TRAIN, VALIDATION, TEST = part(63, 0), part(21, 1), part(10, 2)


def runner_of(unfreeze: float, recipe: str = "bottleneck", backbone: str = "Tiny", **fields: Any) -> Transfer:
    runner = make(f"transfer[backbone={backbone},unfreeze={unfreeze}]", recipe)
    assert isinstance(runner, Transfer)
    runner.recipe = replace(runner.recipe, **({"epochs": 3, "batch": 16, "learning_rate": 3e-3} | fields))
    return runner


def fitted(runner: Transfer, weights: Path | str = "random", **kwargs: Any) -> FitSummary:
    return runner.fit(TRAIN, VALIDATION, Context(CLASSES, key="k", weights=str(weights), **kwargs))


def halves(runner: Transfer) -> bottleneck.Halves | None:
    core = runner.core(7, "random")
    return bottleneck.cut(core, runner.recipe, lambda trainable: runner.set_trainable(core, trainable))


@pytest.mark.parametrize(
    ("unfreeze", "learning", "features"),
    [
        (0, [], (None, 8)),
        (0.15, ["last_norm"], (None, 3, 3, 8)),
        (0.4, ["last", "last_norm"], (None, 3, 3, 8)),
        (0.5, ["block_norm", "last", "last_norm"], (None, 3, 3, 8)),
        (1, ["stem", "stem_norm", "block", "block_norm", "last", "last_norm"], None),
    ],
)
def test_what_learns_and_what_is_computed_once(unfreeze: float, learning: list[str], features: Any) -> None:
    runner = runner_of(unfreeze)
    model = runner.core(7, "random")
    of_backbone = {weight.path.split("/")[-2] for weight in model.trainable_weights} & {x.name for x in tiny().layers}
    assert of_backbone == set(learning)
    found = halves(runner)
    assert (found and found.frozen.output_shape) == features
    if found:
        assert found.frozen.count_params() + found.head.count_params() == model.count_params()


@pytest.mark.parametrize(("unfreeze", "precision"), [(0.4, "float32"), (0.5, "mixed_bfloat16")])
def test_training_on_features_is_training_through_the_network(
    monkeypatch: pytest.MonkeyPatch, unfreeze: float, precision: str, network: Path
) -> None:
    # The loop compiles a head without convolutions with XLA, which draws other dropout masks from the same seed.
    monkeypatch.setattr(compiling, "_convolves", lambda model: True)
    once, through = (runner_of(unfreeze, precision=precision) for _ in range(2))
    passed: list[int] = []
    predict = fit.predict
    monkeypatch.setattr(fit, "predict", lambda model, x: passed.append(len(x)) or predict(model, x))
    summary = fitted(once, network)
    assert passed == [63, 21]
    assert summary.extra["features"] == "computed"
    monkeypatch.setattr(bottleneck, "MOST_BYTES", 0)
    notes: list[str] = []
    wanted = fitted(through, network, report=lambda told: notes.append(told.get("note", "")))
    assert passed == [63, 21]
    assert wanted.extra["features"] == "too large"
    assert any("GiB" in note and "in each epoch" in note for note in notes)
    tolerance = 1e-4 if precision == "float32" else 0.03
    for row, other in zip(summary.history, wanted.history, strict=True):
        np.testing.assert_allclose([row[m] for m in MEASURES], [other[m] for m in MEASURES], atol=tolerance)
    assert summary.history[-1]["loss"] < summary.history[0]["loss"] - 0.01, "nothing was learned"
    np.testing.assert_allclose(once.predict_proba(TEST.images), through.predict_proba(TEST.images), atol=10 * tolerance)


def test_what_is_frozen_stays_as_it_came_with_the_weights_and_what_learns_does_not(
    eager: None, network: Path, tmp_path: Path
) -> None:
    runner = runner_of(0.4, "tuned", augmentation=Augmentation(flip=True))
    summary = fitted(runner, network)
    assert "features" not in summary.extra
    assert summary.init == "file:tiny.weights.h5"
    came = tiny()
    came.load_weights(network)
    for layer in came.layers:
        now = (
            next(own for own in runner.keras_model._flatten_layers() if own.name == layer.name)
            if layer.weights
            else layer
        )
        same = all((a == b).all() for a, b in zip(layer.get_weights(), now.get_weights(), strict=True))
        assert same == (layer.name not in ("last", "last_norm")), layer.name
    (tmp_path / "model").mkdir()
    runner.save(tmp_path / "model")
    again = make("transfer[backbone=Tiny,unfreeze=0.4]", "tuned")
    again.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(TEST.images), runner.predict_proba(TEST.images))


def test_features_are_used_again_with_another_head(eager: None, network: Path) -> None:
    assert fitted(runner_of(0.4), network).extra["features"] == "computed"
    wider = runner_of(0.4, options=(("normalised", True), ("dense", 16), ("dropout", 0.1)))
    assert fitted(wider, network).extra["features"] == "reused"
    assert fitted(runner_of(0), network).extra["features"] == "computed"


def test_a_stage_may_train_the_head_alone(eager: None, network: Path) -> None:
    runner = runner_of(1, stages=(Stage(1, 0.01, 16, "head"), Stage(1, 0.01, 16, "all")))
    learned: list[int] = []
    set_trainable = runner.set_trainable

    def watched(model: Any, trainable: str) -> None:
        set_trainable(model, trainable)
        learned.append(len(model.trainable_weights))

    runner.set_trainable = watched  # type: ignore[method-assign]
    assert [row["stage"] for row in fitted(runner, network).history] == [1, 2]
    assert learned[1] - learned[0] == 6 * 2


@pytest.mark.parametrize(("recipe", "cut"), [("tuned", False), ("bottleneck", True)])
def test_only_the_recipe_without_augmentation_computes_features(recipe: str, cut: bool) -> None:
    assert (halves(runner_of(0, recipe)) is not None) == cut


def test_a_cut_that_saves_next_to_nothing_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_bench.training import macs

    whole = 1000
    monkeypatch.setattr(macs, "count_macs", lambda model: 99 if model.name == "frozen" else whole)
    assert halves(runner_of(0.4)) is None
    whole = 990
    assert halves(runner_of(0.4)) is not None


# Networks of Keras's.


@pytest.mark.parametrize(("name", "side"), [("MobileNetV3Small", 48), ("VGG16", 48)])
@pytest.mark.parametrize("unfreeze", [0, 0.15, 1])
def test_counts_are_those_of_keras(name: str, side: int, unfreeze: float) -> None:
    import keras

    alone = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(side, side, 3))
    width = alone.output_shape[-1]
    head, learning_head = 4 * width + (width + 1) * 7, 2 * width + (width + 1) * 7
    able = [layer for layer in alone.layers if layer.trainable_weights]
    last = able[len(able) - int(np.floor(unfreeze * len(able) + 0.5)) :]
    runner = make(f"transfer[backbone={name},unfreeze={unfreeze},size={side}]")
    assert runner.count_parameters() == {
        "total": alone.count_params() + head,
        "trainable": sum(int(np.prod(w.shape)) for layer in last for w in layer.trainable_weights) + learning_head,
    }
    if name == "VGG16":  # 3x3 convolutions, by hand
        sides, widths = (
            [48] * 2 + [24] * 2 + [12] * 3 + [6] * 3 + [3] * 3,
            [3, 64, 64, 128, 128, *[256] * 3, *[512] * 6],
        )
        convolutions = sum(9 * s * s * a * b for s, a, b in zip(sides, widths[:-1], widths[1:], strict=True))
        assert runner.count_macs() == convolutions + 512 * 7


@pytest.mark.slow
def test_efficientnet_is_normalised_alike_from_the_internet_and_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keras' own file says deviations where its layer wants variances, and puts that right only where it loads it."""
    import keras

    shape = (32, 32, 3)
    source = keras.applications.EfficientNetB0(weights=None, include_top=False, input_shape=shape)
    normalise = next(layer for layer in source.layers if isinstance(layer, keras.layers.Normalization))
    normalise.set_weights([np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]), np.int32(0)])
    path = tmp_path / "b0.weights.h5"
    source.save_weights(path)
    monkeypatch.setattr("keras.src.applications.efficientnet.file_utils.get_file", lambda *a, **k: str(path))
    wanted = keras.applications.EfficientNetB0(weights="imagenet", include_top=False, input_shape=shape)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).repeat(3, axis=-1).astype("float32")
    for weights in ("imagenet", str(path)):
        runner = make("transfer[backbone=EfficientNetB0,unfreeze=0,size=32]")
        assert isinstance(runner, Transfer)
        runner.precision = "float32"
        core = runner.core(7, weights)
        features = keras.Model(core.input, core.get_layer("features").output)(pixels / 255)
        np.testing.assert_allclose(features, np.asarray(wanted(pixels)).mean(axis=(1, 2)), rtol=1e-3, atol=1e-4)


#: A layer of its own, a preprocessing inside, drawn depths, branches, cells that look back: one network of each kind.
KINDS = [("MobileNetV3Small", 32), ("ConvNeXtTiny", 32), ("EfficientNetV2B0", 32), ("DenseNet121", 32)]
RARE = [("InceptionResNetV2", 75), ("NASNetMobile", 48), ("Xception", 71), ("ResNet50V2", 32), ("EfficientNetB0", 32)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), [*KINDS, *RARE])
@pytest.mark.parametrize("recipe", ["tuned", "bottleneck"])
def test_networks_learn_and_come_back(name: str, side: int, recipe: str, tmp_path: Path) -> None:
    runner = make(f"transfer[backbone={name},size={side}]", recipe)
    assert isinstance(runner, Transfer)
    summary = fitted(runner, epochs=1)
    assert np.isfinite([summary.history[-1][measure] for measure in MEASURES]).all()
    found = runner.predict_proba(TEST.images)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    runner.save(tmp_path)
    again = make(f"transfer[backbone={name},size={side}]", recipe)
    again.load(tmp_path)
    np.testing.assert_allclose(again.predict_proba(TEST.images), found, atol=1e-6)


@pytest.mark.slow
def test_from_a_run_to_an_onnx_file(tiny_npz: Path, tmp_path: Path) -> None:
    def cli(*arguments: object) -> Any:
        done = CliRunner().invoke(
            main, [*map(str, arguments), "--data", str(tiny_npz), "--results", str(tmp_path / "r")]
        )
        assert done.exit_code == 0, done.output
        return done

    name = "transfer[backbone=MobileNetV3Small,unfreeze=0.15,size=32]"
    cli("run", name, "--recipe", "bottleneck", "--weights", "random", "--epochs", 1)
    told = json.loads(cli("export", name, "--output", tmp_path / "t.onnx", "--json").stdout)
    assert (tmp_path / "t.onnx").stat().st_size > 1_000_000
    assert told


# Mistakes.


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("backbone=efficientnetv2b0", "did you mean EfficientNetV2B0 or"),
        ("backbone=alexnet", "keras.applications has no 'alexnet'"),
        ("backbone=Xception,size=64", "parameter size: Xception takes images of 71 to 224 pixels a side, not 64"),
        (
            "backbone=Xception",
            "no parameter size, and image_size of recipe tuned: Xception takes images of 71 to 224 pixels",
        ),
        ("size=500", "32 to 224 pixels a side, not 500"),
        ("size=-1", "32 to 224 pixels a side, not -1"),
        ("size=many", "a number is wanted, like 0"),
        ("unfreeze=1.5", "unfreeze=1.5: a share from 0 (the classifier alone) to 1"),
        ("unfreeze=-0.1", "unfreeze=-0.1: a share from 0"),
        ("unfreeze=nan", "unfreeze=nan: a share from 0"),
        ("unfreeze=half", "unfreeze=half: a number is wanted, like 0.15"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(inside: str, words: str, tiny_npz: Path, tmp_path: Path) -> None:
    arguments = ["run", f"transfer[{inside}]", "--data", str(tiny_npz), "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_weights_of_another_network_are_refused_before_anything_runs(tiny_npz: Path, tmp_path: Path) -> None:
    import keras

    path = tmp_path / "small.weights.h5"
    keras.applications.MobileNetV3Small(weights=None, include_top=False, input_shape=(32, 32, 3)).save_weights(path)
    options = ["--weights", str(path), "--data", str(tiny_npz), "--results", str(tmp_path / "r"), "--dry-run"]

    def code(backbone: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["run", f"transfer[backbone={backbone}]", *options])
        return done.exit_code, done.stderr

    number, said = code("DenseNet121")
    assert number == 2
    assert "these are weights of MobileNetV3Small, and transfer wants those of DenseNet121" in said
    assert code("MobileNetV3Small")[0] == 0


def test_a_recipe_that_contradicts_the_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Transfer.recipes["tuned"]
    recipes = {
        "small": replace(own, image_size=64),
        "gray": replace(own, channels=1),
        "signed": replace(own, scaling="signed"),
        "strange": replace(own, stages=(Stage(1, 0.1, 16, "from-155"),)),
    }
    monkeypatch.setattr(Transfer, "recipes", {**Transfer.recipes, **recipes})
    assert Transfer("small", backbone="VGG16").side == Transfer("small", backbone="VGG16", size="64").side == 64
    assert Transfer("tuned", backbone="VGG16", size="64").side == 64
    for name, params, words in (
        ("small", {"size": 96}, "size=96: recipe small says image_size=64"),
        ("gray", {}, "channels=1"),
        ("signed", {}, "scaling=signed"),
        ("strange", {}, "a stage trains from-155; head and all are possible"),
    ):
        with pytest.raises(InputError, match=words):
            Transfer(name, **params)


def test_it_runs_where_it_is_named_alone() -> None:
    assert not any(spec.startswith("transfer") for spec in specs())
    assert {info.name: info.in_all for info in infos()} == {
        name: name != "transfer" for name in (info.name for info in infos())
    }
    assert get("transfer").info.demo_epochs
    assert make("transfer[unfreeze=0]").params == Transfer(unfreeze=0).params  # one key, however it is written
    assert json.dumps(Transfer(unfreeze=0).params["unfreeze"]) == "0.0"
