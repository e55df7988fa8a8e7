"""How soon the command line answers, beside the import that opens every notebook."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .measure import ROOT, describe

CLI = "from fer_bench.cli import main; main()"
LINES = {
    '`python -c "import tensorflow"`': (["-c", "import tensorflow"], "baseline", 3),
    "`fer-bench --help`": (["-c", CLI, "--help"], "ours", 20),
    "`fer-bench list`": (["-c", CLI, "list"], "ours", 20),
}


@pytest.mark.benchmark(group="start-up")
@pytest.mark.parametrize("line", LINES, ids=["tensorflow", "help", "list"])
def test_startup(benchmark, line):
    arguments, role, rounds = LINES[line]
    command = [sys.executable, *arguments]
    describe(benchmark, "start-up", line, role=role, unit="s")
    benchmark.pedantic(
        lambda: subprocess.run(command, cwd=ROOT, capture_output=True, check=True), rounds=rounds, warmup_rounds=1
    )
