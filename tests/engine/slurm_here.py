"""A stand-in for a SLURM cluster: its commands, for which this machine is the only node, without limits.

``python slurm_here.py COMMAND ...``; the environment's SLURM_HERE names a folder. What sbatch was given stays there as
``4001.sh`` and so on; ``calls`` has a line for each command. A file ``hold`` keeps tasks waiting. A file ``refuse`` there has sbatch refuse with its words, and
``state`` is what sacct says of tasks that are over.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(os.environ["SLURM_HERE"])
ARRAY = 4001


def sbatch(script: str) -> None:
    if (HERE / "refuse").exists():
        sys.exit((HERE / "refuse").read_text())
    text = Path(script).read_text()
    number = ARRAY + len(list(HERE.glob("*.array")))
    (HERE / f"{number}.array").touch()
    shutil.copy(script, HERE / f"{number}.sh")
    array = re.search(r"#SBATCH --array=0-(\d+)", text)
    for task in range(int(array[1]) + 1) if array else [None]:
        start(f"{number}" if task is None else f"{number}_{task}")
    print(f"Submitted batch job {number}")


def start(name: str) -> None:
    """Starts a task, in a session of its own, as a node would."""
    number, _, task = name.partition("_")
    told = {
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_JOB_ID": number,
        "SLURM_NTASKS": "1",
        "SLURM_PROCID": "0",
        "SLURM_JOB_NODELIST": "here",
    }
    told |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": task} if task else {}
    with (HERE / f"{name}.out").open("ab") as log:
        command = f"while [ -e {HERE}/hold ]; do sleep 0.05; done; exec bash {HERE}/{number}.sh"
        run = subprocess.Popen(["bash", "-c", command], env=os.environ | told, start_new_session=True,
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # fmt: skip
    (HERE / f"{name}.pid").write_text(str(run.pid))


def srun(*words: str) -> None:
    """Has no options of its own but those for output; becomes the command."""
    rest, number, task = list(words), os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_ARRAY_TASK_ID", "")
    while rest[0].startswith("--"):
        option = rest.pop(0)
        if option in ("--output", "--error"):
            path = rest.pop(0).replace("%A", number).replace("%a", task).replace("%j", number).replace("%t", "0")
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1 if option == "--output" else 2)
    os.execvp(rest[0], rest)


def alive(name: str) -> bool:
    status = Path(f"/proc/{(HERE / f'{name}.pid').read_text()}/stat")
    return (HERE / f"{name}.requeue").exists() or (
        status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    )


def tasks(number: str) -> list[str]:
    return sorted(path.stem for path in HERE.glob(f"{number}*.pid"))


def squeue(*words: str) -> None:
    number = next(word.partition("=")[2] for word in words if word.startswith("--jobs="))
    print("\n".join(name for name in tasks(number) if alive(name)))


def sacct(*words: str) -> None:
    number = words[words.index("-j") + 1]
    state = (HERE / "state").read_text() if (HERE / "state").exists() else "COMPLETED"
    print("JobID|State|NodeList")
    for name in tasks(number):
        print(f"{name}|{'RUNNING' if alive(name) else state}|here")


def scancel(number: str) -> None:
    for name in tasks(number):
        if alive(name):
            end(int((HERE / f"{name}.pid").read_text()))


def end(group: int) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group, sign)
        except ProcessLookupError:
            return
        time.sleep(0.2)


def scontrol(verb: str, name: str) -> None:
    """Requeue: the task is started again once it has ended, by a process that nobody waits for."""
    (HERE / f"{name}.requeue").touch()
    subprocess.Popen([sys.executable, __file__, "again", name], start_new_session=True,
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def again(name: str) -> None:
    pid = (HERE / f"{name}.pid").read_text()
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    start(name)
    (HERE / f"{name}.requeue").unlink()


if __name__ == "__main__":
    with (HERE / "calls").open("a") as file:
        file.write(f"{shlex.join(sys.argv[1:])}\n")
    globals()[sys.argv[1]](*sys.argv[2:])
