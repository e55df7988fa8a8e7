"""What a training tells and keeps while it runs: its history, the time of its phases, its progress, its best epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import keras

from ..api.context import Context, FitSummary
from ..files import durable
from .kept import epoch_file


class Record(keras.callbacks.Callback):
    """Keeps the history and the times of the phases, reports progress, and stops when the loss is no number."""

    async_safe = True

    def __init__(
        self, context: Context, summary: FitSummary, stage: int, steps: int, total: int, *, before: int
    ) -> None:
        """``stage`` counts from 0; ``total`` epochs are planned in all stages, ``before`` of them ran before this
        one.
        """
        super().__init__()
        self.context, self.summary = context, summary
        self.stage, self.steps, self.total = stage + 1, steps, total
        self.before = before
        self.stopped = ""
        self.reported = 0.0
        self._phase: AbstractContextManager[None] | None = None
        self.enter("compile")

    def enter(self, phase: str | None) -> None:
        """Ends the running phase and starts the named one."""
        if self._phase is not None:
            self._phase.__exit__(None, None, None)
        self.name = phase
        self._phase = self.context.phase(phase) if phase else None
        if self._phase is not None:
            self._phase.__enter__()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.started = time.perf_counter()
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        if self.name == "compile":
            self.enter("train")
        if time.perf_counter() - self.reported >= 1.0:
            self._report(batch + 1, logs or {})

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self.enter("validate")

    def on_test_end(self, logs: Mapping[str, float] | None = None) -> None:
        self.enter("train")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        logs = logs or {}
        row: dict[str, float] = {"stage": self.stage, "epoch": self.before + epoch + 1}
        row |= {name: float(logs[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy") if name in logs}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row["seconds"] = time.perf_counter() - self.started
        self.summary.history.append(row)
        self._report(self.steps, logs)
        if not math.isfinite(row["loss"]):
            self.stopped = "loss is not a number"
            self.model.stop_training = True

    def _report(self, step: int, logs: Mapping[str, float]) -> None:
        self.reported = time.perf_counter()
        last = self.summary.history[-1] if self.summary.history else {}
        self.context.report(
            {
                "stage": self.stage,
                "epoch": self.before + self.epoch + 1,
                "epochs": self.total,
                "step": step,
                "steps": self.steps,
                "loss": logs.get("loss"),
                "accuracy": logs.get("accuracy"),
                "val_accuracy": logs.get("val_accuracy", last.get("val_accuracy")),
                "validated": last.get("epoch") if "val_accuracy" in last else None,
            }
        )


class Keep(keras.callbacks.Callback):
    """Keeps the weights of each epoch that was the best so far in ``context.kept``, each whole or not at all.

    Where one can't be written, the disk being full, say, the training goes on without it and says so.

    Args:
        best: the callback that knows which epoch is the best; it stands before this one in the list.
        whole: the model whose weights are kept, which shares those of the trained one.
        before: epochs that ran before this stage.
    """

    async_safe = True

    def __init__(self, context: Context, best: Any, whole: Any, before: int) -> None:
        super().__init__()
        self.context, self.best, self.whole, self.before = context, best, whole, before

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        folder = self.context.kept
        if folder is None or self.best.best_epoch != epoch:
            return
        number = self.before + epoch + 1
        path = epoch_file(folder, number)
        temporary = folder / f"new-{path.name}"  # Keras wants its suffix
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.whole.save_weights(temporary)
            durable.sync(temporary)
            temporary.replace(path)
            durable.sync(folder)
        except OSError as error:
            self.context.report({"note": f"can't keep epoch {number} ({error.strerror or error}); goes on without"})
        finally:
            temporary.unlink(missing_ok=True)
