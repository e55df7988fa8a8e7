"""The store: run folders under a results folder, written whole or not at all.

``<results>/<dataset>/<split>/<runner>/<recipe>-s<seed>-<key>/`` holds ``record.json`` and, after a run that went well,
``predictions.npz``, ``history.csv`` and ``model/``. Scratch and locks live in ``<results>/.work``.

A results folder may come from elsewhere: whatever is read, written or taken away in it goes through ``files.inside``,
which follows no link.
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import durable, inside, locks
from ..files.json_file import read_content
from .form import content_of, record_of
from .record import JobInfo, RunRecord
from .replace import DEPTH, MOST_BYTES, put_back, replace_by_renames

RECORD = "record.json"
PREDICTIONS = "predictions.npz"
HISTORY = "history.csv"
MODEL = "model"
WORK, SLURM = ".work", ".slurm"  # apart: the one leads runners to no labels
#: Predictions of a test part have some hundred kilobytes.
MOST_PREDICTIONS = 512 << 20
#: The scratch of one attempt at a job: part of its key, and a random part.
SCRATCH = re.compile(r"([0-9a-f]{16})-[0-9a-f]{8}")
#: Pictures with faces of the data set in them, which are not ours to publish.
SHEETS = "sheets"
#: What a results folder tells git to leave alone.
IGNORED = (f"{MODEL}/", f"{WORK}/", f"{SLURM}/", f"{SHEETS}/")


class StoredRun(NamedTuple):
    record: RunRecord
    folder: Path


def read_record(path: Path) -> RunRecord:
    """One record.json, brought to this program's version. Raises InputError where it can't be read or is of a later
    one.
    """
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
            work = inside.make(self.root, self.root / WORK)
            probe = work / f"probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
            self.ignore()
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"results folder {self.root} can't be written ({reason}); choose another: --results"
            ) from None
        matches = [SCRATCH.fullmatch(name) for name in inside.entries(self.root, work).folders]
        for key in sorted({match[1] for match in matches if match}):
            with locks.attempt(self._lock(key)) as dead:
                if dead:
                    self._clear_up(key)

    def ignore(self) -> None:
        """Tells git to leave trained models, scratch and faces of the data alone, in older results folders too."""
        path = self.root / ".gitignore"
        heading = "# trained models, scratch, faces of the data set; the rest is small and worth committing\n"
        try:
            text = inside.read(self.root, path, MOST_BYTES).decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            text = heading
        missing = [line for line in IGNORED if line not in text.splitlines()]
        if missing:
            whole = "\n".join([text.rstrip("\n"), *missing, ""])
            durable.write(path, whole.encode("utf-8", "surrogateescape"), inside.make(self.root, self.root / WORK))

    def folder(self, job: JobInfo) -> Path:
        return self.root / job.dataset / job.split / job.runner / f"{job.recipe}-s{job.seed}-{job.key[:8]}"

    def find(self, job: JobInfo) -> RunRecord | None:
        """The record of exactly this job, or None.

        Raises InputError where one stands in its place that can't be read, or is another job's, and where a link leads
        there: it is not to be replaced.
        """
        path = self.folder(job) / RECORD
        inside.check(self.root, path)
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
        """Whether the block has the job to itself: not where another process has it, unless told to ``wait`` for that.

        A process that dies loses its claim, and the next one clears up behind it. Raises InputError where nothing can
        be locked.
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
            self.clean(folder)
            yield inside.make(self.root, folder)
            self.clean(folder)

    def work(self, job: JobInfo) -> Path:
        """An empty scratch folder for one attempt at a job, which the caller has claimed."""
        return inside.make(self.root, self.root / WORK / f"{job.key[:16]}-{uuid.uuid4().hex[:8]}")

    def resume(self, job: JobInfo) -> Path:
        """The folder in which attempts at a job keep the state of its training, until one ends well; made if need be.

        Raises InputError where anything in it is no plain file or folder: a training reads and writes there by name.
        """
        folder = inside.make(self.root, self.root / WORK / f"resume-{job.key[:16]}")
        inside.check_tree(self.root, folder)
        return folder

    def commit(self, record: RunRecord, artifacts: Path | None) -> Path:
        """Puts a record, with the files of ``artifacts`` (moved), in its place, replacing what stood there.

        The record is given the digest of the predictions among them, by which a reader knows that they are its own.

        Raises InputError, and nothing is changed, where the record could not be read back.
        """
        if artifacts is not None:
            record.predictions_digest = inside.digest(artifacts, artifacts / PREDICTIONS, MOST_PREDICTIONS)
        content = content_of(record)
        final, scratch = self.folder(record.job), self.work(record.job)
        try:
            fresh = scratch / "new"
            if artifacts is not None:
                artifacts.rename(fresh)
            else:
                fresh.mkdir()
            durable.write(fresh / RECORD, content, scratch)
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
        inside.make(self.root, final.parent)
        if not inside.check(self.root, final):
            fresh.rename(final)
        elif not durable.exchange(fresh, final):
            replace_by_renames(fresh, final, self.root)
        above = final.relative_to(self.root).parents
        for folder in (*(self.root / part for part in above), fresh.parent):
            durable.sync(folder)

    def remove(self, folder: Path, job: JobInfo) -> None:
        """Takes a run's folder away, whole or not at all; the caller has claimed its job."""
        scratch = self.work(job)
        folder.rename(scratch / "removed")
        self.clean(scratch)

    def clean(self, folder: Path) -> None:
        """Takes away a folder of scratch, or the state of a training."""
        inside.remove(self.root, folder)

    def scan(self) -> tuple[list[StoredRun], list[str]]:
        """Every run, and a line for each record that can't be read, or is a trial's, and what none is looked for in."""
        problems: list[str] = []
        runs: dict[tuple[str, str], StoredRun] = {}
        for folder in self._folders(self.root, problems):
            try:
                record = _read_if_there(folder / RECORD)
            except InputError as error:
                problems.append(str(error))
                continue
            if record is None:
                continue
            if not record.job.test_images:
                problems.append(f"{folder / RECORD}: a trial of a search, which has no test part; remove it")
                continue
            run = StoredRun(record, folder)
            other = runs.setdefault((record.job.key, record.started), run)
            if other is not run:
                kept, copy = (run, other) if self.folder(record.job) == folder else (other, run)
                runs[record.job.key, record.started] = kept
                problems.append(f"{copy.folder / RECORD}: the record of {kept.folder} once more; remove one of them")
        return sorted(runs.values(), key=lambda run: run.folder), problems

    def _folders(self, above: Path, problems: list[str]) -> Iterator[Path]:
        """The folders in which records may be, in order; ``problems`` gets a line for what is left out.

        The walk passes over folders that another process takes away meanwhile.
        """
        depth = len(above.relative_to(self.root).parts) + 1
        try:
            found = inside.entries(self.root, above)
        except InputError as error:
            problems.append(str(error))
            return
        problems += [f"{above / name}: {inside.kind(above / name) or 'gone'}, and left out" for name in found.others]
        for name in found.folders:
            if depth == DEPTH:
                yield above / name  # not to be listed: it may be replaced at this moment
            elif name not in (WORK, SLURM):
                yield from self._folders(above / name, problems)

    def _lock(self, name: str) -> Path:
        """The file of a lock. Raises InputError where a link leads to it: locking empties it."""
        path = self.root / WORK / "locks" / f"{name}.lock"
        inside.check(self.root, path)
        return path

    def _clear_up(self, key: str) -> None:
        """Removes the scratch of dead attempts at a job, and puts back what one of them was about to replace."""
        work = self.root / WORK
        for name in inside.entries(self.root, work).folders:
            if name.startswith(f"{key}-"):
                put_back(work / name, self.root)
                self.clean(work / name)


def _read_if_there(path: Path) -> RunRecord | None:
    """None where there is no record. Looks again where it was replaced on the way to it."""
    while True:
        try:
            return read_record(path)
        except InputError as error:
            if not isinstance(error.__context__, FileNotFoundError):
                raise
            if not os.path.lexists(path):
                return None
