"""An array of tasks on a cluster, through submitit: submitted, looked after, and cancelled."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from threading import Lock

from ...errors import InputError, visible
from ...files import durable, inside
from ...files.json_file import read_json
from ...files.locks import taken
from .slurm_settings import Settings
from .slurm_task import record_of_task

#: In the folder of an array: what it is, and the lock of the client that waits for it.
ARRAY, CLIENT = "array.json", "client.lock"
#: Seconds between two questions to the cluster, and that it may take to answer one.
LOOK, ANSWER = 20.0, 60.0
#: Seconds between two looks at what a task has written, and that one may take to end where it was told to.
POLL, ENDING = 0.5, 20.0
#: Seconds that submitit may take to write its last file.
SETTLING = 5.0


class Array:
    """Tasks that were submitted together. ``cluster`` is "slurm", or "local" for processes of this machine."""

    def __init__(
        self, folder: Path, tasks: Sequence[Callable[[], None]], settings: Settings, cluster: str, look: float
    ) -> None:
        """Submits the tasks. Raises InputError where the cluster does not take them."""
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise InputError(
                "--executor slurm: there are no sbatch and srun here; type the command on a node of the cluster from "
                "which jobs are submitted"
            )
        words = {f"slurm_{name}": value for name, value in settings.sbatch.items()}
        if cpus := settings.sbatch.get("cpus_per_task"):  # which srun has not inherited from sbatch since SLURM 22.05
            words["slurm_srun_args"] = [f"--cpus-per-task={cpus}", *settings.sbatch.get("srun_args", [])]
        made = {f"{cluster}_max_num_timeout": settings.requeues, f"{cluster}_python": settings.python}
        try:
            executor = submitit.AutoExecutor(folder, cluster=cluster, **made)
            executor.update_parameters(timeout_min=settings.minutes, **words)
            with redirect_stderr(io.StringIO()):  # what sbatch says there is in the exception, too
                self.jobs: list[submitit.Job[None]] = executor.submit_array(tasks)
        except (FailedJobError, FailedSubmissionError, OSError, RuntimeError, ValueError, NameError) as error:
            said = [line for line in str(error).splitlines() if line.strip()]
            told = next((line for line in reversed(said) if "error" in line.lower()), said[-1] if said else "no reason")
            raise InputError(f"the cluster did not take the jobs: {visible(told)[:300]}") from error
        self.cluster, self.look, self.looked, self.lock = cluster, look, time.monotonic(), Lock()
        self.present: set[str] | None = None
        self.over: set[int] = set()  # tasks that nobody waits for any more
        what = {"cluster": cluster, "id": self.id, "tasks": len(tasks)}
        durable.write(folder / ARRAY, json.dumps(what).encode())

    @property
    def id(self) -> str:
        """The number of the array, by which SLURM's commands know it."""
        return self.jobs[0].job_id.partition("_")[0]

    def gone(self, number: int) -> bool:
        """Whether the cluster has a task no more; where it does not answer, nobody knows, and it is not gone."""
        job = self.jobs[number]
        if self.cluster != "slurm":
            return bool(job.done())
        with self.lock:
            if time.monotonic() - self.looked >= self.look:
                self.present, self.looked = queued(self.id), time.monotonic()
            return self.present is not None and job.job_id not in self.present

    def settle(self, number: int) -> None:
        """Returns once submitit has written the last file of a task that is over: its folder is about to go."""
        deadline = time.monotonic() + SETTLING
        while not self.jobs[number].paths.result_pickle.exists() and time.monotonic() < deadline:
            time.sleep(POLL / 10)

    def why(self, number: int) -> str:
        """The cluster's word for how a task ended: "OUT_OF_MEMORY", or "" where it has none."""
        state = str(self.jobs[number].get_info(mode="force").get("State", "")) if self.cluster == "slurm" else ""
        return state.split()[0] if state.split() and state != "UNKNOWN" else ""

    def log(self, number: int) -> list[str]:
        """The last lines that a task has written to stderr."""
        path = self.jobs[number].paths.stderr
        return path.read_text(errors="replace").splitlines()[-20:] if path.is_file() else []

    def cancel(self) -> str:
        """Cancels all of it that is not over; what was done, in words."""
        if self.cluster != "slurm":
            for job in self.jobs:
                job.cancel(check=False)
            return "cancelled"
        done = _asked(["scancel", self.id])
        failed = "" if done is not None and done.returncode == 0 else ", which failed; type it yourself"
        return f"scancel {self.id}{failed}"


def queued(array: str) -> set[str] | None:
    """The tasks of an array that wait or run, such as "123_4"; None where the cluster does not say."""
    done = _asked(["squeue", "--noheader", "--array", "--format=%i", f"--jobs={array}"])
    if done is None or (done.returncode and "invalid job id" not in done.stderr.lower()):
        return None
    return set(re.findall(r"^\s*(\d+(?:_\d+)?)\s*$", done.stdout, re.MULTILINE))


def clear_up(above: Path) -> None:
    """Removes the folders of arrays that are over, and whose clients died before they could."""
    for name in inside.entries(above, above).folders:
        folder = above / name
        with suppress(InputError, OSError, ValueError, KeyError, TypeError):
            told = read_json(folder / ARRAY, above)
            done = all(record_of_task(folder, number).exists() for number in range(int(told["tasks"])))
            if not taken(folder / CLIENT) and (
                done or (told["cluster"] == "slurm" and queued(str(int(told["id"]))) == set())
            ):
                inside.remove(above, folder)


def _asked(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """What a command of SLURM answers; None where it does not."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
