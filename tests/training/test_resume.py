"""A training that is broken off in some epoch, and taken up again, ends as one that was not: to the last bit."""

from __future__ import annotations

import errno
import io
import json
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_bench.api.context import Context, FitSummary, Part
from fer_bench.api.recipe import Augmentation, EarlyStopping, Recipe, ReduceLR, Stage
from fer_bench.training import resume
from fer_bench.training.resume import Checkpoint

CLASSES = ("a", "b", "c")


class PowerCut(BaseException):
    """What no code that runs expects."""


@pytest.fixture(autouse=True)
def after_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long saving takes."""
    monkeypatch.setattr(resume, "SHARE", float("inf"))


@pytest.fixture(params=["fit", "epoch"] if os.environ.get("KERAS_BACKEND") == "jax" else ["fit"])
def loop(request: pytest.FixtureRequest, eager: None, monkeypatch: pytest.MonkeyPatch) -> str:
    from fer_bench.training.fit import train

    monkeypatch.setitem(train.__kwdefaults__, "loop", request.param)
    return request.param


def images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 6, 6, 1) uint8 whose brightness tells the class of three, as far as noise lets it, and labels (n,) int8."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 3).astype(np.int8)
    return np.clip(60 * labels[:, None, None, None] + rng.integers(0, 150, (n, 6, 6, 1)), 0, 255).astype(
        np.uint8
    ), labels


def net() -> Any:
    """With all that has a state: batch normalisation, dropout, augmentation. No two are made with the same weights."""
    import keras

    from fer_bench.training.augment import Augment

    keras.utils.set_random_seed(net.made)
    net.made += 1
    return keras.Sequential(
        [
            keras.Input((6, 6, 1), dtype="uint8"),
            Augment(Augmentation(noise=0.1, flip=True), seed=4),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3, seed=5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


net.made = 0


def run(
    recipe: Recipe, model: Any, folder: Path | None, *, cut_in: int | None = None, right: bool = True
) -> tuple[FitSummary, list[str]]:
    """Trains, up to a power cut at the end of epoch ``cut_in``, before that one is saved; the summary and all notes."""
    from fer_bench.training.fit import train

    notes = []

    def report(event: Any) -> None:
        if "note" in event:
            notes.append(event["note"])
        elif event["epoch"] == cut_in and event["step"] == event["steps"] and event["val_accuracy"] is not None:
            raise PowerCut

    def set_trainable(word: str) -> None:
        head = model.layers[-1]
        for layer in model.layers[:-1]:
            layer.trainable = word != "head"
        if word == "head":
            head.kernel.assign(head.kernel_initializer.clone()(head.kernel.shape))

    val_x, val_y = images(20, seed=2)
    if not right:
        val_y = ((val_y + 1) % 3).astype(np.int8)
    context = Context(CLASSES, key="a job", workdir=folder, report=report)
    summary = train(model, *images(50, seed=1), None, val_x, val_y, recipe, context, set_trainable=set_trainable)
    return summary, notes


def told(summary: FitSummary) -> Any:
    """All of a summary that is no time."""
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in summary.history]
    return history, summary.epochs_run, summary.epochs_planned, summary.best_epoch, summary.stopped, summary.checkpoint


PLAIN = Recipe(epochs=4, batch=20, learning_rate=0.01)
RECIPES = {
    "adam, the rate falls": replace(PLAIN, reduce_lr=ReduceLR("val_loss", factor=0.5, patience=1)),
    "sgd, cosine": replace(PLAIN, optimizer="sgd", schedule="cosine", warmup_epochs=1, monitor="val_accuracy"),
    "stops early": replace(PLAIN, epochs=9, early_stopping=EarlyStopping("val_loss", patience=3)),
    "the weights are averaged": replace(PLAIN, optimizer="sgd", ema=0.9, monitor="val_accuracy"),
    "validation is augmented": replace(PLAIN, augment_validation=True, augmentation=Augmentation(noise=0.2)),
    "stages": replace(PLAIN, optimizer="adamw", stages=(Stage(2, 0.01, 20, "all"), Stage(2, 0.02, 30, "head"))),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_goes_on_to_the_same_end(name, loop, tmp_path):
    recipe, right = RECIPES[name], name in ("sgd, cosine", "stages")
    model = net()
    start = model.get_weights()
    net.made = 7
    whole = net()
    whole.set_weights(start)
    undisturbed, notes = run(recipe, whole, None, right=right)
    assert notes == []
    if name == "adam, the rate falls":
        assert undisturbed.history[-1]["learning_rate"] < 0.01
    if name == "stops early":
        assert undisturbed.stopped == "early"
    for cut_in in (2, len(undisturbed.history)):
        folder = tmp_path / f"{cut_in}"
        folder.mkdir()
        cut = net()
        cut.set_weights(start)
        with pytest.raises(PowerCut):
            run(recipe, cut, folder, cut_in=cut_in, right=right)
        again = net()
        summary, notes = run(recipe, again, folder, right=right)
        total = sum(stage.epochs for stage in recipe.plan())
        assert notes == [f"goes on at epoch {cut_in} of {total}"]
        assert told(summary) == told(undisturbed)
        for ours, theirs in zip(again.variables, whole.variables, strict=True):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs), err_msg=f"{cut_in}: {ours.path}")


def test_cut_again_and_again(loop, tmp_path):
    for cut_in in (2, 3, 4):
        with pytest.raises(PowerCut):
            run(PLAIN, net(), tmp_path, cut_in=cut_in)
    summary, notes = run(PLAIN, net(), tmp_path)
    assert notes == ["goes on at epoch 4 of 4"]
    assert [row["epoch"] for row in summary.history] == [1, 2, 3, 4]


def test_a_training_that_is_over_is_not_begun_again(loop, tmp_path):
    model, other = net(), net()
    summary, _ = run(PLAIN, model, tmp_path)
    again, notes = run(PLAIN, other, tmp_path)
    assert notes == ["goes on at its last epoch's end"]
    assert told(again) == told(summary)
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def arrays_of(folder: Path) -> Path:
    (path,) = folder.glob("arrays-*.npz")
    return path


def flip_a_byte(folder: Path) -> None:
    path = arrays_of(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def packed(folder: Path) -> None:
    """A megabyte of zeros in a kilobyte."""
    np.savez_compressed(arrays_of(folder), x=np.zeros(1 << 17))


def claiming(folder: Path) -> None:
    """A header of more numbers than any memory has."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**13,)})
    with zipfile.ZipFile(arrays_of(folder), "w") as archive:
        archive.writestr("x.npy", header.getvalue())


