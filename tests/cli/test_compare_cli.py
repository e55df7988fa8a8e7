"""``fer-bench compare`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_records import keep, record
from PIL import Image

from fer_bench.cli import main
from fer_bench.data.load import load_dataset
from fer_bench.records.predictions import Predictions, load_predictions
from fer_bench.records.store import Store


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FER_BENCH_DATA", raising=False)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    store = Store(tmp_path / "results")
    store.prepare()
    for run in (
        record("svm", 0.5),
        record("mlp", 0.49),
        record("knn", 0.3),
        record("svm", 0.9, split="notebook", split_digest="s2"),
    ):
        keep(store, run)
    store.commit(record("bare", 0.5), None)
    return store.root


def invoke(results: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments, "--results", str(results)])


def on_tiny_data(folder: Path, tiny_npz: Path) -> Path:
    """A results folder with two systems measured on the tiny set, which agree on every second of its 28 test images."""
    data = load_dataset(tiny_npz)
    rows = np.flatnonzero(data.usage == 2)
    labels = data.labels[rows]
    store = Store(folder / "results")
    store.prepare()
    for shift, name in enumerate(("svm", "mlp")):
        answers = (labels + shift * (np.arange(len(rows)) % 2)) % 7
        probabilities = (0.3 / 7 + 0.7 * np.eye(7)[answers]).astype(np.float16)
        keep(store, record(name, dataset_digest=data.digest), Predictions(rows, labels, probabilities))
    return store.root


def test_shows_both_their_difference_and_every_emotion(results: Path):
    done = invoke(results, "svm", "knn")
    assert done.exit_code == 0, done.output
    assert "A: svm (published)\nB: knn (published)" in done.stdout
    accuracy = next(line for line in done.stdout.splitlines() if line.startswith("accuracy"))
    assert "50.0 [" in accuracy
    low, high = map(float, accuracy.partition("-20.0 [")[2].partition("]")[0].split(","))
    assert (low, high) == pytest.approx((-25.5, -14.5), abs=0.6)
    assert accuracy.endswith("< 0.001")
    assert "Right: both 60 (30.0 %), only A 40 (20.0 %), only B 0 (0.0 %), neither 100 (50.0 %)." in done.stdout
    assert sum(line.startswith(("anger ", "neutral ")) for line in done.stdout.splitlines()) == 2
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert not done.stderr


def test_json_has_all_of_it(results: Path):
    found = json.loads(invoke(results, "svm", "knn", "--json").stdout)
    assert found["accuracy"]["difference"]["value"] == pytest.approx(-0.2)
    assert found["accuracy"]["p"] < 0.001
    assert {"macro_f1", "weighted_f1", "agreement", "disagreements"} <= set(found)
    assert set(found["recall"]) == set(found["f1"]) == set(found["emotion_images"])
    assert len(found["disagreements"]) == 40


@pytest.mark.parametrize(
    ("a", "b", "allowed", "code"),
    [
        ("svm", "mlp", "0.01", 0),  # exactly a point is not more than a point
        ("svm", "mlp", "0.009", 1),
        ("svm", "mlp", "0", 1),
        ("mlp", "svm", "0", 0),
        ("svm", "knn", "0.1", 1),
        ("svm", "knn", "0.2", 0),
    ],
)
def test_a_gate_trips_where_b_is_worse_by_more(results: Path, a: str, b: str, allowed: str, code: int):
    done = invoke(results, a, b, "--fail-if-worse", allowed)
    assert done.exit_code == code
    assert "accuracy" in done.stdout
    assert len(done.stderr.splitlines()) == code
    if code:
        assert f"{b} (published) is " in done.stderr
        assert f"less accurate than {a} (published)" in done.stderr


def test_the_board_can_be_chosen(results: Path):
    keep(Store(results), record("mlp", 0.6, split="notebook", split_digest="s2"))
    official, notebook = (json.loads(invoke(results, "svm", "mlp", "--json", *more).stdout)["accuracy"]["a"]["value"]
                          for more in ((), ("--split", "notebook")))  # fmt: skip
    assert (official, notebook) == (0.5, 0.9)


def test_a_sheet_of_the_images(tmp_path: Path, tiny_npz: Path):
    sheet = tmp_path / "sheet.png"
    done = invoke(on_tiny_data(tmp_path, tiny_npz), "svm", "mlp", "--sheet", str(sheet), "--data", str(tiny_npz))
    assert done.exit_code == 0, done.output
    assert "14 of 14 disagreements drawn" in done.stderr
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50
    assert [path.name for path in tmp_path.glob("*sheet*")] == ["sheet.png"]


def test_no_sheet_of_what_two_systems_agree_on(tmp_path: Path, tiny_npz: Path):
    root = on_tiny_data(tmp_path, tiny_npz)
    same = next(run for run in Store(root).scan()[0] if run.record.job.runner == "svm")
    copy = record("copy", dataset_digest=same.record.job.dataset_digest)
    keep(Store(root), copy, load_predictions(same.folder))
    done = invoke(root, "svm", "copy", "--sheet", str(tmp_path / "no.png"), "--data", str(tiny_npz))
    assert done.exit_code == 0
    assert "agree on every image" in done.stderr
    assert not (tmp_path / "no.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("svm", "nobody"), "no run called 'nobody'"),
        (("svm", "svm"), "same system"),
        (("svm", "bare"), "predictions.npz is missing"),
        (("svm", "mlp", "--split", "notebook"), "no run called 'mlp'"),
        (("svm", "mlp", "--sheet", "sheet.jpg"), "ends in .png"),
        (("svm", "mlp", "--sheet", "no-such-folder/sheet.png", "--data", "synthetic"), "is not the data set of these runs"),
        (("svm", "mlp", "--sheet", "s.png", "--data", "no-such-file.csv"), "no such file"),
        (("svm", "mlp", "--fail-if-worse", "2"), "--fail-if-worse"),
        (("svm",), "Missing argument 'B'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_code_2(results: Path, arguments: tuple[str, ...], words: str):
    done = invoke(results, *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_a_sheet_that_cannot_be_written_is_one_line(tmp_path: Path, tiny_npz: Path):
    root = on_tiny_data(tmp_path, tiny_npz)
    path = tmp_path / "no-such-folder" / "sheet.png"
    done = invoke(root, "svm", "mlp", "--sheet", str(path), "--data", str(tiny_npz))
    assert done.exit_code == 2
    assert "can't be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_results_folder_is_one_line(tmp_path: Path):
    done = invoke(tmp_path / "none", "svm", "mlp")
    assert done.exit_code == 2
    assert "no results folder" in done.stderr
