"""How long trainings will take, from the records of others: an estimate for the hardware at hand, or none."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from fer_bench.hardware import host
from fer_bench.hardware.device import choose_device, gpus
from fer_bench.records.record import Environment, JobInfo, RunRecord
from fer_bench.training import resume


class Begun(NamedTuple):
    """A training that was broken off: it goes on at ``place`` ("epoch 4 of 16"), having ``done`` so many of ``total``
    epochs (0 where the place does not say) in ``seconds``."""

    place: str
    done: int
    total: int
    seconds: float


def this_hardware(device: str) -> str:
    """What a record made here would call its hardware. Raises InputError for a device that is not there."""
    chosen = choose_device(device)
    name = chosen if chosen == "cpu" else gpus()[int(chosen.partition(":")[2])]
    return Environment(device=name, cpu=host.cpu_name(), cores=host.cores()).hardware


def begun(folder: Path) -> Begun | None:
    """The state that an earlier attempt has left in a job's ``Store.resume`` folder, if it left one."""
    place = resume.goes_on_at(folder)
    if place is None:
        return None
    try:
        newest = max(folder.rglob(resume.STATE), key=lambda path: path.stat().st_mtime)
        seconds = float(json.loads(newest.read_text(encoding="utf-8"))["fit_seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        seconds = 0.0
    found = re.fullmatch(r"epoch (\d+) of (\d+)", place)
    return Begun(place, int(found[1]) - 1, int(found[2]), seconds) if found else Begun(place, 0, 0, seconds)


def estimate(job: JobInfo, records: Sequence[RunRecord], hardware: str, state: Begun | None = None) -> float | None:
    """Seconds that a training will take, or None where nothing tells.

    What it has begun itself tells best: its pace, times the epochs that are left. Else it is the mean over the runs of
    the same runner, parameters and recipe that went well on the same hardware: those on the same split where there are
    any, else all. Each is scaled by its images and epochs (see ``scaled``).
    """
    if state and state.done and state.seconds:
        return state.seconds / state.done * (state.total - state.done)
    alike = [record for record in records if _alike(record, job, hardware)]
    alike = [record for record in alike if record.job.split == job.split] or alike
    return mean(scaled(record, job) for record in alike) if alike else None


def scaled(record: RunRecord, job: JobInfo) -> float:
    """Seconds that a job would take at a record's pace an image and epoch.

    Its epochs are those that are planned, but where the other training stopped early no more than that one ran.
    The seconds are those of the whole run, or of the fit where that is more, as in a training that was taken up again.
    """
    seconds = max(record.seconds, record.cost.fit_seconds or 0.0)
    planned, ran = epochs(job), record.training.epochs_run or epochs(record.job)
    if record.training.stopped:
        planned = min(planned, ran)
    return seconds * ((job.train_images or 1) / (record.job.train_images or 1)) * (planned / ran)


def epochs(job: JobInfo) -> int:
    """Those that a job plans, in all stages, under its cap; 1 where its recipe has none."""
    stages = job.recipe_fields.get("stages") or [job.recipe_fields]
    planned = [stage["epochs"] for stage in stages if "epochs" in stage]
    return sum(min(number, job.epochs or number) for number in planned) or 1


def _alike(record: RunRecord, job: JobInfo, hardware: str) -> bool:
    other = record.job
    same = (other.runner, other.params, other.recipe, other.recipe_digest)
    return (
        record.status == "ok"
        and same == (job.runner, job.params, job.recipe, job.recipe_digest)
        and record.environment.hardware == hardware
    )
