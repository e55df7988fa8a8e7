"""What a user says of executors, and what is refused of it; what comes back from a worker, and what is refused of
that.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from clusters import free_port

from fer_bench.cli import main
from fer_bench.engine.executors import Local, Words, dask, make
from fer_bench.engine.executors.packing import unpacked
from fer_bench.engine.executors.parcel import differing, unpack
from fer_bench.engine.job import Options
from fer_bench.engine.place import Work
from fer_bench.errors import InputError
from fer_bench.hardware.device import Target
from fer_bench.records.provenance import environment
from fer_bench.records.record import Environment


def refused(*words: str, data: Path, results: Path) -> str:
    given = ("run", "svm", "--data", str(data), "--results", str(results), *words)
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 2, done.stderr
    assert not list(results.rglob("record.json"))
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scheduler", "tcp://a:1"), "--scheduler tcp://a:1 is a Dask scheduler, and --executor local uses none"),
        (("--scheduler", "tcp://a:1", "--executor", "slurm"), "and --executor slurm uses none"),
        (("--scheduler", "tcp://a:1", "--executor", "dask", "--jobs", "2"), "--jobs 2: the workers of tcp://a:1 say"),
        (("--executor-config", "c.toml"), "--executor-config c.toml has settings of a SLURM cluster"),
        (("--executor-config", "c.toml", "--executor", "dask"), "and --executor dask takes none"),
        (("--executor", "slurm", "--executor-config", "c.toml"), "--executor-config c.toml: no such file"),
        (("--executor", "cloud"), "'cloud' is not one of 'local', 'dask', 'slurm'"),
    ],
)
def test_what_contradicts_itself_is_refused(words, said, tiny_npz: Path, tmp_path: Path):
    assert said in refused(*words, data=tiny_npz, results=tmp_path / "results")


def test_the_environment_says_it_as_well(tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_BENCH_SCHEDULER", "tcp://a:1")
    assert "--executor local uses none" in refused(data=tiny_npz, results=tmp_path / "results")


@pytest.mark.parametrize("address", ["PORT", "tcp://127.0.0.1:99999"])
def test_where_no_scheduler_is(address, tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask, "PATIENCE", 1.0)
    where = address.replace("PORT", f"tcp://127.0.0.1:{free_port()}")
    said = refused("--executor", "dask", "--scheduler", where, data=tiny_npz, results=tmp_path / "results")
    assert said.startswith(f"fer-bench: --scheduler {where}: no Dask scheduler answers there (")


@pytest.mark.parametrize("address", ["nonsense", "nonsense://x:1", "127.0.0.1", "tcp://a:b"])
def test_what_is_no_address(address, tiny_npz: Path, tmp_path: Path):
    """In a process of its own: a client of Dask that finds out says more than a line when it is taken away."""
    pytest.importorskip("distributed")
    command = "import sys; from fer_bench.cli import main; main()"
    words = ["run", "svm", "--data", str(tiny_npz), "--results", str(tmp_path / "results")]
    words += ["--executor", "dask", "--scheduler", address]
    done = subprocess.run([sys.executable, "-c", command, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"fer-bench: --scheduler {address} is no address")


def test_without_the_library_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dask, "_installed", lambda name: name != "distributed")
    with pytest.raises(InputError, match=r"needs the package distributed; pip install 'fer-bench\[dask\]'"):
        make(Words("dask"))


def test_versions_that_differ_are_named():
    here = {"fer-bench": "2.0", "keras": "3.15.1"}
    assert differing(here, {**here, "other": "1"}) == ""
    assert differing(here, {"fer-bench": "2.0"}) == "keras 3.15.1 here, none there"


def test_this_machine_is_an_executor():
    assert make(Words()).slots == 1
    assert make(Words(jobs=3, usual=4)).slots == 3
    assert make(Words(usual=4)).slots == 4
    assert Local().name == "local"


def test_a_record_says_where_it_ran_and_an_older_one_is_local():
    assert (environment().host, environment().executor) == ("", "local")
    assert environment(executor="dask").host == socket.gethostname()
    older = {name: value for name, value in environment().model_dump().items() if name not in ("host", "executor")}
    assert (Environment(**older).host, Environment(**older).executor) == ("", "")


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "out/../../x", "out//x", "out/.", "out\\x", "out/a\0b", "task.json", "out/" + "x" * 300, "", 3],
)
def test_a_file_with_another_name_is_refused(name, tmp_path: Path):
    with pytest.raises(InputError, match="a worker sent a file"):
        unpack({name: b"x"}, tmp_path, ("out",))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_through_a_link_or_over_another_is_refused(tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "work" / "out").mkdir(parents=True)
    (tmp_path / "work" / "out" / "model").symlink_to(tmp_path / "home")
    with pytest.raises(InputError, match="a link"):
        unpack({"out/model/x": b"x"}, tmp_path / "work", ("out",))
    with pytest.raises(InputError, match="plain file where a folder is wanted"):
        unpack({"out/x": b"x", "out/x/y": b"y"}, tmp_path / "work", ("out",))
    with pytest.raises(InputError, match="over another"):
        unpack({"out/x": b"x"}, tmp_path / "work", ("out",))
    with pytest.raises(InputError, match="no files"):
        unpack({"out/y": "text"}, tmp_path / "work", ("out",))
    assert not list((tmp_path / "home").iterdir())


def good() -> dict:
    return {
        "outcome": json.dumps({"status": "ok"}),
        "environment": environment().model_dump_json(),
        "folder": "/there",
        "files": {"out/predictions.npz": b"x"},
        "worker": "tcp://10.0.0.1:1",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "{"},
        {"outcome": json.dumps({"status": "splendid"})},
        {"environment": json.dumps({"cpu": 3})},
        {"files": None},
        {"files": [("out/x", b"x")]},
        {"files": {"out/../x": b"x"}},
        {"files": {"out/x": np.zeros(3)}},
    ],
)
def test_an_answer_that_is_none_is_an_error_of_the_run(change, tmp_path: Path):
    work = Work(tmp_path, {}, Options(), Target("cpu", "auto"), "fer_bench.engine.worker")
    outcome, where = unpacked({**good(), **change}, work)
    assert outcome.status == "error"
    assert outcome.message.startswith("what came back from worker tcp://10.0.0.1:1 is not valid")
    assert where is None
    assert not (tmp_path.parent / "x").exists()


def test_an_answer_brings_files_and_speaks_of_folders_here(tmp_path: Path):
    work = Work(tmp_path, {}, Options(), Target("cpu", "auto"), "fer_bench.engine.worker")
    told = {"outcome": json.dumps({"status": "error", "message": "/there/images.npy is odd"})}
    outcome, where = unpacked({**good(), **told}, work)
    assert outcome.message == f"{tmp_path}/images.npy is odd"
    assert (tmp_path / "out" / "predictions.npz").read_bytes() == b"x"
    assert where == environment()
