"""Runs jobs: a process each, watched, ended in time, and turned into a record whatever becomes of it."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np

from ..errors import InputError, is_disk_full
from ..files import inside
from ..hardware.device import Target
from ..records import provenance
from ..records.record import Cost, RunRecord, Status, TestTime
from ..records.store import MODEL, PREDICTIONS, Store
from ..scores.metrics import Scores, score
from ..scores.probabilities import distributions
from ..training.kept import EPOCHS, hand_over
from ..training.resume import goes_on_at
from .account import Start, broken, naming_full_disk, settled, trace, with_way_on
from .job import Job, Options, seed_key, training_rows
from .left import with_sound_files
from .on_train import TRAIN_PROBABILITIES, score_training, training_probabilities
from .outcome import LOG_HINT, STOPPED, Outcome, one_line
from .place import HERE, Done, Gone, Place, Work
from .retry import Retries
from .task import FILL_IMAGES, IMAGES, INPUT, LOG, OUT, TASK, Report, TrainTask
from .trained_on import keep_training_images

WORKER = "fer_bench.engine.worker"


@dataclass(frozen=True)
class Attempt:
    """One attempt at a job, with the recipe's batches divided by ``batch_divisor``.

    ``work`` is an empty folder, which goes with the attempt; ``state`` is that of the training's state, from which the
    next attempt goes on, unless it is to start ``anew``. Its process runs ``at`` a place.
    """

    job: Job
    work: Path
    state: Path
    options: Options
    target: Target
    batch_divisor: int = 1
    anew: bool = False
    at: Place = HERE


def execute(
    job: Job,
    store: Store,
    options: Options,
    target: Target,
    report: Report = lambda _: None,
    stop: Event | None = None,
    *,
    anew: bool = False,
    at: Place = HERE,
) -> RunRecord:
    """Runs one job to its end, or until ``stop`` is set, and stores its record.

    Its process runs ``at`` a place; the labels of the test part, and the results folder, stay here.

    What can pass is tried again, ``options.retries`` times. A failure never replaces an earlier success. A training
    that an earlier attempt has begun goes on from its last saved state, unless it is to start ``anew``.

    Raises:
        OSError: the disk is full. Nothing of the attempt is left then, and what was stored before is as it was.
    """
    stop, begun = stop or Event(), Start.now()
    # Now, before anybody can change the source tree.
    planned = provenance.environment(target.device, executor=at.name)
    retries = Retries(job, options.retries)
    with naming_full_disk(store.root):
        store.check_place(job.info)
        if anew:
            store.clean(store.resume(job.info))
        while True:
            work, state, first = store.work(job.info), store.resume(job.info), not retries.failed
            attempt = Attempt(job, work, state, options, target, retries.batch_divisor, anew and first, at)
            try:
                outcome, elsewhere = make_or_say(attempt, report, stop)
                environment = elsewhere or planned
                if not stop.is_set() and retries.again(outcome):
                    report({"note": retries.words})
                    continue
                outcome, scores = with_scores(outcome, attempt)
                well, scored = outcome.status == "ok", scores != RunScores()
                record = RunRecord(
                    status=outcome.status,
                    command=provenance.command_line(),
                    started=begun.started,
                    seconds=begun.seconds,
                    job=job.info,
                    attempts=retries.failed,
                    training=outcome.training.model_copy(update={"batch_divisor": attempt.batch_divisor}),
                    **(scores if well else RunScores())._asdict(),
                    cost=outcome.cost,
                    environment=outcome.where(environment),
                    failure=None if well else with_way_on(outcome, attempt.state, scored).failure(attempt.work / LOG),
                )
                record = settled(record, environment)
                keep(record, attempt, store, transient=outcome.transient, scored=scored)
                return record
            finally:
                store.clean(attempt.work)


def make_or_say(attempt: Attempt, report: Report, stop: Event) -> Done:
    """Makes an attempt; what is raised here, and concerns it alone, is its outcome."""
    try:
        return make(attempt, report, stop)
    except Exception as error:
        if is_disk_full(error) or isinstance(error, Gone):
            raise
        (attempt.work / LOG).write_text("\n".join(trace(error)), encoding="utf-8")
        return Done(broken(error))


def make(attempt: Attempt, report: Report, stop: Event) -> Done:
    """Makes an attempt at a job; where its outcome is ok, there are predictions that can be scored."""
    prepare(attempt)
    work = Work(attempt.work, images_of(attempt.job), attempt.options, attempt.target, WORKER, attempt.anew)
    outcome, environment = attempt.at.do(work, report, stop)
    outcome = with_sound_files(outcome, attempt.work / OUT)
    return Done(with_readable_predictions(outcome, attempt) if outcome.status == "ok" else outcome, environment)


def images_of(job: Job) -> dict[str, np.ndarray]:
    """The images of a job, by the names of the worker's files.

    It gets a copy: beside that there are no labels, and what a runner does to it concerns no other run.
    """
    return {IMAGES: job.dataset.images} | ({FILL_IMAGES: job.fill_from.images} if job.fill_from is not None else {})


def prepare(attempt: Attempt) -> None:
    """Writes what the worker reads beside images: no test labels, unless the job picks its checkpoint on the test
    part.
    """
    job, options, kept = attempt.job, attempt.options, attempt.state / EPOCHS
    if not options.keep_epochs:  # this attempt's epochs would be missing among an earlier one's
        shutil.rmtree(kept, ignore_errors=True)
    np.savez(attempt.work / INPUT, **training_rows(job))  # type: ignore[arg-type]  # its own keywords are no arrays
    task = TrainTask(
        spec=job.spec,
        recipe=job.info.recipe,
        recipe_fields=job.recipe_fields,
        classes=tuple(job.info.classes),
        device=attempt.target.device,
        plugins=tuple(options.plugins),
        tta=job.tta,
        key=seed_key(job.info),
        checkpoint=job.info.checkpoint,
        epochs=job.info.epochs,
        batch_divisor=attempt.batch_divisor,
        weights="auto" if job.info.weights == "auto" else options.weights,
        train_scores=job.train_scores,
        workdir=str(attempt.state.resolve()),
        tensorboard=str(Path(options.tensorboard) / job.info.key[:8]) if options.tensorboard else None,
        kept=str(kept.resolve()) if options.keep_epochs else None,
    )
    (attempt.work / TASK).write_text(task.to_json(), encoding="utf-8")


def with_readable_predictions(outcome: Outcome, attempt: Attempt) -> Outcome:
    """An ok outcome; or an error where the predictions of the run can't be read or are not those of its job."""
    job, split, classes = attempt.job, attempt.job.split, len(attempt.job.info.classes)
    try:
        for path in (attempt.work / OUT / PREDICTIONS, attempt.work / TRAIN_PROBABILITIES):
            inside.check(attempt.work.parent, path)  # the folder itself may have been replaced
        with np.load(attempt.work / OUT / PREDICTIONS, allow_pickle=False) as given:
            shapes = tuple(distributions(given[name], classes).shape for name in probability_names(job))
        training_probabilities(job, attempt.work)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, InputError) as error:
        message = f"the run left no readable predictions ({one_line(str(error))})"
        return Outcome(status="error", message=message, hint=LOG_HINT)
    held = len(split.validation) if job.info.checkpoint == "validation" else 0
    wanted = tuple((held if name.startswith("val_") else len(split.test), classes) for name in probability_names(job))
    if shapes == wanted:
        return outcome
    message = f"the run left predictions of shapes {shapes}, wanted {wanted}"
    return Outcome(status="error", message=message, hint=LOG_HINT)


