"""The worker: one job, in a process of its own (``python -m fer_bench.engine.worker FOLDER``).

It reads ``task.json`` and ``input.npz`` from FOLDER, maps the images, fits, predicts, and writes ``outcome.json`` with its
files under ``out/``. It is told which rows the test part has, never their labels. The one exception is a run that picks its
checkpoint on the test part (``--checkpoint test``): there that part is given as the validation part, and the record says
so, whatever the runner says. Progress goes to ``progress.jsonl``, so that whatever a runner prints can't be taken for it.
"""

from __future__ import annotations

import contextlib
import csv
import faulthandler
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import is_disk_full
from ..runners.base import Context, FitSummary, Part, Runner
from ..store import HISTORY, MODEL, PREDICTIONS
from ..training.resume import count_attempt, place
from ..training.tta import Augmented, Predictor
from .outcome import DISK_FULL_CODE, raised

#: Latency is that of as many calls as fit in so many seconds, within these bounds, after some that warm up.
LATENCY_SECONDS, FEWEST_CALLS, MOST_CALLS, WARM_UP_CALLS = 1.0, 30, 200, 3
#: Throughput is that of passes over so many images, for so many seconds.
THROUGHPUT_SECONDS, THROUGHPUT_IMAGES = 0.5, 256
TASK, INPUT, PROGRESS, OUTCOME, LOG, OUT = (
    "task.json",
    "input.npz",
    "progress.jsonl",
    "outcome.json",
    "log.txt",
    "out",
)


def main(folder: Path, work: Callable[[dict[str, Any], Path], dict[str, Any]]) -> int:
    """Does the task in ``folder`` with ``work``, and writes its outcome; 0 where that is ok."""
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    faulthandler.enable()  # a crash in native code leaves its Python stack in the log
    try:
        outcome = work(task, folder)
    except BaseException as error:  # SystemExit too: it is the runner's, and what became of the run
        with contextlib.suppress(OSError):  # a runner may have closed stderr, or the disk be full
            traceback.print_exc()
        outcome = raised(error).model_dump()
    try:
        write_json(folder / OUTCOME, outcome)
    except OSError as error:
        if is_disk_full(error):
            return DISK_FULL_CODE
        raise
    return 0 if outcome["status"] == "ok" else 1


