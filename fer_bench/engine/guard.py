"""The guards of a worker: start it, and let nothing that it started outlive it (``python guard.py 2 COMMAND ...``).

They stand between fer-bench and the worker, on POSIX systems: one starts the other, which starts the worker. Their
standard input is a pipe on which fer-bench never writes: when it closes, fer-bench wants the end or is gone, kill -9
included. A guard then ends what it started, SIGTERM first. However that came to its end, the guard kills what is left
below it, and ends as the worker did, by the same code or signal.

On Linux a guard adopts orphans (PR_SET_CHILD_SUBREAPER), so that a process that left the worker's session and lost
its parent is found, too. Of two guards either may be killed: what is below the inner one falls to the outer one, and
the inner one is told to end where the outer one is gone (PR_SET_PDEATHSIG). The standard output of the guards is a pipe
to fer-bench, which has ended once both have. The file runs as a script and imports nothing of fer_bench, so that it
starts at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil

#: Seconds that a worker has after SIGTERM, and that killing what is left may take.
GRACE, KILLING = 3.0, 3.0
#: From <linux/prctl.h>.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STDIN = 0
#: Each may be killed, and the other one ends what is left.
GUARDS = 2


def main(guards: int, log: str, command: Sequence[str]) -> int:
    """Runs ``command`` to its end, or until it is to end; returns its exit code, or dies by its signal.

    Args:
        guards: how many, this one included, are to stand before it.
        log: what the command prints goes into this file.
        command: of the worker.
    """
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # a cluster's word that time is up; whoever waits here acts on it
    signals = wake_on((signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    worker = start_guard(guards - 1, log, command) if guards > 1 else start_worker(log, command)
    code = None
    while code is None and not told_to_end(signals):
        code = reap(worker.pid)
    if code is None:
        signal_group(worker.pid, signal.SIGTERM)
        code = reap(worker.pid, GRACE * guards)
    left = kill_all(worker.pid)
    worker.returncode = code if code is not None else left
    if worker.returncode is not None and worker.returncode < 0:
        die_by(-worker.returncode)
    return worker.returncode or 0


def start_guard(guards: int, log: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts the next guard, with the standard input and output of this one; it is told to end where this one is
    killed.
    """
    return subprocess.Popen(
        [sys.executable, "-P", __file__, str(guards), log, *command],
        start_new_session=True,
        preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM),  # safe: this process has one thread
    )


def start_worker(log: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts the worker, which is killed where this guard is."""
    with open(log, "wb") as file:  # noqa: PTH123
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )


def wake_on(signals: Sequence[signal.Signals]) -> int:
    """Has ``signals`` written, as bytes, to a pipe that can be waited for; returns its reading end."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for sign in signals:
        signal.signal(sign, lambda *_: None)
    return reading


def told_to_end(signals: int) -> bool:
    """Waits for a signal or the end of the parent's pipe; False where it was only that a child ended."""
    ready, _, _ = select.select([signals, STDIN], [], [])
    received = os.read(signals, 4096) if signals in ready else b""
    return STDIN in ready or bool(set(received) - {signal.SIGCHLD})


def reap(worker: int, patience: float = 0.0) -> int | None:
    """Takes leave of children that ended; the worker's exit code if it was, or within ``patience`` seconds is, one."""
    deadline = time.monotonic() + patience
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == worker:
            return os.waitstatus_to_exitcode(status)
        if pid == 0 and time.monotonic() >= deadline:
            return None
        if pid == 0:
            time.sleep(0.02)


def kill_all(worker: int) -> int | None:
    """Kills everything below this process until nothing is; returns the worker's exit code if it was among them."""
    code, deadline = None, time.monotonic() + KILLING
    signal_group(worker, signal.SIGKILL)  # finds orphans where they can't be adopted
    while (left := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        code = reap(worker, 0.02) or code
    return code


def signal_group(worker: int, sign: signal.Signals) -> None:
    """Sends a signal to the worker's process group, if anybody of it is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody of it is left
        os.killpg(worker, sign)


def prctl(option: int, value: int) -> None:
    """Calls prctl(2) where the system is Linux, and does nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_by(sign: int) -> None:
    """Ends this process by a signal, without a core file."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the worker's core is the one that is of use
    if sign != signal.SIGKILL:
        signal.signal(sign, signal.SIG_DFL)
    os.kill(os.getpid(), sign)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
