"""What an executor is: it runs the jobs of a sweep, here or on other machines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Event
from typing import Self

from ...hardware.device import Target
from ...records.record import RunRecord
from ...records.store import Store
from ..add_tta import add_tta
from ..execute import execute
from ..job import Job, Options
from ..place import Place
from ..task import Report


class Busy(Exception):
    """Another process is at the job; whoever has waited for that asks again."""


class Executor(ABC):
    """Runs jobs, each called for in a thread of the sweep, which has claimed it.

    The store is written by whoever calls: an executor for a cluster brings what a run has left to this machine, or
    works on a folder that both see. An executor is a context manager: what it has started ends with its block.

    Attributes:
        place: where it has the process of an attempt run.
        said: lines for the user before anything runs, such as a dashboard's address.
    """

    place: Place
    said: tuple[str, ...] = ()

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many jobs it can run at a time now; 0 where it has to wait for machines."""

    @property
    def name(self) -> str:
        """As the environment of a record has it: "local", "dask" or "slurm"."""
        return self.place.name

    def target(self, options: Options) -> Target:
        """Device and backend of the runs. Of another machine nobody knows what it has: these are the user's words."""
        return Target(options.device, options.backend)

    def alone(self, target: Target) -> AbstractContextManager[bool]:
        """Whether the block has the device to itself, and need not wait for another run on this machine."""
        return nullcontext(True)

    def claim(self, job: Job, store: Store) -> AbstractContextManager[bool]:
        """Whether the block may have the job run: not where another process is at it.

        It is claimed as long as the block lasts, unless what runs it elsewhere claims it there.
        """
        return store.claim(job.info)

    def expect(self, jobs: Sequence[Job], store: Store, options: Options, *, anew: bool) -> None:  # noqa: B027
        """Is told, once and before anything runs, of all jobs that a sweep has pending, and whether they start anew.

        Raises InputError where they can't be run.
        """

    def execute(
        self, job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event, *, anew: bool
    ) -> RunRecord:
        """Runs a job to its end, or until ``stop`` is set, and stores its record.

        Raises:
            Gone: this executor can run nothing any more. Nothing is stored of the job then.
            Busy: another process is at the job where it was to be run.
            OSError: the disk is full.
        """
        return execute(job, store, options, target, report, stop, anew=anew, at=self.place)

    def add_tta(
        self, job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event
    ) -> RunRecord:
        """Predicts with the stored model of a job, and adds the scores to its record, as ``engine.add_tta`` says."""
        return add_tta(job, store, options, target, report, stop, at=self.place)

    def close(self) -> None:  # noqa: B027
        """Ends what this executor has started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