def run(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Fit, predict, save; returns the outcome."""
    from .. import registry

    for warning in registry.load_plugins(task["plugins"]):
        print(warning, file=sys.stderr)
    runner = registry.make(task["spec"], task["recipe"])
    runner.recipe = runner.recipe.with_smaller_batches(task["batch_divisor"])
    on_test = task["checkpoint"] == "test"
    out = folder / OUT
    (out / MODEL).mkdir(parents=True)
    workdir = Path(task["workdir"])
    interruptions = count_attempt(workdir)
    with (folder / PROGRESS).open("a", encoding="utf-8", buffering=1) as progress:

        def report(event: Mapping[str, Any]) -> None:
            progress.write(json.dumps(dict(event), default=float) + "\n")

        context = Context(
            classes=tuple(task["classes"]),
            key=task["key"],
            workdir=workdir,
            epochs=task["epochs"],
            weights=task["weights"],
            device=task["device"],
            tensorboard=Path(task["tensorboard"]) if task["tensorboard"] else None,
            report=report,
        )
        with context.phase("load"):
            train, validation, test_images = load_parts(task, folder)
        if interruptions and place(workdir) is None:
            report({"note": "the attempt before left nothing to go on from; starts again"})
        context.begun = time.perf_counter()
        summary = runner.fit(train, validation, context) or FitSummary()
        fit_seconds = time.perf_counter() - context.begun
        report({"phase": "predict"})
        probabilities = checked(runner.predict_proba(test_images), len(test_images), len(context.classes))
        val_images = validation.images if validation else test_images[:0]
        val_probabilities = probabilities[:0]
        if validation and not on_test:
            val_probabilities = checked(runner.predict_proba(val_images), len(val_images), len(context.classes))
        images_per_second = predict_throughput(runner, test_images)
        latency = latencies(runner, test_images)
        with_views: dict[str, np.ndarray] = {}
        tta_cost: dict[str, float] = {}
        if task["tta"] != "none":
            report({"phase": f"predict, {task['tta']}"})
            parts = {"tta_probabilities": test_images, "val_tta_probabilities": val_images[: len(val_probabilities)]}
            with_views, tta_cost = augmented(runner, task["tta"], parts, len(context.classes))
    np.savez_compressed(
        out / PREDICTIONS,
        probabilities=probabilities.astype(np.float16),
        val_probabilities=val_probabilities.astype(np.float16),
        **with_views,  # type: ignore[arg-type]  # its own keywords are no arrays
    )
    write_history(out / HISTORY, summary.history)
    runner.save(out / MODEL)
    parameters = runner.count_parameters(len(context.classes)) or {}
    epochs = summary.epochs_run
    return {
        "status": "ok",
        "training": {
            "init": summary.init,
            "checkpoint": "test" if on_test else summary.checkpoint,
            "epochs_run": epochs,
            "epochs_planned": summary.epochs_planned,
            "best_epoch": summary.best_epoch,
            "stopped": summary.stopped,
            "interruptions": interruptions,
            "extra": summary.extra,
        },
        "cost": {
            "parameters": parameters.get("total"),
            "parameters_trainable": parameters.get("trainable"),
            "macs": runner.count_macs(len(context.classes)),
            "model_bytes": sum(p.stat().st_size for p in (out / MODEL).rglob("*") if p.is_file()),
            "fit_seconds": fit_seconds,
            "phases": context.seconds,
            "train_images_per_second": per_second(len(train.labels) * (epochs or 1), context.seconds.get("train")),
            "predict_images_per_second": images_per_second,
            "latency_p50_ms": latency[0],
            "latency_p95_ms": latency[1],
            **peak_memory(task["device"]),
        },
        "tta_cost": tta_cost,
        "ran_on": ran_on(task["device"]),
    }


def load_parts(task: dict[str, Any], folder: Path) -> tuple[Part, Part | None, np.ndarray]:
    """Train, validation (None where the split has none) and the test images, taken from the files that hold them all."""
    images = np.load(task["images"], mmap_mode="r", allow_pickle=False)
    with np.load(folder / INPUT, allow_pickle=False) as given:
        rows = {name: given[name] for name in given.files}
    order = rows["train_order"]
    if task["fill_images"]:
        fill = np.load(task["fill_images"], mmap_mode="r", allow_pickle=False)
        train_images = np.concatenate([images[rows["train_rows"]], fill[rows["fill_rows"]]])[order]
    else:
        train_images = images[rows["train_rows"][order]]
    train = Part(train_images, rows["train_labels"][order], rows.get("train_weights"))
    validation = Part(images[rows["val_rows"]], rows["val_labels"]) if len(rows["val_rows"]) else None
    return train, validation, images[rows["test_rows"]]


def checked(probabilities: Any, images: int, classes: int) -> np.ndarray:
    """The probabilities as float32. Raises ValueError where they are not what the contract says."""
    array = np.asarray(probabilities, np.float32)
    if array.shape != (images, classes):
        raise ValueError(f"predict_proba returned shape {array.shape}, wanted {(images, classes)}")
    if not np.isfinite(array).all():
        raise ValueError("predict_proba returned NaN or infinity: the training diverged, or the runner is wrong")
    if (array < -1e-6).any() or not np.allclose(array.sum(1), 1, atol=1e-2):
        raise ValueError("predict_proba returned rows that are not probabilities (negative, or not summing to one)")
    return array


def augmented(
    runner: Runner, method: str, parts: Mapping[str, np.ndarray], classes: int
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Predictions with test-time augmentation, and what it costs to predict so, as in ``Cost``.

    parts: images by the names of the arrays that their predictions (n, classes) float16 get; those of the first are timed.
    """
    views, empty = Augmented(runner, method), np.empty((0, classes), np.float32)
    arrays = {
        name: checked(views.predict_proba(images) if len(images) else empty, len(images), classes).astype(np.float16)
        for name, images in parts.items()
    }
    timed = next(iter(parts.values()))
    median, high = latencies(views, timed)
    per_second = predict_throughput(views, timed)
    return arrays, {"predict_images_per_second": per_second, "latency_p50_ms": median, "latency_p95_ms": high}


def predict_throughput(runner: Predictor, images: np.ndarray) -> float:
    """Images per second: the median over passes through at most 256 images, repeated for half a second.

    Call it after a pass over all the images: what a runner compiles or loads at its first batches is then done, and is
    no part of the figure.
    """
    sample = images[:THROUGHPUT_IMAGES]
    passes: list[float] = []
    while sum(passes) < THROUGHPUT_SECONDS:
        passes.append(seconds_of(runner, sample))
    return len(sample) / float(np.median(passes))


def latencies(runner: Predictor, images: np.ndarray) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds of predicting one image, each call another.

    Of as many calls as fit in a second, at least 30 and at most 200, after three that warm up.
    """
    for i in range(WARM_UP_CALLS):
        seconds_of(runner, images[i % len(images)][None])
    calls: list[float] = []
    while len(calls) < FEWEST_CALLS or (len(calls) < MOST_CALLS and sum(calls) < LATENCY_SECONDS):
        calls.append(seconds_of(runner, images[len(calls) % len(images)][None]))
    median, high = 1000 * np.percentile(calls, (50, 95))
    return float(median), float(high)


def seconds_of(runner: Predictor, images: np.ndarray) -> float:
    """Of one call."""
    start = time.perf_counter()
    runner.predict_proba(images)
    return time.perf_counter() - start


def per_second(images: int, seconds: float | None) -> float | None:
    return images / seconds if seconds else None


def peak_memory(device: str) -> dict[str, int]:
    """Peak RAM of this process in bytes, where the system tells, and of the GPU where a framework tells."""
    peaks = {}
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count the memory of the process that started this one, too
        peaks["peak_ram_bytes"] = 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    elif sys.platform == "win32":
        import psutil

        peaks["peak_ram_bytes"] = psutil.Process().memory_info().peak_wset
    else:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peaks["peak_ram_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if device.startswith("gpu"):
        if "jax" in sys.modules:
            stats = sys.modules["jax"].devices()[0].memory_stats() or {}
            if "peak_bytes_in_use" in stats:
                peaks["peak_gpu_bytes"] = int(stats["peak_bytes_in_use"])
        elif "tensorflow" in sys.modules:
            peaks["peak_gpu_bytes"] = int(
                sys.modules["tensorflow"].config.experimental.get_memory_info("GPU:0")["peak"]
            )
    return peaks


def ran_on(device: str) -> dict[str, Any]:
    """Backend and device that really ran, and the threads there were.

    Keras's where a Keras model ran, JAX's where it ran alone, the GPU where xgboost had one, else the processor.
    """
    from ..provenance import thread_limits
    from ..training.device import describe, gpus, jax_device

    if "keras" in sys.modules:
        found = {name: str(describe()[name]) for name in ("backend", "device")}
    elif "jax" in sys.modules:
        found = {"backend": "jax", "device": jax_device()}
    else:
        on_gpu = device != "cpu" and "xgboost" in sys.modules
        found = {"backend": "", "device": next(iter(gpus()), device) if on_gpu else "cpu"}
    return {**found, "threads": thread_limits()}


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    if not history:
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in history for name in row)))
        writer.writeheader()
        writer.writerows(history)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all: the parent may look at any time."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, default=str), encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), run))
