"""A sweep: the jobs of a plan, less what is done already, one after another or a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, Queue
from threading import Event
from typing import Any, Literal

from ..errors import InputError, is_disk_full
from ..records.record import RunRecord
from ..records.store import Store
from .account import Start, failed, store_failure, unstored
from .add_tta import has_tta
from .execute import is_failure
from .executors import Busy, Executor, Gone, Local
from .job import Job, Options
from .stored_model import has_model

Rerun = Literal["none", "failed", "all"]
#: Seconds between two looks at a job that waits for another process, and what is said of it.
PAUSE, TAKEN = 1.0, "another process runs it"


@dataclass(frozen=True, eq=False)
class Step:
    """A job of the plan with the record that the store already has of it, and whether it is to be run.

    ``adds_tta``: all that is to be done is to predict with test-time augmentation, for the model is there. ``anew``:
    from its beginning, whatever state an earlier attempt has left. ``problem`` says of what stands in the record's
    place and can't be read why it can't. Such a job is not run: its record would replace that.
    """

    job: Job
    record: RunRecord | None
    pending: bool
    anew: bool = False
    adds_tta: bool = False
    problem: str | None = None

    @property
    def retrained(self) -> bool:
        """Whether it is trained again only for want of a model that could predict with test-time augmentation."""
        well = self.record is not None and self.record.status == "ok"
        return well and self.pending and not (self.adds_tta or self.anew)


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
    lacks_tta = record is not None and record.status == "ok" and not has_tta(record, job)
    pending = (
        record is None
        or lacks_tta
        or record.status == "interrupted"
        or rerun == "all"
        or (rerun == "failed" and record.status != "ok")
    )
    adds_tta = lacks_tta and rerun != "all" and has_model(store.folder(job.info))
    return Step(job, record, pending, anew=rerun == "all", adds_tta=adds_tta)


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
    executor: Executor | None = None,
) -> list[RunRecord]:
    """Runs the pending steps; returns one record a step, in order, done ones included, those with a problem left out.

    Each run is a process of its own, watched by a thread here; what happens reaches ``observer`` in the calling thread.
    What another process runs is left to it: other jobs come first, then its outcome is taken, or its place where it
    died or was interrupted. On a GPU of this machine there is one run at a time, whichever process started it.

    Args:
        steps: from ``survey``.
        store: where the records go; prepared.
        options: of the plan; unless they say how many threads, the cores are divided among the runs.
        observer: is told how it goes.
        fail_fast: start nothing more after the first failure, and end what runs.
        executor: runs the jobs, and says how many at a time; None: one at a time, on this machine.

    Raises:
        Interrupted: the user stopped it; what ran has a record that says so.
        Gone: the executor can run nothing any more; what was finished is in the store.
        InputError: the results folder can't be written. What else befalls a job is its record, and the next one runs.
        OSError: the disk is full.
    """
    return _Sweep(steps, store, options, observer or Observer(), fail_fast, executor or Local()).run()


class _Sweep:
    """A sweep on its way: what ``sweep`` was given, the records that there are so far, and what is still to be told."""

    def __init__(
        self,
        steps: Sequence[Step],
        store: Store,
        options: Options,
        observer: Observer,
        fail_fast: bool,
        executor: Executor,
    ) -> None:
        self.steps, self.store, self.options, self.observer, self.fail_fast = steps, store, options, observer, fail_fast
        self.executor, self.target = executor, executor.target(options)
        self.pending = [number for number, step in enumerate(steps) if step.pending]
        self.places = {number: place for place, number in enumerate(self.pending, 1)}
        self.records = {number: step.record for number, step in enumerate(steps) if step.record and not step.pending}
        self.waiting: set[int] = set()
        self.events: Queue[Callable[[], None]] = Queue()
        self.stop = Event()
        self.queue = deque(self.pending)
        self.running: list[Future[None]] = []
        self.over: list[Future[None]] = []

    def run(self) -> list[RunRecord]:
        """Takes all pending steps, as many at a time as the executor has room for; the records, in the order of the
        steps.
        """
        interrupted = False
        with ThreadPoolExecutor(max(1, len(self.pending))) as pool:  # a thread is started where none is free
            try:
                pending = [self.steps[number] for number in self.pending]
                anew = any(step.anew for step in pending)
                self.executor.expect([step.job for step in pending], self.store, self.options, anew=anew)
                self._tell(pool)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                self.stop.set()
                self._tell(pool)
        for future in self.over:
            future.result()
        done = [self.records[number] for number in sorted(self.records)]
        if interrupted:
            raise Interrupted(done)
        return done

    def _tell(self, pool: ThreadPoolExecutor) -> None:
        """Starts steps, and tells the observer in the calling thread what happens, until all is over and told."""
        while self._start(pool) or not self.events.empty():
            with suppress(Empty):
                self.events.get(timeout=0.1)()

    def _start(self, pool: ThreadPoolExecutor) -> bool:
        """Starts steps where the executor has room; whether any is under way or to come."""
        self.over += [future for future in self.running if future.done()]
        self.running = [future for future in self.running if not future.done()]
        while self.queue and not self.stop.is_set() and len(self.running) < self.executor.slots:
            future = pool.submit(self._take, self.queue.popleft())
            future.add_done_callback(lambda _: self.events.put(lambda: None))  # wakes who waits for events
            self.running.append(future)
        return bool(self.running) or (bool(self.queue) and not self.stop.is_set())

    def _take(self, number: int) -> None:
        """Takes a step, in a thread of the pool; if it has to wait, it goes to the end of the queue."""
        if self.stop.is_set():
            return
        job, count = self.steps[number].job, (self.places[number], len(self.pending))
        begun = Start.now()
        try:
            result = self._claim(self.steps[number], count, begun)
        except Exception as error:  # before this process had the job
            self._check_rest(error)
            result = unstored(failed(job, begun, error), error)
        except BaseException:
            self.stop.set()
            raise
        if isinstance(result, RunRecord):
            self.records[number] = result
            self.events.put(partial(self.observer.finished, job, result))
            if self.fail_fast and is_failure(result.status):
                self.stop.set()
            return
        if number in self.waiting:
            self.stop.wait(PAUSE)
        else:
            self.waiting.add(number)
            self.events.put(partial(self.observer.waiting, *count, job, result))
        self.queue.append(number)

    def _check_rest(self, error: Exception) -> None:
        """Returns where an exception concerns one job alone; else stops the sweep, and raises what concerns all.

        That is an executor that is gone or leaves its job to another, a full disk, or a results folder that can't be
        written at all.
        """
        try:
            if isinstance(error, Gone | Busy) or is_disk_full(error):
                raise error
            self.store.prepare()
        except BaseException:
            self.stop.set()
            raise

    def _claim(self, step: Step, count: tuple[int, int], begun: Start) -> RunRecord | str:
        """The record of a run, or of another process's since the survey; or why the job has to wait."""
        job = step.job
        with self.executor.claim(job, self.store) as mine:
            if not mine:
                return TAKEN
            now = _look(job, self.store, "none")
            if now.problem:
                raise InputError(now.problem)
            if now.record is not None and now.record != step.record and not now.pending:
                return now.record
            with self.executor.alone(self.target) as free:
                if not free:
                    return f"another process has {self.target.device}"
                self.events.put(partial(self.observer.started, *count, job))
                try:
                    return self._do(job, anew=step.anew, adds_tta=now.adds_tta and not step.anew)
                except Busy:
                    return TAKEN
                except Exception as error:
                    self._check_rest(error)
                    return store_failure(failed(job, begun, error), self.store)

    def _do(self, job: Job, *, anew: bool, adds_tta: bool) -> RunRecord:
        """Does a job that this process has claimed."""

        def report(event: Mapping[str, Any]) -> None:
            self.events.put(partial(self.observer.progressed, job, event))

        given = (job, self.store, self.options, self.target, report, self.stop)
        return self.executor.add_tta(*given) if adds_tta else self.executor.execute(*given, anew=anew)
