from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from fer_bench.cli import doctor, main


@pytest.fixture(autouse=True)
def one_light_probe(monkeypatch):
    """TensorFlow's import takes seconds; one test does it for all."""
    monkeypatch.setattr(doctor, "PROBES", {"tensorflow": "print(0)"})
    monkeypatch.delenv("FER_BENCH_DATA", raising=False)
    monkeypatch.delenv("FER_BENCH_RESULTS", raising=False)


def examine(*arguments, code=0):
    done = CliRunner().invoke(main, ["doctor", "--json", *arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    report = json.loads(done.stdout)
    assert report["ok"] is (code == 0)
    return {check["name"]: check for check in report["checks"]}


def test_a_sound_installation_is_said_to_be_so(tmp_path, monkeypatch):
    monkeypatch.undo()
    checks = examine("--results", str(tmp_path / "results"), "--data", str(tmp_path))
    assert checks["tensorflow"]["state"] == "ok"
    assert checks["data"]["value"] == str(tmp_path)
    assert not (tmp_path / "results").exists()
    assert {
        "python",
        "numpy",
        "keras",
        "gpu",
        "cpu",
        "memory",
        "results",
        "imagenet weights",
        "plugins",
    } <= checks.keys()


def test_a_backend_that_fails_to_import_breaks_it(monkeypatch):
    monkeypatch.setattr(doctor, "PROBES", {"tensorflow": "raise ImportError('libfoo.so is missing')"})
    checks = examine(code=1)
    assert "fails to import: ImportError: libfoo.so is missing" in checks["tensorflow"]["value"]
    assert checks["keras backend"]["state"] == "broken"


def test_a_backend_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(doctor, "PROBES", {"tensorflow": "import time; time.sleep(60)"})
    monkeypatch.setattr(doctor, "PROBE_SECONDS", 0.5)
    assert "no answer" in examine(code=1)["tensorflow"]["value"]


def test_a_missing_package_breaks_it(monkeypatch):
    monkeypatch.setattr(doctor, "ESSENTIAL", ("numpy", "no-such-package"))
    check = examine(code=1)["no-such-package"]
    assert (check["state"], check["advice"]) == ("broken", "pip install no-such-package")


def test_data_that_is_not_there_breaks_it(monkeypatch):
    monkeypatch.setenv("FER_BENCH_DATA", "no/such.csv")
    check = examine(code=1)["data"]
    assert check["state"] == "broken"
    assert "no/such.csv" in check["value"]


def test_without_data_it_says_how_to_get_some(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path))
    check = examine()["data"]
    assert "embedded" in check["value"]
    assert "--data" in check["advice"]


@pytest.mark.skipif(os.name == "nt", reason="folders have other permissions there")
def test_results_that_can_not_be_written_break_it(tmp_path):
    (tmp_path / "file").touch()
    assert examine("--results", str(tmp_path / "file" / "results"), code=1)["results"]["state"] == "broken"


def test_weights_in_the_keras_cache_are_found(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert examine()["imagenet weights"]["value"].startswith("none in")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / doctor.WEIGHTS["VGG19"]).touch()
    check = examine()["imagenet weights"]
    assert check["value"].startswith("VGG19 in")
    assert "VGG19" not in check["advice"]


def test_broken_plugins_are_told(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0")
    assert "ZeroDivisionError" in examine("--plugin", str(tmp_path / "bad.py"), code=1)["plugin"]["value"]
    assert examine("--plugin", "no_such_module_anywhere", code=1)["plugin"]["state"] == "broken"


def test_records_that_cannot_be_read_are_told(tmp_path):
    path = tmp_path / "results" / "a" / "b" / "c" / "d" / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    check = examine("--results", str(tmp_path / "results"), code=1)["results"]
    assert (check["state"], str(path) in check["advice"]) == ("broken", True)


def test_for_people_each_advice_follows_its_finding(tmp_path):
    done = CliRunner().invoke(main, ["doctor", "--data", "nothing-here"])
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("broken  data"))
    assert lines[at + 1].strip().startswith("-> ")
    assert done.exit_code == 1
