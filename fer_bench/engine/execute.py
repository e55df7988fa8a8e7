"""Runs jobs: a process each, watched, ended in time, and turned into a record whatever becomes of it."""

from __future__ import annotations

import errno
import importlib.util
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np

from ..api import registry
from ..data.cache import images_file
from ..errors import is_disk_full
from ..hardware.device import Target, process_variables
from ..records import provenance
from ..records.record import Cost, RunRecord, Status, TestTime
from ..records.store import MODEL, PREDICTIONS, Store
from ..scores.metrics import Scores, score
from ..training.kept import EPOCHS, hand_over
from ..training.resume import goes_on_at
from .job import Job, Options, seed_key, training_rows
from .on_train import score_training, training_probabilities
from .outcome import DISK_FULL, LOG_HINT, Outcome, one_line
from .process import watch
from .retry import Retries
from .task import INPUT, LOG, OUT, TASK, Report, TrainTask


@dataclass(frozen=True)
class Attempt:
    """One attempt at a job, with the recipe's batches divided by ``batch_divisor``.

    ``work`` is an empty folder, which goes with the attempt; ``state`` is that of the training's state, from which the
    next attempt goes on.
    """

    job: Job
    work: Path
    state: Path
    options: Options
    target: Target
    batch_divisor: int = 1


def execute(
    job: Job,
    store: Store,
    options: Options,
    target: Target,
    report: Report = lambda _: None,
    stop: Event | None = None,
    *,
    anew: bool = False,
) -> RunRecord:
    """Runs one job to its end, or until ``stop`` is set, and stores its record.

    What can pass is tried again, ``options.retries`` times. A failure never replaces an earlier success. A training
    that an earlier attempt has begun goes on from its last saved state, unless it is to start ``anew``.

    Raises:
        OSError: the disk is full. Nothing of the attempt is left then, and what was stored before is as it was.
    """
    stop = stop or Event()
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    environment = provenance.environment(target.device)  # now, before anybody can change the source tree
    retries = Retries(job, options.retries)
    with naming_full_disk(store.root):
        if anew:
            store.clean(store.resume(job.info))
        while True:
            attempt = Attempt(job, store.work(job.info), store.resume(job.info), options, target, retries.batch_divisor)
            try:
                outcome = make(attempt, report, stop)
                if not stop.is_set() and retries.again(outcome):
                    report({"note": retries.words})
                    continue
                scores = score_attempt(attempt, outcome) if outcome.status == "ok" else RunScores()
                record = RunRecord(
                    status=outcome.status,
                    command=provenance.command_line(),
                    started=started,
                    seconds=round(time.perf_counter() - clock, 3),
                    job=job.info,
                    attempts=retries.failed,
                    training=outcome.training.model_copy(update={"batch_divisor": attempt.batch_divisor}),
                    **scores._asdict(),
                    cost=outcome.cost,
                    environment=outcome.where(environment),
                    failure=None if scores.scores else with_way_on(outcome, attempt.state).failure(attempt.work / LOG),
                )
                keep(record, attempt, store, transient=outcome.transient)
                return record
            finally:
                store.clean(attempt.work)


@contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Where the disk is full inside, the OSError names ``folder``; what ran out of space had often no name."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise OSError(errno.ENOSPC, DISK_FULL, str(folder)) from error


def make(attempt: Attempt, report: Report, stop: Event) -> Outcome:
    """Makes an attempt at a job; where its outcome is ok, there are predictions that can be scored."""
    missing = missing_needs(attempt.job)
    if missing is not None:
        return missing
    prepare(attempt)
    variables = process_variables(attempt.target, attempt.options.threads)
    outcome = watch(attempt.work, attempt.options, variables, report, stop)
    return with_readable_predictions(outcome, attempt) if outcome.status == "ok" else outcome


def missing_needs(job: Job) -> Outcome | None:
    """An outcome for a runner whose modules are not installed."""
    needs = registry.get(job.info.runner).info.needs
    # Finding a module within a package would import the package, which may be a plugin's.
    missing = [name for name in needs if importlib.util.find_spec(name.partition(".")[0]) is None]
    if not missing:
        return None
    names = ", ".join(missing)
    return Outcome(status="skipped", message=f"needs {names}, not installed", hint=f"pip install {names}")


