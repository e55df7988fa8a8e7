"""A plugin for trainings that are broken off: their state is saved after each epoch, however long that takes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from fer_bench import register
from fer_bench.api.context import FitSummary
from fer_bench.training import resume

sys.path.append(str(Path(__file__).parent))
from quick import Quick

resume.SHARE = float("inf")


@register("counts")
class Counts(Quick):
    """Five epochs, saved, in which nothing happens; in the one that the environment names, what it names."""

    def fit(self, train, validation, context):
        checkpoint = resume.Checkpoint(context, {})
        saved = checkpoint.load()
        history = saved.progress["history"] if saved else []
        while len(history) < 5:
            fault, _, epoch = os.environ.get("FER_BENCH_TEST_FAULT", "none:0").partition(":")
            if len(history) + 1 == int(epoch):
                break_off(fault)
            history.append({"epoch": len(history) + 1, "loss": 1.0, "pid": os.getpid()})
            checkpoint.save(f"epoch {len(history) + 1} of 5", {"history": history}, lambda: {"x": np.zeros(3)})
        super().fit(train, validation, context)
        return FitSummary(checkpoint="last", epochs_run=5, history=history)


@register("restarts")
class Restarts(Quick):
    """Saves nothing."""

    def fit(self, train, validation, context):
        break_off(os.environ.get("FER_BENCH_TEST_FAULT", "none").partition(":")[0])
        return super().fit(train, validation, context)


def break_off(fault):
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "raise":
        raise RuntimeError("broken off")
    elif fault == "memory":
        raise MemoryError("broken off")
    elif fault == "hang":
        time.sleep(600)
