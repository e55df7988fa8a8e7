"""A sweep on a SLURM cluster: real tasks of submitit on this machine, and a stand-in for SLURM's commands."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from made_records import leftovers

from fer_bench.data.load import load_foreign
from fer_bench.engine import run
from fer_bench.engine.evaluate import evaluate
from fer_bench.engine.executors.slurm import Slurm
from fer_bench.engine.executors.slurm_array import clear_up
from fer_bench.engine.executors.slurm_settings import OURS, SBATCH, Settings, read_settings
from fer_bench.engine.job import Options
from fer_bench.engine.process import surroundings
from fer_bench.errors import InputError
from fer_bench.records.predictions import load_predictions
from fer_bench.records.store import Store

ENGINE = Path(__file__).parent
FAULTY, WAITS = str(ENGINE / "faulty.py"), str(ENGINE / "waits.py")


@pytest.fixture
def meeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a waiting run says that it is there, and looks whether it may go on."""
    place = tmp_path / "meeting"
    place.mkdir()
    monkeypatch.setenv("FER_BENCH_TEST_MEETING", str(place))
    return place


def until(what: Callable[[], Any], *processes: subprocess.Popen[str]) -> Any:
    """What ``what`` gives as soon as that is something."""
    deadline = time.monotonic() + 120
    while not (found := what()):
        assert time.monotonic() < deadline
        for process in processes:
            assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return found


def epochs_of(results: Path) -> list[tuple[int, str]]:
    (path,) = results.rglob("history.csv")
    with path.open(newline="") as file:
        return [(int(row["epoch"]), row["pid"]) for row in csv.DictReader(file)]


def task_above(pid: int) -> int:
    """The process of submitit's task above a worker."""
    return next(above.pid for above in psutil.Process(pid).parents() if "submitit.core._submit" in above.cmdline())


def test_tasks_leave_the_records_that_runs_here_leave(tiny_npz: Path, tmp_path: Path):
    words = {"data": tiny_npz, "plugins": (FAULTY,), "retries": 1, "seeds": 2}
    here = run(["good"], results=tmp_path / "here", **words)
    with Slurm(cluster="local") as executor:
        there = run(["good"], results=tmp_path / "there", executor=executor, **words)
        assert executor.slots == 2
    assert [record.status for record in there] == ["ok", "ok"]
    assert [record.job for record in there] == [record.job for record in here]
    assert [record.scores for record in there] == [record.scores for record in here]
    stored = {record.record.job.seed: record for record in Store(tmp_path / "there").scan()[0]}
    assert [stored[seed].record for seed in (0, 1)] == there
    probabilities = [
        load_predictions(Store(tmp_path / name).folder(here[0].job)).probabilities for name in ("here", "there")
    ]
    np.testing.assert_array_equal(*probabilities)
    assert {(record.environment.executor, record.environment.host) for record in there} == {
        ("slurm", socket.gethostname())
    }
    assert there[0].command == here[0].command
    assert leftovers(tmp_path / "there") == []
    assert [path.name for path in (tmp_path / "there" / ".slurm").iterdir()] == [".gitignore"]


