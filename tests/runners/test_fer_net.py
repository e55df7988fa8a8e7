"""fer-net: it learns, looks at its window alone, and distils what its members think."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_bench.api.context import Context, FitSummary, Part
from fer_bench.errors import InputError
from fer_bench.runners.fer_net import FerNet
from fer_bench.runners.keras import KerasRunner
from fer_bench.training import resume

CLASSES = tuple("abc")


class PowerCut(BaseException):
    """What no code that runs expects."""


def part(count: int, seed: int = 0) -> Part:
    """Noise with a bright square, whose place tells the class of three."""
    labels = (np.arange(count) % 3).astype(np.int8)
    images = np.random.default_rng(seed).normal(80, 30, (count, 48, 48))
    for image, label in zip(images, labels, strict=True):
        image[20:30, 8 + 12 * label : 16 + 12 * label] += 90
    return Part(np.clip(images, 0, 255).astype(np.uint8), labels)


class Quick(FerNet):
    """A net that is trained in no time, for what fer-net does with several."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> Any:
        from keras import Input, Sequential, layers

        body = [layers.AveragePooling2D(4), layers.Flatten(), layers.Dense(8, "relu"), layers.BatchNormalization()]
        return Sequential([Input(input_shape), *body, layers.Dense(classes, "softmax")])


def net(recipe: str = "cpu", epochs: int = 1, kind: type[FerNet] = FerNet, **params: Any) -> FerNet:
    """A small one, whose epochs have a few small batches of hardly changed images."""
    runner = kind(recipe, width=4, **params)
    options = dict(runner.recipe.options) | {"dense": 16, "dropout": 0.1}
    if recipe == "distilled":
        options["members"] = 2
    # Mirroring would move the square.
    augmentation = replace(runner.recipe.augmentation, flip=False, erase=0.0, mixup=0.0, cutmix=0.0)
    changes: dict[str, Any] = {"augmentation": augmentation, "options": tuple(options.items()), "epochs": epochs}
    runner.recipe = replace(runner.recipe, batch=30, warmup_epochs=1, **changes)
    return runner


@pytest.mark.parametrize(("arch", "epochs"), [("vgg", 5), pytest.param("resnet", 1, marks=pytest.mark.slow)])
def test_it_learns_and_looks_at_its_window_alone(arch: str, epochs: int, tmp_path: Path) -> None:
    runner, held = net(epochs=epochs, arch=arch), part(90, seed=2)
    summary = runner.fit(part(120), part(60, seed=1), Context(CLASSES, key="k"))
    assert all(np.isfinite(row["loss"]) and np.isfinite(row["val_loss"]) for row in summary.history)
    probabilities = runner.predict_proba(held.images)
    if arch == "vgg":
        assert (probabilities.argmax(axis=1) == held.labels).mean() > 0.6
    framed = held.images.copy()
    framed[:, :2], framed[:, -2:], framed[:, :, :2], framed[:, :, -2:] = 0, 255, 255, 0
    np.testing.assert_array_equal(runner.predict_proba(framed), probabilities)
    framed[:, 2] = 255
    assert np.abs(runner.predict_proba(framed) - probabilities).max() > 1e-4
    runner.save(tmp_path)
    again = FerNet("cpu", width=4, arch=arch)
    again.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(held.images), probabilities)


def alone(name: str, train: Part) -> tuple[FerNet, FitSummary]:
    """A member trained in a run of its own, from the seeds that it has in the run called "k"."""
    member = net("distilled", epochs=2, kind=Quick)
    member.recipe = replace(
        member.recipe, options=tuple(pair for pair in member.recipe.options if pair[0] != "members")
    )
    return member, member.fit(train, part(30, seed=1), Context(CLASSES, key=f"k/{name}"))


def test_the_student_learns_from_labels_and_what_its_members_think(
    eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Part] = []
    fit = KerasRunner.fit

    def watched(self: KerasRunner, train: Part, validation: Part | None, context: Context) -> FitSummary:
        seen.append(train)
        return fit(self, train, validation, context)

    train, events, student = part(60), [], net("distilled", epochs=2, kind=Quick)
    with monkeypatch.context() as patch:
        patch.setattr(KerasRunner, "fit", watched)
        summary = student.fit(train, part(30, seed=1), Context(CLASSES, key="k", report=events.append))
    members = [alone(name, train) for name in ("member-1", "member-2")]
    views = (train.images, train.images[:, :, ::-1])
    thoughts = np.mean([member.predict_proba(view) for member, _ in members for view in views], axis=0)
    assert np.abs(members[0][0].predict_proba(train.images) - members[1][0].predict_proba(train.images)).max() > 1e-3
    assert [one.labels.ndim for one in seen] == [1, 1, 2]
    np.testing.assert_allclose(seen[2].labels, 0.7 * thoughts + 0.3 * np.eye(3)[train.labels], atol=1e-4)
    np.testing.assert_allclose(seen[2].labels.sum(axis=1), 1, atol=1e-5)
    assert [(row["stage"], row["epoch"]) for row in summary.history] == [(1, 1), (1, 2), (2, 3), (2, 4), (3, 5), (3, 6)]
    losses = [row["loss"] for _, own in members for row in own.history]
    assert [row["loss"] for row in summary.history[:4]] == pytest.approx(losses, rel=1e-3)
    assert (summary.epochs_run, summary.epochs_planned) == (6, 6)
    assert list(summary.extra["trainings"]) == ["member-1", "member-2", "student"]
    assert {(event["epoch"], event["epochs"]) for event in events} == {(epoch, 6) for epoch in range(1, 7)}


def test_a_distillation_goes_on_in_the_net_where_it_was(
    eager: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "SHARE", float("inf"))

    def fit(folder: Path | None, cut_in: int | None = None) -> tuple[FerNet, FitSummary, list[str]]:
        notes = []

        def report(event: Any) -> None:
            if "note" in event:
                notes.append(event["note"])
            elif event["epoch"] == cut_in and event["step"] == event["steps"] and event["val_accuracy"] is not None:
                raise PowerCut

        runner = net("distilled", epochs=2, kind=Quick)
        summary = runner.fit(part(60), part(30, seed=1), Context(CLASSES, key="k", workdir=folder, report=report))
        return runner, summary, notes

    whole, undisturbed, _ = fit(None)
    for cut_in, wanted in ((4, "member-2"), (6, "student")):
        with pytest.raises(PowerCut):
            fit(tmp_path, cut_in)
        assert resume.goes_on_at(tmp_path) == f"{wanted} epoch 2 of 2"
    again, summary, notes = fit(tmp_path)
    assert notes == [
        "member-1 goes on at its last epoch's end",
        "member-2 goes on at its last epoch's end",
        "student goes on at epoch 2 of 2",
    ]
    kept, all_at_once = (
        [{name: value for name, value in row.items() if name != "seconds"} for row in one.history]
        for one in (summary, undisturbed)
    )
    assert [row["loss"] for row in kept] == pytest.approx([row["loss"] for row in all_at_once], rel=1e-4)
    images = part(9, seed=3).images
    np.testing.assert_allclose(again.predict_proba(images), whole.predict_proba(images), atol=1e-4)


@pytest.mark.parametrize("params", [{"arch": "lenet"}, {"width": -1}, {"width": 10_000}, {"se": "maybe"}])
def test_impossible_parameters(params: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(params))):
        FerNet("cpu", **params)
