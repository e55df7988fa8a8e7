"""The machine: its processor, memory, operating system, and how many threads the numeric libraries may use."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from ..errors import InputError, brief

#: What says to the numeric libraries how many threads they may use; NPROC is xgboost's and JAX's.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "NPROC",
)
#: A number of threads, or as OpenMP has it one for each level of nesting.
_COUNTS = re.compile(r" *[0-9]{1,6} *(, *[0-9]{1,6} *)*")
#: Any of these instruction sets computes in bfloat16 itself; without, it is emulated, slower than float32.
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def os_name() -> str:
    """The operating system with its version, and the architecture."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        name = platform.platform(terse=True)
    return f"{name} {platform.machine()}"


def cpu_name() -> str:
    """The processor's model name, or its architecture where the system does not tell."""
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or platform.machine()
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Instruction sets of the processor in Linux's spelling, such as avx512f; empty where the system does not tell."""
    return frozenset((_cpuinfo("flags") or _cpuinfo("features")).split())


def _cpuinfo(field: str) -> str:
    path = Path("/proc/cpuinfo")
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        key, _, value = line.partition(":")
        if key.strip().lower() == field:
            return value.strip()
    return ""


def cores() -> int:
    """Processors that this process may use: affinity and container limits included."""
    from joblib import cpu_count

    return int(cpu_count())


def ram_bytes() -> int:
    """Memory that this process may use: the machine's, or the container's limit where that is lower."""
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    return min(total, int(text)) if text.isdigit() else total


def check_threads() -> None:
    """Raises InputError for a variable of ``THREADS`` that is set to no number of threads: libraries read it each in
    its way.
    """
    for name in THREADS:
        value = os.environ.get(name, "")
        if value and not _COUNTS.fullmatch(value):
            raise InputError(
                f"{name}={brief(value)} in the environment: a number of threads is wanted; unset it, or set one"
            )


def thread_limits() -> dict[str, int]:
    """Thread counts set in the environment, and those of the numeric libraries that are loaded."""
    from threadpoolctl import threadpool_info

    limits = {name: int(os.environ[name]) for name in THREADS if re.fullmatch("[0-9]{1,6}", os.environ.get(name, ""))}
    for pool in threadpool_info():
        limits[pool["internal_api"]] = max(pool["num_threads"], limits.get(pool["internal_api"], 0))
    return limits
