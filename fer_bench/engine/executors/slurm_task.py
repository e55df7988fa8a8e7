"""A task of an array on a cluster: a job, run there as it is run here, on the results folder that all share."""

from __future__ import annotations

import _thread
import json
import os
import pickle
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from ...api import registry
from ...data.dataset import Dataset
from ...files import durable
from ...hardware.device import Target
from ...records.form import content_of
from ...records.record import Failure, RunRecord
from ...records.store import Store
from ..account import Start, failed, store_failure
from ..job import Job, Options
from ..place import Here
from ..task import Report
from .executor import Busy
from .local import Local

if TYPE_CHECKING:
    from ..sweep import Observer

#: In the folder of an array.
JOBS, STOP = "jobs.pkl", "stop"
#: Seconds between two looks at whether the client wants the end, and that an ending run may take.
POLL, ENDING = 1.0, 60.0


@dataclass(frozen=True)
class Given:
    """What all tasks of an array are told: of each job, the record that there was when it was submitted."""

    jobs: Sequence[Job]
    earlier: Sequence[RunRecord | None]
    options: Options
    root: Path
    anew: bool
    argv: Sequence[str]

    def write(self, folder: Path) -> None:
        """Puts it into a folder; images and labels once, whatever the number of jobs."""
        plain: dict[int, Dataset] = {}
        jobs = [
            replace(job, dataset=_plain(job.dataset, plain), fill_from=job.fill_from and _plain(job.fill_from, plain))
            for job in self.jobs
        ]
        durable.write(folder / JOBS, lambda file: pickle.dump(replace(self, jobs=jobs), file))


def _plain(dataset: Dataset, known: dict[int, Dataset]) -> Dataset:
    """A data set whose images are no memory map of this machine's cache."""
    if id(dataset) not in known:
        known[id(dataset)] = replace(dataset, images=np.array(dataset.images, subok=False))
    return known[id(dataset)]


def progress_of(folder: Path, number: int) -> Path:
    """The file into which a task writes its events, a line of JSON each."""
    return folder / f"{number}.progress.jsonl"


def busy_of(folder: Path, number: int) -> Path:
    """The file that says of a task that it has left its job to another process."""
    return folder / f"{number}.busy"


def record_of_task(folder: Path, number: int) -> Path:
    """The file of a task's record, which is there once the task is over."""
    return folder / f"{number}.record.json"


def with_cpus(options: Options) -> Options:
    """Options with as many threads as SLURM has given the task processors, where nobody has said how many.

    Not every cluster keeps a task from the others.
    """
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return replace(options, threads=int(given)) if options.threads is None and given.isdigit() else options


class Node(Local):
    """A node of the cluster, which has given the task its devices: they are shared with nobody. It runs one job.

    Attributes:
        stop: ends the sweep with its run; None before that has begun.
        over: is set once the run has ended.
    """

    place = Here("slurm")

    def __init__(self) -> None:
        super().__init__(1)
        self.stop: Event | None = None
        self.over = Event()

    @contextmanager
    def claim(self, job: Job, store: Store) -> Iterator[bool]:
        """As of ``Executor``; raises Busy where another process is at the job: the node is not to wait for that."""
        with store.claim(job.info) as mine:
            if not mine:
                raise Busy
            yield mine

    def alone(self, target: Target) -> AbstractContextManager[bool]:
        """As of ``Executor``."""
        return nullcontext(True)

    def execute(
        self, job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event, *, anew: bool
    ) -> RunRecord:
        """As of ``Executor``."""
        self.stop = stop
        try:
            return super().execute(job, store, options, target, report, stop, anew=anew)
        finally:
            self.over.set()

    def add_tta(
        self, job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event
    ) -> RunRecord:
        """As of ``Executor``."""
        self.stop = stop
        try:
            return super().add_tta(job, store, options, target, report, stop)
        finally:
            self.over.set()


class Task:
    """What submitit calls on a node, and what it asks for a checkpoint where the time is up or the node is wanted.

    A run saves the state of its training after every epoch, on the shared folder: a checkpoint is to end the run, and
    the same task again, which goes on from there.
    """

    def __init__(self, folder: Path, number: int, *, again: bool = False) -> None:
        self.folder, self.number, self.again = folder, number, again
        self.node = Node()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "node"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, node=Node())

    def __call__(self) -> None:
        """Runs the job, unless another process is at it or has done it since; leaves its record in the folder."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # by which the client's word ends it, too
        if (self.folder / STOP).exists():
            return
        with (self.folder / JOBS).open("rb") as file:
            given: Given = pickle.load(file)
        sys.argv = list(given.argv)  # the record has the command that the user typed
        registry.know_plugins(given.options.plugins)
        job, store, begun = given.jobs[self.number], Store(given.root), Start.now()
        try:
            record = self._run(given, job, store)
        except Busy:
            busy_of(self.folder, self.number).touch()
            return
        except Exception as error:  # a device that the node lacks, or submitit's word that time was up too often
            record = ended_by(error, job, begun, store)
        if record is not None:
            durable.write(record_of_task(self.folder, self.number), content_of(record))

    def _run(self, given: Given, job: Job, store: Store) -> RunRecord | None:
        """A sweep of one step, which claims the job, or takes the record of whoever has done it meanwhile. None: the
        client wanted the end before anything had begun.
        """
        from ..sweep import Interrupted, Step, sweep

        first = not self.again and not progress_of(self.folder, self.number).exists()
        step = Step(job, given.earlier[self.number], pending=True, anew=given.anew and first)
        with told(self.folder, self.number) as teller:
            try:
                (record,) = sweep([step], store, with_cpus(given.options), teller, executor=self.node)
            except Interrupted as stop:
                return stop.records[0] if stop.records else None
        return record

    def checkpoint(self) -> Any:
        """Ends the run, and gives the task that goes on; what is called by submitit, in a handler of a signal."""
        from submitit.helpers import DelayedSubmission

        if self.node.stop is not None:
            self.node.stop.set()
            self.node.over.wait(ENDING)
        return DelayedSubmission(Task(self.folder, self.number, again=True))


def ended_by(error: Exception, job: Job, begun: Start, store: Store) -> RunRecord:
    """The record of a task that an exception ended, in the store where that has nothing better."""
    from submitit.core.utils import UncompletedJobError

    record = failed(job, begun, error)
    if isinstance(error, UncompletedJobError):
        words = "its time on the cluster was up as often as it may be queued again"
        failure = Failure(message=words, hint="max_num_timeout in --executor-config; --rerun failed goes on")
        record = record.model_copy(update={"status": "timeout", "failure": failure})
    with store.claim(job.info, wait=True):
        return store_failure(record, store)


@contextmanager
def told(folder: Path, number: int) -> Iterator[Observer]:
    """An observer that writes what happens for the client to read; in the block, the client's word ends the run."""
    from ..sweep import Observer

    class Teller(Observer):
        def started(self, number: int, total: int, job: Job) -> None:
            tell({"note": f"runs on {socket.gethostname()}"})

        def progressed(self, job: Job, event: Mapping[str, Any]) -> None:
            tell(event)

    over = Event()

    def obey() -> None:
        while not over.wait(POLL):
            if (folder / STOP).exists():
                _thread.interrupt_main()
                return

    with progress_of(folder, number).open("a", encoding="utf-8") as file:

        def tell(event: Mapping[str, Any]) -> None:
            file.write(json.dumps(event) + "\n")
            file.flush()

        obeying = Thread(target=obey, daemon=True)
        obeying.start()
        try:
            yield Teller()
        finally:
            over.set()
