"""A plugin to search over: its accuracy depends on one option, and it does in its epochs what another one says.

It imports no learning library. The environment can name a folder for what each worker is given, and a file without
which no training gets past its first epoch.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from fer_bench import FitSummary, Recipe, Runner, register
from fer_bench.api.recipe import EarlyStopping
from fer_bench.api.runner import RunnerInfo

HERE = Path(sys.argv[-1])  # the worker's folder
GIVEN, GATE = "FER_BENCH_TEST_GIVEN", "FER_BENCH_TEST_GATE"


@register("dial")
class Dial(Runner):
    """Tells the emotions of ``tiny_npz`` apart by their brightness, the worse the further ``level`` is from 0.7."""

    info = RunnerInfo(family="classical")
    uses = frozenset({"epochs"})
    recipes = {
        "tuned": Recipe(epochs=3, options=(("level", 0.6), ("then", "ends"))),
        "broken": Recipe(epochs=3, options=(("level", 0.6), ("then", "fails"))),
        "patient": Recipe(epochs=3, early_stopping=EarlyStopping(), options=(("level", 0.1), ("then", "lingers"))),
    }
    space = {
        "options.level": {"type": "float", "low": 0.0, "high": 1.0},
        "batch": {"type": "choice", "choices": [16, 32]},
    }

    def fit(self, train, validation, context):
        if GIVEN in os.environ:
            shutil.copytree(HERE, Path(os.environ[GIVEN]) / f"{context.key}-{os.getpid()}")
        self.classes = len(context.classes)
        epochs = min(self.recipe.epochs, context.epochs or self.recipe.epochs)
        history = []
        for epoch in range(1, epochs + 1):
            said = self.predict_proba(validation.images).argmax(1)
            accuracy = float((said == validation.labels).mean())
            history.append({"epoch": epoch, "val_accuracy": accuracy})
            context.report({"epoch": epoch, "epochs": epochs, "val_accuracy": accuracy})
            self.act()
        return FitSummary(checkpoint="validation", epochs_run=epochs, best_epoch=epochs, history=history)

    def act(self):
        """What it does at the end of an epoch."""
        then = self.recipe.option("then")
        if then == "fails":
            raise ValueError("the dial came off")
        gate = os.environ.get(GATE)
        while (gate and not Path(gate).exists()) or then == "lingers":
            time.sleep(0.02)

    def predict_proba(self, images):
        brightness = images.reshape(len(images), -1).mean(1)
        turned = (brightness - 30) / 30 + 6 * abs(self.recipe.option("level") - 0.7)
        return np.eye(self.classes, dtype=np.float32)[np.clip(np.round(turned), 0, self.classes - 1).astype(int)]

    def save(self, directory):
        (directory / "classes.txt").write_text(str(self.classes))

    def load(self, directory):
        self.classes = int((directory / "classes.txt").read_text())
