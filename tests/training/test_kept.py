"""Kept epochs in the training loop itself: stages, averaged weights, several trainings, a full disk, a state of
before.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_bench.api.context import Context, FitSummary
from fer_bench.api.recipe import Recipe, Stage
from fer_bench.runners.series import Series
from fer_bench.training import resume
from fer_bench.training.kept import epoch_file, forget, hand_over, kept_epochs

CLASSES = ("a", "b", "c")


@pytest.fixture(autouse=True, params=["fit", "epoch"] if os.environ.get("KERAS_BACKEND") == "jax" else ["fit"])
def loop(request: pytest.FixtureRequest, eager: None, monkeypatch: pytest.MonkeyPatch) -> str:
    from fer_bench.training.fit import train

    monkeypatch.setitem(train.__kwdefaults__, "loop", request.param)
    monkeypatch.setattr(resume, "SHARE", float("inf"))
    return request.param


def data(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 5) float32 and labels (n,) int8 that a linear model can learn in part."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 3).astype(np.int8)
    return (rng.normal(size=(n, 5)) + np.eye(3, 5)[labels]).astype("float32"), labels


def net() -> Any:
    import keras

    keras.utils.set_random_seed(3)
    layers = [keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((5,)), *layers])


def run(recipe: Recipe, folder: Path, model: Any = None, **context: Any) -> FitSummary:
    from fer_bench.training.fit import train

    given = Context(CLASSES, **{"kept": folder, **context})
    return train(model or net(), *data(60, 0), None, *data(30, 1), recipe, given)


def improving(summary: FitSummary, stage: int = 1) -> list[int]:
    rows = [(int(row["epoch"]), row["val_loss"]) for row in summary.history if row["stage"] == stage]
    return [epoch for number, (epoch, loss) in enumerate(rows) if all(loss < other for _, other in rows[:number])]


RECIPE = Recipe(epochs=6, batch=20, learning_rate=0.2)


@pytest.mark.parametrize(
    "recipe",
    [RECIPE, Recipe(epochs=6, batch=20, learning_rate=0.1, optimizer="sgd", ema=0.8)],
    ids=["plain", "averaged"],
)
def test_the_best_of_them_is_what_the_training_ends_with(recipe, tmp_path):
    model, other = net(), net()
    summary = run(recipe, tmp_path / "kept", model)
    assert kept_epochs(tmp_path / "kept") == improving(summary) == summary.extra["kept_epochs"]
    assert [path.name for path in (tmp_path / "kept").iterdir() if path.name.startswith("new")] == []
    other.load_weights(epoch_file(tmp_path / "kept", summary.best_epoch))
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_only_the_last_stage_is_kept_with_the_numbers_of_the_history(tmp_path):
    recipe = Recipe(stages=(Stage(3, 0.1, 20, "all"), Stage(4, 0.2, 20, "all")))
    summary = run(recipe, tmp_path)
    kept = kept_epochs(tmp_path)
    assert kept == improving(summary, stage=2)
    assert kept[0] == 4
    assert kept[-1] == summary.best_epoch


def test_of_several_trainings_the_last_is_kept(tmp_path):
    series = Series(Context(CLASSES, workdir=tmp_path, kept=tmp_path / "kept"), 2)
    for name in ("member-1", "student"):
        series.fit(
            name, lambda context: run(RECIPE, context.kept, **{k: getattr(context, k) for k in ("epochs_before",)})
        )
        assert bool(kept_epochs(tmp_path / "kept")) == (name == "student")
    summary = series.summary()
    assert kept_epochs(tmp_path / "kept") == improving(summary, stage=2)
    assert kept_epochs(tmp_path / "kept")[0] == 7
    assert summary.best_epoch in kept_epochs(tmp_path / "kept")


def test_none_is_kept_of_a_training_that_was_lost(tmp_path):
    (tmp_path / "kept").mkdir()
    for epoch in (2, 40):
        epoch_file(tmp_path / "kept", epoch).write_bytes(b"of a training whose state can't be read any more")
    summary = run(RECIPE, tmp_path / "kept")
    assert kept_epochs(tmp_path / "kept") == improving(summary)


def test_a_training_that_went_on_without_keeping_says_so(tmp_path):
    notes: list[str] = []
    context = {"workdir": tmp_path, "report": lambda event: notes.extend([event["note"]] if "note" in event else [])}
    run(RECIPE, None, **context)
    summary = run(RECIPE, tmp_path / "kept", **context)
    assert summary.extra["kept_epochs"] == []
    assert "not among the kept ones" in notes[-1]


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch):
    import keras

    save, calls, notes = keras.Model.save_weights, [], []

    def fails_once(self: Any, path: Path, **kwargs: Any) -> None:
        save(self, path, **kwargs)
        calls.append(path)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keras.Model, "save_weights", fails_once)
    summary = run(RECIPE, tmp_path, report=lambda event: notes.extend([event["note"]] if "note" in event else []))
    assert notes == ["can't keep epoch 1 (No space left on device); goes on without"]
    assert kept_epochs(tmp_path) == improving(summary)[1:]
    assert len(list(tmp_path.iterdir())) == len(improving(summary)) - 1


def test_files_are_handed_over_with_links_or_without(tmp_path, monkeypatch):
    one = tmp_path / "one"
    one.mkdir()
    for epoch in (1, 18, 1000):
        epoch_file(one, epoch).write_bytes(b"%d" % epoch)
    (one / "new-epoch-002.weights.h5").write_bytes(b"half")
    hand_over(one, tmp_path / "linked")
    monkeypatch.setattr(os, "link", lambda *names: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    hand_over(one, tmp_path / "copied")
    forget(one, after=1)
    assert kept_epochs(one) == [1]
    for folder in (tmp_path / "linked", tmp_path / "copied"):
        assert kept_epochs(folder) == [1, 18, 1000]
        assert epoch_file(folder, 18).read_bytes() == b"18"
    hand_over(tmp_path / "none", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
