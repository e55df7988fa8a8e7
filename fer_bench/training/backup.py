"""The state of a Keras training: what is saved of it after an epoch, and how it is put back.

Keras's own ``BackupAndRestore`` keeps neither the states of the other callbacks, with the best weights among them, nor
those of the random generators, and has no place for stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from ..api.context import FitSummary
from .resume import Checkpoint, Saved

#: What Keras's callbacks remember from epoch to epoch, beside the best weights.
_REMEMBERED = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")
#: What epochs add to a summary.
_SUMMARY = ("history", "best_epoch", "stopped")


class Start(NamedTuple):
    """Where a training begins or goes on: stage and epoch count from 0, ``before`` epochs ran in the stages before."""

    stage: int = 0
    epoch: int = 0
    before: int = 0
    saved: Saved | None = None

    def restore(self, model: Any) -> None:
        """Puts all of the model's variables back: weights, moving averages, states of its random generators."""
        if self.saved is not None:
            _assign(model.variables, _numbered(self.saved.arrays, "model"))

    def restore_optimizer(self, model: Any) -> None:
        """Puts back moments, iterations and the learning rate; the model is compiled."""
        if self.saved is not None:
            model.optimizer.build(model.trainable_variables)
            _assign(model.optimizer.variables, _numbered(self.saved.arrays, "optimizer"))


def load(checkpoint: Checkpoint, model: Any, summary: FitSummary) -> Start:
    """Where the training goes on, with the epochs up to there in ``summary``; its beginning where no state fits."""
    saved = checkpoint.load([variable.shape for variable in model.variables])
    if saved is None:
        return Start()
    for name in _SUMMARY:
        setattr(summary, name, saved.progress[name])
    return Start(saved.progress["stage"], saved.progress["epoch"], saved.progress["before"], saved)


def save(
    checkpoint: Checkpoint,
    model: Any,
    summary: FitSummary,
    start: Start,
    total: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    over: bool = False,
) -> None:
    """Saves that the training goes on at ``start``; within a stage (``start.epoch`` is not 0) all that the stage has.

    Args:
        total: epochs planned in all stages.
        callbacks: those of the stage whose states are to be saved.
        over: there is no stage left.
    """
    progress = {
        "stage": start.stage,
        "epoch": start.epoch,
        "before": start.before,
        **{name: getattr(summary, name) for name in _SUMMARY},
        "callbacks": [_remembered(callback) for callback in callbacks],
    }

    def arrays() -> dict[str, np.ndarray]:
        groups: dict[str, Sequence[Any]] = {"model": model.variables}
        if start.epoch:
            groups["optimizer"] = model.optimizer.variables
        for number, callback in enumerate(callbacks):
            groups[f"best-{number}"] = getattr(callback, "best_weights", None) or ()
        return {
            f"{group}/{number}": keras.ops.convert_to_numpy(variable)
            for group, variables in groups.items()
            for number, variable in enumerate(variables)
        }

    done = start.before + start.epoch
    checkpoint.save("its last epoch's end" if over else f"epoch {done + 1} of {total}", progress, arrays)


class Backup(keras.callbacks.Callback):
    """Saves the state after an epoch when it is time to, and at the start puts those of ``callbacks`` back.

    It stands behind them in the list, so that it sees what the epoch made of them.

    Args:
        start: of this stage.
        total: epochs planned in all stages.
    """

    async_safe = True

    def __init__(
        self,
        checkpoint: Checkpoint,
        summary: FitSummary,
        start: Start,
        total: int,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        super().__init__()
        self.checkpoint, self.summary, self.start, self.total = checkpoint, summary, start, total
        self.callbacks = callbacks

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if self.start.saved is None or not self.start.epoch:
            return
        for number, callback in enumerate(self.callbacks):
            vars(callback).update(self.start.saved.progress["callbacks"][number])
            best = _numbered(self.start.saved.arrays, f"best-{number}")
            if best:
                vars(callback)["best_weights"] = best

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        # After the last epoch of a stage, the state is that of the next one's start; the caller saves it.
        last = self.model.stop_training or epoch + 1 == self.params["epochs"]
        if self.checkpoint.due and not last:
            here = Start(self.start.stage, epoch + 1, self.start.before)
            save(self.checkpoint, self.model, self.summary, here, self.total, self.callbacks)


def _remembered(callback: keras.callbacks.Callback) -> dict[str, float | None]:
    states = {name: vars(callback)[name] for name in _REMEMBERED if name in vars(callback)}
    return {name: value if value is None or isinstance(value, int) else float(value) for name, value in states.items()}


def _numbered(arrays: Mapping[str, np.ndarray], group: str) -> list[np.ndarray]:
    """The arrays <group>/0, <group>/1, ... in that order."""
    number = sum(name.startswith(f"{group}/") for name in arrays)
    return [arrays[f"{group}/{place}"] for place in range(number)]


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