def prepare(attempt: Attempt) -> None:
    """Writes what the worker reads: no test labels, unless the job picks its checkpoint on the test part."""
    job, options, kept = attempt.job, attempt.options, attempt.state / EPOCHS
    if not options.keep_epochs:  # this attempt's epochs would be missing among an earlier one's
        shutil.rmtree(kept, ignore_errors=True)
    np.savez(attempt.work / INPUT, **training_rows(job))  # type: ignore[arg-type]  # its own keywords are no arrays
    task = TrainTask(
        spec=job.spec,
        recipe=job.info.recipe,
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
        images=str(images_file(job.dataset)),
        fill_images=str(images_file(job.fill_from)) if job.fill_from is not None else None,
    )
    (attempt.work / TASK).write_text(task.to_json(), encoding="utf-8")


def with_readable_predictions(outcome: Outcome, attempt: Attempt) -> Outcome:
    """An ok outcome; or an error where the predictions of the run can't be read or are not those of its job."""
    job, split, classes = attempt.job, attempt.job.split, len(attempt.job.info.classes)
    try:
        with np.load(attempt.work / OUT / PREDICTIONS, allow_pickle=False) as given:
            shapes = tuple(given[name].shape for name in probability_names(job))
        training_probabilities(job, attempt.work)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
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


def score_attempt(attempt: Attempt, outcome: Outcome) -> RunScores:
    """The scores of an attempt that went well, those of the training part included where the job asks for them."""
    scores = score_predictions(attempt.job, attempt.work / OUT, outcome.tta_cost)
    return scores._replace(train_scores=score_training(attempt.job, attempt.work))


def score_predictions(job: Job, out: Path, tta_cost: Cost) -> RunScores:
    """Joins the worker's probabilities with the labels, in their file, and scores test and validation part.

    The scores are computed from the probabilities as they are stored, so that they can be computed again to the last
    digit. A run whose checkpoint the test part picked has no validation scores: it never looked at a validation part.
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

    def scored(kind: str) -> tuple[Scores, Scores | None]:
        test, validation = probabilities[f"{kind}probabilities"], probabilities[f"val_{kind}probabilities"]
        on_test = score(labels[split.test], test, job.dataset.classes, split.test_seen)
        return on_test, score(labels[held], validation, job.dataset.classes) if len(held) else None

    tta = None
    if job.tta != "none":
        test, validation = scored("tta_")
        cost = {name: getattr(tta_cost, name) for name in Cost.model_fields if name in TestTime.model_fields}
        tta = TestTime(method=job.tta, scores=test, validation_scores=validation, **cost)
    test, validation = scored("")
    return RunScores(test, validation, tta=tta)


def keep(record: RunRecord, attempt: Attempt, store: Store, *, transient: bool) -> None:
    """Stores an attempt's record, unless a failure would replace a success; drops a state that nothing goes on from.

    Args:
        record: of the attempt.
        attempt: what it was; its files go where the record goes.
        store: where that is.
        transient: whether another attempt may go well.
    """
    if record.status == "ok":
        store.commit(record, artifacts(attempt))
    elif (earlier := store.find(record.job)) is None or earlier.status != "ok":
        store.commit(record, None)
    hopeless = record.status in ("error", "skipped") and not transient and goes_on_at(attempt.state) is None
    if record.status == "ok" or hopeless:
        store.clean(attempt.state)


def artifacts(attempt: Attempt) -> Path:
    """The folder of a run's files, with its kept epochs; without models where none are wanted."""
    out, options = attempt.work / OUT, attempt.options
    if not options.models:
        shutil.rmtree(out / MODEL, ignore_errors=True)
    elif options.keep_epochs:
        hand_over(attempt.state / EPOCHS, out / MODEL / EPOCHS)
    return out


def with_way_on(outcome: Outcome, state: Path) -> Outcome:
    """The outcome with where the next attempt goes on, if the training left a state to go on from."""
    where = goes_on_at(state)
    if where is None:
        return outcome
    how = "the next run" if outcome.status == "interrupted" else "--rerun failed"
    hints = [outcome.hint, f"{how} goes on at {where}"]
    return outcome.model_copy(update={"hint": "; ".join(filter(None, hints))})


def is_failure(status: Status) -> bool:
    """Whether a run of that status was begun and did not go well."""
    return status in ("error", "timeout", "oom", "interrupted")
