"""The lines of a leaderboard: what the runs of one configuration come to over their seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from .data import SYNTHETIC
from .records import EXTERNAL, Ensemble, RunRecord, smaller_batch

NOT_RUN = "not run yet"
#: What can have changed since a row was measured.
STALE = ("runner changed", "recipe changed", "members changed", "data changed", "split changed")

#: Low and high end.
Interval = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One line of a board: the runs of one configuration over its seeds. ``runs`` went well, ``failed`` did not.

    ``ranking.ranked`` gives it its rank, the intervals of its accuracy and macro F1, and the reason where it can't.
    ``superseded``: newer records have another version of its runner or recipe. ``stale``: why the row does not stand for
    what the program, or the data under its name, is today, in words of STALE.
    """

    runner: str
    family: str
    recipe: str | None = None
    runs: tuple[RunRecord, ...] = ()
    failed: tuple[RunRecord, ...] = ()
    superseded: bool = False
    stale: tuple[str, ...] = ()
    rank: int | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    unranked: str = ""

    @property
    def records(self) -> tuple[RunRecord, ...]:
        return (*self.runs, *self.failed)

    @property
    def label(self) -> str:
        params = self.records[0].job.params if self.records else {}
        inside = ",".join(f"{name}={value}" for name, value in sorted(params.items()))
        return f"{self.runner}[{inside}]" if inside else self.runner

    @property
    def status(self) -> str:
        if not self.failed:
            return "ok" if self.runs else NOT_RUN
        if self.runs:
            return f"{len(self.runs)} of {len(self.records)} ok"
        return ", ".join(sorted({run.status for run in self.failed}))

    @property
    def test_selected(self) -> bool:
        """Whether the test part picked the checkpoint, so that the accuracy on it is no fair one."""
        return any(run.job.checkpoint == "test" or run.training.checkpoint == "test" for run in self.records)

    @property
    def quick_look(self) -> bool:
        """Whether it learnt from a part of the training images only; on the embedded set, which is one, never."""
        return any(run.job.limit is not None and not run.job.dataset.startswith(SYNTHETIC) for run in self.records)

    @property
    def rankable(self) -> bool:
        """Whether the row may have a rank: it has scores, they are fair, and they are of today's program and data."""
        return bool(self.runs) and not (self.superseded or self.stale or self.test_selected or self.quick_look)

    def scores(self, name: str) -> list[float]:
        """One of the Scores, for each run that has it."""
        values = (getattr(run.scores, name) for run in self.runs)
        return [value for value in values if value is not None]

    def mean(self, name: str) -> float | None:
        values = self.scores(name)
        return fmean(values) if values else None

    @property
    def tta(self) -> str:
        """The test-time augmentation with which all of its runs have scores, too; "" where there is no such."""
        methods = {run.tta.method if run.tta else "" for run in self.runs}
        return methods.pop() if len(methods) == 1 else ""

    def tta_scores(self, name: str) -> list[float]:
        """One of the Scores with that test-time augmentation, for each run; none where there is no such."""
        values = (getattr(run.tta.scores, name) for run in self.runs if run.tta and self.tta)
        return [value for value in values if value is not None]

    def tta_cost(self, name: str) -> float | None:
        """Mean over seeds of what it costs to predict so, on the hardware that the row ran on."""
        same = [
            run.tta for run in self.runs if run.tta and self.tta and run.tta.hardware in ("", run.environment.hardware)
        ]
        return average(getattr(tta, name) for tta in same) if len(same) == len(self.runs) else None

    def interval(self, name: str) -> Interval | None:
        """The 95 % interval of "accuracy" or "macro_f1" over test images.

        An accuracy without predictions to resample has the mean of its runs' Wilson intervals.
        """
        if name in self.intervals or name != "accuracy" or not self.runs:
            return self.intervals.get(name)
        return fmean(self.scores("accuracy_low")), fmean(self.scores("accuracy_high"))

    def cost(self, name: str) -> float | None:
        """Mean over seeds of one of the Cost figures."""
        return average(getattr(run.cost, name) for run in self.runs)

    def phase(self, name: str) -> float | None:
        """Mean over seeds of the seconds of a phase."""
        return average(run.cost.phases.get(name) for run in self.runs)

    def on(self, hardware: str) -> Row:
        """The row with only those of its runs that went well on one hardware."""
        there = tuple(run for run in self.runs if run.environment.hardware == hardware)
        return replace(self, runs=there, intervals=self.intervals if there == self.runs else {})

    def emotion_mean(self, emotion: str, name: str) -> float | None:
        """Mean over seeds of one of the EmotionScores."""
        return average(getattr(run.scores.emotions[emotion], name) for run in self.runs if run.scores)

    def confusion(self) -> np.ndarray:
        """(C, C) int64, true by predicted, summed over seeds."""
        return np.array([run.scores.confusion for run in self.runs if run.scores], np.int64).sum(axis=0)

    def note(self) -> str:
        """Why it failed, and whatever sets its budget or its training data apart; "" where there is nothing to say."""
        parts = []
        for run in self.failed:
            seed = f"seed {run.job.seed} " if len(self.records) > 1 else ""
            message = " ".join(run.failure.message.split()) if run.failure else ""
            parts.append(f"{seed}{run.status}: {message or 'no reason on record'}")
        if self.superseded:
            parts.append("superseded: its runner or recipe has changed since")
        elif self.stale:
            parts.append(f"stale: {', '.join(self.stale)}")
        smaller = {smaller_batch(run.job, run.training.batch_divisor) for run in self.runs}
        parts += [f"{words} after running out of memory" for words in sorted(filter(None, smaller))]
        if self.test_selected:
            parts.append("checkpoint picked on the test part: not ranked")
        if self.unranked:
            parts.append(f"not ranked: {self.unranked}")
        if any(run.tta for run in self.runs) and not self.tta:
            parts.append("test-time augmentation not alike for all seeds: not shown")
        parts += [_composition(run.ensemble) for run in self.runs if run.ensemble]
        if self.family == EXTERNAL:
            words = {str(run.training.extra.get("note") or "") for run in self.runs}
            parts += ["scored from predictions, not run here", *sorted(filter(None, words))]
        if self.records:
            job = self.records[0].job
            iterates = not self.runs or any(run.training.epochs_planned for run in self.runs)
            marks = {
                f"epochs capped at {job.epochs}": job.epochs is not None and iterates,
                f"at most {job.limit} training images a class": job.limit is not None,
                "a quick look: not ranked": self.quick_look,
                f"balance: {job.balance}": job.balance != "none",
                f"filled from data set {str(job.fill_digest)[:8]}": job.fill_digest is not None,
            }
            parts += [mark for mark, holds in marks.items() if holds]
        return "; ".join(parts)


def _composition(ensemble: Ensemble) -> str:
    """ "mean of 3 runs (equal weights): 2 mini-xception (tuned), 1 svm (published)", or with what each weighs in all."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for member in ensemble.members:
        kinds[f"{member.runner} ({member.recipe})"].append(member.weight)
    equal = len({member.weight for member in ensemble.members}) == 1
    heaviest_first = kinds if equal else sorted(kinds, key=lambda kind: -sum(kinds[kind]))
    runs = ", ".join(f"{len(kinds[kind]) if equal else f'{sum(kinds[kind]):.2f}'} {kind}" for kind in heaviest_first)
    how = "weights fitted on validation" if ensemble.weights == "validation" else "equal weights"
    if ensemble.chosen:
        how = f"chosen from {len(ensemble.candidates)}, with their weights, on validation"
    size = len(ensemble.members)
    return f"mean of {size} {'run' if size == 1 else 'runs'} ({how}): {runs}"


def average(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
