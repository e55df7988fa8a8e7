"""Several ``fer-bench run`` on one results folder, as real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from made_records import leftovers

from fer_bench.cli import main
from fer_bench.records.store import Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")
FAULTY = str(Path(__file__).with_name("faulty.py"))


@pytest.fixture
def start(tiny_npz: Path, tmp_path: Path):
    """Starts ``fer-bench run`` with the tiny set on ``tmp_path / "results"``; what it says goes to ``<name>.err``."""
    running = []

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "FER_BENCH_DATA": str(tiny_npz), "FER_BENCH_RESULTS": str(tmp_path / "results")}
        command = [sys.executable, "-c", "from fer_bench.cli import main; main()", "run", *arguments]
        with (tmp_path / f"{name}.out").open("wb") as out, (tmp_path / f"{name}.err").open("wb") as err:
            running.append(subprocess.Popen([*command, "--plugin", FAULTY], env=env, stdout=out, stderr=err))
        return running[-1]

    yield start
    for process in running:
        for child in [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []:
            child.kill()
        process.kill()
        process.wait()


def until(true: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_each_job_is_run_by_one_of_two_sweeps(start, tmp_path):
    names = ["good", "noisy", "rounds", "needs-space", "scribbles", "curious", "needy", "raises"]
    both = [start(name, *names, "--json") for name in ("one", "two")]
    assert [process.wait(300) for process in both] == [1, 1]  # "raises" failed, whoever ran it
    said = [(tmp_path / f"{name}.err").read_text() for name in ("one", "two")]
    started = Counter(re.findall(r"^\[\d+/8\] (.*): started$", "".join(said), re.MULTILINE))
    assert len(started) == 8
    assert set(started.values()) == {1}
    assert all(": started" in text for text in said)
    assert any("another process runs it" in text for text in said)
    outputs = [json.loads((tmp_path / f"{name}.out").read_text()) for name in ("one", "two")]
    assert outputs[0] == outputs[1]
    assert [record["job"]["runner"] for record in outputs[0]] == names
    assert [record["status"] for record in outputs[0]] == ["ok"] * 6 + ["skipped", "error"]
    store = Store(tmp_path / "results")
    runs, problems = store.scan()
    assert not problems
    assert {run.record.job.key: run.record.model_dump(mode="json") for run in runs} == {
        record["job"]["key"]: record for record in outputs[0]
    }
    assert not leftovers(store.root)


def test_who_finds_a_job_taken_does_the_others_waits_and_takes_it_over(start, tmp_path, tiny_npz):
    results = tmp_path / "results"
    waits = "hangs (default, seed 0, official): another process runs it"
    first = start("first", "hangs")
    until(lambda: list(results.glob(".work/*/task.json")))

    environment = {"FER_BENCH_DATA": str(tiny_npz), "FER_BENCH_RESULTS": str(results)}
    plan = CliRunner().invoke(
        main, ["run", "hangs", "good", "--plugin", FAULTY, "--dry-run", "--json"], env=environment
    )
    assert [(job["running"], job["run"], job["status"]) for job in json.loads(plan.stdout)] == [
        (True, True, None),
        (False, True, None),
    ]

    second = start("second", "hangs", "good")
    until(lambda: list(results.glob("*/*/good/*/record.json")))
    assert waits in (tmp_path / "second.err").read_text()
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 130

    third = start("third", "hangs", "--timeout", "2")
    until(lambda: waits in (tmp_path / "third.err").read_text())
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    for child in children:
        if child.is_running():
            child.kill()
    assert third.wait(120) == 1
    assert "hangs (default, seed 0, official): started" in (tmp_path / "third.err").read_text()
    (path,) = results.glob("*/*/hangs/*/record.json")
    assert json.loads(path.read_text())["status"] == "timeout"
    assert [name.partition("-")[0] for name in leftovers(results)] == ["resume"]  # it counts the attempts
