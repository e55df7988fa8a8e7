"""What befalls a Dask cluster: workers die and come, the user stops, the scheduler goes. No job is lost or done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import TRAVELS, Cluster, cluster, ended, until
from made_records import leftovers

from fer_bench.records.store import Store

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def start(tiny_npz: Path, tmp_path: Path):
    """Starts ``fer-bench run`` on a cluster, with the tiny set; what it says goes to ``<name>.err``."""
    running = []

    def start(name: str, made: Cluster, *words: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "FER_BENCH_DATA": str(tiny_npz), "FER_BENCH_RESULTS": str(tmp_path / "results")}
        command = [sys.executable, "-c", "from fer_bench.cli import main; main()", "run", *words, "--plugin", TRAVELS]
        command += ["--executor", "dask", "--scheduler", made.address]
        with (tmp_path / f"{name}.err").open("wb") as err:
            running.append(subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=err))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_a_worker_dies_another_comes_and_each_job_is_done_once(start, tmp_path: Path):
    with cluster(tmp_path / "cluster") as made:
        process = start("one", made, "counts", "--seeds", "3")
        until(lambda: len(made.at_work()) == 2 or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "one.err").read_text()
        (child, *_) = made.below(0)
        below = {one.pid for one in made.below(0)}
        ((broken_off, first),) = [(key, pid) for key, pid in made.at_work() if pid in below]
        made.workers[0].kill()
        until(lambda: ended(first) and ended(child.pid), 15)
        made.add()
        until(lambda: len({pid for key, pid in made.at_work() if key == broken_off}) == 2)
        made.go()
        assert process.wait(300) == 0, (tmp_path / "one.err").read_text()
    runs, problems = Store(tmp_path / "results").scan()
    assert not problems
    assert [run.record.status for run in runs] == ["ok"] * 3
    said = (tmp_path / "one.err").read_text()
    assert said.count(": started") == said.count(": ok in") == 3
    again = [run for run in runs if run.record.training.interruptions]
    assert len(again) == 1  # which went on where the results folder, that all see here, had its state
    pids = [line.split(",")[-1] for line in (again[0].folder / "history.csv").read_text().splitlines()[1:]]
    assert pids[:2] == [str(first)] * 2
    assert str(first) not in pids[2:]
    assert not leftovers(tmp_path / "results")


def test_who_is_stopped_leaves_no_process_on_the_cluster_and_goes_on(start, tmp_path: Path):
    with cluster(tmp_path / "cluster") as made:
        process = start("one", made, "waits", "--seeds", "3")
        until(lambda: len(made.at_work()) == 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
        until(lambda: not made.below(0) and not made.below(1), 20)
        runs, _ = Store(tmp_path / "results").scan()
        assert [run.record.status for run in runs] == ["interrupted"] * 2
        process = start("two", made, "waits", "--seeds", "3")
        until(lambda: len(made.at_work()) == 4)
        process.kill()  # who can't say that it wants nothing any more
        until(lambda: not made.below(0) and not made.below(1), 60)
        made.go()
        assert start("three", made, "waits", "--seeds", "3").wait(300) == 0
    runs, _ = Store(tmp_path / "results").scan()
    assert [run.record.status for run in runs] == ["ok"] * 3


def test_the_scheduler_dies_and_the_same_command_goes_on(start, tmp_path: Path):
    with cluster(tmp_path / "cluster", 1) as made:
        process = start("one", made, "near", "waits", "near[step=4]")
        until(made.at_work)
        made.scheduler.kill()
        assert process.wait(120) == 1
        until(lambda: all(ended(pid) for _, pid in made.at_work()), 30)
    said = (tmp_path / "one.err").read_text().splitlines()
    assert said[-1] == (
        f"fer-bench: the Dask scheduler at {made.address} is gone; what was finished is stored, and the same command"
        " goes on once there is one"
    )
    assert not any("Traceback" in line or "distributed" in line for line in said)
    runs, problems = Store(tmp_path / "results").scan()
    assert [(run.record.job.runner, run.record.status) for run in runs] == [("near", "ok")]
    assert not problems
    with cluster(tmp_path / "another", 1) as made:
        made.go()
        assert start("two", made, "near", "waits", "near[step=4]").wait(300) == 0
    again, _ = Store(tmp_path / "results").scan()
    assert [run.record.status for run in again] == ["ok"] * 3
    assert runs[0].record in [run.record for run in again]
    assert not leftovers(tmp_path / "results")


def test_a_job_that_takes_down_its_workers_is_given_up(start, tmp_path: Path):
    with cluster(tmp_path / "cluster", 1, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as made:
        process = start("one", made, "waits", "near")
        until(made.at_work)
        made.workers[0].kill()
        until(lambda: "waits (default, seed 0, official): error" in (tmp_path / "one.err").read_text())
        made.add()  # before, the other job waits for one
        assert process.wait(300) == 1
    near, waits = (run.record for run in Store(tmp_path / "results").scan()[0])
    assert (near.status, waits.status) == ("ok", "error")
    assert waits.failure.message.startswith("the cluster lost 1 worker that ran it, at last tcp://127.0.0.1:")
