"""What a command imports decides how long it takes to answer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {"numpy", "pandas", "keras", "tensorflow", "rich", "sklearn", "matplotlib", "pydantic", "scipy", "PIL"}
CODE = """
import sys
from fer_bench.cli import main
main(sys.argv[1:], standalone_mode=False)
print("\\n", *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def imported_by(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "command",
    [
        "",
        "run",
        "list",
        "info",
        "new-runner",
        "doctor",
        "data",
        "report",
        "compare",
        "score",
        "evaluate",
        "predict",
        "export",
        "card",
    ],
)
def test_help_imports_nothing_heavy(command):
    assert not imported_by(*command.split(), "--help") & HEAVY


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"]])
def test_list_imports_no_learning_library(arguments):
    assert not imported_by(*arguments) & {
        "keras",
        "tensorflow",
        "jax",
        "torch",
        "sklearn",
        "pandas",
        "xgboost",
        "matplotlib",
    }


def test_the_public_names_are_imported_when_used():
    code = "import fer_bench, sys; assert 'numpy' not in sys.modules; fer_bench.Recipe; print(dir(fer_bench))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "SklearnRunner" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="closes file descriptors")
@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2)])
def test_closed_streams_are_the_null_device_and_no_other_file_takes_their_place(tmp_path, closed):
    (tmp_path / "check.py").write_text(
        "import os, sys\n"
        "from fer_bench.cli.main import stand_in_for_streams\n"
        "stand_in_for_streams()\n"
        "print('nobody reads it', file=sys.stderr)\n"
        "assert None not in (sys.stdin, sys.stdout, sys.stderr)\n"
        "assert os.open(__file__, os.O_RDONLY) > 2\n"
    )
    command = [sys.executable, str(tmp_path / "check.py")]
    assert subprocess.run(command, preexec_fn=lambda: [os.close(number) for number in closed]).returncode == 0


def test_a_terminal_that_lacks_a_character_gets_its_number(tmp_path):
    script = "from fer_bench.cli.main import stand_in_for_streams as s; s(); print('\\udcfc \\u2192')"
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True
    )
    assert said.stdout.split() == [b"\\udcfc", b"\\u2192"]
