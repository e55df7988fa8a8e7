"""Several trainings in one run, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..api.context import Context, FitSummary


class Series:
    """Gives each of ``nets`` trainings seeds and a saved state of its own, and the run the sums of their times and
    epochs.

    A run that was broken off goes on in the training where it was: those before are read back from their last state.
    """

    def __init__(self, context: Context, nets: int) -> None:
        self.context, self.nets = context, nets
        self.summaries: dict[str, FitSummary] = {}

    def fit(self, name: str, fit: Callable[[Context], FitSummary]) -> None:
        """Calls ``fit`` with the context of the training called ``name``, also the name of its folder."""
        whole, begun = self.context, time.perf_counter()
        own = replace(
            whole,
            key=f"{whole.key}/{name}",
            workdir=whole.workdir and whole.workdir / name,
            tensorboard=whole.tensorboard and whole.tensorboard / name,
            kept=whole.kept if len(self.summaries) + 1 == self.nets else None,
            epochs_before=self._epochs(),
            report=lambda event: whole.report(self._told(name, event)),
            seconds={},
            begun=begun,
            _running={},
        )
        if own.workdir is not None:
            own.workdir.mkdir(exist_ok=True)
        self.summaries[name] = fit(own)
        whole.begun -= begun - own.begun  # what earlier attempts spent on it
        for phase, seconds in own.seconds.items():
            whole.seconds[phase] = whole.seconds.get(phase, 0.0) + seconds

    def _told(self, name: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        if "note" in event:
            return {**event, "note": f"{name} {event['note']}"}
        if "epoch" not in event:
            return event
        epoch = event["epoch"] + self._epochs()
        return {**event, "stage": 1 + len(self.summaries), "epoch": epoch, "epochs": self.nets * event["epochs"]}

    def _epochs(self) -> int:
        """How many there were in the trainings that are over."""
        return sum(summary.epochs_run or 0 for summary in self.summaries.values())

    def summary(self) -> FitSummary:
        """The last training's, with the epochs of all: each training is a stage of the history.

        ``extra["trainings"]`` has for each its best epoch, counted by itself, and its accuracy on validation data
        there.
        """
        history: list[dict[str, float]] = []
        before = 0
        for stage, summary in enumerate(self.summaries.values(), 1):
            before = len(history)
            history += [{**row, "stage": stage, "epoch": before + row["epoch"]} for row in summary.history]
        last = list(self.summaries.values())[-1]
        return replace(
            last,
            history=history,
            epochs_run=len(history),
            epochs_planned=sum(summary.epochs_planned or 0 for summary in self.summaries.values()),
            best_epoch=before + (last.best_epoch or 0),
            extra={**last.extra, "trainings": {name: _best(summary) for name, summary in self.summaries.items()}},
        )


def _best(summary: FitSummary) -> dict[str, float]:
    epoch = summary.best_epoch or len(summary.history)
    row = summary.history[epoch - 1]
    return {"best_epoch": epoch, **{name: row[name] for name in ("val_accuracy",) if name in row}}
