"""The page's file by itself, as a Hugging Face Space runs it."""

from __future__ import annotations

import importlib.resources
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_bench.inference.onnx_model import SHIPPED

pytest.importorskip("gradio", reason="needs gradio: pip install '.[demo]'")
#: What gradio and Spaces look for in the file, and what the page then says.
CODE = """
import app, gradio
assert isinstance(app.demo, gradio.Blocks)
print([block.value for block in app.demo.blocks.values() if isinstance(block, gradio.HTML)][0])
"""


def test_the_file_runs_elsewhere_and_does_not_say_that_pictures_stay_here(tmp_path: Path):
    package = importlib.resources.files("fer_bench")
    if not (package / "inference" / "shipped" / SHIPPED).is_file():
        pytest.skip("this installation comes without a model")
    shutil.copy(str(package / "demo" / "app.py"), tmp_path)
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "A picture goes to the computer that serves this page" in done.stdout
    assert "Nothing leaves this computer" not in done.stdout
