"""A sweep: the jobs of a plan, less what is done already, one after another or a few at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import Any, Literal

from .. import registry
from ..data import load_dataset
from ..errors import InputError
from ..provenance import cores
from ..records import RunRecord
from ..store import Store
from ..training.device import alone_on, choose_device
from .evaluate import run_has_model
from .execute import execute, is_failure
from .job import Job, Options, plan
from .tta import add_views, has_views

Rerun = Literal["none", "failed", "all"]
#: Seconds between two looks at a job that waits for another process.
PAUSE = 1.0


@dataclass(frozen=True, eq=False)
class Step:
    """A job of the plan with the record that the store already has of it, and whether it is to be run.

    ``views``: all that is to be done is to predict with test-time augmentation, for the model is there. ``anew``: from its
    beginning, whatever state an earlier attempt has left. ``problem`` says of what stands in the record's place and can't be
    read why it can't. Such a job is not run: its record would replace that.
    """

    job: Job
    record: RunRecord | None
    pending: bool
    anew: bool = False
    views: bool = False
    problem: str | None = None

    @property
    def retrained(self) -> bool:
        """Whether it is trained again only for want of a model that could predict with test-time augmentation."""
        well = self.record is not None and self.record.status == "ok"
        return well and self.pending and not (self.views or self.anew)


class Observer:
    """Is told how a sweep goes; this one keeps silent."""

    def started(self, number: int, total: int, job: Job) -> None: ...

    def waiting(self, number: int, total: int, job: Job, reason: str) -> None:
        """Another process is in the way; ``started`` follows once that is over, or ``finished`` if it did the job."""

    def progressed(self, job: Job, event: Mapping[str, Any]) -> None: ...

    def finished(self, job: Job, record: RunRecord) -> None: ...


def survey(jobs: Sequence[Job], store: Store, rerun: Rerun = "none") -> list[Step]:
    """What is to be run: jobs without a record and interrupted ones; with "failed" those too, with "all" every one.

    A job that went well without the test-time augmentation that is asked for is predicted again, with the model that it
    has kept; where it has none it is trained again.
    """
    return [_look(job, store, rerun) for job in jobs]


def _look(job: Job, store: Store, rerun: Rerun) -> Step:
    try:
        record = store.find(job.info)
    except InputError as error:
        return Step(job, None, False, problem=str(error))
    lacks_views = record is not None and record.status == "ok" and not has_views(record, job)
    pending = (
        record is None
        or lacks_views
        or record.status == "interrupted"
        or rerun == "all"
        or (rerun == "failed" and record.status != "ok")
    )
    views = lacks_views and rerun != "all" and run_has_model(store.folder(job.info))
    return Step(job, record, pending, anew=rerun == "all", views=views)


class Interrupted(KeyboardInterrupt):
    """The user stopped a sweep; carries the records of its steps up to then, which are in the store."""

    def __init__(self, records: list[RunRecord]) -> None:
        super().__init__("interrupted")
        self.records = records


def sweep(
    steps: Sequence[Step],
    store: Store,
    options: Options,
    observer: Observer | None = None,
    *,
    fail_fast: bool = False,
    jobs: int = 1,
) -> list[RunRecord]:
    """Runs the pending steps; returns one record a step, in order, those already done included, less those with a problem.

    Each run is a process of its own, watched by a thread here; what happens reaches ``observer`` in the calling thread.
    What another process runs is left to it: other jobs come first, then its outcome is taken, or its place where it died
    or was interrupted. On a GPU there is one run at a time, whichever process started it.

    Args:
        steps: from ``survey``.
        store: where the records go; prepared.
        options: of the plan; unless they say how many threads, the cores are divided among the runs.
        observer: is told how it goes.
        fail_fast: start nothing more after the first failure, and end what runs.
        jobs: runs at a time.

    Raises:
        Interrupted: the user stopped it; what ran has a record that says so.
        InputError: something came up that is no outcome of a run, such as a folder that can't be locked.
    """
    observer = observer or Observer()
    if jobs > 1:
        options = replace(options, threads=options.threads or max(1, cores() // jobs))
    pending = [number for number, step in enumerate(steps) if step.pending]
    records = {number: step.record for number, step in enumerate(steps) if step.record and not step.pending}
    waiting: set[int] = set()
    events: Queue[Callable[[], None]] = Queue()
    stop = Event()
    device = choose_device(options.device)
    futures: list[Future[None]] = []

    def run_one(number: int) -> None:
        if stop.is_set():
            return
        job, count = steps[number].job, (pending.index(number) + 1, len(pending))
        result = attempt(steps[number], count)
        if isinstance(result, RunRecord):
            records[number] = result
            events.put(partial(observer.finished, job, result))
            if fail_fast and is_failure(result.status):
                stop.set()
            return
        if number in waiting:
            stop.wait(PAUSE)
        else:
            waiting.add(number)
            events.put(partial(observer.waiting, *count, job, result))
        futures.append(pool.submit(run_one, number))

    def attempt(step: Step, count: tuple[int, int]) -> RunRecord | str:
        """The record of a run, or of another process's since the survey; or why the job has to wait."""
        job = step.job
        with store.claim(job.info) as mine:
            if not mine:
                return "another process runs it"
            now = _look(job, store, "none")
            if now.problem:
                raise InputError(now.problem)
            if now.record is not None and now.record != step.record and not now.pending:
                return now.record
            with alone_on(device) as free:
                if not free:
                    return f"another process has {device}"
                events.put(partial(observer.started, *count, job))
                try:
                    report = partial(_pass_on, events, observer, job)
                    if now.views and not step.anew:
                        return add_views(job, store, options, report, stop)
                    return execute(job, store, options, report, stop, anew=step.anew)
                except BaseException:
                    stop.set()  # what a run can't put into its record concerns the others, too
                    raise

    interrupted = False
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures += [pool.submit(run_one, number) for number in pending]
            _dispatch(events, futures)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            stop.set()
            _dispatch(events, futures)
    for future in futures:
        future.result()
    done = [records[number] for number in sorted(records)]
    if interrupted:
        raise Interrupted(done)
    return done


def _pass_on(events: Queue[Callable[[], None]], observer: Observer, job: Job, event: Mapping[str, Any]) -> None:
    events.put(partial(observer.progressed, job, event))


def _dispatch(events: Queue[Callable[[], None]], futures: Sequence[Future[None]]) -> None:
    """Calls what arrives in ``events`` until all ``futures`` are over and nothing is left."""
    while not all(future.done() for future in futures) or not events.empty():
        with suppress(Empty):
            events.get(timeout=0.1)()


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
    jobs: int = 1,
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
        jobs: runs at a time.
        **options: fields of ``fer_bench.engine.job.Options``.

    Returns:
        One record a job, those already done included; a warning for each that stands there and can't be read.

    Raises:
        InputError: where something given is wrong, before anything runs.
    """
    chosen = Options(**options)
    for warning in registry.load_plugins(chosen.plugins):
        warnings.warn(warning, stacklevel=2)
    dataset = load_dataset(data, scheme=labels, merge=merge)
    other = load_dataset(fill) if fill is not None else None
    if names is not None and not names:
        raise InputError("no runner named; None stands for all of them")
    planned = plan(
        dataset,
        registry.names() if names is None else names,
        splits,
        chosen,
        fill_from=other,
        explicit=names is not None,
    )
    store = Store(Path(results))
    store.prepare()
    steps = survey(planned, store, rerun)
    for step in steps:
        if step.problem:
            warnings.warn(step.problem, stacklevel=2)
    return sweep(steps, store, chosen, fail_fast=fail_fast, jobs=jobs)
