"""A plugin whose trainings wait in the middle, for a test to do what it likes meanwhile."""

from __future__ import annotations

import os
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


@register("waits")
class Waits(Quick):
    """Four epochs, saved. In the third it says that it is there, and waits until it may go on."""

    def fit(self, train, validation, context):
        place = Path(os.environ["FER_BENCH_TEST_MEETING"])
        checkpoint = resume.Checkpoint(context, {})
        saved = checkpoint.load()
        history = saved.progress["history"] if saved else []
        while len(history) < 4:
            if len(history) == 2:
                (place / f"here-{os.getpid()}").touch()
                while not (place / "go").exists():
                    time.sleep(0.05)
            history.append({"epoch": len(history) + 1, "loss": 1.0, "pid": os.getpid()})
            checkpoint.save(f"epoch {len(history) + 1} of 4", {"history": history}, lambda: {"x": np.zeros(3)})
        super().fit(train, validation, context)
        return FitSummary(checkpoint="last", epochs_run=4, history=history)
