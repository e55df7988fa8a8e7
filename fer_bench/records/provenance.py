"""Where a result comes from: hardware, versions, the revision of this code, the command."""

from __future__ import annotations

import json
import os
import platform
import shlex
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import encodable
from ..hardware.host import cores, cpu_name, os_name, ram_bytes, thread_limits
from .record import Environment

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
SOURCE = Path(__file__).resolve().parents[2]
#: What hatch_build.py puts into a wheel.
BUILT = "revision.json"


def environment(device: str = "", backend: str = "", executor: str = "local") -> Environment:
    """This machine and this installation; nothing heavy is imported for it. ``executor`` is what has it run here."""
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
        host="" if executor == "local" else host(),  # a user's own machine has no name that others need
        executor=executor,
    )


def host() -> str:
    """This machine's name in its network."""
    return encodable(socket.gethostname())


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
    return encodable(shlex.join([name, *sys.argv[1:]]))
