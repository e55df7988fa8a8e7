"""Where the process of an attempt runs: on this machine, or wherever an executor takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import NamedTuple, Protocol

import numpy as np

from ..errors import RunError
from ..hardware.device import Target, process_variables
from ..records.record import Environment
from .job import Options
from .outcome import Outcome
from .process import watch
from .task import Report


@dataclass(frozen=True)
class Work:
    """What a process is to do: all of it in a folder, so that another machine can be given the same.

    Attributes:
        folder: has ``task.json`` and what belongs to it, but for the images; it gets what the process leaves.
        images: (N, 48, 48) uint8 by the names that their files are to have in ``folder``; others' may be the same.
        options: threads, timeout, stall and plugins count.
        target: device and backend: of this machine, or for another one the user's words.
        module: what is run: ``fer_bench.engine.worker`` or ``fer_bench.engine.predict``.
        anew: whether a state that an earlier attempt has left is to be forgotten.
    """

    folder: Path
    images: Mapping[str, np.ndarray]
    options: Options
    target: Target
    module: str
    anew: bool = False


class Done(NamedTuple):
    """What became of a process, and where it ran; None where that is this machine."""

    outcome: Outcome
    environment: Environment | None = None


class Gone(RunError):
    """An executor can run nothing any more: its scheduler is gone, say. It concerns no job, but the whole sweep."""


class Place(Protocol):
    """Runs the processes of attempts, several at a time, each called for in a thread of its own."""

    @property
    def name(self) -> str:
        """Of the executor, as records have it."""
        ...

    def do(self, work: Work, report: Report, stop: Event) -> Done:
        """Runs a process to its end, its limits, or until ``stop`` is set; what it leaves is in ``work.folder`` then.

        No process of it is left when this returns. Raises Gone where nothing can be run there any more.
        """
        ...


@dataclass(frozen=True)
class Here:
    """This machine."""

    name: str = "local"

    def do(self, work: Work, report: Report, stop: Event) -> Done:
        """As of ``Place``."""
        for name, images in work.images.items():
            np.save(work.folder / name, images)
        variables = process_variables(work.target, work.options.threads)
        return Done(watch(work.folder, work.options, variables, report, stop, work.module))


HERE = Here()
