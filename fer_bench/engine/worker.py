"""The worker: one job, in a process of its own (``python -m fer_bench.engine.worker FOLDER``).

It reads ``task.json`` and ``input.npz`` from FOLDER, maps the images that lie there, fits, predicts, and writes
``outcome.json`` with its files under ``out/``. It is told which rows the test part has, never their labels. The one
exception is a run that picks its checkpoint on the test part (``--checkpoint test``): there that part is given as the
validation part, and the record says so, whatever the runner says. Progress goes to ``progress.jsonl``, so that whatever
a runner prints can't be taken for it.
"""

from __future__ import annotations

import csv
import faulthandler
import importlib.util
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..api import registry
from ..api.context import Context, FitSummary, Part
from ..api.recipe_fields import from_fields
from ..api.runner import Runner
from ..errors import is_disk_full
from ..files import durable
from ..files.cells import plain_cell
from ..records.record import Cost, Training
from ..records.store import HISTORY, MODEL, PREDICTIONS
from ..scores.probabilities import NoProbabilitiesError, distributions
from ..training.resume import count_attempt, goes_on_at
from .measure import model_size, peak_memory, per_second, prediction_cost, ran_on
from .on_train import TRAIN_PROBABILITIES, training_images
from .outcome import DISK_FULL_CODE, Outcome, raised
from .task import FILL_IMAGES, IMAGES, INPUT, OUT, OUTCOME, PROGRESS, TASK, Report, Task, TrainTask
from .tta import Augmented, Predictor

Told = TypeVar("Told", bound=Task)


def main(folder: Path, kind: type[Told], work: Callable[[Told, Path], Outcome]) -> int:
    """Does the task of a kind that lies in ``folder`` with ``work``, and writes its outcome; 0 where that is ok."""
    faulthandler.enable()  # a crash in native code leaves its Python stack in the log
    try:
        outcome = work(kind.from_json((folder / TASK).read_text(encoding="utf-8")), folder)
    except BaseException as error:  # SystemExit too: it is the runner's, and what became of the run
        with suppress(OSError):  # a runner may have closed stderr, or the disk be full
            traceback.print_exc()
        outcome = raised(error)
    try:
        content = outcome.to_json().encode()
    except Exception as error:  # a runner says anything of itself
        outcome = raised(error)
        content = outcome.to_json().encode()
    try:
        durable.write(folder / OUTCOME, content, folder)  # whole: the parent may look at any time
    except OSError as error:
        if is_disk_full(error):
            return DISK_FULL_CODE
        raise
    return 0 if outcome.status == "ok" else 1


def make_runner(task: Task) -> Runner:
    """The runner that a task names, once its plugins are loaded."""
    for warning in registry.load_plugins(task.plugins):
        print(warning, file=sys.stderr)
    by_hand = task.recipe_fields and from_fields(task.recipe_fields, task.recipe)
    return registry.make(task.spec, task.recipe, by_hand or None)


def train_and_predict(task: TrainTask, folder: Path) -> Outcome:
    """Fits the runner of a task, predicts and saves, all in ``folder``; returns how that went and what it cost."""
    runner, classes, out = make_runner(task), len(task.classes), folder / OUT
    if missing := [name for name in runner.info.needs if not installed(name)]:
        names = ", ".join(missing)
        return Outcome(status="skipped", message=f"needs {names}, not installed", hint=f"pip install {names}")
    runner.recipe = runner.recipe.with_smaller_batches(task.batch_divisor)
    (out / MODEL).mkdir(parents=True)
    interruptions = count_attempt(Path(task.workdir))
    with progress(folder / PROGRESS) as report:
        context = context_of(task, report)
        with context.phase("load"):
            train, validation, test_images = load_parts(folder)
        if interruptions and goes_on_at(Path(task.workdir)) is None:
            report({"note": "the attempt before left nothing to go on from; starts again"})
        context.begun = time.perf_counter()
        summary = runner.fit(train, validation, context) or FitSummary()
        fit_seconds = time.perf_counter() - context.begun
        report({"phase": "predict"})
        # A test part in the place of validation is no validation part of which there are predictions.
        held = validation.images if validation and task.checkpoint == "validation" else test_images[:0]
        parts = {"probabilities": test_images, "val_probabilities": held}
        arrays, cost = predict_parts(runner, parts, classes)
        tta_cost = Cost()
        if task.tta != "none":
            report({"phase": f"predict, {task.tta}"})
            parts = {"tta_probabilities": test_images, "val_tta_probabilities": held}
            augmented, tta_cost = predict_parts(Augmented(runner, task.tta), parts, classes)
            arrays |= augmented
    np.savez_compressed(out / PREDICTIONS, **arrays)  # type: ignore[arg-type]  # its own keywords are no arrays
    write_history(out / HISTORY, summary.history)
    runner.save(out / MODEL)
    trained_on = len(train.labels) * (summary.epochs_run or 1)
    fitting = {
        **model_size(runner, out / MODEL, classes),
        "fit_seconds": fit_seconds,
        "phases": context.seconds,
        "train_images_per_second": per_second(trained_on, context.seconds.get("train")),
        **peak_memory(task.device),
    }
    outcome = Outcome(
        status="ok",
        training=training_of(summary, task, interruptions),
        cost=cost.model_copy(update=fitting),
        tta_cost=tta_cost,
        ran_on=ran_on(task.device),
    )
    if task.train_scores:  # last, so that it is no part of what the run cost
        found = valid_probabilities(runner, training_images(folder), classes)
        np.save(folder / TRAIN_PROBABILITIES, found.astype(np.float16))
    return outcome


