"""Evaluates a stored model on a foreign set: predicts in a process of its own, scores, and keeps the evaluation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np

from ..data.dataset import Dataset
from ..data.match import match
from ..data.orders import ASSUMED, better_order
from ..errors import InputError
from ..records import provenance
from ..records.evaluation import EVALUATION, EVALUATIONS, Evaluation
from ..records.record import Environment
from ..records.store import PREDICTIONS, RECORD, Store, StoredRun, read_record
from ..records.training_images import image_hashes
from ..scores.foreign import views
from .executors import Executor, Local
from .job import Options
from .stored_model import check_model, predict_or_refuse
from .task import OUT
from .trained_on import training_images


def evaluate(
    run: StoredRun,
    spec: str,
    foreign: Dataset,
    subjects: np.ndarray | None,
    store: Store,
    options: Options,
    *,
    keep_training_images: bool = False,
    executor: Executor | None = None,
    stop: Event | None = None,
) -> Evaluation:
    """Scores a run's model on a foreign set, and writes the evaluation and its predictions into the run's folder.

    Args:
        run: one that went well and kept its model.
        spec: its runner, with parameters as ``registry.parse`` reads them.
        foreign: the set, with whatever classes it has.
        subjects: (N,), whom each image shows, or None.
        store: where the run is stored.
        options: device, backend, threads, timeout and plugins count.
        keep_training_images: whether images that the model was trained on are scored, too; they are left out else.
        executor: has the model predict, on this machine where it is None.
        stop: ends the process that predicts once it is set.

    Raises:
        InputError: no model, a model that can't be used, the data that it was trained on, no class in common, nothing
            but images that it was trained on, or a run that another process replaced. Waits for a process that is at
            that job.
        RunError: the process that was to predict failed.
    """
    with store.claim(run.record.job, wait=True):
        if read_record(run.folder / RECORD) != run.record:
            raise InputError(f"{spec} was trained again in the meantime; evaluate it again")
        executor = executor or Local()
        target, at = executor.target(options), executor.place
        predict = partial(predict_or_refuse, run, spec, options=options, target=target, at=at, stop=stop)
        return _evaluate(run, spec, foreign, subjects, store, predict, keep_training_images)


class Shown(NamedTuple):
    """Which images of a foreign set a model has seen: (N,) bool, None where nobody knows; and why not all is known."""

    trained: np.ndarray | None
    watched: np.ndarray | None
    unchecked: str


def shown(run: StoredRun, images: np.ndarray) -> Shown:
    """Which of (N, 48, 48) uint8 images the model of a run was trained on, and which may have chosen its epoch."""
    known, unchecked = training_images(run)
    if known is None:
        return Shown(None, None, unchecked)
    hashes = image_hashes(images)
    trained, watched = (np.isin(hashes, seen) for seen in known)
    chosen = run.record.training.checkpoint in ("validation", "test")
    return Shown(trained, watched & ~trained & chosen, unchecked)


def _evaluate(
    run: StoredRun,
    spec: str,
    foreign: Dataset,
    subjects: np.ndarray | None,
    store: Store,
    predict: Callable[..., tuple[np.ndarray, Environment]],
    keep: bool,
) -> Evaluation:
    """What ``evaluate`` does once it has the claim on the run's job."""
    job, started = run.record.job, datetime.now(UTC).isoformat(timespec="seconds")
    check_model(run, spec)
    if foreign.digest == job.dataset_digest:
        raise InputError(f"{spec} was trained on {foreign.source}; its record has the scores of the test part")
    labels, dropped, _ = match(job.classes, foreign)
    known, seen = labels >= 0, shown(run, foreign.images)
    trained = np.zeros(len(foreign), bool) if seen.trained is None else seen.trained & known
    rows = np.flatnonzero(known if keep else known & ~trained)
    _check_left(rows, trained, run, spec, foreign)
    missing = [name for code, name in enumerate(job.classes) if not (labels[rows] == code).any()]
    work = store.work(job)
    try:
        probabilities, environment = predict(images=foreign.images[rows], work=work)
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
            training_images=None if seen.trained is None else int(trained.sum()),
            watched_images=None if seen.watched is None else int(seen.watched[rows].sum()),
            kept=keep,
            unchecked=seen.unchecked,
            whole=whole,
            masked=masked,
            environment=environment,
        )
        training_rows = np.flatnonzero(trained).astype(np.int32)
        arrays = {"rows": rows.astype(np.int32), "training_rows": training_rows, "labels": labels[rows]}
        arrays |= {"probabilities": probabilities} | ({} if whom is None else {"subjects": whom})
        _publish(evaluation, arrays, work, run, store)
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
            f"{foreign.source}: {spec} agrees with {100 * own:.1f} % of the label numbers in FER-2013's order, and with"
            f" {100 * other:.1f} % as --classes {name} reads them; say which it is, with that or with --classes fer2013"
        )


def _check_left(rows: np.ndarray, trained: np.ndarray, run: StoredRun, spec: str, foreign: Dataset) -> None:
    """Raises InputError where no row is left to be scored, as the model was trained on all of them."""
    if len(rows):
        return
    job = run.record.job
    raise InputError(
        f"{foreign.source}: nothing is left to score, {spec} was trained on all {trained.sum():,} images whose emotion"
        f" it knows ({job.dataset}, split {job.split}); --keep-training-images scores them all the same"
    )


def _publish(evaluation: Evaluation, arrays: dict[str, np.ndarray], work: Path, run: StoredRun, store: Store) -> None:
    """Puts an evaluation, with the arrays of its predictions, into the folder of its run."""
    fresh = work / OUT
    fresh.mkdir()
    np.savez_compressed(fresh / PREDICTIONS, **arrays)  # type: ignore[arg-type]  # its own keywords are no arrays
    (fresh / EVALUATION).write_text(evaluation.model_dump_json(indent=1) + "\n", encoding="utf-8")
    store.publish(fresh, run.folder / EVALUATIONS / evaluation.slug)
