"""A SLURM cluster as an executor: an array of tasks, each of which works on the results folder that all nodes see."""

from __future__ import annotations

import importlib.util
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock

from ...errors import InputError
from ...files import durable, inside, locks
from ...hardware.device import Target
from ...records import provenance
from ...records.form import record_of
from ...records.record import Failure, RunRecord, Status
from ...records.store import SLURM, Store
from ..account import Start, store_failure
from ..job import Job, Options
from ..outcome import LOG_WIDTH, printable
from ..process import progress_events
from ..task import Report
from .executor import Busy, Executor
from .slurm_array import CLIENT, ENDING, LOOK, POLL, Array, clear_up
from .slurm_place import SlurmPlace, lost
from .slurm_settings import Settings, read_settings
from .slurm_task import STOP, Given, Task, busy_of, progress_of, record_of_task
from .words import Words

MOST_RECORD = 64 << 20


def make(words: Words) -> Slurm:
    """The executor that a user's words mean. Raises InputError where submitit is missing, or settings are wrong."""
    if importlib.util.find_spec("submitit") is None:
        raise InputError("--executor slurm needs the package submitit: pip install 'fer-bench[slurm]'")
    return Slurm(read_settings(words.config, words.jobs))


class Slurm(Executor):
    """Runs the jobs of a sweep as the tasks of one array, which the cluster queues as it has room.

    A task claims its job itself, and stores its record: it needs nobody who waits for it. Whoever has submitted it only
    looks at its files. What a dead client has left is thus done once, by whichever task comes first.
    """

    def __init__(self, settings: Settings | None = None, cluster: str = "slurm", look: float = LOOK) -> None:
        """``cluster`` "local" runs tasks as processes of this machine; ``look``: seconds between questions to SLURM."""
        self.settings, self.cluster, self.look = settings or Settings(), cluster, look
        self.place = SlurmPlace(self.settings, cluster, look)
        self.waiting: dict[str, Waiting] = {}
        self.arrays: list[Array] = []
        self.jobs, self.anew = 0, False
        self.lock, self.held = Lock(), ExitStack()

    @property
    def slots(self) -> int:
        """As many as there are jobs: what there is no room for waits in the cluster's queue. Of jobs that nobody knows
        yet, as many as were said to run at a time, or a few.
        """
        return self.jobs or self.settings.parallel

    @contextmanager
    def claim(self, job: Job, store: Store) -> Iterator[bool]:
        """As of ``Executor``: the task claims the job; here it is only seen whether somebody else is at it."""
        yield job.info.key in self.waiting or not store.claimed(job.info)

    def expect(self, jobs: Sequence[Job], store: Store, options: Options, *, anew: bool) -> None:
        """Submits all that nobody is at. Raises InputError where the cluster does not take them."""
        self.jobs, self.anew = len(jobs), anew
        if free := [job for job in jobs if not store.claimed(job.info)]:
            self._submit(free, store, options)

    def _submit(self, jobs: Sequence[Job], store: Store, options: Options) -> None:
        above = inside.make(store.root, store.root / SLURM).resolve()
        durable.write(above / ".gitignore", b"*\n")
        clear_up(above)
        folder = above / uuid.uuid4().hex[:12]
        folder.mkdir(mode=0o700)
        self.held.callback(inside.remove, above, folder)
        self.held.enter_context(locks.attempt(folder / CLIENT))
        earlier = [store.find(job.info) for job in jobs]
        Given(jobs, earlier, options, store.root.resolve(), self.anew, sys.argv).write(folder)
        tasks = [Task(folder, number) for number in range(len(jobs))]
        array = Array(folder, tasks, self.settings, self.cluster, self.look)
        self.arrays.append(array)
        for number, job in enumerate(jobs):
            self.waiting[job.info.key] = Waiting(array, folder, number, earlier[number])

    def execute(
        self, job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event, *, anew: bool
    ) -> RunRecord:
        """Waits for the task of a job, telling how it goes; its record."""
        with self.lock:
            if job.info.key not in self.waiting:  # somebody else was at it, and has not done it
                self._submit([job], store, options)
            mine, begun = self.waiting.pop(job.info.key), Start.now()
        report({"phase": f"queued as job {mine.array.jobs[mine.number].job_id}"})
        events = progress_events(progress_of(mine.folder, mine.number))
        record = None
        while record is None and not stop.is_set():
            gone = mine.array.gone(mine.number)  # before the look at what it has written last
            for event in next(events):
                report(event)
            record = mine.record()
            if record is None and gone:
                leave(mine)
                record = lost_record(mine, job, begun, store)
            elif record is None:
                stop.wait(POLL)
        if record is not None:
            mine.array.over.add(mine.number)
            if mine.record() is not None:
                mine.array.settle(mine.number)
            return record
        return self._stopped(mine, job, begun, store, report)

    def add_tta(
        self, job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event
    ) -> RunRecord:
        """As ``execute``: the task sees for itself that there is a model which only has to predict."""
        return self.execute(job, store, options, target, report, stop, anew=False)

    def _stopped(self, mine: Waiting, job: Job, begun: Start, store: Store, report: Report) -> RunRecord:
        """Has a task end itself where it has begun, and cancels the array; what the task has left to say."""
        (mine.folder / STOP).touch()
        deadline = time.monotonic() + ENDING
        record = mine.record()
        while record is None and mine.begun and time.monotonic() < deadline and not mine.array.gone(mine.number):
            time.sleep(POLL)
            record = mine.record()
        with self.lock:
            mine.array.over.add(mine.number)
            if len(mine.array.over) == len(mine.array.jobs):
                report({"note": mine.array.cancel()})
        return mine.record() or ended(job, begun, "interrupted", "stopped by the user", "run the same command again")

    def close(self) -> None:
        """Cancels what was submitted and nobody waits for any more, and takes away the folders of all arrays."""
        for array in self.arrays:
            if len(array.over) < len(array.jobs):
                array.cancel()
        self.waiting.clear()
        self.held.close()


