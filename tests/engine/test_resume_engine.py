"""Attempts at a job: what of a training that was broken off the next one finds, and what its record says."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from made_records import leftovers

from fer_bench.engine import run
from fer_bench.records.predictions import load_predictions
from fer_bench.records.store import Store

PLUGIN = str(Path(__file__).with_name("broken_off.py"))


@pytest.fixture
def go(tiny_npz, tmp_path, monkeypatch):
    def go(name="counts", fault="", **options):
        monkeypatch.setenv("FER_BENCH_TEST_FAULT", fault or "none:0")
        (record,) = run([name], data=tiny_npz, results=tmp_path / "results", plugins=(PLUGIN,), **options)
        return record

    return go


def epochs_of(tmp_path: Path) -> list[tuple[int, str]]:
    """Number of each epoch of the only stored run, and the process that it ran in."""
    (path,) = (tmp_path / "results").rglob("history.csv")
    with path.open(newline="") as file:
        return [(int(row["epoch"]), row["pid"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("fault", "status", "options"),
    [
        ("kill:4", "error", {}),
        ("raise:4", "error", {}),
        ("memory:4", "oom", {}),
        ("hang:4", "timeout", {"timeout": 8.0}),
    ],
)
def test_a_training_goes_on_whatever_broke_it_off(go, tmp_path, fault, status, options):
    first = go(fault=fault, **options)
    assert first.status == status
    assert "--rerun failed goes on at epoch 4 of 5" in first.failure.hint
    second = go(rerun="failed")
    assert second.status == "ok"
    assert second.training.interruptions == 1
    epochs = epochs_of(tmp_path)
    assert [epoch for epoch, _ in epochs] == [1, 2, 3, 4, 5]
    assert [pid == epochs[0][1] for _, pid in epochs] == [True, True, True, False, False]
    assert not leftovers(tmp_path / "results")


def test_a_run_that_nothing_disturbed_says_so(go, tmp_path):
    assert go().training.interruptions == 0
    assert not leftovers(tmp_path / "results")


def test_force_starts_anew(go, tmp_path):
    go(fault="kill:4")
    again = go(rerun="all")
    assert again.training.interruptions == 0
    assert len({pid for _, pid in epochs_of(tmp_path)}) == 1


def test_a_runner_that_saves_nothing_starts_again_and_says_so(go, tiny_npz, tmp_path):
    first = go("restarts", fault="kill")
    assert "goes on" not in first.failure.hint
    notes = []
    from fer_bench.data.load import load_dataset
    from fer_bench.engine import survey, sweep
    from fer_bench.engine.job import Options, plan
    from fer_bench.engine.sweep import Observer

    class Notes(Observer):
        def progressed(self, job, event):
            notes.extend([event["note"]] if "note" in event else [])

    os.environ.pop("FER_BENCH_TEST_FAULT")
    options = Options(plugins=(PLUGIN,))
    store = Store(tmp_path / "results")
    steps = survey(plan(load_dataset(tiny_npz), ["restarts"], options=options), store, "failed")
    (second,) = sweep(steps, store, options, Notes())
    assert second.training.interruptions == 1
    assert notes == ["the attempt before left nothing to go on from; starts again"]


def cli(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from fer_bench.cli import main; main()", *arguments]


def kill(process: subprocess.Popen[str]) -> None:
    """``fer-bench`` and its worker, which has a process group of its own, at once."""
    children = psutil.Process(process.pid).children(recursive=True)
    for pid in [process.pid, *(child.pid for child in children)]:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(children, timeout=10)


@pytest.mark.slow  # a smaller net is killed in test_by_hand.py
def test_mini_xception_killed_in_epoch_3_goes_on_there_to_the_same_end(tiny_npz, tmp_path):
    """Issue 5: ``kill -9`` in epoch k, and the next ``run`` starts at epoch k. On one thread, the same to the last
    bit.
    """
    common = ["--data", str(tiny_npz), "--epochs", "4", "--threads", "1", "--plugin", PLUGIN]
    command = cli("run", "mini-xception", *common, "--results", str(tmp_path / "broken"))
    process = subprocess.Popen(command, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (states := list((tmp_path / "broken").glob(".work/resume-*/state.json"))) or (
        json.loads(states[0].read_text())["progress"]["epoch"] < 2
    ):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGSTOP)  # so that it makes no record of a worker that died
    kill(process)
    where = json.loads(states[0].read_text())["place"]
    assert list((tmp_path / "broken").rglob("record.json")) == []
    second = subprocess.run(command, text=True, capture_output=True)
    assert second.returncode == 0, second.stderr
    assert f"goes on at {where}" in second.stderr
    whole = subprocess.run(
        cli("run", "mini-xception", *common, "--results", str(tmp_path / "whole")), text=True, capture_output=True
    )
    assert whole.returncode == 0, whole.stderr
    runs = [Store(tmp_path / name).scan()[0][0] for name in ("broken", "whole")]
    assert [stored.record.training.interruptions for stored in runs] == [1, 0]
    histories = []
    for stored in runs:
        with (stored.folder / "history.csv").open(newline="") as file:
            histories.append([{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)])
    assert [row["epoch"] for row in histories[0]] == ["1", "2", "3", "4"]
    assert histories[0] == histories[1]
    np.testing.assert_array_equal(*(load_predictions(stored.folder).probabilities for stored in runs))
    assert runs[0].record.scores == runs[1].record.scores
