"""What a command imports decides how long it takes to answer."""

from __future__ import annotations

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
    ["", "run", "list", "info", "new-runner", "doctor", "data", "report", "compare", "score", "evaluate"],
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
