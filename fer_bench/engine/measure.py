"""What a run costs: throughput, latency, memory, and what it ran on."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from ..api.runner import Runner
from ..records.record import Cost
from .outcome import RanOn
from .tta import Predictor

#: Latency is that of as many calls as fit in so many seconds, within these bounds, after some that warm up.
LATENCY_SECONDS, FEWEST_CALLS, MOST_CALLS, WARM_UP_CALLS = 1.0, 30, 200, 3
#: Throughput is that of passes over so many images, for so many seconds, and no more passes than that.
THROUGHPUT_SECONDS, THROUGHPUT_IMAGES, MOST_PASSES = 0.5, 256, 1000


def predict_throughput(runner: Predictor, images: np.ndarray) -> float | None:
    """Images per second: the median over passes through at most 256 images, repeated for half a second.

    There are 1,000 passes at most: of what answers at once half a second would be millions. None where the clock is too
    coarse to tell.

    Call it after a pass over all the images: what a runner compiles or loads at its first batches is then done, and is
    no part of the figure.
    """
    sample = images[:THROUGHPUT_IMAGES]
    passes: list[float] = []
    while len(passes) < MOST_PASSES and sum(passes) < THROUGHPUT_SECONDS:
        passes.append(seconds_of(runner, sample))
    return per_second(len(sample), float(np.median(passes)))


def latencies(runner: Predictor, images: np.ndarray) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds of predicting one image, each call another.

    As many calls are timed as fit in a second, at least 30 and at most 200, after three that warm up.
    """
    for i in range(WARM_UP_CALLS):
        seconds_of(runner, images[i % len(images)][None])
    calls: list[float] = []
    while len(calls) < FEWEST_CALLS or (len(calls) < MOST_CALLS and sum(calls) < LATENCY_SECONDS):
        calls.append(seconds_of(runner, images[len(calls) % len(images)][None]))
    median, high = 1000 * np.percentile(calls, (50, 95))
    return float(median), float(high)


def prediction_cost(runner: Predictor, images: np.ndarray) -> Cost:
    """Throughput and latency of predicting (N, 48, 48) uint8 images; call it after a pass over all of them."""
    throughput = predict_throughput(runner, images)
    median, high = latencies(runner, images)
    return Cost(predict_images_per_second=throughput, latency_p50_ms=median, latency_p95_ms=high)


def model_size(runner: Runner, saved: Path, classes: int) -> dict[str, int | None]:
    """Parameters, multiply-accumulates of one image, and bytes of the folder in which it is saved, as in ``Cost``."""
    parameters = runner.count_parameters(classes) or {}
    return {
        "parameters": parameters.get("total"),
        "parameters_trainable": parameters.get("trainable"),
        "macs": runner.count_macs(classes),
        "model_bytes": sum(path.stat().st_size for path in saved.rglob("*") if path.is_file()),
    }


def seconds_of(runner: Predictor, images: np.ndarray) -> float:
    """How long one call of ``predict_proba`` takes, in seconds."""
    start = time.perf_counter()
    runner.predict_proba(images)
    return time.perf_counter() - start


def per_second(images: int, seconds: float | None) -> float | None:
    """Images per second; None where no time was measured."""
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


def ran_on(device: str) -> RanOn:
    """Backend and device that really ran, and the threads there were, as this process finds them.

    They are Keras's where a Keras model ran, JAX's where it ran alone, the GPU where xgboost had one, else the
    processor.
    """
    from ..hardware.device import describe, gpus, jax_device
    from ..hardware.host import thread_limits

    if "keras" in sys.modules:
        found = describe()
        backend, name = found["backend"], found["device"]
    elif "jax" in sys.modules:
        backend, name = "jax", jax_device()
    else:
        on_gpu = device != "cpu" and "xgboost" in sys.modules
        backend, name = "", next(iter(gpus()), device) if on_gpu else "cpu"
    return RanOn(backend=backend, device=name, threads=thread_limits())
