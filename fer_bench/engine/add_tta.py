"""Test-time augmentation for a run that went well without: its model predicts, and its record gets the scores."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event

import numpy as np

from ..errors import InputError
from ..files import inside
from ..hardware.device import Target
from ..records import provenance
from ..records.predictions import predictions_of
from ..records.record import Failure, RunRecord
from ..records.store import MODEL, PREDICTIONS, Store, StoredRun
from .account import naming_full_disk
from .execute import score_predictions
from .job import Job, Options
from .outcome import Outcome
from .place import HERE, Place
from .stored_model import predict
from .task import LOG, OUT, Report


def has_tta(record: RunRecord, job: Job) -> bool:
    """Whether a record has the test-time augmentation that the job asks for, if any."""
    return job.tta == "none" or (record.tta is not None and record.tta.method == job.tta)


def add_tta(
    job: Job, store: Store, options: Options, target: Target, report: Report, stop: Event, at: Place = HERE
) -> RunRecord:
    """Predicts with the stored model of a job, and adds the scores to its record; the caller has claimed the job.

    Returns the record as it is stored then; or, where the model can't be used, one that says why and is not stored: the
    run itself went well.

    Raises:
        InputError: the run's predictions can't be read, or a link or the like stands in its folder.
        OSError: the disk is full; what was stored before is as it was.
    """
    with naming_full_disk(store.root):
        folder, record = store.folder(job.info), store.find(job.info)
        if record is None:
            raise InputError(f"{folder} is gone; run it again")
        work = store.work(job.info)
        try:
            return _add_tta(job, StoredRun(record, folder), store, work, options, target, report, stop, at)
        finally:
            store.clean(work)


def _add_tta(
    job: Job,
    run: StoredRun,
    store: Store,
    work: Path,
    options: Options,
    target: Target,
    report: Report,
    stop: Event,
    at: Place,
) -> RunRecord:
    """What ``add_tta`` does in ``work`` for a run that there is."""
    inside.check_tree(run.folder, run.folder)  # all of it is copied
    held, test = predictions_of(run, "validation"), predictions_of(run)
    report({"phase": f"predict, {job.tta}"})
    images = job.dataset.images[np.concatenate([test.rows, held.rows])]
    predicted = predict(run, job.spec, images, work, options, target, tta=job.tta, stop=stop, at=at)
    outcome, environment, augmented = predicted
    if augmented is None:
        return run.record.model_copy(update={"status": outcome.status, "failure": _failure(outcome, run.folder, work)})
    out = work / OUT
    shutil.copytree(run.folder, out)
    np.savez(
        out / PREDICTIONS,
        probabilities=test.probabilities,
        val_probabilities=held.probabilities,
        tta_probabilities=augmented[: len(test.rows)],
        val_tta_probabilities=augmented[len(test.rows) :],
    )
    scored = score_predictions(job, out, outcome.tta_cost).tta
    assert scored is not None  # the job asks for it
    added = scored.model_copy(update={"command": provenance.command_line(), "environment": environment})
    whole = run.record.model_copy(update={"tta": added})
    store.commit(whole, out)
    return whole


def _failure(outcome: Outcome, folder: Path, work: Path) -> Failure:
    """The failure of an outcome, with whose model it was and what else can be done."""
    why = outcome.failure(work / LOG)
    hint = "; ".join(filter(None, [why.hint, "--force trains it again"]))
    return why.model_copy(update={"message": f"the model in {folder / MODEL}: {why.message}", "hint": hint})
