"""Evaluates a stored model on a foreign set: predicts in a process of its own, scores, and keeps the evaluation."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from ..data.dataset import Dataset
from ..data.match import match
from ..data.orders import ASSUMED, better_order
from ..errors import InputError
from ..records import provenance
from ..records.evaluation import EVALUATION, EVALUATIONS, Evaluation
from ..records.store import PREDICTIONS, RECORD, Store, StoredRun, read_record
from ..scores.foreign import views
from .job import Options
from .stored_model import check_model, predict_or_refuse
from .task import OUT


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
    """What ``evaluate`` does once it has the claim on the run's job."""
    job, started = run.record.job, datetime.now(UTC).isoformat(timespec="seconds")
    check_model(run, spec)
    if foreign.digest == job.dataset_digest:
        raise InputError(f"{spec} was trained on {foreign.source}; its record has the scores of the test part")
    labels, dropped, missing = match(job.classes, foreign)
    rows = np.flatnonzero(labels >= 0)
    work = store.work(job)
    try:
        probabilities, environment = predict_or_refuse(run, spec, foreign.images[rows], work, options)
        _check_order(spec, foreign, labels[rows], probabilities, tuple(job.classes))
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


def _check_order(
    spec: str, foreign: Dataset, labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]
) -> None:
    """Raises InputError where label numbers were read in FER-2013's order unsaid, and the model speaks for another."""
    better = better_order(labels, probabilities.argmax(axis=1), classes) if foreign.order == ASSUMED else None
    if better:
        name, own, other = better
        raise InputError(
            f"{foreign.source}: {spec} agrees with {100 * own:.1f} % of the label numbers in FER-2013's order, and with "
            f"{100 * other:.1f} % as --classes {name} reads them; say which it is, with that or with --classes fer2013"
        )
