"""How things are timed here, and how the times come into pytest-benchmark's report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class Told:
    """A timer for ``pytest.mark.benchmark(timer=...)`` that passes on seconds measured elsewhere.

    In another process, where one net's precision or memory can't colour the next, or in turn with the baseline, so that
    a busy minute of the machine falls on both.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def report(self, benchmark: Any, seconds: list[float]) -> None:
        """Makes ``seconds`` the rounds of ``benchmark``, whose timer this is."""
        left = iter(seconds)

        def advance() -> None:
            self.now += next(left)

        benchmark.pedantic(advance, rounds=len(seconds))


told = Told()


def describe(benchmark: Any, subject: str, line: str, *, role: str = "ours", **extra: Any) -> None:
    """Says in ``benchmark.extra_info`` what table.py puts into a row.

    Args:
        subject: what is done; the lines of one subject are compared with its one baseline.
        line: who does it.
        role: "baseline", "ours" or "other".
        extra: ``unit`` ("images/s", "s" or "ms"), ``images`` of a round, ``statistic`` ("min" or "median"),
            ``peak_bytes``, ``note``.
    """
    benchmark.extra_info.update({"subject": subject, "line": line, "role": role, **extra})


def in_turn(calls: Mapping[str, Callable[[], Any]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of ``rounds`` calls of each, after ``warmup`` of them; all take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(warmup + rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def elsewhere(module: str, *arguments: str | int | Path) -> dict[str, Any]:
    """What ``python -m benchmarks.<module> ...`` prints as its last line, JSON; with this process's environment."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def scale() -> float:
    """``FER_BENCH_BENCH_SCALE``: the share of the images that is taken; below 1 only to see that a suite runs."""
    return float(os.environ.get("FER_BENCH_BENCH_SCALE", "1"))


def scaled(images: int, least: int = 1) -> int:
    """``images`` times ``scale()``."""
    return max(least, round(images * scale()))
