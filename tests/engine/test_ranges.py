"""What fits no record, or never ends, is refused before anything runs, in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_bench.api import registry
from fer_bench.cli import main
from fer_bench.data.load import load_dataset
from fer_bench.engine import run
from fer_bench.engine.job import Options, plan
from fer_bench.engine.ranges import MOST_JOBS, check_count
from fer_bench.errors import InputError

TALKS = str(Path(__file__).with_name("talks.py"))
NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("limit", 9999999999999999999), ("limit", 0), ("epochs", 10**18), ("seeds", 100_000), ("seeds", -1),
        ("seeds", True), ("seeds", 1.5), ("threads", 10**9), ("retries", -1), ("timeout", NAN), ("stall", NAN),
        ("timeout", INFINITE), ("stall", -1), ("timeout", 1e300), ("stall", "long"),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused(option, value):
    with pytest.raises(InputError, match=f"--{option} .* wanted"):
        Options(**{option: value})


def test_zero_seconds_are_no_limit_for_both():
    assert (Options(timeout=0, stall=0).timeout, Options(timeout=None, stall=None).stall) == (0, None)


def test_the_command_line_refuses_them_too(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_BENCH_RESULTS", str(tmp_path / "results"))
    for option, value in [
        ("--limit", "9999999999999999999"), ("--epochs", "9" * 5000), ("--seeds", "100000"), ("--timeout", "nan"),
        ("--stall", "nan"), ("--stall", "inf"), ("--jobs", "99999999"), ("--split", "kfold-99999999999999999999"),
        ("--split", "kfold-\u0663"), ("--split", "kfold-05"),
    ]:  # fmt: skip
        told = CliRunner().invoke(main, ["run", "svm", "--data", "synthetic", option, value])
        assert told.exit_code == 2, option
        assert len(told.stderr.splitlines()[-1]) < 5300
        assert "Traceback" not in told.output
    told = CliRunner().invoke(main, ["score", str(tmp_path), "--data", "synthetic", "--seed", "9" * 19])
    assert told.exit_code == 2
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("inside", ["share=1e300", "share=nan", "share=inf", f"what={'x' * 600}", "what=a\x1bb"])
def test_a_parameter_that_no_record_holds_is_refused(tiny_npz, inside):
    registry.load_plugins((TALKS,))
    with pytest.raises(InputError, match="no record could be kept") as refused:
        plan(load_dataset(tiny_npz), [f"talks[{inside}]"])
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("name", ["x" * 300, "=1+1", "-rf", ""])
def test_a_name_of_a_data_set_that_no_record_holds_is_refused(tiny_npz, name):
    with pytest.raises(InputError, match=r"job\.dataset|would be a folder's name"):
        plan(replace(load_dataset(tiny_npz), name=name), ["svm"])


def test_runs_at_a_time_have_a_range_in_python(tiny_npz, tmp_path):
    with pytest.raises(InputError, match="--jobs 0"):
        run(["svm"], data=tiny_npz, results=tmp_path / "results", jobs=0)


def test_a_plan_is_no_longer_than_anybody_waits():
    check_count(MOST_JOBS)
    with pytest.raises(InputError, match="10,001 runs"):
        check_count(MOST_JOBS + 1)
