"""``fer-bench report`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from made_records import keep, record

from fer_bench.cli import main
from fer_bench.records.store import Store


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, ["report", *args])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    store = Store(tmp_path / "results")
    store.prepare()
    for run in (record("svm", 0.44), record("mlp", status="timeout", message="stopped after 60 s")):
        keep(store, run)
    return store.root


def test_prints_the_leaderboard_and_writes_the_files(results: Path):
    done = invoke("--results", str(results))
    assert done.exit_code == 0, done.output
    assert "44.0 [" in done.stdout
    assert "stopped after 60 s" in done.stdout
    assert "not run yet: " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert (results / "README.md").exists()
    assert (results / "leaderboard.csv").exists()


def test_json_has_one_object_a_row(results: Path):
    rows = json.loads(invoke("--results", str(results), "--json").stdout)
    first = rows[0]
    assert (first["runner"], first["rank"], first["accuracy"]) == ("svm", 1, pytest.approx(0.44))
    assert {"timeout", "not run yet"} <= {row["status"] for row in rows}


def test_the_folder_comes_from_the_environment(results: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_BENCH_RESULTS", str(results))
    assert invoke().exit_code == 0


def test_nothing_to_report_is_one_line_and_code_2(tmp_path: Path):
    for root, words in ((tmp_path / "none", "no results folder"), (tmp_path, "no records")):
        done = invoke("--results", str(root))
        assert done.exit_code == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_damaged_predictions_are_named(results: Path):
    (path,) = (results / "fer2013" / "official" / "svm").rglob("predictions.npz")
    path.write_bytes(b"nothing")
    done = invoke("--results", str(results))
    assert done.exit_code == 1
    assert f"{path}: not readable as .npz" in done.stderr


def test_an_unreadable_record_is_named_and_the_rest_reported(results: Path):
    broken = results / "fer2013" / "official" / "xgboost" / "published-s0-12345678" / "record.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    done = invoke("--results", str(results))
    assert done.exit_code == 1
    assert str(broken) in done.stderr
    assert "44.0 [" in done.stdout
    assert broken.read_text() == "{"


def test_a_folder_of_unreadable_records_only_has_nothing_to_report(tmp_path: Path):
    broken = tmp_path / "fer2013" / "official" / "svm" / "published-s0-12345678" / "record.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("[]")
    done = invoke("--results", str(tmp_path))
    assert done.exit_code == 2
    assert str(broken) in done.stderr