def another_backend(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_text())
    state["made_by"]["backend"] = "abacus"
    (folder / "state.json").write_text(json.dumps(state))


@pytest.mark.parametrize(
    ("harm", "note"),
    [
        (flip_a_byte, "can't be read"),
        (lambda folder: arrays_of(folder).unlink(), "can't be read"),
        (lambda folder: arrays_of(folder).write_bytes(arrays_of(folder).read_bytes()[:500]), "can't be read"),
        (lambda folder: (folder / "state.json").write_text('{"made_by": '), "can't be read"),
        (lambda folder: (folder / "state.json").write_text("[]"), "can't be read"),
        (packed, "that unpack to"),
        (claiming, "claims a shape of (10000000000000,)"),
        (another_backend, "backend abacus, now"),
    ],
)
def test_a_state_that_is_of_no_use_is_told_once(harm, note, tmp_path):
    notes: list[str] = []
    context = Context(CLASSES, workdir=tmp_path, report=lambda event: notes.append(event["note"]))
    Checkpoint(context, {"backend": "tensorflow"}).save("here", {}, lambda: {"x": np.arange(300)})
    harm(tmp_path)
    assert Checkpoint(context, {"backend": "tensorflow"}).load() is None
    (told_note,) = notes
    assert note in told_note
    assert told_note.endswith("starts anew")
    assert "\n" not in told_note
    assert context.seconds == {}


def test_another_model_starts_anew(loop, tmp_path):
    import keras

    with pytest.raises(PowerCut):
        run(PLAIN, net(), tmp_path, cut_in=3)
    small = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    )
    summary, (note,) = run(PLAIN, small, tmp_path)
    assert "other layers" in note
    assert [row["epoch"] for row in summary.history] == [1, 2, 3, 4]


def saved(folder: Path, **progress: Any) -> Checkpoint:
    checkpoint = Checkpoint(Context(CLASSES, workdir=folder), {})
    checkpoint.save("here", progress, lambda: {"x": np.arange(5)})
    return checkpoint


