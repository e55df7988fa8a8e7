"""The store: run folders under a results folder, written whole or not at all.

``<results>/<dataset>/<split>/<runner>/<recipe>-s<seed>-<key>/`` holds ``record.json`` and, after a run that went well,
``predictions.npz``, ``history.csv`` and ``model/``. Scratch lives in ``<results>/.work``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from .errors import InputError
from .json_file import read_json
from .npz import load_npz
from .record_checks import fault
from .records import SCHEMA_VERSION, JobInfo, RunRecord

RECORD = "record.json"
PREDICTIONS = "predictions.npz"
HISTORY = "history.csv"
MODEL = "model"
WORK = ".work"
#: Pictures with faces of the data set in them, which are not ours to publish.
SHEETS = "sheets"
#: What a results folder tells git to leave alone.
IGNORED = (f"{MODEL}/", f"{WORK}/", f"{SHEETS}/")


class StoredRun(NamedTuple):
    record: RunRecord
    folder: Path


class Predictions(NamedTuple):
    """Rows of the data set (n,) int32, their labels (n,) int8 and probabilities (n, classes) float16.

    Of an external system, float32 where the file had more digits, and one-hot where it had answers alone.
    """

    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    def in_order(self) -> Predictions:
        """The same by ascending row."""
        order = np.argsort(self.rows, kind="stable")
        return Predictions(*(array[order] for array in self))


def load_predictions(folder: Path, part: str = "test") -> Predictions:
    """The saved predictions of a run's "test" or "validation" part. Raises InputError where there are none to be read."""
    path = folder / PREDICTIONS
    prefix = {"test": "", "validation": "val_"}[part]
    try:
        saved = load_npz(path, [prefix + name for name in Predictions._fields])
        found = Predictions(*(saved[prefix + name] for name in Predictions._fields))
    except FileNotFoundError:
        raise InputError(f"{path} is missing, so nothing can be computed again for that run; run it again") from None
    except InputError as error:
        raise InputError(f"{error}; run it again") from None
    except KeyError as error:
        raise InputError(f"{path}: no array {error}; run it again") from None
    _check_predictions(found, path)
    return found


def _check_predictions(found: Predictions, path: Path) -> None:
    """Raises InputError unless rows, labels and probabilities are numbers that can be what they are called."""
    shapes, kinds = [array.shape for array in found], [array.dtype.kind for array in found]
    labels, probabilities = found.labels, found.probabilities
    if not (probabilities.ndim == 2 and shapes[0] == shapes[1] == shapes[2][:1]):
        raise InputError(f"{path}: rows, labels and probabilities of shapes {shapes} don't fit; run it again")
    if kinds[0] not in "iu" or kinds[1] not in "iu" or kinds[2] != "f":
        raise InputError(
            f"{path}: rows, labels and probabilities of types {', '.join(str(array.dtype) for array in found)}; whole "
            "numbers twice, then floating-point ones are wanted; run it again"
        )
    outside = labels.size and not 0 <= labels.min() <= labels.max() < probabilities.shape[1]
    if outside or not ((probabilities >= 0) & (probabilities <= 1.01)).all():
        raise InputError(f"{path}: labels that are no class, or probabilities outside 0 to 1; run it again")


def stored_predictions(runs: Iterable[StoredRun]) -> dict[str, Predictions]:
    """The test predictions of the runs by job key, without those that are missing or damaged."""
    found = {}
    for run in runs:
        with contextlib.suppress(InputError):  # the board says of its row that it has none
            found[run.record.job.key] = load_predictions(run.folder)
    return found


