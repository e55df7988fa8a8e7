"""The files that lie beside records: what a report reads of them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import InputError
from ..files import inside
from .predictions import Predictions, predictions_of
from .record import RunRecord
from .store import HISTORY, PREDICTIONS, StoredRun

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
#: A run has at most thousands of epochs, of ten figures each.
MOST_BYTES = 16 << 20


class RunFiles:
    """The predictions and histories of stored runs, found by their records, and each read once.

    A record that is not among ``runs`` has no files. A file that is there and can't be read, or contradicts the record,
    is none; ``problems`` has a line for it.
    """

    def __init__(self, runs: Iterable[StoredRun] = ()) -> None:
        self._folders = {(run.record.job.key, run.record.started): run.folder for run in runs}
        self._predictions: dict[tuple[Path, str], Predictions | None] = {}
        self._histories: dict[Path, pd.DataFrame | None] = {}
        self.problems: list[str] = []

    def folder(self, run: RunRecord) -> Path:
        """The folder that the record of one of the runs lies in."""
        return self._folders[run.job.key, run.started]

    def predictions(self, run: RunRecord, part: str = "test") -> Predictions | None:
        """The saved predictions of a run's "test" or "validation" part, or None where there are none."""
        path = self._path(run, PREDICTIONS)
        if path is None:
            return None
        if (path, part) not in self._predictions:
            self._predictions[path, part] = self._told(lambda: predictions_of(StoredRun(run, path.parent), part))
        saved = self._predictions[path, part]
        return saved if saved is not None and len(saved.rows) else None

    def history(self, run: RunRecord) -> pd.DataFrame | None:
        """A run's epochs, one a line, as ``read_history`` reads them, or None where it has none."""
        path = self._path(run, HISTORY)
        if path is None:
            return None
        if path not in self._histories:
            self._histories[path] = self._told(lambda: read_history(path))
        return self._histories[path]

    def _told(self, read: Callable[[], T]) -> T | None:
        """What is read, or None where it can't be, which is told."""
        try:
            return read()
        except InputError as error:
            self.problems.append(str(error))
            return None

    def curve(self, run: RunRecord) -> pd.DataFrame | None:
        """A run's epochs where there are several; None where there are fewer, which make no curve."""
        history = self.history(run)
        return history if history is not None and len(history) > 1 else None

    def training_accuracy(self, run: RunRecord) -> float | None:
        """The highest accuracy on the training part, as it ran through the epochs; None where no history has one."""
        history = self.history(run)
        if history is None or "accuracy" not in history or history["accuracy"].isna().all():
            return None
        return float(history["accuracy"].max())

    def _path(self, run: RunRecord, name: str) -> Path | None:
        folder = self._folders.get((run.job.key, run.started))
        return folder / name if folder is not None and os.path.lexists(folder / name) else None


def read_history(path: Path) -> pd.DataFrame:
    """The epochs of a run: one a line, every column float64. Raises InputError where the file holds anything else."""
    import pandas as pd

    try:
        content = inside.read(path.parent, path, MOST_BYTES)
        return pd.read_csv(io.BytesIO(content), encoding="utf-8").astype("float64")
    except (OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a readable history of epochs ({reason}); run it again") from None