def probability_names(job: Job) -> tuple[str, ...]:
    """The arrays of probabilities that a run's predictions have."""
    names = ("probabilities", "val_probabilities")
    return names if job.tta == "none" else (*names, "tta_probabilities", "val_tta_probabilities")


class RunScores(NamedTuple):
    """The scores of a run, by the fields of its record; None where there are none."""

    scores: Scores | None = None
    validation_scores: Scores | None = None
    train_scores: Scores | None = None
    tta: TestTime | None = None


def with_scores(outcome: Outcome, attempt: Attempt) -> tuple[Outcome, RunScores]:
    """An outcome and the scores of the predictions that the attempt has left; an error where they make no sense.

    A run that ended in an error may have predicted before: its predictions are joined with the labels all the same.
    """
    if outcome.status != "ok" and not (
        outcome.status == "error" and with_readable_predictions(STOPPED, attempt) is STOPPED
    ):
        return outcome, RunScores()
    try:
        return outcome, score_attempt(attempt, outcome)
    except Exception as error:
        if is_disk_full(error):
            raise
        message = f"the predictions of the run can't be scored ({one_line(str(error))})"
        return (
            Outcome(status="error", message=message, hint=LOG_HINT) if outcome.status == "ok" else outcome
        ), RunScores()


def score_attempt(attempt: Attempt, outcome: Outcome) -> RunScores:
    """The scores of an attempt that predicted, those of the training part included where the job asks for them."""
    scores = score_predictions(attempt.job, attempt.work / OUT, outcome.tta_cost)
    return scores._replace(train_scores=score_training(attempt.job, attempt.work))


