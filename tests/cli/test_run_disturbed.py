"""``fer-bench run`` when the disk is full or its terminal goes away: one line or none, and nothing lost."""

from __future__ import annotations

import json
import os
import pty
import resource
import subprocess
import sys
from pathlib import Path

import pytest

FAULTY = str(Path(__file__).parents[1] / "engine" / "faulty.py")
FER_BENCH = [sys.executable, "-c", "from fer_bench.cli import main; main()"]


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def start(tiny_npz, results):
    def start(*names, **options):
        env = {**os.environ, "FER_BENCH_DATA": str(tiny_npz), "FER_BENCH_RESULTS": str(results)}
        command = [*FER_BENCH, "run", *names, "--plugin", FAULTY]
        return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, **options)

    return start


def records(results: Path) -> dict[str, bytes]:
    return {path.parent.parent.name: path.read_bytes() for path in results.glob("*/official/*/*/record.json")}


def test_a_full_disk_is_one_line_and_exit_code_1_and_the_next_run_goes_on(start, results):
    assert start("good").wait(120) == 0
    before = records(results)
    full = start(
        "good",
        "noisy",
        "scribbles",
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY)),
    )
    _, errors = full.communicate(timeout=120)
    assert full.returncode == 1, errors
    assert "Traceback" not in errors
    last = errors.splitlines()[-1]
    assert last.startswith(f"fer-bench: {results}: the disk is full")
    assert "free some space" in last
    assert records(results) == before
    assert start("good", "noisy", "scribbles").wait(120) == 0
    assert {json.loads(text)["status"] for text in records(results).values()} == {"ok"}
    assert len(records(results)) == 3


@pytest.fixture
def small_disk(results):
    """The results folder on a file system of 3 MiB."""
    results.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", results], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield results
    subprocess.run(["umount", results], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs")
def test_a_file_system_that_a_run_fills(start, small_disk):
    """The run that finds no space has a record or none, never a half; with space again all of them go well."""
    filler = small_disk / "filler"
    filler.write_bytes(b"0" * (2 << 20))
    process = start("good", "needs-space", stderr=subprocess.PIPE, text=True)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    assert "disk is full" in errors
    good = records(small_disk)["good"]
    filler.unlink()
    assert start("good", "needs-space", "--rerun", "failed", "--no-models").wait(120) == 0
    assert records(small_disk)["good"] == good
    assert json.loads(records(small_disk)["needs-space"])["status"] == "ok"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_sweep_goes_on_when_its_display_goes_away(start, results, terminal):
    reading, writing = pty.openpty() if terminal else os.pipe()
    process = start("good", "noisy", "scribbles", stderr=writing)
    os.close(writing)
    seen = b""
    while b"good" not in seen:
        seen += os.read(reading, 1000)
    os.close(reading)
    assert process.wait(120) == 0
    assert len(records(results)) == 3