@dataclass(frozen=True)
class Waiting:
    """A job that was submitted: its array, its task there, and the record that there was before."""

    array: Array
    folder: Path
    number: int
    earlier: RunRecord | None

    @property
    def begun(self) -> bool:
        """Whether its task has begun."""
        return progress_of(self.folder, self.number).exists()

    def record(self) -> RunRecord | None:
        """The record of the task, once that is over."""
        try:
            return record_of(inside.read(self.folder, record_of_task(self.folder, self.number), MOST_RECORD))
        except FileNotFoundError:
            return None


def leave(mine: Waiting) -> None:
    """Raises Busy where a task has left its job to another process."""
    if busy_of(mine.folder, mine.number).exists():
        mine.array.over.add(mine.number)
        raise Busy


def lost_record(mine: Waiting, job: Job, begun: Start, store: Store) -> RunRecord:
    """The record of a job whose task the cluster has no more, and that has handed over none."""
    outcome = lost(mine.array, mine.number)
    log = mine.array.log(mine.number)
    record = ended(job, begun, outcome.status, outcome.message, "--rerun failed goes on", log)
    with store.claim(job.info) as free:
        found = store.find(job.info)
        if found is not None and found != mine.earlier:
            return found  # by its task before it was ended, or by somebody else
        return store_failure(record, store) if free else record


def ended(job: Job, begun: Start, status: Status, message: str, hint: str, log: Sequence[str] = ()) -> RunRecord:
    """The record of a job that has none of its own."""
    return RunRecord(
        status=status,
        command=provenance.command_line(),
        started=begun.started,
        seconds=begun.seconds,
        job=job.info,
        environment=provenance.environment(executor="slurm"),
        failure=Failure(message=message, hint=hint, log_tail=[printable(line)[:LOG_WIDTH] for line in log]),
    )
