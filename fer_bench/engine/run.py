"""Training and scoring runners from Python, as ``fer-bench run`` does."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..api import registry
from ..data.load import load_dataset
from ..errors import InputError
from ..records.record import RunRecord
from ..records.store import Store
from ..training.tensorboard import check_tensorboard
from .executors import Executor, Local
from .job import Options, plan
from .ranges import check_ranges
from .sweep import Rerun, survey, sweep


def run(
    names: Sequence[str] | None = None,
    *,
    data: str | Path | None = None,
    splits: Sequence[str] = ("official",),
    results: str | Path = "results",
    classes: str | None = None,
    labels: str = "seven",
    merge: Sequence[str] = (),
    fill: str | Path | None = None,
    rerun: Rerun = "none",
    fail_fast: bool = False,
    jobs: int = 1,
    executor: Executor | None = None,
    **options: Any,
) -> list[RunRecord]:
    """Trains and scores runners, as ``fer-bench run`` does; all of them where ``names`` is None.

    Args:
        names: runner names, with parameters and a recipe where wanted: ``"stacked-cnn[n=3]:tuned"``.
        data: a data set's path, or None to find it as the command line does.
        splits: names of splits; "kfold-5" stands for its five folds.
        results: the results folder.
        classes: what the data's label numbers mean, as for ``load_dataset``.
        labels: label scheme, "seven" or "six".
        merge: label merges such as "sadness+neutral".
        fill: a second data set that fills the classes' gaps in the training part.
        rerun: "failed" runs failed jobs again, "all" every job.
        fail_fast: stop after the first failure.
        jobs: runs at a time here; or ``executor``, what runs them elsewhere (``fer_bench.engine.executors``).
        **options: fields of ``fer_bench.engine.job.Options``.

    Returns:
        One record a job, those already done included; a warning for each that stands there and can't be read.

    Raises:
        InputError: where something given is wrong, before anything runs.

    >>> from fer_bench import run
    >>> (record,) = run(["svm"], data="synthetic", limit=8)
    >>> record.status, record.scores.images
    ('ok', 144)
    """
    chosen = Options(**options)
    check_ranges({"jobs": jobs})
    executor = _executor(jobs, executor)
    if chosen.tensorboard:
        check_tensorboard()
    _warn(registry.know_plugins(chosen.plugins))
    dataset = load_dataset(data, scheme=labels, merge=merge, classes=classes)
    other = load_dataset(fill) if fill is not None else None
    if names is not None and not names:
        raise InputError("no runner named; None stands for all of them")
    specs, explicit = (registry.specs(), False) if names is None else (names, True)
    planned = plan(dataset, specs, splits, chosen, fill_from=other, explicit=explicit)
    store = Store(Path(results))
    store.prepare()
    steps = survey(planned, store, rerun)
    _warn(filter(None, (step.problem for step in steps)))
    return sweep(steps, store, chosen, fail_fast=fail_fast, executor=executor)


def _executor(jobs: int, executor: Executor | None) -> Executor:
    if executor is not None and jobs != 1:
        raise InputError("jobs says how many runs there are at a time here, and an executor says that itself")
    return executor or Local(jobs)


def _warn(lines: Iterable[str]) -> None:
    """Warns where ``run`` was called."""
    for line in lines:
        warnings.warn(line, stacklevel=3)
