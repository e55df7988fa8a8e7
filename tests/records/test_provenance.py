from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys

import numpy as np
import pytest

from fer_bench.hardware import host
from fer_bench.records import provenance

GIT = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "code.py").write_text("a = 1\n")
    (tmp_path / "results" / "record.json").write_text("{}")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*GIT, *arguments], cwd=tmp_path, check=True)
    return tmp_path


def test_the_environment_describes_this_machine():
    found = provenance.environment("cpu", "tensorflow")
    assert (found.device, found.backend) == ("cpu", "tensorflow")
    assert found.cpu
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.ram_bytes > 2**28
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.packages["numpy"] == np.__version__
    assert found.packages["keras"] == importlib.metadata.version("keras")


def test_thread_limits_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MKL_NUM_THREADS", "4,2")
    limits = host.thread_limits()
    assert limits["OMP_NUM_THREADS"] == 3
    assert "MKL_NUM_THREADS" not in limits


def test_a_clean_checkout_has_its_revision(checkout):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    assert provenance.git_state(checkout) == (head.stdout.strip(), False)


@pytest.mark.parametrize("path", ["code.py", "new.py"])
def test_a_change_makes_it_dirty(checkout, path):
    (checkout / path).write_text("a = 2\n")
    assert provenance.git_state(checkout)[1] is True


def test_results_do_not_make_it_dirty(checkout):
    (checkout / "results" / "record.json").write_text("{1}")
    (checkout / "results" / "another.json").write_text("{}")
    assert provenance.git_state(checkout)[1] is False


def test_the_variables_of_a_git_hook_do_not_mislead(checkout, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([*GIT, "init", "-q"], cwd=elsewhere, check=True)
    monkeypatch.setenv("GIT_DIR", str(elsewhere / ".git"))
    assert provenance.git_state(checkout)[1] is False


def test_no_checkout_no_revision(tmp_path, checkout, monkeypatch):
    (tmp_path / "site-packages").mkdir()
    assert provenance.git_state(tmp_path / "site-packages") == (None, None)
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state(checkout) == (None, None)


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/opt/venv/bin/fer-bench", "run", "stacked-cnn[n=2]"], "fer-bench run 'stacked-cnn[n=2]'"),
        (["C/Scripts/fer-bench.exe", "list"], "fer-bench list"),
        (["/home/me/study.py", "--fast"], "study.py --fast"),
    ],
)
def test_the_command_is_as_typed(monkeypatch, argv, command):
    monkeypatch.setattr(sys, "argv", argv)
    assert provenance.command_line() == command


def test_a_wheel_knows_the_revision_that_it_was_built_from(tmp_path):
    (tmp_path / "fer_bench").mkdir()
    assert provenance.git_state(tmp_path) == (None, None)
    (tmp_path / "fer_bench" / provenance.BUILT).write_text('{"revision": "0123abcd", "dirty": false}')
    assert provenance.git_state(tmp_path) == ("0123abcd", False)
