"""Stored runs for tests: records with the files beside them, all of the same predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from made_records import record

from fer_bench.data.dataset import EMOTIONS
from fer_bench.records.store import StoredRun
from fer_bench.scores.metrics import score

#: (labels, probabilities)
Part = tuple[np.ndarray, np.ndarray]


def part(images: int, right: float, seed: int = 0, classes: int = 7) -> Part:
    """Labels (N,) int8 and float16 probabilities (N, C) whose top one is right for about a share ``right``."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images).astype(np.int8)
    guess = np.where(rng.random(images) < right, labels, rng.integers(0, classes, images))
    noise = rng.dirichlet(np.ones(classes), images)
    sure = rng.uniform(0.3, 0.9, (images, 1))
    return labels, (sure * np.eye(classes)[guess] + (1 - sure) * noise).astype(np.float16)


def stored(
    folder: Path,
    runner: str,
    test: Part,
    validation: Part | None = None,
    *,
    seen: np.ndarray | None = None,
    history: list[float] | None = None,
    train: Part | None = None,
    **changes: Any,
) -> StoredRun:
    """A run with scores and predictions of ``test`` and ``validation``; ``history``: the training accuracy of each
    epoch.

    ``train``: predictions of the training part, which no run keeps, and its scores does.
    """
    made = record(runner, **changes)
    made = made.model_copy(update={"job": made.job.model_copy(update={"test_images": len(test[0])})})
    classes = made.job.classes
    scores = {"scores": score(*test, classes, np.zeros(len(test[0]), bool) if seen is None else seen)}
    if validation:
        scores["validation_scores"] = score(*validation, classes)
    if train:
        scores["train_scores"] = score(*train, classes)
    held = validation or (test[0][:0], test[1][:0])
    place = folder / made.job.key[:12]
    place.mkdir(parents=True)
    np.savez(
        place / "predictions.npz",
        rows=np.arange(len(test[0]), dtype=np.int32) + 1000,
        labels=test[0],
        probabilities=test[1],
        val_rows=np.arange(len(held[0]), dtype=np.int32),
        val_labels=held[0],
        val_probabilities=held[1],
    )
    if history:
        lines = [f"{epoch},{accuracy}" for epoch, accuracy in enumerate(history, 1)]
        (place / "history.csv").write_text("\n".join(["epoch,accuracy", *lines, ""]))
    return StoredRun(made.model_copy(update=scores), place)


SIX = [name for name in EMOTIONS if name != "fear"]
