"""Runs jobs: a process each, watched, ended in time, and turned into a record whatever becomes of it."""

from __future__ import annotations

import errno
import importlib.util
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import numpy as np

from .. import provenance, registry
from ..data.cache import images_file
from ..errors import is_disk_full
from ..metrics import Scores, score
from ..records import Cost, RunRecord, Status, TestTime
from ..store import MODEL, PREDICTIONS, Store
from ..training import device as devices
from ..training.resume import place
from .job import Job, Options, seed_key, training_rows
from .outcome import DISK_FULL, LOG_HINT, Outcome, one_line
from .process import Report, watch
from .retry import Retries
from .worker import INPUT, LOG, OUT, TASK, write_json


def execute(
    job: Job,
    store: Store,
    options: Options,
    report: Report = lambda _: None,
    stop: Event | None = None,
    *,
    anew: bool = False,
) -> RunRecord:
    """Runs one job to its end, or until ``stop`` is set, and stores its record.

    What can pass is tried again, ``options.retries`` times. A failure never replaces an earlier success. A training that an
    earlier attempt has begun goes on from its last saved state, unless it is to start ``anew``.

    Raises:
        OSError: the disk is full. Nothing of the attempt is left then, and what was stored before is as it was.
    """
    stop = stop or Event()
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    device = devices.choose_device(options.device)
    backend = devices.choose_backend(options.backend, device)
    environment = provenance.environment(device)  # now, before anybody can change the source tree
    variables = devices.environment(device, backend, options.threads)
    retries = Retries(job, options.retries)
    with naming_full_disk(store.root):
        state = store.resume(job.info)
        if anew:
            store.clean(state)
            state = store.resume(job.info)
        while True:
            work = store.work(job.info)
            try:
                outcome = attempt(job, work, state, options, device, variables, retries.batch_divisor, report, stop)
                if not stop.is_set() and retries.again(outcome):
                    report({"note": retries.words})
                    continue
                scores = validation_scores = tta = None
                if outcome.status == "ok":
                    scores, validation_scores, tta = score_predictions(job, work / OUT, outcome.tta_cost)
                record = RunRecord(
                    status=outcome.status,
                    command=provenance.command_line(),
                    started=started,
                    seconds=round(time.perf_counter() - clock, 3),
                    job=job.info,
                    attempts=retries.failed,
                    training=outcome.training.model_copy(update={"batch_divisor": retries.batch_divisor}),
                    scores=scores,
                    validation_scores=validation_scores,
                    tta=tta,
                    cost=outcome.cost,
                    environment=environment.model_copy(update=outcome.ran_on.model_dump(exclude_unset=True)),
                    failure=None if scores else with_place(outcome, state).failure(work / LOG),
                )
                keep_earlier = not scores and (old := store.find(job.info)) is not None and old.status == "ok"
                if not keep_earlier:
                    store.commit(record, artifacts(work / OUT, options) if scores else None)
                hopeless = record.status in ("error", "skipped") and not outcome.transient and place(state) is None
                if record.status == "ok" or hopeless:
                    store.clean(state)
                return record
            finally:
                store.clean(work)


@contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Where the disk is full inside, the OSError names ``folder``; what ran out of space had often no name."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise OSError(errno.ENOSPC, DISK_FULL, str(folder)) from error


def attempt(
    job: Job,
    work: Path,
    state: Path,
    options: Options,
    device: str,
    variables: Mapping[str, str],
    batch_divisor: int,
    report: Report,
    stop: Event,
) -> Outcome:
    """One attempt at a job, in ``work``; what it calls ok has predictions that can be scored."""
    missing = missing_needs(job)
    if missing is not None:
        return missing
    prepare(job, work, state, options, device, batch_divisor)
    outcome = watch(work, options, variables, report, stop)
    return outcome if outcome.status != "ok" else checked(outcome, job, work / OUT)


def missing_needs(job: Job) -> Outcome | None:
    """An outcome for a runner whose modules are not installed."""
    missing = [name for name in registry.get(job.info.runner).info.needs if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    names = ", ".join(missing)
    return Outcome(status="skipped", message=f"needs {names}, not installed", hint=f"pip install {names}")


def prepare(job: Job, work: Path, state: Path, options: Options, device: str, batch_divisor: int = 1) -> None:
    """Writes what the worker reads; ``state`` is where it keeps the state of its training.

    Test labels are not part of it, unless the job picks its checkpoint on the test part.
    """
    np.savez(work / INPUT, **training_rows(job))  # type: ignore[arg-type]  # its own keywords are no arrays
    task = {
        "spec": job.spec,
        "recipe": job.info.recipe,
        "key": seed_key(job.info),
        "checkpoint": job.info.checkpoint,
        "classes": job.info.classes,
        "epochs": job.info.epochs,
        "batch_divisor": batch_divisor,
        "weights": job.info.weights,
        "device": device,
        "tta": job.tta,
        "workdir": str(state.resolve()),
        "plugins": list(options.plugins),
        "tensorboard": str(Path(options.tensorboard) / job.info.key[:8]) if options.tensorboard else None,
        "images": str(images_file(job.dataset)),
        "fill_images": str(images_file(job.fill_from)) if job.fill_from is not None else None,
    }
    write_json(work / TASK, task)


def checked(outcome: Outcome, job: Job, out: Path) -> Outcome:
    """``outcome``, which is ok, or an error where the predictions of the run can't be read or are not those of the job."""
    classes, split = len(job.info.classes), job.split
    try:
        with np.load(out / PREDICTIONS, allow_pickle=False) as given:
            shapes = tuple(given[name].shape for name in probability_names(job))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        message = f"the run left no readable predictions ({one_line(str(error))})"
        return Outcome(status="error", message=message, hint=LOG_HINT)
    held = len(split.validation) if job.info.checkpoint == "validation" else 0
    wanted = tuple((held if name.startswith("val_") else len(split.test), classes) for name in probability_names(job))
    if shapes != wanted:
        return Outcome(
            status="error", message=f"the run left predictions of shapes {shapes}, wanted {wanted}", hint=LOG_HINT
        )
    return outcome


def probability_names(job: Job) -> tuple[str, ...]:
    """The arrays of probabilities that a run's predictions have."""
    names = ("probabilities", "val_probabilities")
    return names if job.tta == "none" else (*names, "tta_probabilities", "val_tta_probabilities")


def score_predictions(job: Job, out: Path, tta_cost: Cost) -> tuple[Scores, Scores | None, TestTime | None]:
    """Joins the worker's probabilities with the labels, in the file and in the scores: test, validation, and both with TTA.

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

    if job.tta == "none":
        return *scored(""), None
    test, validation = scored("tta_")
    cost = {name: getattr(tta_cost, name) for name in Cost.model_fields if name in TestTime.model_fields}
    return *scored(""), TestTime(method=job.tta, scores=test, validation_scores=validation, **cost)


def artifacts(out: Path, options: Options) -> Path:
    if not options.models:
        shutil.rmtree(out / MODEL, ignore_errors=True)
    return out


def with_place(outcome: Outcome, state: Path) -> Outcome:
    """The outcome with where the next attempt goes on, if the training left a state to go on from."""
    where = place(state)
    if where is None:
        return outcome
    how = "the next run" if outcome.status == "interrupted" else "--rerun failed"
    hints = [outcome.hint, f"{how} goes on at {where}"]
    return outcome.model_copy(update={"hint": "; ".join(filter(None, hints))})


def is_failure(status: Status) -> bool:
    return status in ("error", "timeout", "oom", "interrupted")
