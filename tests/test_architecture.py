"""The house stands as CONTRIBUTING.md draws it: floors that import downwards alone, few files in the root, none too
long.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "fer_bench"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "templates" not in path.parts)
MOST_LINES, LONGEST_FUNCTION, MOST_IN_ROOT = 300, 60, 5


def test_no_room_imports_one_above_it() -> None:
    """The contracts stand in pyproject.toml; a room of the package that no floor has is found, too."""
    done = _lint(PROJECT)
    assert done.returncode == 0, done.stdout


def test_a_room_that_imports_upwards_would_be_found(tmp_path: Path) -> None:
    """The same contracts on a copy in which one low room imports a high one."""
    shutil.copytree(PACKAGE, tmp_path / "fer_bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    path = tmp_path / "fer_bench" / "scores" / "metrics.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nfrom ..board import build\n", encoding="utf-8")
    done = _lint(tmp_path)
    assert done.returncode == 1
    assert "fer_bench.scores.metrics -> fer_bench.board.build" in done.stdout


def test_the_root_holds_little() -> None:
    assert len([path for path in MODULES if path.parent == PACKAGE]) <= MOST_IN_ROOT


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_one_idea_and_a_function_fits_a_screen(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    # A command's decorators are its options: what is long is counted from its name on.
    too_long = {
        f.name: f.end_lineno - f.lineno + 1 for f in functions if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION
    }
    assert not too_long


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the package in a folder; in a process of its own, because it disables the loggers of the
    process.
    """
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
