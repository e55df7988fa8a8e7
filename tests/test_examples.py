"""The examples in the docstrings of the public names, run in a folder with the results of two quick runs."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import fer_bench
from fer_bench import registry

EXAMPLES = {
    "Augmentation", "Context", "KerasRunner", "Part", "Recipe", "Runner", "SklearnRunner", "Store", "boards", "compare",
    "leaderboards", "load_dataset", "make_split", "open_model", "predict", "ranked", "register", "run",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    fer_bench.run(["svm", "hog-svm"], data="synthetic", results=folder / "results", limit=8)
    return folder


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_example_does_what_it_says(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(registry, "_plugins", {})
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(fer_bench, name), name, globs={})
    assert example.examples
    assert not doctest.DocTestRunner().run(example).failed
