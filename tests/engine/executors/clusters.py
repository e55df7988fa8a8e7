"""A Dask cluster of processes, as somebody would start it: ``dask scheduler`` and ``dask worker``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

TRAVELS = str(Path(__file__).with_name("travels.py"))


def until(true: Callable[[], object], seconds: float = 300) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Cluster:
    """A scheduler and workers, each with a folder and a cache of its own, and what they have started."""

    def __init__(self, root: Path, port: int, settings: dict[str, str]) -> None:
        self.root, self.address, self.settings = root, f"tcp://127.0.0.1:{port}", settings
        self.place = root / "place"
        self.place.mkdir(parents=True)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")

    def add(self, *more: str) -> int:
        """One more worker, of one thread, without a nanny, so that it is one process; its number."""
        number = len(self.workers)
        folder = self.root / f"worker-{number}"
        variables = {"FER_BENCH_CACHE": str(self.root / f"cache-{number}")}
        words = (
            self.address,
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--local-directory",
            str(folder),
            *more,
        )
        self.workers.append(self._start("worker", *words, **variables))
        return number

    def has(self, workers: int) -> bool:
        """Whether the scheduler knows of so many workers; each has said so in its output."""
        said = [(self.root / f"worker-{number}.log").read_text() for number in range(len(self.workers))]
        return sum("Registered to:" in text for text in said) >= workers

    def below(self, number: int) -> list[psutil.Process]:
        """What a worker has started, and still runs."""
        return psutil.Process(self.workers[number].pid).children(recursive=True)

    def at_work(self) -> list[tuple[str, int]]:
        """The jobs that wait for ``go``, by the beginning of their keys, with their processes."""
        found = [path.name.split("-")[1:] for path in self.place.glob("here-*")]
        return [(key, int(pid)) for key, pid in found]

    def go(self) -> None:
        """Lets the jobs that wait go on."""
        (self.place / "go").touch()

    def end(self) -> None:
        """Ends everything that is left."""
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
            process.wait()

    def _start(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        name = words[0] if words[0] == "scheduler" else f"worker-{len(self.workers)}"
        settings = {"DASK_DISTRIBUTED__LOGGING": json.dumps({"distributed": "info"}), **self.settings}
        own = {"FER_BENCH_TEST_PLACE": str(self.place), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with (self.root / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                stdout=log,
                stderr=log,
                env={**os.environ, **settings, **own, **variables},
            )


@contextmanager
def cluster(root: Path, workers: int = 2, **settings: str) -> Iterator[Cluster]:
    """A cluster for a block, with settings of Dask as variables of the environment."""
    made = Cluster(root, free_port(), settings)
    try:
        for _ in range(workers):
            made.add()
        until(lambda: made.has(workers))
        yield made
    finally:
        made.end()


def ended(pid: int) -> bool:
    """Whether a process is over."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
