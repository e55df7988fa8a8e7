"""Systems that a user names, external ones and ensembles: their names, and how their records are filled and stored."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..api import registry
from ..errors import InputError
from ..records import provenance
from ..records.record import ENSEMBLE, EXTERNAL, Environment, JobInfo, RunRecord
from ..records.store import PREDICTIONS, Store, StoredRun

#: Longer names would not fit into a table, and at last not into a folder's name.
LONGEST_NAME = 60


def check_name(name: str, runs: Iterable[StoredRun], family: str, option: str = "--name") -> None:
    """Raises InputError where a system of ``family`` can't be called so: it becomes a folder, and no other kind's
    row.

    ``option`` is what the message calls the name's option.
    """
    if not registry.NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InputError(
            f"{option} {name!r}: use lower-case letters, digits, '.', '_' and '-' only, {LONGEST_NAME} at most, "
            "the first a letter or a digit"
        )
    others = {run.record.job.runner: run.record.job.family for run in runs if run.record.job.family != family}
    if name in registry.names() or name in others:
        kind = {EXTERNAL: "an external system", ENSEMBLE: "an ensemble"}.get(others.get(name, ""), "a runner")
        raise InputError(f"{option} {name}: that is {kind}'s name; take another, such as {name}-{family}")


class Start(NamedTuple):
    """When work on a record began: ISO 8601 in UTC, and by the clock that ``time.perf_counter`` reads, in seconds."""

    started: str
    clock: float

    @classmethod
    def now(cls) -> Start:
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter())


def job(name: str, family: str, axes: Mapping[str, Any], **fields: Any) -> JobInfo:
    """The job of a system that was not trained here.

    Args:
        name: of the system, which is its runner.
        family: EXTERNAL or ENSEMBLE, which is its recipe too.
        axes: what can change its result beside the name; the key is the sha256 over both.
        fields: the other fields of JobInfo.
    """
    text = json.dumps({"runner": name, **axes}, sort_keys=True)
    return JobInfo(
        key=hashlib.sha256(text.encode()).hexdigest(),
        runner=name,
        runner_version=1,
        family=family,
        recipe=family,
        recipe_digest="",
        **fields,
    )


def record(job: JobInfo, start: Start, where: Mapping[str, Any], **fields: Any) -> RunRecord:
    """The record of a job that went well, as this program made it just now.

    Args:
        job: what was scored.
        start: when that began.
        where: device, cpu and cores of its environment.
        fields: the other fields of RunRecord.
    """
    revision, dirty = provenance.git_state()
    return RunRecord(
        status="ok",
        command=provenance.command_line(),
        started=start.started,
        seconds=round(time.perf_counter() - start.clock, 3),
        job=job,
        environment=Environment(
            **where,
            packages={"fer-bench": provenance.package_versions()["fer-bench"]},
            git_revision=revision,
            git_dirty=dirty,
        ),
        **fields,
    )


def commit(record: RunRecord, arrays: Mapping[str, np.ndarray], store: Store, force: bool, taken: str) -> Path:
    """Stores a record with its predictions, the ``arrays`` of that file; returns its folder.

    Raises:
        InputError: the name has another record for the same split and seed, unless ``force`` replaces it; ``taken``
            says so, with "{}" for that one's folder.
    """
    job = record.job
    store.prepare()
    with store.alone("score"), store.claim(job, wait=True):
        earlier = [run for run in store.scan()[0] if _same_place(run.record.job, job) and run.record.job.key != job.key]
        if earlier and not force:
            raise InputError(f"{job.runner} {taken.format(earlier[0].folder)}")
        work = store.work(job)
        np.savez_compressed(work / PREDICTIONS, **arrays)  # type: ignore[arg-type]  # its own keywords are no arrays
        folder = store.commit(record, work)
        for run in earlier:
            with store.claim(run.record.job, wait=True):
                store.remove(run.folder, run.record.job)
    return folder


def _same_place(one: JobInfo, other: JobInfo) -> bool:
    """Whether two records would be the same seed of the same row."""
    fields = ("runner", "seed", "dataset", "dataset_digest", "split", "split_digest", "classes")
    return all(getattr(one, field) == getattr(other, field) for field in fields)
