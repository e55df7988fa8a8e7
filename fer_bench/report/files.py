"""The files that lie beside a record: what the report reads of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..predictions import Predictions, load_predictions
from ..records import RunRecord
from ..store import HISTORY, PREDICTIONS
from .history import read_history

#: Where the files of a run are, by its job's key and its start.
Folders = Mapping[tuple[str, str], Path]


def predictions_of(run: RunRecord, folders: Folders, part: str = "test") -> Predictions | None:
    """The saved predictions of a run's "test" or "validation" part, or None where there are none."""
    path = _path(run, folders, PREDICTIONS)
    if path is None:
        return None
    saved = load_predictions(path.parent, part)
    return saved if len(saved.rows) else None


def best_training_accuracy(run: RunRecord, folders: Folders) -> float | None:
    """The highest accuracy on the training part, as it ran through the epochs; None where no history has one."""
    path = _path(run, folders, HISTORY)
    if path is None:
        return None
    history = read_history(path)
    return float(history["accuracy"].max()) if "accuracy" in history and history["accuracy"].notna().any() else None


def _path(run: RunRecord, folders: Folders, name: str) -> Path | None:
    folder = folders.get((run.job.key, run.started))
    return folder / name if folder is not None and (folder / name).exists() else None
