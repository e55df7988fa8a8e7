"""Trained once for all tests of exporting: a net in bfloat16, the classical runners, and some that can't be exported."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fer_bench.cli import main

PLUGIN = str(Path(__file__).with_name("nets.py"))


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="session")
def trained(tiny_npz, tmp_path_factory) -> Path:
    """A results folder with a run of each."""
    results = tmp_path_factory.mktemp("export") / "results"
    names = ["tiny-net", "svm", "hog-svm", "xgboost", "says-otherwise", "own-features"]
    done = invoke(
        "run", *names, "--epochs", 6, "--plugin", PLUGIN, "--data", tiny_npz, "--results", results, "--jobs", 2
    )
    assert done.exit_code == 0, done.output
    return results


@pytest.fixture
def export(trained, tiny_npz, tmp_path, monkeypatch):
    """Runs ``fer-bench export`` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def export(*arguments: object, data: object = tiny_npz, results: object = trained) -> Result:
        return invoke("export", *arguments, "--data", data, "--results", results, "--plugin", PLUGIN)

    return export


@pytest.fixture(scope="session")
def exported(trained, tiny_npz, tmp_path_factory):
    """The file of a run in a format, and what was printed of it as JSON; made once for all tests."""
    made: dict[tuple[str, ...], tuple[Path, Result]] = {}
    folder = tmp_path_factory.mktemp("exported")

    def exported(name: str, form: str = "onnx", quantize: str = "none") -> tuple[Path, Result]:
        suffix = {"onnx": "onnx", "litert": "tflite", "keras": "keras"}[form]
        path = folder / f"{name}-{quantize}.{suffix}"
        if (name, form, quantize) not in made:
            done = invoke(
                "export", name, "--format", form, "--quantize", quantize, "--output", path, "--json",
                "--data", tiny_npz, "--results", trained, "--plugin", PLUGIN,
            )  # fmt: skip
            assert done.exit_code == 0, done.output
            made[name, form, quantize] = path, done
        return made[name, form, quantize]

    return exported
