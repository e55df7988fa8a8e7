"""Where a result comes from: hardware, versions, the revision of this code, the command."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .records import Environment

PACKAGES = (
    "fer-bench",
    "jax",
    "jaxlib",
    "keras",
    "numpy",
    "pillow",
    "scikit-learn",
    "scikit-learn-intelex",
    "scipy",
    "tensorflow",
    "tensorflow-cpu",
    "torch",
    "xgboost",
)
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
#: Any of these instruction sets computes in bfloat16 itself; without, it is emulated, slower than float32.
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
SOURCE = Path(__file__).resolve().parents[1]
#: What hatch_build.py puts into a wheel.
BUILT = "revision.json"


def environment(device: str = "", backend: str = "") -> Environment:
    """This machine and this installation; nothing heavy is imported for it."""
    revision, dirty = git_state()
    return Environment(
        device=device,
        backend=backend,
        cpu=cpu_name(),
        cores=cores(),
        threads=thread_limits(),
        ram_bytes=ram_bytes(),
        os=os_name(),
        python=platform.python_version(),
        packages=package_versions(),
        git_revision=revision,
        git_dirty=dirty,
    )


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


def thread_limits() -> dict[str, int]:
    """Thread counts set in the environment, and those of the numeric libraries that are loaded."""
    from threadpoolctl import threadpool_info

    limits = {name: int(os.environ[name]) for name in THREADS if os.environ.get(name, "").isdigit()}
    for pool in threadpool_info():
        limits[pool["internal_api"]] = max(pool["num_threads"], limits.get(pool["internal_api"], 0))
    return limits


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a figure."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def git_state(root: Path = SOURCE) -> tuple[str | None, bool | None]:
    """Revision of the source tree and whether it has changes outside results/.

    Of an installed wheel, what its build wrote down; (None, None) where nobody knows.
    """
    if not (root / ".git").exists():
        built = root / "fer_bench" / BUILT
        if not built.exists():
            return None, None
        known = json.loads(built.read_text(encoding="utf-8"))
        return known["revision"], known["dirty"]
    revision = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", ".", ":(exclude)results")
    return revision, None if revision is None or changes is None else bool(changes)


def _git(root: Path, *arguments: str) -> str | None:
    # A git hook sets GIT_DIR and others for its own repository; only this tree is meant.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            env=clean | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def command_line() -> str:
    """The command as typed: ``fer-bench ...``, or the script's file name and arguments where Python code called."""
    program = Path(sys.argv[0] or "python")
    name = program.stem if program.stem == "fer-bench" else program.name
    return shlex.join([name, *sys.argv[1:]])