def score_predictions(job: Job, out: Path, tta_cost: Cost) -> RunScores:
    """Joins the worker's probabilities with the labels, in their file, and scores test and validation part.

    The scores are computed from the probabilities as they are stored, so that they can be computed again to the last
    digit. A run whose checkpoint the test part picked has no validation scores: it never saw one. A trial has no test.
    """
    with np.load(out / PREDICTIONS, allow_pickle=False) as given:
        probabilities = {name: given[name] for name in probability_names(job)}
    labels, split = job.dataset.labels, job.split
    held = split.validation if job.info.checkpoint == "validation" else split.validation[:0]
    np.savez_compressed(
        out / PREDICTIONS,
        rows=split.test.astype(np.int32),
        labels=labels[split.test],
        val_rows=held.astype(np.int32),
        val_labels=labels[held],
        **probabilities,  # type: ignore[arg-type]  # its own keywords are no arrays
    )

    def scored(name: str, rows: np.ndarray, seen: np.ndarray | None = None) -> Scores | None:
        return score(labels[rows], probabilities[name], job.dataset.classes, seen) if len(rows) else None

    tta = None
    if job.tta != "none":
        test = scored("tta_probabilities", split.test, split.test_seen)
        assert test is not None  # a trial has no test-time augmentation
        cost = {name: getattr(tta_cost, name) for name in Cost.model_fields if name in TestTime.model_fields}
        validation = scored("val_tta_probabilities", held)
        tta = TestTime(method=job.tta, scores=test, validation_scores=validation, **cost)
    test = scored("probabilities", split.test, split.test_seen)
    return RunScores(test, scored("val_probabilities", held), tta=tta)


def keep(record: RunRecord, attempt: Attempt, store: Store, *, transient: bool, scored: bool) -> None:
    """Stores an attempt's record, unless a failure would replace a success; drops a state that nothing goes on from.

    Args:
        record: of the attempt.
        attempt: whose files go where the record goes, in ``store``.
        transient: whether another attempt may go well.
        scored: whether there are predictions to keep, of a failure, too.
    """
    earlier = None if record.status == "ok" else store.find(record.job)
    if earlier is None or earlier.status != "ok":
        store.commit(record, artifacts(attempt, well=record.status == "ok") if scored else None)
    hopeless = record.status in ("error", "skipped") and not transient and goes_on_at(attempt.state) is None
    if record.status == "ok" or hopeless:
        store.clean(attempt.state)


def artifacts(attempt: Attempt, *, well: bool) -> Path:
    """The folder of a run's files, with its kept epochs; no models where none are wanted, or it failed."""
    out, options = attempt.work / OUT, attempt.options
    if not (options.models and well):
        shutil.rmtree(out / MODEL, ignore_errors=True)
        return out
    keep_training_images(attempt.job, out / MODEL)
    if options.keep_epochs:
        hand_over(attempt.state / EPOCHS, out / MODEL / EPOCHS)
    return out


def is_failure(status: Status) -> bool:
    """Whether a run of that status was begun and did not go well."""
    return status in ("error", "timeout", "oom", "interrupted")
