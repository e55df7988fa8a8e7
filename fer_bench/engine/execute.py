"""Runs jobs: a process each, watched, ended in time, and turned into a record whatever becomes of it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from .. import provenance, registry
from ..data.cache import images_file
from ..metrics import Scores, score
from ..records import Cost, Failure, RunRecord, Status, Training
from ..store import MODEL, PREDICTIONS, Store
from ..training import device as devices
from .job import Job, Options, seed_key, training_rows
from .worker import INPUT, LOG, OUT, OUTCOME, PROGRESS, TASK, write_json

#: Seconds between looks at a worker, and between asking it to end and ending it.
POLL, GRACE = 0.1, 5.0
LOG_TAIL = 20

Report = Callable[[Mapping[str, Any]], None]


def execute(
    job: Job, store: Store, options: Options, report: Report = lambda _: None, stop: Event | None = None
) -> RunRecord:
    """Runs one job to its end, or until ``stop`` is set, and stores its record.

    A failure never replaces an earlier success.
    """
    stop = stop or Event()
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    work = store.work(job.info)
    device = devices.choose_device(options.device)
    backend = devices.choose_backend(options.backend, device)
    environment = provenance.environment(device)  # now, before anybody can change the source tree
    outcome = missing_needs(job)
    try:
        if outcome is None:
            prepare(job, work, options, device)
            outcome = watch(work, options, devices.environment(device, backend, options.threads), report, stop)
        scores = validation_scores = None
        if outcome["status"] == "ok":
            scores, validation_scores = score_predictions(job, work / OUT)
        ran_on = outcome.get("ran_on", {})
        record = RunRecord(
            status=outcome["status"],
            command=provenance.command_line(),
            started=started,
            seconds=round(time.perf_counter() - clock, 3),
            job=job.info,
            training=Training(**outcome.get("training", {})),
            scores=scores,
            validation_scores=validation_scores,
            cost=Cost(**outcome.get("cost", {})),
            environment=environment.model_copy(update=ran_on),
            failure=None if scores else Failure(**failure_of(outcome, work / LOG)),
        )
        keep_earlier = record.status != "ok" and (old := store.find(job.info)) is not None and old.status == "ok"
        if not keep_earlier:
            store.commit(record, artifacts(work / OUT, options) if scores else None)
    finally:
        store.clean(work)
    return record


def missing_needs(job: Job) -> dict[str, Any] | None:
    """An outcome for a runner whose modules are not installed."""
    missing = [name for name in registry.get(job.info.runner).info.needs if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    names = ", ".join(missing)
    return {"status": "skipped", "message": f"needs {names}, not installed", "hint": f"pip install {names}"}


def prepare(job: Job, work: Path, options: Options, device: str) -> None:
    """Writes what the worker reads. Test labels are not part of it, unless the job picks its checkpoint on the test part."""
    np.savez(work / INPUT, **training_rows(job))  # type: ignore[arg-type]  # its own keywords are no arrays
    task = {
        "spec": job.spec,
        "recipe": job.info.recipe,
        "key": seed_key(job.info),
        "checkpoint": job.info.checkpoint,
        "classes": job.info.classes,
        "epochs": job.info.epochs,
        "weights": job.info.weights,
        "device": device,
        "plugins": list(options.plugins),
        "tensorboard": str(Path(options.tensorboard) / job.info.key[:8]) if options.tensorboard else None,
        "images": str(images_file(job.dataset)),
        "fill_images": str(images_file(job.fill_from)) if job.fill_from is not None else None,
    }
    write_json(work / TASK, task)


def watch(
    work: Path,
    options: Options,
    environment: Mapping[str, str],
    report: Report,
    stop: Event,
    module: str = "fer_bench.engine.worker",
) -> dict[str, Any]:
    """Starts the worker, ``module``, and waits for it, passing its progress on; returns its outcome."""
    stopped = {"status": "interrupted", "message": "stopped by the user", "hint": "run the same command again"}
    if stop.is_set():
        return stopped
    with (work / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(work)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    deadline = time.monotonic() + options.timeout if options.timeout else None
    events = progress_events(work / PROGRESS)
    try:
        while process.poll() is None:
            for event in next(events):
                report(event)
            if deadline is not None and time.monotonic() > deadline:
                end(process)
                hint = "give it more with --timeout, or fewer --epochs"
                return {"status": "timeout", "message": f"ended after {options.timeout:g} s", "hint": hint}
            if stop.wait(POLL):
                end(process)
                return stopped
    finally:
        end(process)
    return read_outcome(work, process.returncode)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the worker and everything it started."""
    for sign, patience in ((signal.SIGTERM, GRACE), (getattr(signal, "SIGKILL", signal.SIGTERM), GRACE)):
        try:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, sign)
            else:
                process.terminate()
        except (ProcessLookupError, PermissionError):
            pass
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


def progress_events(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Yields, at each turn, the events written since the last one."""
    position, rest = 0, b""
    while True:
        new = b""
        if path.exists():
            with path.open("rb") as file:
                file.seek(position)
                new = file.read()
        position += len(new)
        *lines, rest = (rest + new).split(b"\n")
        yield [json.loads(line) for line in lines if line]


def read_outcome(work: Path, code: int) -> dict[str, Any]:
    """What the worker wrote, or what its exit code means where it wrote nothing."""
    path = work / OUTCOME
    if path.exists():
        outcome: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return outcome
    if code == -9:
        hint = "probably out of memory: try --limit, or a smaller recipe"
        return {"status": "oom", "message": "the worker was killed (signal 9)", "hint": hint}
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    return {"status": "error", "message": f"the worker ended {how} without an outcome"}


def score_predictions(job: Job, out: Path) -> tuple[Scores, Scores | None]:
    """Joins the worker's probabilities with the labels, in the file and in the scores.

    The scores are computed from the probabilities as they are stored, so that they can be computed again to the last
    digit. A run whose checkpoint the test part picked has no validation scores: it never looked at a validation part.
    """
    with np.load(out / PREDICTIONS, allow_pickle=False) as given:
        test, validation = given["probabilities"], given["val_probabilities"]
    labels, split = job.dataset.labels, job.split
    held = split.validation if job.info.checkpoint == "validation" else split.validation[:0]
    np.savez_compressed(
        out / PREDICTIONS,
        rows=split.test.astype(np.int32),
        labels=labels[split.test],
        probabilities=test,
        val_rows=held.astype(np.int32),
        val_labels=labels[held],
        val_probabilities=validation,
    )
    scores = score(labels[split.test], test, job.dataset.classes, split.test_seen)
    if not len(held):
        return scores, None
    return scores, score(labels[held], validation, job.dataset.classes)


def artifacts(out: Path, options: Options) -> Path:
    if not options.models:
        shutil.rmtree(out / MODEL, ignore_errors=True)
    return out


def failure_of(outcome: Mapping[str, Any], log: Path) -> dict[str, Any]:
    """Message, hint and the last lines of the worker's output."""
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:] if log.exists() else []
    return {"message": outcome.get("message", ""), "hint": outcome.get("hint", ""), "log_tail": tail}


def is_failure(status: Status) -> bool:
    return status in ("error", "timeout", "oom", "interrupted")
