"""Taking records away: what goes with them, who needs them, and none that another process is at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from ..errors import InputError
from ..files import inside
from .store import RECORD, Store, StoredRun, read_record


class Size(NamedTuple):
    """What a run's folder holds."""

    files: int
    bytes: int


def size_of(run: StoredRun) -> Size:
    """The plain files in a run's folder, and their sizes together."""
    found = [path for path in inside.walk(run.folder, run.folder) if inside.kind(path) == inside.FILE]
    return Size(len(found), sum(path.stat().st_size for path in found))


def needing(run: StoredRun, stored: Sequence[StoredRun]) -> list[StoredRun]:
    """The ensembles of which a run is a member."""
    this = run.record.job.key, run.record.started
    return [
        other
        for other in stored
        if other.record.ensemble and this in ((one.key, one.started) for one in other.record.ensemble.members)
    ]


def remove(store: Store, runs: Sequence[StoredRun]) -> None:
    """Takes runs away with all that lies in their folders, and the saved state of an unfinished training.

    Each goes whole or not at all.

    Raises:
        InputError: another process is at one of them, or one is no longer what it was when it was read; none is gone.
        OSError: a folder can't be moved; the runs before it are gone.
    """
    with ExitStack() as claims:
        for job in {run.record.job.key: run.record.job for run in runs}.values():
            if not claims.enter_context(store.claim(job)):
                raise InputError(f"another process is at {job.runner}, key {job.key[:8]}; nothing was removed")
        for run in runs:
            inside.check_tree(store.root, run.folder)
            if not (run.folder / RECORD).exists() or read_record(run.folder / RECORD) != run.record:
                raise InputError(f"{run.folder} has changed meanwhile; nothing was removed, look again")
        for run in runs:
            store.remove(run.folder, run.record.job)
            store.clean(store.resume(run.record.job))
