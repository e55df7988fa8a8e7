"""A list of what a results folder holds: each record with what is to be said of it, and each evaluation of a model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..api.runner import RunnerInfo
from ..data.dataset import is_embedded
from ..records.evaluation import Evaluation, read_evaluations
from ..records.record import ENSEMBLE, EXTERNAL, Environment, RunRecord
from ..records.store import StoredRun
from ..scores.metrics import Scores
from .build import boards
from .row import Row, of_one


@dataclass(frozen=True)
class Entry:
    """A record, as a row with no other run in it; or, where there is an ``evaluation``, that of the record's model."""

    run: StoredRun
    row: Row
    evaluation: Evaluation | None = None

    @property
    def kind(self) -> str:
        """ "run", "external", "ensemble" or "evaluation"."""
        family = self.run.record.job.family
        return "evaluation" if self.evaluation else family if family in (EXTERNAL, ENSEMBLE) else "run"

    @property
    def status(self) -> str:
        """That of the record; "ok" of an evaluation, which is there only where it went well."""
        return "ok" if self.evaluation else self.run.record.status

    @property
    def system(self) -> str:
        """What a command takes for the runner and its recipe: "svm:tuned"."""
        return f"{self.row.label}:{self.row.recipe}"

    @property
    def data(self) -> str:
        """The data set that was scored."""
        return self.evaluation.slug if self.evaluation else self.run.record.job.dataset

    @property
    def scores(self) -> Scores | None:
        return self.evaluation.whole.scores if self.evaluation else self.run.record.scores

    @property
    def started(self) -> str:
        return (self.evaluation or self.run.record).started

    @property
    def environment(self) -> Environment:
        return (self.evaluation or self.run.record).environment

    @property
    def where(self) -> str:
        """The machine and its device, as far as the record has them: "node7 cpu"; "" where it ran elsewhere."""
        of_run = self.kind not in (EXTERNAL, ENSEMBLE)
        return " ".join(filter(None, (self.environment.host, self.environment.device))) if of_run else ""

    @property
    def note(self) -> str:
        """What a leaderboard would say of a row with this run alone; of an evaluation that it is one."""
        return "evaluated there" if self.evaluation else self.row.note()

    def to_json(self) -> dict[str, Any]:
        """For programs: accuracy as a fraction with its 95 % interval, None where there is none; ``folder`` a path."""
        record, scores = self.run.record, self.scores
        return {
            "key": record.job.key,
            "kind": self.kind,
            "system": self.system,
            "data": self.data,
            "split": record.job.split,
            "seed": record.job.seed,
            "status": self.status,
            "accuracy": scores and scores.accuracy,
            "accuracy_low": scores and scores.accuracy_low,
            "accuracy_high": scores and scores.accuracy_high,
            "started": self.started,
            "seconds": None if self.evaluation else record.seconds,
            "host": self.environment.host,
            "executor": self.environment.executor,
            "device": self.environment.device,
            "hardware": self.environment.hardware,
            "superseded": self.row.superseded,
            "stale": list(self.row.stale),
            "note": self.note,
            "folder": str(self.run.folder),
        }


def entries(
    stored: Sequence[StoredRun],
    expected: Iterable[RunnerInfo] = (),
    shown: Collection[StoredRun] | None = None,
) -> tuple[list[Entry], list[str]]:
    """What is to be listed of stored runs, in order, and a line for each evaluation that can't be read.

    The order is that of the leaderboards: real data before synthetic, ``official`` before other splits; then systems,
    seeds and times. A run's evaluations follow it.

    Args:
        stored: all runs of the store, by which it is known what has changed since.
        expected: the runners of today, as for ``boards``.
        shown: those of the runs that are to be listed. None: all.
    """
    rows = {
        (run.job.key, run.started): of_one(row, run)
        for board in boards((run.record for run in stored), expected)
        for row in board.rows
        for run in row.records
    }
    found: list[Entry] = []
    problems: list[str] = []
    for run in sorted(stored if shown is None else shown, key=_place):
        row = rows.get((run.record.job.key, run.record.started)) or _replaced(run.record)
        evaluations, wrong = read_evaluations(run.folder)
        found += [Entry(run, row), *(Entry(run, row, evaluation) for evaluation in evaluations)]
        problems += wrong
    return found, problems


def _place(run: StoredRun) -> tuple[Any, ...]:
    job = run.record.job
    board = is_embedded(job.dataset), job.dataset, job.dataset_digest, job.split != "official", job.split
    return *board, job.runner, repr(sorted(job.params.items())), job.recipe, job.seed, run.record.started, run.folder


def _replaced(record: RunRecord) -> Row:
    """The row of a record that no leaderboard counts: another record of its job is newer."""
    job, good = record.job, record.status == "ok"
    row = Row(job.runner, job.family, job.recipe, (record,) if good else (), () if good else (record,))
    return replace(row, superseded=True)
