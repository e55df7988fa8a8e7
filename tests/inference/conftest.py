"""Models for tests of predictions: a trained run of a plugin, and an exported file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from made_models import write_onnx

from fer_bench.cli import main

ODD = str(Path(__file__).with_name("odd.py"))


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("models") / "linear.onnx")


@pytest.fixture(scope="session")
def trained(tiny_npz, tmp_path_factory) -> Path:
    """A results folder with a run of the runner "brightness" on the tiny set."""
    root = tmp_path_factory.mktemp("trained") / "results"
    arguments = ["run", "brightness", "--plugin", ODD, "--data", str(tiny_npz), "--results", str(root)]
    done = CliRunner().invoke(main, [*arguments, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    return root
