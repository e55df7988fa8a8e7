"""Run records for tests, with real scores of made-up predictions."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.api import registry
from fer_bench.data.dataset import EMOTIONS
from fer_bench.records.predictions import Predictions
from fer_bench.records.record import Cost, Environment, Failure, JobInfo, RunRecord, Training
from fer_bench.records.store import PREDICTIONS, Store
from fer_bench.scores.metrics import score


def record(runner: str = "svm", right: float = 0.5, status: str = "ok", seed: int = 0, **changes: Any) -> RunRecord:
    """A record whose scores are those of 200 predictions, a share ``right`` of them right.

    One of a built-in runner's recipes has its digest of today, so that the record is not stale.
    """
    fields: dict[str, Any] = {
        "family": "classical", "recipe": "published", "runner_version": 1, "recipe_digest": "r1", "dataset": "fer2013",
        "dataset_digest": "d1", "split": "official", "split_digest": "s1", "classes": list(EMOTIONS),
    }  # fmt: skip
    recipes = registry.get(runner).recipes if runner in registry.BUILTINS else {}
    recipe = recipes.get(changes.get("recipe", "published"))
    if recipe is not None:
        fields["recipe_digest"] = recipe.digest()
    started = changes.pop("started", "2026-01-01T00:00:00Z")
    message = changes.pop("message", "")
    training = changes.pop("training", {"init": "none"})
    fields |= changes
    classes = fields["classes"]
    labels, probabilities = answers(right, len(classes))
    key = hashlib.sha256(f"{runner}{fields}{seed}".encode()).hexdigest()
    job = JobInfo(
        key=key, runner=runner, train_images=1000, validation_images=200, test_images=200,
        seed=seed, **fields,
    )  # fmt: skip
    ok = status == "ok"
    return RunRecord(
        status=status,
        command="fer-bench run",
        started=started,
        seconds=10,
        job=job,
        training=Training(**training),
        scores=score(labels, probabilities, classes, np.arange(200) % 10 == 0) if ok else None,
        cost=Cost(fit_seconds=9.0 + seed, parameters=1234567),
        environment=Environment(device="cpu"),
        failure=None if ok else Failure(message=message or status),
    )


def answers(right: float, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """200 labels and the probabilities of a system that gets the first of them right and is wrong by one on the
    rest.
    """
    labels = np.arange(200) % classes
    guess = np.where(np.arange(200) < 200 * right, labels, (labels + 1) % classes)
    return labels, 0.1 / classes + 0.9 * np.eye(classes)[guess]


def predictions(run: RunRecord) -> Predictions:
    """The predictions that the scores of a made record are of."""
    assert run.scores
    labels, probabilities = answers(run.scores.accuracy, len(run.job.classes))
    return Predictions(np.arange(200, dtype=np.int32), labels.astype(np.int8), probabilities.astype(np.float16))


def leftovers(root: Path) -> list[str]:
    """What lies in a results folder's ``.work`` beside the locks, which stay."""
    return sorted(path.name for path in (root / ".work").iterdir() if path.name != "locks")


def keep(store: Store, run: RunRecord, given: Predictions | None = None) -> Path:
    """Stores a record with predictions, those that its scores are of; if others are given, with their scores.

    Returns its folder.
    """
    work = store.work(run.job)
    if run.scores:
        if given is not None:
            scores = score(given.labels, given.probabilities, run.job.classes)
            if scores.confusion != run.scores.confusion:
                job = run.job.model_copy(update={"test_images": len(given.rows)})
                run = run.model_copy(update={"scores": scores, "job": job})
        given = given or predictions(run)
        none = {f"val_{name}": values[:0] for name, values in given._asdict().items()}
        np.savez(work / PREDICTIONS, **given._asdict(), **none)
    return store.commit(run, work)


def said(seed: int, images: int, skill: float, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Labels and float16 probabilities that know them the better the more skill there is."""
    labels = np.arange(images) % classes
    logits = np.random.default_rng(seed).normal(0, 1, (images, classes)) + skill * np.eye(classes)[labels]
    return labels, (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float16)