def test_a_task_is_led_to_no_labels_of_the_test_part(tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_BENCH_TEST_WORLD", str(tmp_path))
    with Slurm(cluster="local") as executor:
        words = {"data": tiny_npz, "plugins": (str(ENGINE / "cheat.py"),)}
        (record,) = run(["cheat"], results=tmp_path / "there", executor=executor, **words)
    assert record.training.extra["found"] == 0
    assert record.training.extra["looked_at"] > 2


def test_a_worker_is_not_told_where_its_task_lies(monkeypatch: pytest.MonkeyPatch):
    """The labels of the test part are in the folder of an array."""
    monkeypatch.setenv("SUBMITIT_FOLDER", "/somewhere")
    assert "SUBMITIT_FOLDER" not in surroundings()


@pytest.fixture
def cluster(tmp_path: Path, tiny_npz: Path, meeting: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a stand-in for SLURM, whose commands are the first of their names."""
    folder, commands = tmp_path / "slurm", tmp_path / "bin"
    folder.mkdir()
    commands.mkdir()
    for name in ("sbatch", "srun", "squeue", "sacct", "scancel", "scontrol"):
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {ENGINE / "slurm_here.py"} {name} "$@"\n')
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_HERE", str(folder))
    monkeypatch.setenv("FER_BENCH_DATA", str(tiny_npz))
    monkeypatch.setenv("FER_BENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    yield folder
    for path in folder.glob("*.pid"):  # what a failed test has left
        if psutil.pid_exists(int(path.read_text())):
            os.killpg(int(path.read_text()), signal.SIGKILL)


def command(*words: str) -> list[str]:
    """``fer-bench run`` on the cluster, which is asked often."""
    code = (
        "from fer_bench.engine.executors import slurm; slurm.Slurm.__init__.__defaults__ = (None, 'slurm', 0.2)\n"
        "from fer_bench.cli import main; main()"
    )
    return [sys.executable, "-c", code, "run", *words, "--executor", "slurm"]


def fer_bench(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*words), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def calls(cluster: Path) -> list[str]:
    return [line.split()[0] for line in (cluster / "calls").read_text().splitlines()]


def test_an_array_is_submitted_with_what_the_settings_say(cluster: Path, tmp_path: Path):
    (tmp_path / "gpu.toml").write_text(
        'partition = "gpu"\ntime = "1-12:00:00"\ncpus_per_task = 1\nslurm_gres = "gpu:a100:1"\nslurm_array_parallelism = 2\n'
        'setup = ["echo ready"]\n[additional_parameters]\nreservation = "faces"\n'
    )
    done = fer_bench("good", "raises", "--plugin", FAULTY, "--executor-config", "gpu.toml", "--json")
    out, err = done.communicate(timeout=120)
    assert done.returncode == 1, err
    assert [record["status"] for record in json.loads(out)] == ["ok", "error"]
    assert {record["environment"]["executor"] for record in json.loads(out)} == {"slurm"}
    assert "fer-bench run" in json.loads(out)[0]["command"] or "-c" in json.loads(out)[0]["command"]
    script = (cluster / "4001.sh").read_text()
    lines = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")]
    wanted = {"partition=gpu", "time=2160", "gres=gpu:a100:1", "array=0-1%2", "signal=USR2@120", "job-name=fer-bench",
              "reservation=faces"}  # fmt: skip
    assert wanted <= set(lines)
    assert "echo ready" in script
    assert "--cpus-per-task=1" in script.partition("srun ")[2]
    assert {
        record["environment"]["threads"]["OMP_NUM_THREADS"] for record in json.loads(out) if record["status"] == "ok"
    } == {1}
    assert calls(cluster).count("sbatch") == 1
    assert "scancel" not in calls(cluster)
    assert "queued as job 4001_0" in err or "runs on" in err


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("sbatch: error: invalid partition specified: gpu\n", "invalid partition specified: gpu"),
        ("", "no sbatch and srun here"),
    ],
)
def test_what_the_cluster_refuses_is_one_line(cluster: Path, tmp_path: Path, words: str, refusal: str):
    if words:
        (cluster / "refuse").write_text(words)
    else:
        (tmp_path / "bin" / "sbatch").unlink()
    done = fer_bench("good", "--plugin", FAULTY, "-q")
    _, err = done.communicate(timeout=60)
    assert done.returncode == 2, err
    (line,) = err.splitlines()
    assert refusal in line
    assert list((tmp_path / "results").rglob("record.json")) == []
    assert [path.name for path in (tmp_path / "results" / ".slurm").iterdir()] == [".gitignore"]


def test_a_task_whose_time_is_up_goes_on_from_its_checkpoint(cluster: Path, meeting: Path, tmp_path: Path):
    """SLURM's signal stops the run in its third epoch; the task is queued again, and goes on there."""
    client = fer_bench("waits", "--plugin", WAITS)
    (here,) = until(lambda: list(meeting.glob("here-*")), client)
    os.kill(task_above(int(here.name.removeprefix("here-"))), signal.SIGUSR2)
    until(lambda: len(list(meeting.glob("here-*"))) == 2, client)
    (meeting / "go").touch()
    _, err = client.communicate(timeout=120)
    assert client.returncode == 0, err
    ((record, _),) = Store(tmp_path / "results").scan()[0]
    assert (record.status, record.training.interruptions) == ("ok", 1)
    epochs = epochs_of(tmp_path / "results")
    assert [epoch for epoch, _ in epochs] == [1, 2, 3, 4]
    assert [pid == epochs[0][1] for _, pid in epochs] == [True, True, False, False]
    assert calls(cluster).count("scontrol") == 1


@pytest.mark.slow  # three processes one after another, twice
def test_time_that_is_up_too_often_is_a_time_out(cluster: Path, meeting: Path, tmp_path: Path):
    (tmp_path / "short.toml").write_text("time = 5\nmax_num_timeout = 0\n")
    words = ("waits", "--plugin", WAITS)
    client = fer_bench(*words, "--executor-config", "short.toml")
    (here,) = until(lambda: list(meeting.glob("here-*")), client)
    os.kill(task_above(int(here.name.removeprefix("here-"))), signal.SIGUSR2)
    _, err = client.communicate(timeout=120)
    assert client.returncode == 1, err
    assert "as often as it may be queued again" in err
    ((record, _),) = Store(tmp_path / "results").scan()[0]
    assert record.status == "timeout"
    (meeting / "go").touch()
    again = fer_bench(*words, "--rerun", "failed")
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert [epoch for epoch, _ in epochs_of(tmp_path / "results")] == [1, 2, 3, 4]
    assert len({pid for _, pid in epochs_of(tmp_path / "results")}) == 2


def test_what_a_dead_client_has_left_is_done_once(cluster: Path, meeting: Path, tmp_path: Path):
    """Its task goes on; the next command waits for that, and takes its record."""
    words = ("waits", "--plugin", WAITS)
    client = fer_bench(*words)
    until(lambda: list(meeting.glob("here-*")), client)
    client.kill()
    client.communicate()
    other = fer_bench(*words)
    assert until(lambda: "another process runs it" in other.stderr.readline(), other)
    (meeting / "go").touch()
    _, err = other.communicate(timeout=120)
    assert other.returncode == 0, err
    assert len(Store(tmp_path / "results").scan()[0]) == 1
    assert len(list(meeting.glob("here-*"))) == 1
    assert calls(cluster).count("sbatch") == 1
    left = tmp_path / "results" / ".slurm"
    assert len(list(left.iterdir())) == 2
    assert Store(tmp_path / "results").scan()[1] == []  # submitit's links there are none of a run's folder
    clear_up(left)  # as the next array does
    assert [path.name for path in left.iterdir()] == [".gitignore"]


def test_two_tasks_of_a_job_run_it_once(cluster: Path, meeting: Path, tmp_path: Path):
    """A client died while its task was still in the queue, where the next command has put another one."""
    words = ("waits", "--plugin", WAITS)
    (cluster / "hold").touch()
    first = fer_bench(*words)
    tasks = tmp_path / "results" / ".slurm"
    until(lambda: list(tasks.glob("*/4001_submitted.pkl")), first)
    first.kill()
    first.communicate()
    second = fer_bench(*words)
    until(lambda: list(tasks.glob("*/4002_submitted.pkl")), second)
    (cluster / "hold").unlink()
    until(lambda: list(meeting.glob("here-*")), second)
    until(lambda: list(tasks.rglob("*.busy")), second)
    (meeting / "go").touch()
    _, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    assert len(list(meeting.glob("here-*"))) == 1
    assert Store(tmp_path / "results").scan()[0][0].record.status == "ok"


def test_ctrl_c_cancels_what_was_submitted(cluster: Path, meeting: Path, tmp_path: Path):
    words = ("waits", "--plugin", WAITS)
    client = fer_bench(*words)
    (here,) = until(lambda: list(meeting.glob("here-*")), client)
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=120)
    assert client.returncode == 130
    assert "scancel 4001" in err
    assert not psutil.pid_exists(int(here.name.removeprefix("here-")))
    ((record, _),) = Store(tmp_path / "results").scan()[0]
    assert record.status == "interrupted"
    (meeting / "go").touch()
    again = fer_bench(*words)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert "goes on at epoch 3 of 4" in err
    assert len({pid for _, pid in epochs_of(tmp_path / "results")}) == 2


def test_a_task_that_the_cluster_ends_has_a_record(cluster: Path, meeting: Path, tmp_path: Path):
    (cluster / "state").write_text("OUT_OF_MEMORY")
    client = fer_bench("waits", "--plugin", WAITS, "--json")
    (here,) = until(lambda: list(meeting.glob("here-*")), client)
    os.kill(task_above(int(here.name.removeprefix("here-"))), signal.SIGKILL)
    out, err = client.communicate(timeout=120)
    assert client.returncode == 1, err
    (record,) = json.loads(out)
    assert record["status"] == "oom"
    assert "OUT_OF_MEMORY" in record["failure"]["message"]
    assert Store(tmp_path / "results").scan()[0][0].record.status == "oom"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('partion = "gpu"', "no setting 'partion'; did you mean partition?"),
        ("nodes = 2", "no setting 'nodes'"),
        ('time = "soon"', "minutes are wanted"),
        ("time = 1", "give it more time"),
        ("time = true", "a whole number or a text is wanted"),
        ('gres = 1', "gres = 1, and a text is wanted"),
        ("array_parallelism = 0", "at least 1 is wanted"),
        ('array_parallelism = "2"', "a whole number is wanted"),
        ("setup = 3", "a list of texts is wanted"),
        ('slurm_gres = "a"\ngres = "b"', "gres is given twice"),
        ('comment = "a\\n#SBATCH --uid=0"', "has several lines"),
        ("additional_parameters = 1", "a table is wanted"),
        ("time = ", "not readable as TOML"),
    ],
)  # fmt: skip
def test_settings_that_are_none_are_refused(tmp_path: Path, text: str, words: str):
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words.replace("?", "\\?")) as refusal:
        read_settings(str(path))
    assert str(path) in str(refusal.value)


