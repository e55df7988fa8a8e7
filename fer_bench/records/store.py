"""The store: run folders under a results folder, written whole or not at all.

``<results>/<dataset>/<split>/<runner>/<recipe>-s<seed>-<key>/`` holds ``record.json`` and, after a run that went well,
``predictions.npz``, ``history.csv`` and ``model/``. Scratch and locks live in ``<results>/.work``.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import durable, locks
from ..files.json_file import read_content
from .form import content_of, record_of
from .record import JobInfo, RunRecord

RECORD = "record.json"
PREDICTIONS = "predictions.npz"
HISTORY = "history.csv"
MODEL = "model"
WORK = ".work"
#: Of a run's folder below the results folder.
_DEPTH = 4
#: The scratch of one attempt at a job: part of its key, and a random part.
SCRATCH = re.compile(r"([0-9a-f]{16})-[0-9a-f]{8}")
#: In it, what is being replaced, and where that belongs.
OLD, PLACE = "old", "place"
#: Pictures with faces of the data set in them, which are not ours to publish.
SHEETS = "sheets"
#: What a results folder tells git to leave alone.
IGNORED = (f"{MODEL}/", f"{WORK}/", f"{SHEETS}/")


class StoredRun(NamedTuple):
    record: RunRecord
    folder: Path


def read_record(path: Path) -> RunRecord:
    """One record.json, brought to this program's version. Raises InputError where it can't be read or is of a later one."""
    try:
        return record_of(read_content(path))
    except InputError as error:
        text = str(error)
        text = text if text.startswith(str(path)) else f"{path}: {text}"
        advice = "" if "; " in text.removeprefix(str(path)) else "; move it away and run again"
        raise InputError(text + advice) from None
    except OSError as error:
        raise InputError(f"{path}: not a readable record ({error}); move it away and run again") from None


@dataclass(frozen=True)
class Store:
    """A results folder, which several processes may use at a time.

    Who runs a job, evaluates its model or commits its record holds its ``claim``. A folder of scratch belongs to a job,
    so that it is a dead process's where the claim on that job is free: the next claim, or ``prepare``, removes it.

    >>> from pathlib import Path
    >>> from fer_bench import Store
    >>> runs, problems = Store(Path("results")).scan()
    >>> [run.record.job.runner for run in runs], problems
    (['hog-svm', 'svm'], [])
    """

    root: Path

    def prepare(self) -> None:
        """Makes the folder, checks that it can be written, and clears up behind dead processes. Raises InputError."""
        try:
            (self.root / WORK).mkdir(parents=True, exist_ok=True)
            probe = self.root / WORK / f"probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
            self.ignore()
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"results folder {self.root} can't be written ({reason}); choose another: --results"
            ) from None
        matches = [SCRATCH.fullmatch(path.name) for path in (self.root / WORK).iterdir()]
        for key in sorted({match[1] for match in matches if match}):
            with locks.attempt(self._lock(key)) as dead:
                if dead:
                    self._clear_up(key)

    def ignore(self) -> None:
        """Tells git to leave trained models, scratch and faces of the data alone, in older results folders too."""
        path = self.root / ".gitignore"
        heading = "# trained models, scratch, faces of the data set; the rest is small and worth committing\n"
        text = path.read_text(encoding="utf-8") if path.exists() else heading
        missing = [line for line in IGNORED if line not in text.splitlines()]
        if missing:
            whole = "\n".join([text.rstrip("\n"), *missing, ""])
            durable.write(path, whole.encode(), self.root / WORK)

    def folder(self, job: JobInfo) -> Path:
        return self.root / job.dataset / job.split / job.runner / f"{job.recipe}-s{job.seed}-{job.key[:8]}"

    def find(self, job: JobInfo) -> RunRecord | None:
        """The record of exactly this job, or None.

        Raises InputError where one stands in its place that can't be read, or is another job's: it is not to be replaced.
        """
        path = self.folder(job) / RECORD
        record = _read_if_there(path)
        if record is not None and record.job.key != job.key:
            raise InputError(f"{path}: the record of another job, {record.job.key}; move it away and run again")
        return record

    def check_place(self, job: JobInfo) -> None:
        """Raises OSError, naming the folder, where a run's could not be put into its place."""
        final = self.folder(job)
        above = next(folder for folder in final.parents if folder.exists())
        for folder in (above, final) if final.exists() else (above,):
            code = errno.EACCES if folder.is_dir() else errno.ENOTDIR
            if code == errno.ENOTDIR or not os.access(folder, os.W_OK | os.X_OK):
                raise OSError(code, os.strerror(code), str(folder))

    @contextmanager
    def claim(self, job: JobInfo, *, wait: bool = False) -> Iterator[bool]:
        """Whether the block has the job to itself: False where another process has it, unless told to ``wait`` for that.

        A process that dies loses its claim, and the next one clears up behind it. Raises InputError where nothing can be
        locked.
        """
        key = job.key[:16]
        with locks.attempt(self._lock(key), wait=wait) as mine:
            if mine:
                self._clear_up(key)
            yield mine

    def claimed(self, job: JobInfo) -> bool:
        """Whether some process is at the job now."""
        return locks.taken(self._lock(job.key[:16]))

    @contextmanager
    def alone(self, what: str) -> Iterator[Path]:
        """Lets one process at a time do ``what`` ("report"); gives an empty folder of scratch. Waits for its turn."""
        folder = self.root / WORK / what
        with locks.attempt(self._lock(what), wait=True):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder
            shutil.rmtree(folder, ignore_errors=True)

    def work(self, job: JobInfo) -> Path:
        """An empty scratch folder for one attempt at a job, which the caller has claimed."""
        folder = self.root / WORK / f"{job.key[:16]}-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        return folder

    def resume(self, job: JobInfo) -> Path:
        """The folder in which attempts at a job keep the state of its training, until one ends well; made if need be."""
        folder = self.root / WORK / f"resume-{job.key[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(self, record: RunRecord, artifacts: Path | None) -> Path:
        """Puts a record, with the files of ``artifacts`` (moved), in its place, replacing what stood there.

        Raises InputError, and nothing is changed, where the record could not be read back.
        """
        content = content_of(record)
        final, scratch = self.folder(record.job), self.work(record.job)
        try:
            fresh = scratch / "new"
            if artifacts is not None:
                artifacts.rename(fresh)
            else:
                fresh.mkdir()
            (fresh / RECORD).write_bytes(content)
            self.publish(fresh, final)
        finally:
            self.clean(scratch)
        return final

    def publish(self, fresh: Path, final: Path) -> None:
        """Renames a folder that was made whole in a ``work`` folder to ``final``, replacing what stood there.

        A reader, a kill or a power cut finds the old one or the new one, never a half. Where the file system can't
        exchange two folders in one step, a reader may for a moment find none, and after a kill in that moment the next
        claim puts the old one back.
        """
        durable.sync_tree(fresh)
        final.parent.mkdir(parents=True, exist_ok=True)
        if not final.exists():
            fresh.rename(final)
        elif not durable.exchange(fresh, final):
            _replace(fresh, final, self.root)
        above = final.relative_to(self.root).parents
        for folder in (*(self.root / part for part in above), fresh.parent):
            durable.sync(folder)

    def remove(self, folder: Path, job: JobInfo) -> None:
        """Takes a run's folder away, whole or not at all; the caller has claimed its job."""
        scratch = self.work(job)
        folder.rename(scratch / "removed")
        self.clean(scratch)

    def clean(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    def scan(self) -> tuple[list[StoredRun], list[str]]:
        """Every run, and one line for each record that can't be read; those are left alone."""
        runs, problems = [], []
        for path in sorted(self._paths()):
            try:
                record = _read_if_there(path)
            except InputError as error:
                problems.append(str(error))
            else:
                runs += [StoredRun(record, path.parent)] if record else []
        return runs, problems

    def _paths(self) -> Iterator[Path]:
        """Of all records. The walk passes over folders that another process takes away meanwhile."""
        for name, folders, _ in os.walk(self.root, followlinks=True):
            folder = Path(name)
            folders[:] = [name for name in folders if name != WORK]
            if len(folder.relative_to(self.root).parts) == _DEPTH - 1:
                paths = [folder / name / RECORD for name in folders]
                folders.clear()  # not to be listed: they may be replaced at this moment
                yield from (path for path in paths if path.exists())

    def _lock(self, name: str) -> Path:
        return self.root / WORK / "locks" / f"{name}.lock"

    def _clear_up(self, key: str) -> None:
        """Removes the scratch of dead attempts at a job, and puts back what one of them was about to replace."""
        for folder in (self.root / WORK).glob(f"{key}-*"):
            _put_back(folder, self.root)
            self.clean(folder)


def _read_if_there(path: Path) -> RunRecord | None:
    """None where there is no record. Looks again where it was replaced on the way to it."""
    while True:
        try:
            return read_record(path)
        except InputError as error:
            if not isinstance(error.__context__, FileNotFoundError):
                raise
            if not path.exists():
                return None


def _replace(fresh: Path, final: Path, root: Path) -> None:
    """Two renames, before which it is written down where the old folder belongs."""
    old, place = fresh.parent / OLD, fresh.parent / PLACE
    durable.write(place, str(final.relative_to(root)).encode(), fresh.parent)
    final.rename(old)
    try:
        fresh.rename(final)
    except OSError:
        old.rename(final)
        raise
    durable.sync(final.parent)
    place.unlink()


def _put_back(scratch: Path, root: Path) -> None:
    """Undoes a ``_replace`` that was killed between its renames."""
    old, place = scratch / OLD, scratch / PLACE
    if not (old.is_dir() and place.exists()):
        return
    final = root / place.read_text(encoding="utf-8")
    if not final.exists() and final.resolve().is_relative_to(root.resolve()):
        final.parent.mkdir(parents=True, exist_ok=True)
        old.rename(final)
        durable.sync(final.parent)
