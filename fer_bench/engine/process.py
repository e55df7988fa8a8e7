"""A worker as a process: started, watched, and ended in time with everything that it started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import psutil

from ..data.download import downloaded
from ..files.cache import workers_dir
from . import guard
from .job import Options
from .outcome import STOPPED, Outcome, ended, hung, one_line, oom_kills, read
from .task import LOG, OUTCOME, PROGRESS, Report

#: Seconds between looks at a worker, and that it may take to leave after it wrote its outcome.
POLL, LEAVING = 0.1, 5.0
#: Seconds that the guards may take to end everything; then that is done here.
ENDING = guard.GRACE + guard.KILLING + 2.0
#: A worker that uses less of a core than this stands still.
IDLE_SHARE = 0.01
#: Bytes of one line of progress; more is no line of ours.
LONGEST_LINE = 64 * 1024


def watch(
    work: Path,
    options: Options,
    environment: Mapping[str, str],
    report: Report,
    stop: Event,
    module: str = "fer_bench.engine.worker",
) -> Outcome:
    """Starts the worker, ``module``, and waits for it, passing its progress on; returns what became of it.

    When this returns, no process of the worker is left. That takes at most ten seconds from the moment that a limit is
    reached or ``stop`` is set.
    """
    if stop.is_set():
        return STOPPED
    killed_before = oom_kills()
    process = start(work, environment, module)
    deadline = time.monotonic() + options.timeout if options.timeout else None
    events = progress_events(work / PROGRESS)
    still = Stillness(process.pid)
    done: float | None = None
    try:
        while process.poll() is None:
            for event in next(events):
                still.moved()
                report(event)
            now = time.monotonic()
            if (work / OUTCOME).exists():
                done = done or now
                # Its work is done; what keeps it from leaving does not matter.
                if now - done > LEAVING or stop.is_set():
                    break
            elif deadline is not None and now > deadline:
                hint = "give it more with --timeout, or fewer --epochs"
                return Outcome(status="timeout", message=f"ended after {options.timeout:g} s", hint=hint)
            elif options.stall and still.seconds(options.stall) > options.stall:
                return hung(options.stall)
            elif stop.is_set():
                return STOPPED
            stop.wait(POLL)
    finally:
        end(process)
    outcome = read(work / OUTCOME)
    if outcome is not None:
        return outcome
    killed_after = oom_kills()
    kills = None if killed_before is None or killed_after is None else killed_after - killed_before
    return ended(process.returncode, work / LOG, kills)


def start(work: Path, environment: Mapping[str, str], module: str) -> subprocess.Popen[bytes]:
    """Starts a worker under its guards, where there can be some."""
    # The package imports the worker's module, too, which Python would warn of in each log.
    command = [sys.executable, "-P", "-W", "ignore::RuntimeWarning:runpy", "-m", module, str(work)]
    log = work / LOG
    log.touch()
    if os.name == "posix":
        command = [sys.executable, "-P", guard.__file__, str(guard.GUARDS), str(log), *command]
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if os.name == "posix" else file,
            stderr=file if os.name == "posix" else subprocess.STDOUT,
            env=surroundings() | dict(environment) | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )


def surroundings() -> dict[str, str]:
    """This process's environment, less what would lead a runner to labels, and with a cache for workers.

    No setting of fer-bench goes to a worker: data and results are among them. (What begins with FER_BENCH_TEST_ is for
    the plugins of tests.) Nor does kagglehub's folder where the data lies in it, nor what names the folder of a task on
    a cluster.
    """
    told = {name: value for name, value in os.environ.items() if not re.match("FER_BENCH_(?!TEST_)|SUBMITIT_", name)}
    data, kagglehub = downloaded(), told.get("KAGGLEHUB_CACHE")
    if data is not None and kagglehub and data.resolve().is_relative_to(Path(kagglehub).resolve()):
        del told["KAGGLEHUB_CACHE"]
    return told | {"FER_BENCH_CACHE": str(workers_dir())}


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the worker and everything it started; nothing where they are over."""
    assert process.stdin is not None
    process.stdin.close()  # this is what the guards wait for
    if os.name != "posix" or not all_ended(process):  # the guards are stopped
        kill_below(process.pid)
        process.kill()
    process.wait()


def all_ended(process: subprocess.Popen[bytes]) -> bool:
    """Waits for the end of all guards, which hold the other end of a pipe; False where they take too long."""
    assert process.stdout is not None
    with process.stdout, selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        return bool(waiting.select(ENDING))


def kill_below(pid: int) -> None:
    """Kills all processes below one until none is left."""
    deadline = time.monotonic() + guard.KILLING
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(pid).children(recursive=True)
            left = [child for child in found if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
            for child in left:
                child.kill()
            if left:
                time.sleep(0.02)
                continue
        return


class Stillness:
    """How long a worker has neither reported progress nor used the processor, its children's use included."""

    def __init__(self, pid: int) -> None:
        self.pid, self.used = pid, 0.0
        self.since = self.looked = time.monotonic()

    def moved(self) -> None:
        """Notes that the worker has reported progress."""
        self.since = time.monotonic()

    def seconds(self, limit: float) -> float:
        """Seconds since the worker last moved; it is looked at every second, or less often where ``limit`` is long."""
        now = time.monotonic()
        if now - self.looked > max(1.0, limit / 60):
            self.looked = now
            used = self._processor_seconds()
            if used < self.used or used - self.used > max(0.1, IDLE_SHARE * (now - self.since)):
                self.since, self.used = now, used
        return now - self.since

    def _processor_seconds(self) -> float:
        total = 0.0
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    total += times.user + times.system + times.children_user + times.children_system
        return total


def progress_events(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Yields, at each turn, the events written since the last one; what is no event is passed over."""
    position, rest = 0, b""
    while True:
        new = b""
        if path.is_file():
            with path.open("rb") as file:
                file.seek(position)
                new = file.read(16 * LONGEST_LINE)
        position += len(new)
        *lines, rest = (rest + new).split(b"\n")
        rest = rest[:LONGEST_LINE]
        yield [event for line in lines if (event := event_of(line))]


def event_of(line: bytes) -> dict[str, Any] | None:
    """The phase or note, and the numbers by name, of a line of progress; None of any other line that a runner wrote."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    event: dict[str, Any] = {name: value for name, value in found.items() if isinstance(value, int | float)}
    event |= {name: one_line(found[name]) for name in ("phase", "note") if isinstance(found.get(name), str)}
    return event or None
