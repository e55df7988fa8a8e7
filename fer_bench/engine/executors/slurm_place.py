"""A process as a job of a SLURM cluster: one that predicts, and whatever else no array was submitted for."""

from __future__ import annotations

import json
import pickle
import signal
import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from ...files import durable, inside
from ...files.json_file import MOST_BYTES
from ...hardware.device import choose
from ...records import provenance
from ...records.record import Environment, Status
from ..account import broken
from ..outcome import STOPPED, Outcome
from ..place import Done, Here, Work
from ..process import progress_events
from ..task import OUTCOME, PROGRESS, TASK, Report
from .slurm_array import ENDING, POLL, Array
from .slurm_settings import Settings
from .slurm_task import STOP, with_cpus
from .there import Told

#: In a folder of a process's own, which goes with that: what it is to do, and what became of it.
ERRAND, WORK, DONE = "slurm", "work.pkl", "done.json"
#: What the cluster's word for the end of a task means.
STATUS: dict[str, Status] = {
    "OUT_OF_MEMORY": "oom",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "CANCELLED": "interrupted",
    "NODE_FAIL": "interrupted",
    "PREEMPTED": "interrupted",
}


class SlurmPlace:
    """A cluster as a place: each process is a job of it, which works in a folder that all nodes see."""

    name = "slurm"

    def __init__(self, settings: Settings, cluster: str, look: float) -> None:
        self.settings, self.cluster, self.look = settings, cluster, look

    def do(self, work: Work, report: Report, stop: Event) -> Done:
        """As of ``Place``. Raises InputError where the cluster does not take the job."""
        folder = work.folder.resolve() / ERRAND
        folder.mkdir(mode=0o700)
        durable.write(folder / WORK, lambda file: pickle.dump(replace(work, folder=work.folder.resolve()), file))
        array = Array(folder, [Errand(folder)], self.settings, self.cluster, self.look)
        report({"phase": f"queued as job {array.jobs[0].job_id}"})
        events = progress_events(work.folder / PROGRESS)
        while not stop.is_set():
            gone = array.gone(0)  # before the look at what it has written last
            for event in next(events):
                report(event)
            if (folder / DONE).exists():
                array.settle(0)
                return _done(folder)
            if gone:
                return Done(lost(array, 0))
            stop.wait(POLL)
        (folder / STOP).touch()
        deadline = time.monotonic() + ENDING
        while (work.folder / PROGRESS).exists() and not (folder / DONE).exists() and not array.gone(0):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL)
        report({"note": array.cancel()})
        return Done(STOPPED)


class Errand:
    """What submitit calls on a node: it runs the process, and says what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stop = folder, Event()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]  # events are not for another process

    def __call__(self) -> None:
        """Runs it as it is run here, on the device that the node has for it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the client's word ends it
        device = ""
        try:
            with (self.folder / WORK).open("rb") as file:
                work: Work = pickle.load(file)
            target = choose(*work.target)
            device = target.device
            _tell(work.folder, device)
            stop = Told(lambda: self.stop.is_set() or (self.folder / STOP).exists())
            there = replace(work, target=target, options=with_cpus(work.options))
            outcome = Here("slurm").do(there, lambda _: None, stop).outcome
        except Exception as error:  # no such device, a full disk
            outcome = broken(error)
        where = provenance.environment(device, executor="slurm")
        told = {"outcome": json.loads(outcome.to_json()), "environment": where.model_dump(mode="json")}
        durable.write(self.folder / DONE, json.dumps(told).encode())

    def checkpoint(self) -> Any:
        """The same again; what the process has saved of itself, it finds where it was."""
        from submitit.helpers import DelayedSubmission

        self.stop.set()
        return DelayedSubmission(Errand(self.folder))


def _tell(folder: Path, device: str) -> None:
    """Puts the node's device into the task, and takes away what an attempt before has said."""
    (folder / OUTCOME).unlink(missing_ok=True)
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    (folder / TASK).write_text(json.dumps(task | {"device": device}), encoding="utf-8")


def _done(folder: Path) -> Done:
    told = json.loads(inside.read(folder, folder / DONE, MOST_BYTES))
    return Done(Outcome.model_validate(told["outcome"]), Environment.model_validate(told["environment"]))


def lost(array: Array, number: int) -> Outcome:
    """The outcome of a task that the cluster has no more, and that has left none."""
    word = array.why(number)
    status = STATUS.get(word, "error")
    message = f"the cluster ended its job {array.jobs[number].job_id}: {word or 'for a reason not known'}"
    return Outcome(status=status, message=message, transient=status in ("oom", "interrupted"))
