"""The download: what is remembered, and how it fails. kagglehub's place is taken, for a test has no network."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from fer_bench.data import download as module
from fer_bench.data.load import load_dataset
from fer_bench.data.synthetic import synthetic
from fer_bench.errors import InputError


@pytest.fixture(autouse=True)
def _own_note(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))


def kagglehub(monkeypatch, dataset_download):
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=dataset_download))


def write_csv(path, rows: int = 14) -> None:
    faces = synthetic(70)
    usages = ("Training", "PublicTest", "PrivateTest")
    lines = [f"{faces.labels[i]},{' '.join(map(str, faces.images[i].ravel()))},{usages[i % 3]}" for i in range(rows)]
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")


def test_finds_the_csv_wherever_the_download_has_it_and_uses_it_from_then_on(tmp_path, monkeypatch):
    csv = tmp_path / "versions" / "1" / "fer2013" / "fer2013" / "fer2013.csv"
    write_csv(csv)
    kagglehub(monkeypatch, lambda handle: str(tmp_path / "versions" / "1"))
    monkeypatch.delenv("FER_BENCH_DATA", raising=False)
    assert load_dataset().name == "synthetic"
    assert module.download() == csv
    assert module.downloaded() == csv
    assert len(load_dataset()) == 14


def test_forgets_a_download_that_was_removed(tmp_path, monkeypatch):
    csv = tmp_path / "a" / "icml_face_data.csv"
    write_csv(csv)
    kagglehub(monkeypatch, lambda handle: str(tmp_path / "a"))
    module.download()
    csv.unlink()
    assert module.downloaded() is None


def test_missing_kagglehub_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(InputError, match=r"fer-bench\[download\].*kaggle\.com/datasets.*--data PATH"):
        module.download()


def test_no_network_says_how_to_get_it_by_hand(monkeypatch):
    def fail(handle: str) -> str:
        raise ConnectionError("name resolution failed")

    kagglehub(monkeypatch, fail)
    with pytest.raises(InputError, match=r"name resolution failed.*by hand.*--data PATH"):
        module.download()
    assert module.downloaded() is None


def test_a_download_without_csv_is_refused(tmp_path, monkeypatch):
    kagglehub(monkeypatch, lambda handle: str(tmp_path))
    with pytest.raises(InputError, match=r"neither fer2013\.csv nor icml_face_data\.csv"):
        module.download()