def installed(module: str) -> bool:
    """Whether there is such a module; of one in a package, whether there is that, which would be imported else."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None


@contextmanager
def progress(path: Path) -> Iterator[Report]:
    """What takes a run's events, and writes each as a line of JSON to a file at once."""
    with path.open("a", encoding="utf-8", buffering=1) as file:

        def report(event: Mapping[str, Any]) -> None:
            file.write(json.dumps(dict(event), default=float) + "\n")

        yield report


def context_of(task: TrainTask, report: Report) -> Context:
    """What the runner of a task is told."""
    return Context(
        classes=task.classes,
        key=task.key,
        workdir=Path(task.workdir),
        epochs=task.epochs,
        weights=task.weights,
        device=task.device,
        tensorboard=Path(task.tensorboard) if task.tensorboard else None,
        kept=Path(task.kept) if task.kept else None,
        report=report,
    )


def load_parts(folder: Path) -> tuple[Part, Part | None, np.ndarray]:
    """Train, validation (None where the split has none) and test images, taken from the files that hold them all."""
    images = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
    with np.load(folder / INPUT, allow_pickle=False) as given:
        rows = {name: given[name] for name in given.files}
    order = rows["train_order"]
    if "fill_rows" in rows:
        fill = np.load(folder / FILL_IMAGES, mmap_mode="r", allow_pickle=False)
        train_images = np.concatenate([images[rows["train_rows"]], fill[rows["fill_rows"]]])[order]
    else:
        train_images = images[rows["train_rows"][order]]
    train = Part(train_images, rows["train_labels"][order], rows.get("train_weights"))
    validation = Part(images[rows["val_rows"]], rows["val_labels"]) if len(rows["val_rows"]) else None
    return train, validation, images[rows["test_rows"]]


def training_of(summary: FitSummary, task: TrainTask, interruptions: int) -> Training:
    """A fit's summary for the record; the parent checks it, as a runner may say, or write, anything."""
    said = {name: getattr(summary, name) for name in Training.model_fields if hasattr(summary, name)}
    if task.checkpoint == "test":
        said["checkpoint"] = "test"
    return Training.model_construct(**said, interruptions=interruptions)


def predict_parts(
    runner: Predictor, parts: Mapping[str, np.ndarray], classes: int
) -> tuple[dict[str, np.ndarray], Cost]:
    """Predictions for the images of some parts, and what predicting the first that has any costs.

    Args:
        runner: a fitted one.
        parts: images (n, 48, 48) uint8 by the names of the arrays that their predictions, (n, classes) float16, get;
            one of them has some.
        classes: how many there are.
    """
    arrays = {name: valid_probabilities(runner, images, classes).astype(np.float16) for name, images in parts.items()}
    return arrays, prediction_cost(runner, next(images for images in parts.values() if len(images)))


def valid_probabilities(runner: Predictor, images: np.ndarray, classes: int) -> np.ndarray:
    """What a runner predicts for (N, 48, 48) uint8 images: (N, classes) float32, mended where it is off by rounding.

    Raises:
        ValueError: they are of another shape, or what ``scores.probabilities.distributions`` refuses.
    """
    if not len(images):
        return np.empty((0, classes), np.float32)
    returned = runner.predict_proba(images)
    # Made numbers, these would lose what they say: an imaginary part, a mask.
    if np.asarray(returned).dtype.kind in "cSUmM" or np.ma.is_masked(returned):
        raise ValueError(
            f"predict_proba returned {np.asarray(returned).dtype}, or masked values; plain numbers are wanted"
        )
    array = np.asarray(returned, np.float32)
    if array.shape != (len(images), classes):
        raise ValueError(f"predict_proba returned shape {array.shape}, wanted {(len(images), classes)}")
    if not np.isfinite(array).all():
        raise ValueError("predict_proba returned NaN or infinity: the training diverged, or the runner is wrong")
    try:
        return distributions(array, classes)
    except NoProbabilitiesError as error:
        raise ValueError(f"predict_proba returned rows that are not probabilities: {error}") from None


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Writes a row an epoch, with all names that any epoch has; no file where there are no epochs."""
    if not history:
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        names = list(dict.fromkeys(name for row in history for name in row))
        csv.writer(file).writerow([plain_cell(name) for name in names])
        csv.DictWriter(file, names).writerows(history)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), TrainTask, train_and_predict))