def read_record(path: Path) -> RunRecord:
    """One record.json. Raises InputError where it can't be read or is of a version that this program does not know."""
    try:
        fields = read_json(path)
        version = fields.get("schema_version") if isinstance(fields, dict) else None
        if version != SCHEMA_VERSION:
            raise InputError(f"{path}: schema_version {str(version)[:20]!r} is not {SCHEMA_VERSION}; upgrade fer-bench")
        record = RunRecord.model_validate(fields)
    except OSError as error:
        raise InputError(f"{path}: not a readable record ({error}); move it away and run again") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:120]
        raise InputError(
            f"{path}: not a valid record ({where}: {first['msg'][:120]}); move it away and run again"
        ) from None
    if wrong := fault(record):
        raise InputError(f"{path}: not a valid record ({wrong}); move it away and run again")
    return record


@dataclass(frozen=True)
class Store:
    """A results folder."""

    root: Path

    def prepare(self) -> None:
        """Makes the folder and checks that it can be written. Raises InputError."""
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

    def ignore(self) -> None:
        """Tells git to leave trained models, scratch and faces of the data alone, in older results folders too."""
        path = self.root / ".gitignore"
        heading = "# trained models, scratch, faces of the data set; the rest is small and worth committing\n"
        text = path.read_text(encoding="utf-8") if path.exists() else heading
        missing = [line for line in IGNORED if line not in text.splitlines()]
        if missing:
            path.write_text("\n".join([text.rstrip("\n"), *missing, ""]), encoding="utf-8")

    def folder(self, job: JobInfo) -> Path:
        return self.root / job.dataset / job.split / job.runner / f"{job.recipe}-s{job.seed}-{job.key[:8]}"

    def find(self, job: JobInfo) -> RunRecord | None:
        """The record of exactly this job, or None. Raises InputError where there is one that can't be read."""
        path = self.folder(job) / RECORD
        if not path.exists():
            return None
        record = read_record(path)
        return record if record.job.key == job.key else None

    def work(self, job: JobInfo) -> Path:
        """An empty scratch folder for one attempt at a job."""
        folder = self.root / WORK / f"{job.key[:16]}-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        return folder

    def resume(self, job: JobInfo) -> Path:
        """The folder in which attempts at a job keep the state of its training, until one ends well; made if need be."""
        folder = self.root / WORK / f"resume-{job.key[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(self, record: RunRecord, artifacts: Path | None) -> Path:
        """Puts a record, with the files of ``artifacts`` (moved), in its place, replacing what stood there."""
        final = self.folder(record.job)
        fresh = self.root / WORK / f"commit-{uuid.uuid4().hex[:8]}"
        if artifacts is not None:
            artifacts.rename(fresh)
        else:
            fresh.mkdir(parents=True)
        with (fresh / RECORD).open("w", encoding="utf-8") as file:
            file.write(record.model_dump_json(indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.publish(fresh, final)
        return final

    def publish(self, fresh: Path, final: Path) -> None:
        """Renames a folder that was made whole below ``.work`` to ``final``, replacing what stood there.

        A reader, or a kill, sees the old one, the new one or none, never a half.
        """
        final.parent.mkdir(parents=True, exist_ok=True)
        old = self.root / WORK / f"old-{uuid.uuid4().hex[:8]}"
        if final.exists():
            final.rename(old)
        fresh.rename(final)
        shutil.rmtree(old, ignore_errors=True)

    def remove(self, folder: Path) -> None:
        """Takes a run's folder away, whole or not at all."""
        old = self.root / WORK / f"old-{uuid.uuid4().hex[:8]}"
        folder.rename(old)
        shutil.rmtree(old, ignore_errors=True)

    def clean(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Removes the folder of scratch where nobody uses it any more."""
        with contextlib.suppress(OSError):
            (self.root / WORK).rmdir()

    def _paths(self) -> Iterator[Path]:
        for path in sorted(self.root.glob(f"*/*/*/*/{RECORD}")):
            if WORK not in path.relative_to(self.root).parts:
                yield path

    def scan(self) -> tuple[list[StoredRun], list[str]]:
        """Every run, and one line for each record that can't be read; those are left alone."""
        runs, problems = [], []
        for path in self._paths():
            try:
                runs.append(StoredRun(read_record(path), path.parent))
            except InputError as error:
                problems.append(str(error))
        return runs, problems
