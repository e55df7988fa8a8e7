"""Every deep runner fits, predicts, saves and loads; and what is special to each of them holds."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eagerly import eagerly

from fer_bench.api.context import Context, FitSummary, Part
from fer_bench.api.registry import BUILTINS, get
from fer_bench.data.dataset import EMOTIONS
from fer_bench.errors import InputError
from fer_bench.runners.keras import KerasRunner

SIX = tuple(name for name in EMOTIONS if name != "fear")
#: Both recipes where a training step is compiled within seconds. What is slow shares its code with what is not.
FITS = [
    *(
        (name, recipe)
        for name in ("mlp", "custom-cnn", "stacked-cnn", "mini-xception")
        for recipe in ("published", "tuned")
    ),
    ("staged-cnn", "published"),
    ("vgg-bottleneck", "published"),
    ("vgg19-frozen", "published"),
    pytest.param(("inception-v3-flatten", "published"), marks=pytest.mark.slow),
    pytest.param(("vgg19-full", "published"), marks=pytest.mark.slow),
    pytest.param(("inception-v3", "published"), marks=pytest.mark.slow),
    pytest.param(("resnet50", "published"), marks=pytest.mark.slow),
    pytest.param(("resnet50", "tuned"), marks=pytest.mark.slow),
    pytest.param(("inception-v3", "tuned"), marks=pytest.mark.slow),
]
#: Not compiled: the nets of a recipe that is, and heads on features, of which test_bottleneck.py compiles a small one.
EAGER = {
    *((name, "tuned") for name in ("mlp", "custom-cnn", "stacked-cnn", "mini-xception")),
    *((name, "published") for name in ("vgg-bottleneck", "vgg19-frozen")),
}
FROZEN = {(name, "published") for name in ("vgg-bottleneck", "vgg19-frozen", "inception-v3", "inception-v3-flatten")}
Fitted = tuple[KerasRunner, FitSummary]


def part(count: int, classes: int = 7, seed: int = 0) -> Part:
    """Noise whose brightness tells the class."""
    labels = (np.arange(count) % classes).astype(np.int8)
    noise = np.random.default_rng(seed).normal(0, 20, (count, 48, 48))
    return Part(np.clip(30 + 30 * labels[:, None, None] + noise, 0, 255).astype(np.uint8), labels)


def fit(
    runner: KerasRunner, classes: tuple[str, ...] = EMOTIONS, epochs: int = 1, weights: str = "random"
) -> FitSummary:
    context = Context(classes, key="test", epochs=epochs, weights=weights)
    return runner.fit(part(28, len(classes)), part(14, len(classes), seed=1), context)


def runner_of(name: str, recipe: str = "published", **params: Any) -> KerasRunner:
    runner = get(name)(recipe, **params)
    assert isinstance(runner, KerasRunner)
    return runner


def initial_core(runner: KerasRunner) -> Any:
    """The model that ``fit`` above starts from: the same weights, drawn from the same seed."""
    import keras

    keras.utils.set_random_seed(Context(EMOTIONS, key="test").seed("init"))
    return runner.core(len(EMOTIONS), "random")


def assert_probabilities(found: np.ndarray, classes: int = 7) -> None:
    assert found.dtype == np.float32
    assert found.shape[1] == classes
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.fixture(scope="module", params=FITS, ids=lambda pair: "-".join(pair))
def fitted(request: pytest.FixtureRequest) -> Iterator[Fitted]:
    runner = runner_of(*request.param)
    with eagerly() if request.param in EAGER else nullcontext():
        yield runner, fit(runner)


def test_fits_predicts_saves_and_loads(fitted: Fitted, tmp_path: Path) -> None:
    runner, summary = fitted
    stages = len(runner.recipe.plan())
    assert summary.epochs_run == stages
    assert summary.epochs_planned == sum(stage.epochs for stage in runner.recipe.plan())
    assert summary.checkpoint == "validation"
    assert summary.init == "random"
    assert all(np.isfinite(row["loss"]) and np.isfinite(row["val_loss"]) for row in summary.history)
    images = part(9, seed=2).images
    found = runner.predict_proba(images)
    assert_probabilities(found)

    runner.save(tmp_path)
    loaded = type(runner)(runner.recipe_name, **runner.params)
    loaded.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(images), found)
    if (runner.info.name, runner.recipe_name) in FROZEN:
        assert_only_the_head_learned(runner)


def assert_only_the_head_learned(runner: KerasRunner) -> None:
    assert runner._model is not None
    before, after = initial_core(runner), runner._model.layers[-1]
    for old, new in zip(
        before.get_layer("backbone").get_weights(), after.get_layer("backbone").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, new)
    assert not np.array_equal(before.layers[-1].get_weights()[0], after.layers[-1].get_weights()[0])


def test_resnet50_stages_unfreeze_from_layer_155() -> None:
    runner = runner_of("resnet50")
    model = initial_core(runner)
    layers = model.get_layer("backbone").layers
    assert len(layers) == 175
    trainable = []
    for stage in runner.recipe.plan():
        runner.set_trainable(model, stage.trainable)
        trainable.append([layer.trainable for layer in layers])
        assert model.layers[-1].trainable
    assert trainable == [[False] * 175, [False] * 155 + [True] * 20]


@pytest.mark.parametrize(("recipe", "stay"), [("published", True), ("tuned", False)])
def test_resnet50_keeps_the_statistics_of_its_weights_as_its_source_does(recipe: str, stay: bool) -> None:
    """The source calls the backbone with training=False, where Keras calls all layers as the whole model is called."""
    import keras

    runner = runner_of("resnet50", recipe)
    model = initial_core(runner)
    runner.set_trainable(model, runner.recipe.plan()[-1].trainable)
    backbone = model.get_layer("backbone")
    last = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)][-1]
    assert last.trainable
    assert len(last.trainable_weights) == 2
    before = [np.array(weights) for weights in last.non_trainable_weights]
    model(np.random.default_rng(0).random((8, 48, 48, 3), np.float32), training=True)
    kept = [np.array_equal(old, new) for old, new in zip(before, last.non_trainable_weights, strict=True)]
    assert kept == [stay, stay]


def test_every_deep_runner_is_described() -> None:
    for name in BUILTINS:
        cls = get(name)
        if issubclass(cls, KerasRunner):
            info = cls.info
            assert (info.name, info.family) == (name, "deep")
            assert info.summary
            assert info.source
            assert info.demo_epochs
            if not info.source.startswith("none"):
                assert info.published
                assert next(iter(cls.recipes)) == "published"
                assert "tuned" in cls.recipes


def test_import_leaves_keras_alone() -> None:
    modules = {target.split(":")[0] for target in BUILTINS.values()}
    code = f"import sys, {', '.join(sorted(modules))}; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mlp_published_survives_dead_outputs() -> None:
    runner = runner_of("mlp")
    core = runner.core(7, "random")
    last = core.layers[-2]
    kernel, bias = last.get_weights()
    assert last.activation.__name__ == "relu"
    last.set_weights([kernel, bias - 1e6])
    runner.assemble(core)
    np.testing.assert_allclose(runner.predict_proba(part(3).images), 1 / 7, rtol=1e-6)


@pytest.mark.parametrize(("recipe", "activation"), [("published", "linear"), ("tuned", "relu")])
def test_custom_cnn_convolutions(recipe: str, activation: str) -> None:
    core = runner_of("custom-cnn", recipe).core(7, "random")
    found = [layer.activation.__name__ for layer in core.layers if layer.__class__.__name__ == "Conv2D"]
    assert found == [activation] * 3


@pytest.mark.parametrize("side", [60, 15])
def test_mini_xception_residual_is_a_strided_convolution(side: int) -> None:
    from keras import layers, ops

    x = np.random.default_rng(0).random((2, side, side, 8), dtype=np.float32)
    strided = layers.Conv2D(16, 1, strides=2, padding="same", use_bias=False)
    wanted = ops.convert_to_numpy(strided(x))
    core = runner_of("mini-xception").core(7, "random")
    pooling = next(layer for layer in core.layers if getattr(layer, "pool_size", None) == (1, 1))
    plain = layers.Conv2D(16, 1, use_bias=False)
    plain.build((None, None, None, 8))
    plain.set_weights(strided.get_weights())
    np.testing.assert_allclose(ops.convert_to_numpy(plain(pooling(x))), wanted, rtol=1e-6)


def test_vgg_preprocessing_is_keras_own() -> None:
    import keras

    from fer_bench.runners.shared import vgg_preprocessing

    pixels = np.repeat(part(4).images[..., None], 3, axis=-1).astype("float32")
    wanted = keras.applications.vgg19.preprocess_input(pixels.copy())
    found = keras.ops.convert_to_numpy(vgg_preprocessing()(pixels / 255))
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize("params", [{"n": 0}, {"m": 6}, {"k": -1}, {"filters": 100_000}, {"m": "many"}])
def test_stacked_cnn_refuses_impossible_shapes(params: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(params))):
        runner_of("stacked-cnn", **params)


def test_vgg_bottleneck_extracts_features_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_bench.training import fit as training

    passed: list[int] = []
    predict = training.predict
    monkeypatch.setattr(training, "predict", lambda model, x: passed.append(len(x)) or predict(model, x))
    runner = runner_of("vgg-bottleneck", backbone="vgg16")
    summary = fit(runner, epochs=5)
    assert passed == [28, 14]
    assert summary.epochs_run == 5
    monkeypatch.undo()
    # What the classifier learned on features is what predicts from images.
    labels = part(28).labels
    probabilities = runner.predict_proba(part(28).images)
    assert_probabilities(probabilities)
    loss = -np.log(probabilities[np.arange(28), labels]).mean()
    untrained = runner_of("vgg-bottleneck", backbone="vgg16")
    untrained.assemble(initial_core(untrained))
    assert loss < -np.log(untrained.predict_proba(part(28).images)[np.arange(28), labels]).mean()


def test_vgg_bottleneck_refuses_other_backbones() -> None:
    with pytest.raises(InputError, match="backbone=alexnet"):
        runner_of("vgg-bottleneck", backbone="alexnet")


def test_staged_cnn_head_stage_draws_a_new_last_layer() -> None:
    runner = runner_of("staged-cnn")
    core = initial_core(runner)
    before = core.get_weights()
    runner.set_trainable(core, "head")
    *body, kernel, _ = core.get_weights()
    for old, new in zip(before, body, strict=False):
        np.testing.assert_array_equal(old, new)
    assert not np.array_equal(before[-2], kernel)
    assert [w.path for w in core.trainable_weights] == [w.path for w in core.layers[-1].weights]
    runner.set_trainable(core, "all")
    assert len(core.trainable_weights) == len(before)
    np.testing.assert_array_equal(core.get_weights()[-2], kernel)


def test_staged_cnn_takes_seven_class_weights_into_six_classes(eager: None, tmp_path: Path) -> None:
    pretrained = runner_of("staged-cnn")
    core = initial_core(pretrained)
    path = tmp_path / "seven.weights.h5"
    core.save_weights(path)

    runner = runner_of("staged-cnn")
    started: list[list[np.ndarray]] = []
    set_trainable = runner.set_trainable

    def watched(model: Any, trainable: str) -> None:
        started.append(model.get_weights())
        set_trainable(model, trainable)

    runner.set_trainable = watched  # type: ignore[method-assign]
    summary = fit(runner, SIX, weights=str(path))
    assert summary.init == "file:seven.weights.h5"
    assert [row["stage"] for row in summary.history] == [1, 2, 3]
    for saved, loaded in zip(core.get_weights()[:-2], started[0], strict=False):
        np.testing.assert_array_equal(saved, loaded)
    assert_probabilities(runner.predict_proba(part(5).images), classes=6)


def test_mlp_takes_its_hidden_layers_as_a_parameter() -> None:
    layers = [2304, 100, 50, 7]
    wanted = sum((before + 1) * after for before, after in itertools.pairwise(layers))
    assert runner_of("mlp", hidden="100-50").count_parameters()["total"] == wanted
    for wrong in ("", "512-", "0", "512-x", "9999", "-5", "5²"):
        with pytest.raises(InputError, match=r"parameter hidden=.*512-256-128-64-16"):
            runner_of("mlp", hidden=wrong)


def test_inception_with_batch_statistics_learns_the_head_alone_and_keeps_its_averages() -> None:
    """Keras before 2.1.3: frozen batch normalisation normalises by the batch, and its moving averages stay."""
    import keras

    runners = {how: runner_of("inception-v3", statistics=how) for how in ("moving", "batch")}
    models = {how: runner.build((75, 75, 3), 7) for how, runner in runners.items()}
    models["batch"].set_weights(models["moving"].get_weights())
    trainable = [[weight.shape for weight in model.trainable_weights] for model in models.values()]
    assert trainable[0] == trainable[1] == [(2048, 1024), (1024,), (1024, 7), (7,)]
    images = np.random.default_rng(0).random((4, 75, 75, 3), "float32")
    predicted = {how: np.asarray(model(images)) for how, model in models.items()}
    np.testing.assert_allclose(predicted["moving"], predicted["batch"], atol=1e-6)
    before = models["batch"].get_layer("backbone").get_weights()
    while_training = {how: np.asarray(model(images, training=True)) for how, model in models.items()}
    np.testing.assert_allclose(while_training["moving"], predicted["moving"], atol=1e-6)
    assert np.abs(while_training["batch"] - predicted["batch"]).max() > 1e-3
    for one, other in zip(before, models["batch"].get_layer("backbone").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert isinstance(models["batch"], keras.Model)
    with pytest.raises(InputError, match="moving and batch are possible"):
        runner_of("inception-v3", statistics="none")


@pytest.mark.parametrize(("name", "features"), [("vgg19-full", 512), ("vgg-bottleneck", 512)])
def test_a_tuned_classifier_begins_near_the_loss_of_chance(name: str, features: int) -> None:
    """Features of ImageNet's weights reach 144; a fresh softmax on them began with a loss of 15."""
    import keras

    runner = runner_of(name, "tuned")
    model = runner.core(7, "random")
    normalise = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    head = keras.Model(normalise.input, model.outputs[0])
    wild = np.random.default_rng(0).gamma(0.3, 40, (64, features)).astype("float32")
    truth = np.arange(64) % 7
    loss = -np.log(np.asarray(head(wild, training=True))[np.arange(64), truth]).mean()
    assert loss < 3.5
