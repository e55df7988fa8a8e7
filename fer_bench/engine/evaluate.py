"""Evaluates a stored model on a foreign set: predicts in a process of its own, scores, and keeps the evaluation."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from .. import provenance
from ..data.dataset import Dataset
from ..errors import InputError
from ..evaluation import EVALUATION, EVALUATIONS, Evaluation, match, views
from ..records import ENSEMBLE, EXTERNAL
from ..store import MODEL, PREDICTIONS, RECORD, Store, StoredRun, read_record
from ..training import device as devices
from .job import Options
from .predict import IMAGES, PROBABILITIES
from .process import watch
from .worker import OUT, TASK, write_json


def evaluate(
    run: StoredRun, spec: str, foreign: Dataset, subjects: np.ndarray | None, store: Store, options: Options
) -> Evaluation:
    """Scores a run's model on a foreign set, and writes the evaluation and its predictions into the run's folder.

    Args:
        run: one that went well and kept its model.
        spec: its runner, with parameters as ``registry.parse`` reads them.
        foreign: the set, with whatever classes it has.
        subjects: (N,), whom each image shows, or None.
        store: where the run is stored.
        options: device, backend, threads, timeout and plugins count.

    Raises:
        InputError: no model, a model that can't be used, the data that it was trained on, no class in common, or a run
            that another process replaced. Waits for a process that is at that job.
    """
    with store.claim(run.record.job, wait=True):
        if read_record(run.folder / RECORD) != run.record:
            raise InputError(f"{spec} was trained again in the meantime; evaluate it again")
        return _evaluate(run, spec, foreign, subjects, store, options)


def _evaluate(
    run: StoredRun, spec: str, foreign: Dataset, subjects: np.ndarray | None, store: Store, options: Options
) -> Evaluation:
    """Under the claim on the run's job."""
    job, started = run.record.job, datetime.now(UTC).isoformat(timespec="seconds")
    check_model(run, spec)
    if foreign.digest == job.dataset_digest:
        raise InputError(f"{spec} was trained on {foreign.source}; its record has the scores of the test part")
    labels, dropped, missing = match(job.classes, foreign)
    rows = np.flatnonzero(labels >= 0)
    work = store.work(job)
    try:
        probabilities, environment = _predict(run, spec, foreign.images[rows], work, options)
        whom = None if subjects is None else subjects[rows]
        whole, masked = views(labels[rows], probabilities, job.classes, whom)
        evaluation = Evaluation(
            command=provenance.command_line(),
            started=started,
            key=job.key,
            runner=spec,
            recipe=job.recipe,
            seed=job.seed,
            trained_on=job.dataset,
            trained_digest=job.dataset_digest,
            split=job.split,
            data=foreign.name,
            data_digest=foreign.digest,
            images=len(foreign),
            scored=len(rows),
            subjects=None if whom is None else len(np.unique(whom)),
            dropped=dropped,
            missing=missing,
            whole=whole,
            masked=masked,
            environment=environment,
        )
        fresh = work / OUT
        fresh.mkdir()
        subject_of = {} if whom is None else {"subjects": whom}
        np.savez_compressed(
            fresh / PREDICTIONS,
            rows=rows.astype(np.int32),
            labels=labels[rows],
            probabilities=probabilities,
            **subject_of,  # type: ignore[arg-type]  # its own keywords are no arrays
        )
        (fresh / EVALUATION).write_text(evaluation.model_dump_json(indent=1) + "\n", encoding="utf-8")
        store.publish(fresh, run.folder / EVALUATIONS / evaluation.slug)
    finally:
        store.clean(work)
    return evaluation


def check_model(run: StoredRun, spec: str) -> None:
    """Raises InputError where a run has no model, and says how it can come to have one."""
    job = run.record.job
    if job.family == EXTERNAL:
        raise InputError(f"{spec} was scored from predictions made elsewhere; there is no model of it to evaluate")
    if job.family == ENSEMBLE:
        raise InputError(f"{spec} is an ensemble, which has no model of its own; evaluate its members")
    if not run_has_model(run.folder):
        again = shlex.join(["fer-bench", "run", spec, "--recipe", job.recipe, "--split", job.split, "--force"])
        raise InputError(
            f"{run.folder} has no model: it was run with --no-models, or comes from a clone, which has none; train it "
            f"here, on {job.dataset}: {again}"
        )


def run_has_model(folder: Path) -> bool:
    """Whether the run in a folder kept its model on this machine."""
    model = folder / MODEL
    return model.is_dir() and any(model.iterdir())


def _predict(run: StoredRun, spec: str, images: np.ndarray, work: Path, options: Options) -> tuple[np.ndarray, Any]:
    """(N, C) float32 probabilities, and the Environment in which they were computed."""
    device = devices.choose_device(options.device)
    backend = devices.choose_backend(options.backend, device)
    task = {
        "spec": spec,
        "recipe": run.record.job.recipe,
        "classes": run.record.job.classes,
        "tta": "none",
        "model": str((run.folder / MODEL).resolve()),
        "device": device,
        "plugins": list(options.plugins),
    }
    np.save(work / IMAGES, images)
    write_json(work / TASK, task)
    environment = provenance.environment(device)
    variables = devices.environment(device, backend, options.threads)
    outcome = watch(work, options, variables, lambda _: None, Event(), "fer_bench.engine.predict")
    if outcome.status != "ok":
        why = ". ".join(filter(None, [outcome.message, outcome.hint]))
        raise InputError(
            f"the model in {run.folder / MODEL} can't be used: {why}; if it is of an older version, train it again"
        )
    return np.load(work / PROBABILITIES), environment.model_copy(update=outcome.ran_on.model_dump(exclude_unset=True))