def test_the_jobs_at_a_time_are_said_once(tmp_path: Path):
    path = tmp_path / "cluster.toml"
    path.write_text("slurm_array_parallelism = 4\n")
    assert read_settings(str(path)).sbatch["array_parallelism"] == 4
    assert read_settings(None, 3).sbatch["array_parallelism"] == 3
    with pytest.raises(InputError, match="say the same thing"):
        read_settings(str(path), 3)


@pytest.mark.parametrize(
    ("time", "minutes"),
    [("90", 90), ('"90"', 90), ('"90:30"', 90), ('"1:30:00"', 90), ('"2-12"', 3600), ('"2-12:30"', 3630), ('"1-0:30:59"', 1470)],
)  # fmt: skip
def test_a_time_is_read_as_sbatch_reads_it(tmp_path: Path, time: str, minutes: int):
    path = tmp_path / "cluster.toml"
    path.write_text(f"time = {time}\n")
    assert read_settings(str(path)).minutes == minutes


def test_submitit_knows_the_settings():
    from submitit.slurm.slurm import SlurmExecutor

    assert set(SBATCH) <= SlurmExecutor._valid_parameters()
    assert not set(OURS) & SlurmExecutor._valid_parameters()
    assert Settings().sbatch["array_parallelism"] == 256


def test_without_submitit_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    from fer_bench.engine.executors import Words, make

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'fer-bench\[slurm\]'"):
        make(Words("slurm"))


def test_a_model_is_evaluated_on_the_cluster(tiny_npz: Path, tmp_path: Path):
    """Its process is a job of its own."""
    run(["good"], data=tiny_npz, results=tmp_path / "results", plugins=(FAULTY,))
    store = Store(tmp_path / "results")
    (stored,), _ = store.scan()
    foreign, _ = load_foreign("synthetic")
    given = (stored, "good", foreign, None, store, Options(plugins=(FAULTY,)))
    here = evaluate(*given)
    with Slurm(cluster="local") as executor:
        there = evaluate(*given, executor=executor)
    assert there.whole == here.whole
    assert [one.environment.executor for one in (here, there)] == ["local", "slurm"]
    assert leftovers(store.root) == []
