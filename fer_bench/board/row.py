"""The lines of a leaderboard: what the runs of one configuration come to over their seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from ..data.dataset import is_embedded
from ..records.record import BY_HAND, EXTERNAL, Ensemble, RunRecord, smaller_batch

NOT_RUN = "not run yet"
#: What can have changed since a row was measured.
STALE = ("runner changed", "recipe changed", "members changed", "data changed", "split changed")

#: Low and high end.
Interval = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One line of a board: the runs of one configuration over its seeds. ``runs`` went well, ``failed`` did not.

    ``ranking.ranked`` gives it its rank, the intervals of its accuracy and macro F1, and the reason where it can't.
    ``superseded``: newer records have another version of its runner or recipe. ``stale``: why the row does not stand
    for what the program, or the data under its name, is today, in words of STALE.
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
        """All of its records: those of runs that went well, then those of failed ones."""
        return (*self.runs, *self.failed)

    @property
    def label(self) -> str:
        """The runner with the parameters that it was given: "svm", or "stacked-cnn[n=3]"."""
        params = self.records[0].job.params if self.records else {}
        inside = ",".join(f"{name}={value}" for name, value in sorted(params.items()))
        return f"{self.runner}[{inside}]" if inside else self.runner

    @property
    def title(self) -> str:
        """What tables and pictures call the row: label and recipe, such as "svm (published)"."""
        return f"{self.label} ({self.recipe})"

    @property
    def status(self) -> str:
        """ "ok", "not run yet", "2 of 3 ok", or where no run went well what became of them: "oom, timeout"."""
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
    def by_hand(self) -> bool:
        """Whether somebody chose the epoch, who may have seen test figures."""
        return any(run.training.checkpoint == BY_HAND for run in self.records)

    @property
    def quick_look(self) -> bool:
        """Whether it learnt from a part of the training images; never on the embedded set, which is small as it is."""
        return any(run.job.limit is not None and not is_embedded(run.job.dataset) for run in self.records)

    @property
    def rankable(self) -> bool:
        """Whether the row may have a rank: it has scores, they are fair, and they are of today's program and data."""
        unfair = self.test_selected or self.by_hand or self.quick_look
        return bool(self.runs) and not (self.superseded or self.stale or unfair)

    def scores(self, name: str) -> list[float]:
        """One of the Scores, for each run that has it."""
        values = (getattr(run.scores, name) for run in self.runs)
        return [value for value in values if value is not None]

    def mean(self, name: str) -> float | None:
        """Mean of one of the Scores, over the runs that have it; None where none does."""
        return average(self.scores(name))

    def train_mean(self, name: str) -> float | None:
        """Mean of one of the Scores of the training part, over the runs that have them."""
        return average(getattr(run.train_scores, name) for run in self.runs if run.train_scores)

    @property
    def tta(self) -> str:
        """The test-time augmentation with which all of its runs have scores, too: "flip", "ten-crop" or ""."""
        methods = {run.tta.method if run.tta else "" for run in self.runs}
        return methods.pop() if len(methods) == 1 else ""

    def tta_scores(self, name: str) -> list[float]:
        """One of the Scores with the test-time augmentation that is ``tta``, for each run that has it."""
        values = (getattr(run.tta.scores, name) for run in self.runs if run.tta and self.tta)
        return [value for value in values if value is not None]

    def tta_cost(self, name: str) -> float | None:
        """Mean over seeds of a cost of predicting with ``tta``; None where that was on other hardware than the run."""
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
        """Mean over seeds of one of the EmotionScores of an emotion; None where no run has it."""
        return average(getattr(run.scores.emotions[emotion], name) for run in self.runs if run.scores)

    def confusion(self) -> np.ndarray:
        """The confusion matrix, (C, C) int64, true by predicted, summed over seeds."""
        return np.array([run.scores.confusion for run in self.runs if run.scores], np.int64).sum(axis=0)

    def note(self) -> str:
        """Why runs of the row failed, and whatever sets its budget or training data apart; "" where nothing does."""
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
        if self.test_selected and not self.by_hand:
            parts.append("checkpoint picked on the test part: not ranked")
        if self.unranked:
            parts.append(f"not ranked: {self.unranked}")
        if any(run.tta for run in self.runs) and not self.tta:
            parts.append("test-time augmentation not alike for all seeds: not shown")
        parts += [_composition(run.ensemble) for run in self.runs if run.ensemble]
        if self.family == EXTERNAL:
            words = {str(run.training.extra.get("note") or "") for run in self.runs}
            chosen = {
                f"epoch {run.training.epochs_run} of {run.training.extra.get('run')}, chosen by hand: not ranked"
                for run in self.runs
                if run.training.checkpoint == BY_HAND
            }
            parts += [*(sorted(chosen) or ["scored from predictions, not run here"]), *sorted(filter(None, words))]
        if self.records:
            job = self.records[0].job
            parts += [f"recipe by hand: {job.recipe_origin.words}"] if job.recipe_origin else []
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

    def mishaps(self) -> str:
        """Interruptions and earlier attempts of its runs, which set nothing apart; "" where there were none."""
        parts = []
        for run in self.records:
            words = []
            if run.training.interruptions:
                words.append(f"went on after {counted(run.training.interruptions, 'interruption')}")
            if run.attempts:
                failures = "; ".join(" ".join(line.split()) for line in run.attempts)
                words.append(f"{counted(len(run.attempts), 'earlier attempt')}: {failures}")
            if words:
                seed = f"seed {run.job.seed}: " if len(self.records) > 1 else ""
                parts.append(seed + ", ".join(words))
        return "; ".join(parts)


def of_one(row: Row, run: RunRecord) -> Row:
    """The row with one of its records alone, without the rank and the intervals that it has with all of them."""
    runs, failed = ((run,), ()) if run in row.runs else ((), (run,))
    return replace(row, runs=runs, failed=failed, rank=None, intervals={}, unranked="")


def _composition(ensemble: Ensemble) -> str:
    """ "mean of 3 runs (equal weights): 2 mini-xception (tuned), 1 svm (published)", or with what each weighs in
    all.
    """
    kinds: dict[str, list[float]] = defaultdict(list)
    for member in ensemble.members:
        kinds[f"{member.runner} ({member.recipe})"].append(member.weight)
    equal = len({member.weight for member in ensemble.members}) == 1
    heaviest_first = kinds if equal else sorted(kinds, key=lambda kind: -sum(kinds[kind]))
    runs = ", ".join(f"{len(kinds[kind]) if equal else f'{sum(kinds[kind]):.2f}'} {kind}" for kind in heaviest_first)
    how = "weights fitted on validation" if ensemble.weights == "validation" else "equal weights"
    if ensemble.chosen:
        how = f"chosen from {len(ensemble.candidates)}, with their weights, on validation"
    return f"mean of {counted(len(ensemble.members), 'run')} ({how}): {runs}"


def counted(number: int, word: str) -> str:
    """A number with its word in the singular or the plural: "1 run", "2 runs"."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def average(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there; None where there is none."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
