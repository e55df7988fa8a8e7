"""Systems that a user names, external ones and ensembles: which names there can be, and how their records are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from . import registry
from .errors import InputError
from .records import ENSEMBLE, EXTERNAL, JobInfo, RunRecord
from .store import PREDICTIONS, Store, StoredRun

#: Longer names would not fit into a table, and at last not into a folder's name.
LONGEST_NAME = 60


def check_name(name: str, runs: Iterable[StoredRun], family: str) -> None:
    """Raises InputError where a system of ``family`` can't be called so: it becomes a folder, and no other kind's row."""
    if not registry.NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InputError(
            f"--name {name!r}: use lower-case letters, digits, '.', '_' and '-' only, {LONGEST_NAME} at most, "
            "the first a letter or a digit"
        )
    others = {run.record.job.runner: run.record.job.family for run in runs if run.record.job.family != family}
    if name in registry.names() or name in others:
        kind = {EXTERNAL: "an external system", ENSEMBLE: "an ensemble"}.get(others.get(name, ""), "a runner")
        raise InputError(f"--name {name}: that is {kind}'s name; take another, such as {name}-{family}")


def commit(record: RunRecord, arrays: Mapping[str, np.ndarray], store: Store, force: bool, taken: str) -> Path:
    """Stores a record with its predictions, the ``arrays`` of that file; returns its folder.

    Raises:
        InputError: the name has another record for the same split and seed, unless ``force`` replaces it; ``taken`` says
            so, with "{}" for that one's folder.
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
