"""A plugin for clusters, alone in its file as plugins travel: runners that import no learning library."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

import numpy as np

from fer_bench import Runner, register
from fer_bench.api.context import FitSummary
from fer_bench.api.runner import RunnerInfo
from fer_bench.training import resume

resume.SHARE = float("inf")


@register("near")
class Near(Runner):
    """Nearest centroids of some pixels, each moved a little by chance."""

    info = RunnerInfo(family="classical")
    uses = frozenset({"epochs"})
    keeps_epochs = True
    parameters = {"step": 6}

    def fit(self, train, validation, context):
        rows = self.pixels(train.images)
        means = [rows[train.labels == code].mean(0) for code in range(len(context.classes))]
        self.centroids = np.stack(means) + np.random.default_rng(context.seed("init")).normal(0, 0.1, rows.shape[1])
        for epoch in (1, 2):
            context.report({"epoch": epoch, "epochs": 2, "loss": 1 / epoch})
        if context.kept:
            context.kept.mkdir(exist_ok=True)
            (context.kept / "epoch-002.weights.h5").write_bytes(b"weights of epoch 2")
        return FitSummary(epochs_run=2, history=[{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5}])

    def predict_proba(self, images):
        distances = np.square(self.pixels(images)[:, None] - self.centroids).sum(-1)
        closeness = np.exp(distances.min(1, keepdims=True) - distances)
        return closeness / closeness.sum(1, keepdims=True)

    def pixels(self, images):
        step = self.params["step"]
        return images[:, ::step, ::step].reshape(len(images), -1).astype(np.float32) / 255

    def save(self, directory):
        np.save(directory / "centroids.npy", self.centroids)

    def load(self, directory):
        self.centroids = np.load(directory / "centroids.npy")


@register("begins")
class Begins(Near):
    """Reads the weights file that it begins with."""

    uses = frozenset({"epochs", "weights"})

    def fit(self, train, validation, context):
        summary = super().fit(train, validation, context)
        path = Path(context.weights)
        summary.init = f"file:{path.name}"
        summary.extra = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "folder": str(path.parent)}
        return summary


@register("waits")
class Waits(Near):
    """Says that it is there, and goes on when it may; deaf to SIGTERM."""

    def fit(self, train, validation, context):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        place = Path(os.environ["FER_BENCH_TEST_PLACE"])
        (place / f"here-{context.key[:8]}-{os.getpid()}").touch()
        while not (place / "go").exists():
            time.sleep(0.05)
        return super().fit(train, validation, context)


@register("counts")
class Counts(Near):
    """Four epochs, saved; in the third it waits as ``waits`` does."""

    def fit(self, train, validation, context):
        checkpoint = resume.Checkpoint(context, {})
        saved = checkpoint.load()
        history = saved.progress["history"] if saved else []
        place = Path(os.environ["FER_BENCH_TEST_PLACE"])
        while len(history) < 4:
            if len(history) == 2:
                (place / f"here-{context.key[:8]}-{os.getpid()}").touch()
                while not (place / "go").exists():
                    time.sleep(0.05)
            history.append({"epoch": len(history) + 1, "pid": os.getpid()})
            checkpoint.save(f"epoch {len(history) + 1} of 4", {"history": history}, lambda: {"x": np.zeros(3)})
        super().fit(train, validation, context)
        return FitSummary(checkpoint="last", epochs_run=4, history=history)


@register("fails")
class Fails(Near):
    """Says something, and raises."""

    def fit(self, train, validation, context):
        print("the last words")
        raise RuntimeError(f"no fit in {Path.cwd()}")


@register("links")
class Links(Near):
    """Leaves a link beside its model."""

    def save(self, directory):
        super().save(directory)
        (directory / "link").symlink_to("/etc/passwd")