@pytest.mark.parametrize("call", range(12))
def test_one_whole_state_stands_whenever_the_power_goes(call, tmp_path, monkeypatch):
    """A cut before each call that changes the disk: what is read then is the state before, or the new one."""
    saved(tmp_path, n=1)
    calls = 0

    def cut(function: Any) -> Any:
        def until(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            if calls == call:
                raise PowerCut
            calls += 1
            return function(*args, **kwargs)

        return until

    monkeypatch.setattr(Path, "replace", cut(Path.replace))
    monkeypatch.setattr(Path, "unlink", cut(Path.unlink))
    monkeypatch.setattr(Path, "open", cut(Path.open))
    monkeypatch.setattr(os, "fsync", cut(os.fsync))
    checkpoint = Checkpoint(Context(CLASSES, workdir=tmp_path), {})
    try:
        checkpoint.save("there", {"n": 2}, lambda: {"x": np.arange(7)})
        whole = True
    except PowerCut:
        whole = False
    monkeypatch.undo()
    assert whole or call < 11, "more calls than are cut here"
    state = Checkpoint(Context(CLASSES, workdir=tmp_path), {}).load()
    assert state is not None
    assert (state.progress["n"], len(state.arrays["x"])) in ([(2, 7)] if whole else [(1, 5), (2, 7)])


def test_a_full_disk_costs_the_state_and_not_the_training(loop, tmp_path, monkeypatch):
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    summary, notes = run(PLAIN, net(), tmp_path)
    assert len(summary.history) == 4
    assert all("No space left on device" in note for note in notes)
    assert notes
    assert list(tmp_path.iterdir()) == []


def test_saving_takes_its_share_of_the_time_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SHARE", 0.1)
    checkpoint = Checkpoint(Context(CLASSES, workdir=tmp_path), {})
    saves, begun = 0, time.monotonic()
    while time.monotonic() - begun < 1.2:
        if checkpoint.due:
            saves += 1
            checkpoint.save("here", {}, lambda: (time.sleep(0.02), {})[1])
    assert 1 <= saves <= 6  # of 20 ms at least each: 0.12 s of 1.2


def test_clocks_go_on(tmp_path):
    first = Context(CLASSES, workdir=tmp_path)
    first.seconds["train"] = 100.0
    first.begun -= 130
    with first.phase("validate"):
        time.sleep(0.02)
        Checkpoint(first, {}).save("here", {}, lambda: {})
    second = Context(CLASSES, workdir=tmp_path)
    second.seconds["train"] = 1.0
    assert Checkpoint(second, {}).load() is not None
    assert second.seconds["train"] == 101.0
    assert second.seconds["validate"] >= 0.02
    assert 130 <= time.perf_counter() - second.begun < 160


def test_number_types_come_back(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    given = [np.arange(3, dtype=kind) for kind in ("float32", "float16", "int64", "uint32", ml_dtypes.bfloat16)]
    context = Context(CLASSES, workdir=tmp_path)
    Checkpoint(context, {}).save("here", {}, lambda: {f"x/{i}": array for i, array in enumerate(given)})
    state = Checkpoint(context, {}).load()
    assert state is not None
    assert [str(state.arrays[f"x/{i}"].dtype) for i in range(5)] == ["float32", "float16", "int64", "uint32", "float32"]
    for number, array in enumerate(given):
        np.testing.assert_array_equal(state.arrays[f"x/{number}"], array.astype(np.float64))


def test_nothing_is_kept_without_a_folder(loop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(PLAIN, net(), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("validated", [True, False])
def test_boosting_goes_on_to_the_same_trees(validated, tmp_path, monkeypatch):
    from fer_bench.runners import xgboost
    from fer_bench.runners.xgboost import XGBoost

    monkeypatch.setattr(xgboost, "STRETCH", 3)

    rng = np.random.default_rng(3)

    def part(n: int) -> Part:
        labels = (np.arange(n) % 3).astype(np.int8)
        return Part(
            np.clip(60 * labels[:, None, None] + rng.normal(0, 90, (n, 48, 48)), 0, 255).astype(np.uint8), labels
        )

    train, held = part(60), part(30).images
    wrong = Part(part(20).images, ((np.arange(20) + 1) % 3).astype(np.int8))
    validation = wrong if validated else None

    def fit(folder: Path | None, cut_in: int | None = None) -> tuple[Any, Any, list[str]]:
        notes = []

        def report(event: Any) -> None:
            if "note" in event:
                notes.append(event["note"])
            elif event["epoch"] == cut_in:
                raise PowerCut

        runner = XGBoost()
        runner.recipe = replace(runner.recipe, early_stopping=EarlyStopping("val_loss", patience=4), epochs=25)
        summary = runner.fit(train, validation, Context(CLASSES, key="a job", workdir=folder, report=report))
        return runner, summary, notes

    whole, undisturbed, _ = fit(None)
    assert (undisturbed.stopped == "early") == validated
    for cut_in in (4, len(undisturbed.history)):
        folder = tmp_path / f"{cut_in}"
        folder.mkdir()
        with pytest.raises(PowerCut):
            fit(folder, cut_in)
        again, summary, notes = fit(folder)
        assert notes == [f"goes on at round {(cut_in - 1) // 3 * 3 + 1} of 25"]
        assert told(summary) == told(undisturbed)
        np.testing.assert_array_equal(again.predict_proba(held), whole.predict_proba(held))
