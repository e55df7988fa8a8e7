"""From what a user says to an executor: ``--executor``, ``--scheduler``, ``--executor-config`` and ``--jobs``."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from .executor import Executor
from .local import Local

#: The module of each, beside this one. Each has ``make(words) -> Executor``, and imports its library there.
CLUSTERS = {"dask": "dask", "slurm": "slurm"}
NAMES = ("local", *CLUSTERS)


@dataclass(frozen=True)
class Words:
    """What was said of how jobs are run.

    Attributes:
        executor: one of NAMES.
        scheduler: the address of a Dask scheduler, or None.
        config: a TOML file with settings of a cluster, or None.
        jobs: runs at a time; None where nobody said.
        usual: runs at a time on this machine where nobody said.
    """

    executor: str = "local"
    scheduler: str | None = None
    config: str | None = None
    jobs: int | None = None
    usual: int = 1


def check(words: Words) -> None:
    """Raises InputError for words that contradict each other; that takes no time, and connects to nothing."""
    if words.executor not in NAMES:
        raise InputError(f"--executor {words.executor}: give {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    if words.scheduler and words.executor != "dask":
        raise InputError(
            f"--scheduler {words.scheduler} is a Dask scheduler, and --executor {words.executor} uses none; "
            "add --executor dask, or leave it out"
        )
    if words.config and words.executor != "slurm":
        raise InputError(
            f"--executor-config {words.config} has settings of a SLURM cluster, and --executor {words.executor} takes "
            "none; leave it out"
        )
    if words.jobs and words.scheduler:
        raise InputError(
            f"--jobs {words.jobs}: the workers of {words.scheduler} say how many runs there are at a time; leave it out"
        )
    if words.config and not Path(words.config).is_file():
        raise InputError(f"--executor-config {words.config}: no such file")


def make(words: Words) -> Executor:
    """The executor that a user's words mean, ready to run jobs.

    Raises:
        InputError: they contradict each other, a library is not installed, or a cluster can't be reached.
    """
    check(words)
    if words.executor == "local":
        return Local(words.jobs or words.usual)
    try:
        module = importlib.import_module(f".{CLUSTERS[words.executor]}", __package__)
    except ModuleNotFoundError as error:
        if error.name != f"{__package__}.{CLUSTERS[words.executor]}":
            raise
        raise InputError(f"--executor {words.executor}: not in this version; give local") from None
    executor: Executor = module.make(words)
    return executor
