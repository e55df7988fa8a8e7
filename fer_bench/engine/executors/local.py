"""This machine as an executor: each run a process of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Event

from ...hardware.device import Target, alone_on, choose
from ...hardware.host import cores
from ...records.record import RunRecord
from ...records.store import Store
from ..job import Job, Options
from ..place import HERE
from ..task import Report
from .executor import Executor


class Local(Executor):
    """This machine, with so many runs at a time, the cores divided among them."""

    place = HERE

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs

    @property
    def slots(self) -> int:
        """As of ``Executor``."""
        return self.jobs

    def target(self, options: Options) -> Target:
        """Raises InputError where this machine has no such device or backend."""
        return choose(options.device, options.backend)

    def alone(self, target: Target) -> AbstractContextManager[bool]:
        """Two runs share no GPU, whichever process started them."""
        return alone_on(target.device)

    def execute(
        self, job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event, *, anew: bool
    ) -> RunRecord:
        """As of ``Executor``."""
        return super().execute(job, store, self._shared(options), target, report, stop, anew=anew)

    def add_tta(
        self, job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event
    ) -> RunRecord:
        """As of ``Executor``."""
        return super().add_tta(job, store, self._shared(options), target, report, stop)

    def _shared(self, options: Options) -> Options:
        if self.jobs == 1:
            return options
        return replace(options, threads=options.threads or max(1, cores() // self.jobs))
