"""A kept epoch of a run, chosen by hand: its weights in the run's model, on the split's test part, as a row never
ranked.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..board.row import Row
from ..data.dataset import Dataset
from ..data.splits import Split
from ..engine.job import Options
from ..engine.stored_model import check_model, predict_or_refuse
from ..errors import InputError, encodable
from ..records import provenance
from ..records.predictions import Predictions
from ..records.record import BY_HAND, EXTERNAL, Environment, RunRecord, Training
from ..records.store import MODEL, RECORD, StoredRun, read_record
from ..scores.metrics import score
from ..training.kept import EPOCHS, epoch_file, kept_epochs
from .external import Scored, job_of


def kept_run(folder: Path, epoch: int) -> StoredRun:
    """The run in a folder, which has kept that epoch.

    Raises:
        InputError: no run's folder, a run without a model or without kept epochs, or an epoch that it has not kept.
    """
    if not (folder / RECORD).is_file():
        raise InputError(
            f"{folder} holds no {RECORD}: --epoch wants the folder of a run that was made with --keep-epochs"
        )
    run = StoredRun(read_record(folder / RECORD), folder)
    check_model(run, _spec(run))
    there = kept_epochs(folder / MODEL / EPOCHS)
    job = run.record.job
    again = ["fer-bench", "run", _spec(run), "--recipe", job.recipe, "--split", job.split, "--keep-epochs", "--force"]
    if not there:
        raise InputError(f"{folder} has kept no epochs; train it so: {shlex.join(again)}")
    if epoch not in there:
        raise InputError(f"{folder} has not kept epoch {epoch}; it has {', '.join(map(str, there))}")
    return run


def score_epoch(
    run: StoredRun,
    epoch: int,
    dataset: Dataset,
    split: Split,
    options: Options,
    *,
    name: str,
    seed: int | None = None,
    note: str = "",
) -> Scored:
    """Predicts the test part with a kept epoch, in a process of its own, and scores that as a run's predictions are.

    Args:
        run: from ``kept_run``.
        dataset: the data that it was trained on, under its label scheme.
        split: its split.
        options: device, backend, threads, timeout and plugins count.
        name: of the row.
        seed: of the row; the run's where None.
        note: a line for the table.

    Raises:
        InputError: other data or another split, a model or weights that can't be used, or a run that is no longer
            there.
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    job, training = run.record.job, run.record.training
    _check_same_data(run, dataset, split)
    weights = epoch_file(run.folder / MODEL / EPOCHS, epoch)
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as work:
        predicted, _ = predict_or_refuse(run, _spec(run), dataset.images[split.test], Path(work), options, weights)
    if read_record(run.folder / RECORD) != run.record:
        raise InputError(f"{run.folder} was replaced by another run in the meantime; score it again")
    labels, probabilities = dataset.labels[split.test], predicted.astype(np.float16)  # as a run stores them
    revision, dirty = provenance.git_state()
    version = provenance.package_versions()["fer-bench"]
    own = job_of(name, dataset, split, job.seed if seed is None else seed, probabilities)
    budget = {"train_images", "validation_images", "epochs", "limit", "weights", "balance", "fill_digest", "checkpoint"}
    record = RunRecord(
        status="ok",
        command=provenance.command_line(),
        started=started,
        seconds=round(time.perf_counter() - clock, 3),
        job=own.model_copy(update={field: getattr(job, field) for field in budget}),
        training=Training(
            init=training.init,
            checkpoint=BY_HAND,
            epochs_run=epoch,
            epochs_planned=training.epochs_planned,
            best_epoch=epoch,
            extra={"epoch": epoch, "run": _place(run), "key": job.key, "note": encodable(note)},
        ),
        scores=score(labels, probabilities, dataset.classes, split.test_seen),
        environment=Environment(
            device=EXTERNAL, packages={"fer-bench": version}, git_revision=revision, git_dirty=dirty
        ),
    )
    return Scored(record, Predictions(split.test.astype(np.int32), labels, probabilities))


def _place(run: StoredRun) -> str:
    return f"{run.record.job.runner}/{run.folder.resolve().name}"


def _check_same_data(run: StoredRun, dataset: Dataset, split: Split) -> None:
    """Raises InputError where data or split are not those that the run was trained on."""
    job = run.record.job
    if dataset.digest != job.dataset_digest:
        raise InputError(
            f"{run.folder} was trained on {job.dataset}, and {dataset.source} has other images, labels or emotions:"
            " name its data with --data, and its --labels and --merge"
        )
    if split.digest != job.split_digest:
        raise InputError(
            f"{run.folder} was trained on split {job.split}, and has not its digest here: not split {split.name}?"
        )


def _spec(run: StoredRun) -> str:
    """The run's runner, with parameters as ``registry.parse`` reads them."""
    job = run.record.job
    return Row(job.runner, job.family, job.recipe, (run.record,)).label
