"""The model that a run has kept: whether there is one, and what it predicts for images, in a process of its own."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np

from ..errors import InputError, RunError
from ..files import inside
from ..hardware.device import Target, choose
from ..records import provenance
from ..records.record import ENSEMBLE, EXTERNAL, Environment
from ..records.store import MODEL, StoredRun
from ..training.kept import EPOCHS
from .account import naming_full_disk
from .job import Options
from .job_info import by_hand_fields
from .outcome import Outcome
from .place import HERE, Place, Work
from .task import IMAGES, PROBABILITIES, TASK, PredictTask

#: Weights of a kept epoch, among a worker's files.
EPOCH = "epoch.weights.h5"


def has_model(folder: Path) -> bool:
    """Whether the run in a folder kept its model on this machine; also where that is a link, which ``check_model``
    refuses.
    """
    model = folder / MODEL
    return inside.kind(model) not in ("", inside.FOLDER) or any(inside.entries(model, model))


def check_model(run: StoredRun, spec: str) -> None:
    """Raises InputError where a run has no model of plain files, and says how it can come to have one."""
    job = run.record.job
    if job.family == EXTERNAL:
        raise InputError(f"{spec} was scored from predictions made elsewhere; there is no model of it to evaluate")
    if job.family == ENSEMBLE:
        raise InputError(f"{spec} is an ensemble, which has no model of its own; evaluate its members")
    inside.check_tree(run.folder, run.folder / MODEL)
    if not has_model(run.folder):
        again = shlex.join(["fer-bench", "run", spec, "--recipe", job.recipe, "--split", job.split, "--force"])
        raise InputError(
            f"{run.folder} has no model: it was run with --no-models, or comes from a clone, which has none; train it "
            f"here, on {job.dataset}: {again}"
        )


def copy_model(run: StoredRun, work: Path) -> Path:
    """Copies the model of a run, without kept epochs, to a folder ``MODEL`` in ``work``; returns that folder.

    A process that reads it there finds no predictions beside it, with the labels of the test part.

    Raises:
        OSError: the disk is full, which it says of ``work``, or the model can't be read.
    """
    with naming_full_disk(work):
        return shutil.copytree(run.folder / MODEL, work / MODEL, ignore=shutil.ignore_patterns(EPOCHS))


class Prediction(NamedTuple):
    """How predicting with a stored model ended, where it ran, and (N, classes) float probabilities if all went well."""

    outcome: Outcome
    environment: Environment
    probabilities: np.ndarray | None


def predict(
    run: StoredRun,
    spec: str,
    images: np.ndarray,
    work: Path,
    options: Options,
    target: Target,
    *,
    tta: str = "none",
    epoch: Path | None = None,
    stop: Event | None = None,
    at: Place = HERE,
) -> Prediction:
    """Has a run's model predict images in a process of its own, until ``stop`` is set.

    Args:
        run: one that has a model.
        spec: its runner, with parameters as ``registry.parse`` reads them.
        images: (N, 48, 48) uint8.
        work: an empty folder.
        options: threads, timeout, stall and plugins count.
        target: device and backend.
        tta: test-time augmentation, "none" or a key of ``tta.WINDOWS``.
        epoch: weights file of a kept epoch, which the model gets first; None: its own weights.
        stop: ends the process once it is set.
        at: where the process runs.
    """
    job, stored, model = run.record.job, run.folder / MODEL, work / MODEL
    copy_model(run, work)
    weights = None if epoch is None else Path(shutil.copy(epoch, work / EPOCH))
    task = PredictTask(
        spec=spec,
        recipe=job.recipe,
        recipe_fields=by_hand_fields(job),
        classes=tuple(job.classes),
        device=target.device,
        plugins=tuple(options.plugins),
        tta=tta,
        model=str(model.resolve()),
        epoch=None if weights is None else str(weights.resolve()),
    )
    (work / TASK).write_text(task.to_json(), encoding="utf-8")
    planned = provenance.environment(target.device, executor=at.name)
    given = Work(work, {IMAGES: images}, options, target, "fer_bench.engine.predict")
    outcome, elsewhere = at.do(given, lambda _: None, stop or Event())
    outcome = outcome.model_copy(update={"message": outcome.message.replace(str(model.resolve()), str(stored))})
    inside.check(work, work / PROBABILITIES)  # a plugin may have put anything there
    probabilities = np.load(work / PROBABILITIES, allow_pickle=False) if outcome.status == "ok" else None
    return Prediction(outcome, outcome.where(elsewhere or planned), probabilities)


def predict_or_refuse(
    run: StoredRun,
    spec: str,
    images: np.ndarray,
    work: Path,
    options: Options,
    epoch: Path | None = None,
    *,
    target: Target | None = None,
    at: Place = HERE,
    stop: Event | None = None,
) -> tuple[np.ndarray, Environment]:
    """The (N, classes) float32 probabilities of a run's model for images, and where they were computed.

    The arguments are those of ``predict``; of the options, device and backend count, too, where there is no target.

    Raises:
        InputError: the model, or the weights of the epoch, can't be used.
        RunError: the process that was to predict crashed, or ran out of time or memory.
    """
    target = target or choose(options.device, options.backend)
    predicted = predict(run, spec, images, work, options, target, epoch=epoch, stop=stop, at=at)
    outcome, environment, probabilities = predicted
    if probabilities is None:
        why = ". ".join(filter(None, [outcome.message, outcome.hint]))
        if outcome.status == "oom":  # whose hint is for a training
            raise InputError(
                f"the model in {run.folder / MODEL} can't be used: {outcome.message}; give fewer images, or train a"
                " smaller one"
            )
        if not outcome.wrong_input:
            raise RunError(f"the model in {run.folder / MODEL} did not predict ({outcome.status}): {why}")
        raise InputError(
            f"the model in {run.folder / MODEL} can't be used: {why}; if it is of an older version, train it again"
        )
    return probabilities, environment
