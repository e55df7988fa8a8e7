"""A study on its way: takes trials, runs each as a job of the engine, prunes, and keeps what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import Any

from ..engine.executors import Busy, Executor, Local
from ..engine.job import Job
from ..errors import InputError
from ..files import durable
from ..records.record import RunRecord
from ..records.store import Store
from .account import write_account
from .plan import Plan
from .storage import JOURNAL, open_storage
from .studies import RECORDS, Account, study_folder
from .trials import Taken, Trials

#: Seconds between two looks at what others do.
PAUSE = 1.0


class Observer:
    """Is told how a study goes; this one keeps silent."""

    def started(self, taken: Taken, most: int) -> None: ...

    def progressed(self, taken: Taken, event: Mapping[str, Any]) -> None: ...

    def finished(self, taken: Taken, account: Account) -> None: ...

    def waiting(self, why: str) -> None: ...


def tune(
    plan: Plan,
    results: Path,
    *,
    trials: int,
    storage: str | None = None,
    seconds: float | None = None,
    executor: Executor | None = None,
    jobs: int = 1,
    observer: Observer | None = None,
) -> tuple[Account, bool]:
    """Brings a study to so many trials in all, and writes its account and its best recipe.

    Every trial is a process of its own, watched by a thread here; what happens reaches ``observer`` in the calling
    thread. There are as many at a time as the executor has room for. Several processes may do this for one study at a
    time: each ends when all trials are over.

    Args:
        plan: what the study is to do.
        results: the results folder; the study lies in ``studies/NAME`` there.
        trials: in all, those of earlier calls and other processes included.
        storage: path of a journal or URL of a database; None: a journal in the study's folder.
        seconds: after so many no more trial begins.
        executor: runs the trials, and says how many at a time; None: one at a time, on this machine.
        jobs: trials at a time where the executor would do as many as it is given.
        observer: is told how it goes.

    Returns:
        The account, and whether the user interrupted it; the same call then goes on.

    Raises:
        InputError: the results folder or the storage can't be used, or the study was begun with something else.
        Gone: the executor can run nothing any more.
        OSError: the disk is full.
    """
    folder = study_folder(results, plan.name)
    if storage:
        open_storage(storage)  # where that can't be, nothing is begun
    Store(results).prepare()
    store = Store(folder / RECORDS)
    store.prepare()
    durable.write(folder / ".gitignore", f"{RECORDS}/\nlocks/\n".encode(), store.root)
    queue = Trials(plan, storage or str(folder / JOURNAL), folder)
    with queue.signed():
        return _Search(queue, store, trials, seconds, executor or Local(jobs), jobs, observer or Observer()).run()


class _Search:
    """A study on its way in this process."""

    def __init__(
        self,
        trials: Trials,
        store: Store,
        most: int,
        seconds: float | None,
        executor: Executor,
        jobs: int,
        observer: Observer,
    ) -> None:
        self.trials, self.store, self.most, self.observer = trials, store, most, observer
        self.plan = trials.plan
        self.executor, self.target = executor, executor.target(self.plan.options)
        self.deadline = time.monotonic() + seconds if seconds else None
        self.jobs = jobs
        self.stop, self.none_left, self.waits = Event(), Event(), Event()
        self.stops: set[Event] = set()
        self.events: Queue[Callable[[], None]] = Queue()
        self.running: list[Future[None]] = []
        self.over: list[Future[None]] = []

    def run(self) -> tuple[Account, bool]:
        """Takes trials, as many at a time as the executor has room for, until all are over."""
        interrupted = False
        with ThreadPoolExecutor(self.most) as pool:  # a thread is started where none is free
            try:
                self.executor.expect([], self.store, self.plan.options, anew=False)  # nobody knows them yet
                self._tell(pool)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                self._end()
                self._tell(pool)
        for future in self.over:
            future.result()
        return write_account(self.trials, self.most, self.store), interrupted

    def _tell(self, pool: ThreadPoolExecutor) -> None:
        """Starts trials, and tells the observer in the calling thread what happens, until all is over and told."""
        while self._start(pool) or not self.events.empty():
            with suppress(Empty):
                self.events.get(timeout=0.1)()

    def _start(self, pool: ThreadPoolExecutor) -> bool:
        """Starts trials where the executor has room; whether any is under way or to come."""
        self.over += [future for future in self.running if future.done()]
        self.running = [future for future in self.running if not future.done()]
        late = self.deadline is not None and time.monotonic() > self.deadline
        ending = late or self.stop.is_set() or self.none_left.is_set()
        slots = min(max(self.executor.slots, self.jobs), self.most)
        room = 0 if ending else slots - len(self.running)
        self.running += [pool.submit(self._step) for _ in range(room)]
        return bool(self.running) or not ending

    def _end(self) -> None:
        self.stop.set()
        for stop in list(self.stops):
            stop.set()

    def _step(self) -> None:
        """Takes a trial and runs it, in a thread of the pool."""
        try:
            taken = self.trials.take(self.most)
            if taken is not None:
                self._run(taken)
            elif not self.trials.others_at_work():
                self.none_left.set()
            else:
                if not self.waits.is_set():
                    self.events.put(partial(self.observer.waiting, "another process runs the last trials"))
                self.waits.set()
                self.stop.wait(PAUSE)
        except BaseException:
            self._end()
            raise

    def _run(self, taken: Taken) -> None:
        """Runs a trial that this process has taken; whatever happens, it is over then or given back."""
        stop = Event()
        self.stops.add(stop)
        if self.stop.is_set():
            stop.set()
        self.events.put(partial(self.observer.started, taken, self.most))
        try:
            if self._do(taken, stop):
                account = write_account(self.trials, self.most, self.store)
                self.events.put(partial(self.observer.finished, taken, account))
            else:
                self.trials.give_back(taken)
        except BaseException:
            self.trials.give_back(taken)
            raise
        finally:
            self.stops.discard(stop)

    def _do(self, taken: Taken, stop: Event) -> bool:
        """Trains and scores a trial, and tells the study what came of it; False where the user stopped it."""
        try:
            job = self.plan.job(taken.recipe)
        except InputError as error:  # values that no record could be kept of
            self.trials.fail(taken, {"status": "error", "message": str(error), "hint": ""})
            return True
        watch = Watch(taken, self.plan.upwards, stop)
        record = self._record(job, taken, watch, stop)
        if record is None:
            return False
        if record.status == "interrupted" and watch.pruned:
            self._forget(job)
            self.trials.prune(taken)
            return True
        taken.trial.set_user_attr("seconds", record.seconds)
        if record.status == "ok":
            assert record.validation_scores is not None  # a study's data has a validation part
            taken.trial.set_user_attr("best_epoch", record.training.best_epoch)
            self.trials.complete(taken, getattr(record.validation_scores, self.plan.score))
            return True
        if record.status == "interrupted" and self.stop.is_set():
            return False
        why = record.failure
        said = {"message": why.message, "hint": why.hint} if why else {}
        self.trials.fail(taken, {"status": record.status, **said})
        return True

    def _record(self, job: Job, taken: Taken, watch: Watch, stop: Event) -> RunRecord | None:
        """The record of a trial's job, that of an equal trial where there was one; None where the user stopped it."""

        def report(event: Mapping[str, Any]) -> None:
            watch(event)
            self.events.put(partial(self.observer.progressed, taken, event))

        given = (job, self.store, self.plan.options, self.target, report, stop)
        while not stop.is_set():
            with self.executor.claim(job, self.store) as mine:
                earlier = self.store.find(job.info) if mine else None
                if earlier is not None and earlier.status == "ok":
                    return earlier
                with self.executor.alone(self.target) if mine else nullcontext(False) as free, suppress(Busy):
                    if free:
                        return self.executor.execute(*given, anew=False)
            stop.wait(PAUSE)
        return None

    def _forget(self, job: Job) -> None:
        """Takes away what a pruned trial has left."""
        with self.store.claim(job.info, wait=True):
            self.store.clean(self.store.resume(job.info))
            left = self.store.find(job.info)
            if left is not None and left.status != "ok":
                self.store.remove(self.store.folder(job.info), job.info)


class Watch:
    """Looks at the epochs of a trial's training, and stops it where the pruner says so.

    What it tells the study of an epoch is the accuracy on the validation part, whatever the objective; where less is
    better, the share of errors. The recipe as it was is never pruned: what it gets is what others are held against.
    """

    def __init__(self, taken: Taken, upwards: bool, stop: Event) -> None:
        self.taken, self.upwards, self.stop = taken, upwards, stop
        self.epoch = taken.reported
        self.pruned = False
        self.may_prune = not taken.is_base

    def __call__(self, event: Mapping[str, Any]) -> None:
        epoch = event.get("validated") if "step" in event else event.get("epoch")
        accuracy = event.get("val_accuracy")
        if not isinstance(epoch, int) or not isinstance(accuracy, int | float) or epoch <= self.epoch:
            return
        self.epoch = epoch
        self.taken.trial.report(accuracy if self.upwards else 1 - accuracy, epoch)
        if self.may_prune and not self.pruned and self.taken.trial.should_prune():
            self.pruned = True
            self.stop.set()
