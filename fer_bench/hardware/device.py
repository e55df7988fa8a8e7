"""Which device and Keras backend a run gets, decided before any framework is imported."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import locks
from . import host

#: In order of preference on a GPU; on a CPU TensorFlow is the fastest, by measurement.
BACKENDS = ("jax", "tensorflow", "torch")
INSTALL = {
    "jax": "pip install 'fer-bench[jax]'",
    "tensorflow": "pip install tensorflow",
    "torch": "pip install 'fer-bench[torch]'",
}


def gpus() -> list[str]:
    """Names of the NVIDIA GPUs that this process may use, in the order of ``gpu:N``; empty without a driver."""
    names, visible = _all_gpus(), _visible()
    if visible is None or not names:
        return list(names)
    return [names[int(v)] if v.isdecimal() and int(v) < len(names) else v for v in visible]


@cache
def _all_gpus() -> tuple[str, ...]:
    """Names of the machine's NVIDIA GPUs, for which nvidia-smi is asked once in a process."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip()) if done.returncode == 0 else ()


def _visible() -> list[str] | None:
    """What the caller's CUDA_VISIBLE_DEVICES names (numbers or UUIDs), or None where it says nothing."""
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return None
    listed: list[str] = []
    for entry in value.split(","):
        # CUDA stops at the first entry that names nothing, so "-1" hides all.
        if not entry.strip() or entry.strip().startswith("-"):
            break
        listed.append(entry.strip())
    return listed


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def gpu_backends() -> list[str]:
    """The installed backends that can use an NVIDIA GPU, best first, told from their files without importing them."""
    found = []
    if _installed("jax") and (_installed("jax_cuda13_plugin") or _installed("jax_cuda12_plugin")):
        found.append("jax")
    if _installed("tensorflow") and (_installed("nvidia.cudnn") or find_library("cudnn")):
        found.append("tensorflow")
    torch = importlib.util.find_spec("torch")
    if torch is not None and torch.origin is not None:
        version = Path(torch.origin).with_name("version.py")
        if version.is_file() and re.search(r"^cuda\b[^=]*= *'", version.read_text(), re.MULTILINE):
            found.append("torch")
    return found


def choose_device(device: str) -> str:
    """What --device says (auto, cpu, gpu or gpu:N) -> "cpu" or "gpu:N".

    With auto: the first GPU that an installed backend can use, else the CPU.

    Raises:
        InputError: another word, or a GPU that is not there.
    """
    if device == "cpu":
        return "cpu"
    if device == "auto":
        return "gpu:0" if gpus() and gpu_backends() else "cpu"
    match = re.fullmatch(r"gpu(?::(\d+))?", device)
    if match is None:
        raise InputError(f"--device {device}: give auto, cpu, gpu or gpu:N")
    number, found = int(match[1] or 0), gpus()
    if not found:
        raise InputError(f"--device {device}: no NVIDIA GPU found (nvidia-smi lists none); take --device cpu")
    if number >= len(found):
        raise InputError(f"--device {device}: there are {len(found)}, gpu:0 to gpu:{len(found) - 1}")
    return f"gpu:{number}"


def choose_backend(backend: str, device: str) -> str:
    """What --backend says (auto, tensorflow, jax or torch), and a chosen device -> the backend to run.

    With auto: on a CPU TensorFlow, on a GPU the first of jax, tensorflow, torch that has CUDA.

    Raises:
        InputError: an unknown or missing backend, or none for the GPU.
    """
    if backend != "auto":
        if backend not in BACKENDS:
            raise InputError(f"--backend {backend}: give auto, tensorflow, jax or torch")
        if not _installed(backend):
            raise InputError(f"--backend {backend}: not installed; {INSTALL[backend]}")
        if device != "cpu" and backend not in gpu_backends():
            raise InputError(
                f"--backend {backend}: the one installed can't use a GPU; take --device cpu or --backend auto"
            )
        return backend
    if device != "cpu":
        able = gpu_backends()
        if not able:
            raise InputError(f"--device {device}: no installed backend can use it; pip install 'fer-bench[gpu]'")
        return able[0]
    for name in ("tensorflow", "jax", "torch"):
        if _installed(name):
            return name
    raise InputError(f"no Keras backend is installed; {INSTALL['tensorflow']}")


def precision(wanted: str, device: str) -> str:
    """The Keras dtype policy that a recipe's ``precision`` gets: float32 on a CPU without bfloat16 instructions."""
    emulated = device == "cpu" and not host.cpu_flags() & host.BFLOAT16
    return "float32" if emulated else wanted


class Target(NamedTuple):
    """Where a run is to compute: ``device`` is "cpu" or "gpu:N", ``backend`` is tensorflow, jax or torch."""

    device: str
    backend: str


def choose(device: str = "auto", backend: str = "auto") -> Target:
    """Device and backend for what --device and --backend say.

    Raises InputError as ``choose_device``, ``choose_backend`` and ``host.check_threads`` do.
    """
    host.check_threads()
    chosen = choose_device(device)
    return Target(chosen, choose_backend(backend, chosen))


def process_variables(target: Target, threads: int | None = None) -> dict[str, str]:
    """Environment variables for a process that will import Keras.

    Args:
        target: device and backend, as ``choose`` gives them.
        threads: of a CPU computation; None for what the caller's environment says, or one on each core.
    """
    from ..files.cache import workers_dir

    variables = {
        "KERAS_BACKEND": target.backend,
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
        # OpenMP threads (xgboost's) that spin while they wait cost a busy machine many times the work they wait for.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        # Another seed of the same model need not compile again.
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(workers_dir() / "jax")),
    }
    for name in host.THREADS:
        variables[name] = str(threads or os.environ.get(name) or host.cores())
    # With one, TensorFlow's input pipeline would stop while a step computes.
    variables["TF_NUM_INTEROP_THREADS"] = str(max(2, int(variables["TF_NUM_INTEROP_THREADS"].split(",")[0])))
    if target.device == "cpu":
        variables |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    else:
        variables |= {
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "CUDA_VISIBLE_DEVICES": _cuda_name(target.device),
            # Memory as needed, so that its peak means something and a neighbour's process can live.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
    return variables


@contextmanager
def alone_on(device: str) -> Iterator[bool]:
    """Whether no other run of this user is on the GPU, whose memory two would share; always so on a CPU.

    Args:
        device: what ``choose_device`` gave. The block then has it to itself.
    """
    if device == "cpu":
        yield True
        return
    from ..files.cache import cache_dir

    # Results folders may differ, and a home may be another machine's, too.
    gpu = _cuda_name(device)
    with locks.attempt(cache_dir() / "locks" / f"{socket.gethostname()}-gpu-{gpu}.lock") as free:
        yield free


def _cuda_name(device: str) -> str:
    """What CUDA_VISIBLE_DEVICES calls one of the GPUs that this process may use: its number or UUID."""
    number = int(device.split(":")[1])
    visible = _visible()
    return str(number) if visible is None else visible[number]


def describe() -> dict[str, str]:
    """{"backend", "device"} of what Keras really runs on in this process; imports it."""
    import keras

    backend = keras.backend.backend()
    name = ""
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        name = tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU") if found else ""
    elif backend == "jax":
        name = jax_device()
    elif backend == "torch":
        import torch

        name = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
    return {"backend": backend, "device": name or "cpu"}


def jax_device() -> str:
    """The device that JAX runs on in this process, "cpu" or the GPU's name; imports it."""
    import jax

    first = jax.devices()[0]
    return "cpu" if first.platform == "cpu" else first.device_kind
