"""Test-time augmentation for a run that went well without: its model is loaded, predicts, and its record gets the scores."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from threading import Event

import numpy as np

from .. import provenance
from ..errors import InputError
from ..predictions import load_predictions
from ..records import Failure, RunRecord
from ..store import MODEL, PREDICTIONS, Store
from ..training import device as devices
from .execute import naming_full_disk, score_predictions
from .job import Job, Options
from .outcome import Outcome
from .predict import IMAGES, PROBABILITIES
from .process import Report, watch
from .worker import LOG, OUT, TASK, write_json


def has_views(record: RunRecord, job: Job) -> bool:
    """Whether a record has the test-time augmentation that the job asks for, if any."""
    return job.tta == "none" or (record.tta is not None and record.tta.method == job.tta)


def add_views(job: Job, store: Store, options: Options, report: Report, stop: Event) -> RunRecord:
    """Predicts with the stored model of a job, and adds the scores to its record; the caller has claimed the job.

    Returns the record as it is stored then; or, where the model can't be used, one that says why and is not stored: the run
    itself went well.

    Raises:
        InputError: the run's predictions can't be read.
        OSError: the disk is full; what was stored before is as it was.
    """
    with naming_full_disk(store.root):
        return _add_views(job, store, options, report, stop)


def _add_views(job: Job, store: Store, options: Options, report: Report, stop: Event) -> RunRecord:
    folder, record = store.folder(job.info), store.find(job.info)
    if record is None:
        raise InputError(f"{folder} is gone; run it again")
    device = devices.choose_device(options.device)
    environment = provenance.environment(device)
    work = store.work(job.info)
    try:
        held = load_predictions(folder, "validation")
        test = load_predictions(folder)
        report({"phase": f"predict, {job.tta}"})
        outcome = _predict(job, folder / MODEL, work, np.concatenate([test.rows, held.rows]), options, device, stop)
        if outcome.status != "ok":
            return record.model_copy(update={"status": outcome.status, "failure": _failure(outcome, folder, work)})
        with_views = np.load(work / PROBABILITIES, allow_pickle=False)
        out = work / OUT
        shutil.copytree(folder, out)
        np.savez(
            out / PREDICTIONS,
            probabilities=test.probabilities,
            val_probabilities=held.probabilities,
            tta_probabilities=with_views[: len(test.rows)],
            val_tta_probabilities=with_views[len(test.rows) :],
        )
        scored = score_predictions(job, out, outcome.tta_cost)[2]
        assert scored is not None  # the job asks for it
        where = environment.model_copy(update=outcome.ran_on.model_dump(exclude_unset=True))
        added = scored.model_copy(update={"command": provenance.command_line(), "environment": where})
        whole = record.model_copy(update={"tta": added})
        store.commit(whole, out)
        return whole
    finally:
        store.clean(work)


def _predict(
    job: Job, model: Path, work: Path, rows: np.ndarray, options: Options, device: str, stop: Event
) -> Outcome:
    """Has ``rows`` of the data predicted in a process of its own; what becomes of it."""
    task: Mapping[str, object] = {
        "spec": job.spec,
        "recipe": job.info.recipe,
        "classes": job.info.classes,
        "model": str(model.resolve()),
        "tta": job.tta,
        "device": device,
        "plugins": list(options.plugins),
    }
    np.save(work / IMAGES, job.dataset.images[rows])
    write_json(work / TASK, dict(task))
    variables = devices.environment(device, devices.choose_backend(options.backend, device), options.threads)
    return watch(work, options, variables, lambda _: None, stop, "fer_bench.engine.predict")


def _failure(outcome: Outcome, folder: Path, work: Path) -> Failure:
    why = outcome.failure(work / LOG)
    hint = "; ".join(filter(None, [why.hint, "--force trains it again"]))
    return why.model_copy(update={"message": f"the model in {folder / MODEL}: {why.message}", "hint": hint})
