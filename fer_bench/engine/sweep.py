"""A sweep: the jobs of a plan, less what is done already, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from .. import registry
from ..data import load_dataset
from ..errors import InputError
from ..records import RunRecord
from ..store import Store
from .execute import Interrupted, execute, is_failure
from .job import Job, Options, plan

Rerun = Literal["none", "failed", "all"]


@dataclass(frozen=True, eq=False)
class Step:
    """A job of the plan with the record that the store already has of it, and whether it is to be run."""

    job: Job
    record: RunRecord | None
    pending: bool


class Observer:
    """Is told how a sweep goes; this one keeps silent."""

    def started(self, number: int, total: int, job: Job) -> None: ...

    def progressed(self, job: Job, event: Mapping[str, Any]) -> None: ...

    def finished(self, job: Job, record: RunRecord) -> None: ...


def survey(jobs: Sequence[Job], store: Store, rerun: Rerun = "none") -> list[Step]:
    """What is to be run: jobs without a record and interrupted ones; with "failed" those too, with "all" every one."""
    steps = []
    for job in jobs:
        record = store.find(job.info)
        pending = (
            record is None
            or record.status == "interrupted"
            or rerun == "all"
            or (rerun == "failed" and record.status != "ok")
        )
        steps.append(Step(job, record, pending))
    return steps


def sweep(
    steps: Sequence[Step],
    store: Store,
    options: Options,
    observer: Observer | None = None,
    *,
    fail_fast: bool = False,
) -> list[RunRecord]:
    """Runs the pending steps; returns one record a step, in order, those already done included.

    With ``fail_fast`` it stops after the first failure. Raises Interrupted where the user stops it.
    """
    observer = observer or Observer()
    store.prepare()
    records = []
    total, number = sum(step.pending for step in steps), 0
    for step in steps:
        if not step.pending:
            assert step.record is not None
            records.append(step.record)
            continue
        number += 1
        job = step.job
        observer.started(number, total, job)
        try:
            record = execute(job, store, options, partial(observer.progressed, job))
        except Interrupted as stop:
            observer.finished(job, stop.record)
            raise
        observer.finished(job, record)
        records.append(record)
        if fail_fast and is_failure(record.status):
            break
    return records


def run(
    names: Sequence[str] | None = None,
    *,
    data: str | Path | None = None,
    splits: Sequence[str] = ("official",),
    results: str | Path = "results",
    labels: str = "seven",
    merge: Sequence[str] = (),
    fill: str | Path | None = None,
    rerun: Rerun = "none",
    fail_fast: bool = False,
    **options: Any,
) -> list[RunRecord]:
    """Trains and scores runners, as ``fer-bench run`` does; all of them where ``names`` is None.

    Args:
        names: runner names, with parameters in brackets where wanted: ``"stacked-cnn[n=3]"``.
        data: a data set's path, or None to find it as the command line does.
        splits: names of splits; "kfold-5" stands for its five folds.
        results: the results folder.
        labels: label scheme, "seven" or "six".
        merge: label merges such as "sadness+neutral".
        fill: a second data set that fills the classes' gaps in the training part.
        rerun: "failed" runs failed jobs again, "all" every job.
        fail_fast: stop after the first failure.
        **options: fields of ``fer_bench.engine.job.Options``.

    Returns:
        One record a job, those already done included.

    Raises:
        InputError: where something given is wrong, before anything runs.
    """
    chosen = Options(**options)
    for warning in registry.load_plugins(chosen.plugins):
        import warnings

        warnings.warn(warning, stacklevel=2)
    dataset = load_dataset(data, scheme=labels, merge=merge)
    other = load_dataset(fill) if fill is not None else None
    if names is not None and not names:
        raise InputError("no runner named; None stands for all of them")
    jobs = plan(
        dataset,
        registry.names() if names is None else names,
        splits,
        chosen,
        fill_from=other,
        explicit=names is not None,
    )
    store = Store(Path(results))
    return sweep(survey(jobs, store, rerun), store, chosen, fail_fast=fail_fast)
