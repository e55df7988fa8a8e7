"""What a user says of a SLURM cluster: the file of ``--executor-config``, checked before anything is submitted."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...errors import InputError, brief
from ...files import inside

#: A file of settings has a few lines.
MOST_BYTES = 1 << 20
#: Minutes of a task where nobody says: as the cluster's partition may have none of its own, not SLURM's.
USUAL_MINUTES = 240
#: Seconds before its time is up that a task is told so: its run ends by then, and its state is saved.
USUAL_WARNING = 120
#: How often a task that ran out of time is queued again.
USUAL_REQUEUES = 20
#: Jobs at a time that are submitted one by one, as the trials of a search, where nobody says.
USUAL_SIDE_BY_SIDE = 8
#: Tasks of an array at a time, where nobody says.
USUAL_PARALLELISM = 256
#: The settings of sbatch that submitit knows, and their types; each may have "slurm_" before it. Left out are those by
#: which a task would be several processes.
SBATCH: dict[str, Any] = {
    "account": str,
    "additional_parameters": dict[str, str | int | float | bool],
    "array_parallelism": int,
    "comment": str,
    "constraint": str,
    "cpus_per_gpu": int,
    "cpus_per_task": int,
    "dependency": str,
    "exclude": str,
    "exclusive": bool | str,
    "gpus_per_node": int | str,
    "gpus_per_task": int | str,
    "gres": str,
    "job_name": str,
    "mail_type": str,
    "mail_user": str,
    "mem": str,
    "mem_per_cpu": str,
    "mem_per_gpu": str,
    "nodelist": str,
    "partition": str,
    "qos": str,
    "setup": list[str],
    "signal_delay_s": int,
    "srun_args": list[str],
    "teardown": list[str],
    "time": int | str,
    "use_srun": bool,
    "wckey": str,
}
#: Others: how often a task that ran out of time is queued again, and the command of Python on a node.
OURS: dict[str, Any] = {"max_num_timeout": int, "python": str}
#: The least of what is a number.
LEAST = {"array_parallelism": 1, "cpus_per_task": 1, "signal_delay_s": 30, "time": 1, "max_num_timeout": 0}
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


#: Of the parameters, what is given where nobody says.
USUAL: dict[str, Any] = {
    "job_name": "fer-bench",
    "signal_delay_s": USUAL_WARNING,
    "array_parallelism": USUAL_PARALLELISM,
}


@dataclass(frozen=True)
class Settings:
    """Of a cluster: ``sbatch`` has the parameters for submitit's SLURM executor, ``minutes`` a task's time.

    ``parallel`` is how many jobs are at work at a time where they are not all known from the beginning.
    """

    sbatch: Mapping[str, Any] = field(default_factory=lambda: dict(USUAL))
    minutes: int = USUAL_MINUTES
    requeues: int = USUAL_REQUEUES
    python: str | None = None
    parallel: int = USUAL_SIDE_BY_SIDE


def read_settings(config: str | None, jobs: int | None = None) -> Settings:
    """The settings of a file, or the usual ones; ``jobs`` is how many run at a time, where that was said.

    Raises InputError for a file that can't be read, and for a key or a value that is none.
    """
    given = _checked(_read(Path(config)), config) if config else {}
    if jobs and "array_parallelism" in given:
        raise InputError(f"--jobs {jobs} and array_parallelism in {config} say the same thing; leave one of them out")
    if jobs:
        given["array_parallelism"] = jobs
    sbatch = {**USUAL, **{name: value for name, value in given.items() if name in SBATCH and name != "time"}}
    minutes = _minutes(given["time"], config) if "time" in given else USUAL_MINUTES
    if 60 * minutes <= sbatch["signal_delay_s"]:
        raise InputError(
            f"{config}: a time of {minutes} min, and the task is told {sbatch['signal_delay_s']} s before it is up "
            "(signal_delay_s); give it more time"
        )
    parallel = given.get("array_parallelism", USUAL_SIDE_BY_SIDE)
    return Settings(sbatch, minutes, given.get("max_num_timeout", USUAL_REQUEUES), given.get("python"), parallel)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = inside.read(path.parent, path.parent / path.name, MOST_BYTES).decode()
        return tomllib.loads(text)
    except (
        OSError,
        ValueError,
        RecursionError,
    ) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"--executor-config {path}: not readable as TOML ({reason})") from None


def _checked(given: Mapping[str, Any], config: str) -> dict[str, Any]:
    """The settings under their plain names, each of its type."""
    known, found = {**SBATCH, **OURS}, {}
    for written, value in given.items():
        name = written.removeprefix("slurm_")
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else "others than submitit's go into [additional_parameters]"
            raise InputError(f"{config}: no setting {brief(written)}; {hint}")
        if name in found:
            raise InputError(f"{config}: {name} is given twice, as {written} too; leave one of them out")
        found[name] = _typed(name, value, known[name], config)
    return found


def _typed(name: str, value: Any, kind: Any, config: str) -> Any:
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        wanted = " or ".join(WORDS[one] for one in getattr(kind, "__args__", (kind,)) if one in WORDS)
        wanted = {"list": "a list of texts", "dict": "a table"}.get(getattr(kind, "__name__", ""), wanted)
        raise InputError(f"{config}: {name} = {brief(value)}, and {wanted} is wanted") from None
    if name in LEAST and isinstance(value, int) and value < LEAST[name]:
        raise InputError(f"{config}: {name} = {value}, and at least {LEAST[name]} is wanted")
    lines = [value] if isinstance(value, str) else list(value.values()) if isinstance(value, dict) else []
    if any("\n" in str(line) for line in lines):
        raise InputError(f"{config}: {name} has several lines, and would be several lines of a script")
    return value


#: What a message calls a type.
WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _minutes(time: int | str, config: str | None) -> int:
    """The minutes of a time as sbatch takes it: 90, "90", "30:00", "1:30:00", "2-12", "2-12:00" or "2-12:00:00"."""
    match = _TIME.fullmatch(str(time))
    if match is None:
        raise InputError(f"{config}: time = {brief(time)}; minutes are wanted, or a text like 12:00:00 or 2-12:00:00")
    first, second, third = (int(match[name] or 0) for name in ("first", "second", "third"))
    if match["days"] is not None:
        minutes = 1440 * int(match["days"]) + 60 * first + second + third / 60
    elif match["third"] is not None:
        minutes = 60 * first + second + third / 60
    else:
        minutes = first + second / 60
    return max(1, int(minutes))
