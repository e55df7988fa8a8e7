"""The best model's errors: pairs, calibration and mistakes against hand-made cases; faces only where git won't take
them.
"""

from __future__ import annotations

import re
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_records import record
from made_runs import part, stored
from PIL import Image

from fer_bench.board.ranking import leaderboards
from fer_bench.cli import main
from fer_bench.data.audit import audit
from fer_bench.data.dataset import EMOTIONS, Dataset
from fer_bench.data.load import load_dataset
from fer_bench.engine import run
from fer_bench.records.run_files import RunFiles
from fer_bench.records.store import Store, StoredRun
from fer_bench.report.mistake_plots import reliability
from fer_bench.report.mistakes import confused_pairs, mistake_table, of_best, pair_table
from fer_bench.report.write import write_report
from fer_bench.scores.metrics import calibration_error


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


@pytest.fixture
def best(tmp_path):
    """The mistakes of the better of two runs, with their data: row 1000 + i is test image i, image 3 is blank."""
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2], np.int8)
    guess = np.array([0, 2, 2, 1, 0, 1, 0, 2, 2, 2])
    sure = np.array([0.9, 0.6, 0.8, 0.95, 0.5, 0.7, 0.6, 0.9, 0.9, 0.9])
    probabilities = np.full((10, 7), 0.0)
    probabilities[np.arange(10), guess] = sure
    probabilities[np.arange(10), (guess + 3) % 7] = 1 - sure
    runs = [
        stored(tmp_path, "mlp", (labels, probabilities.astype(np.float16))),
        stored(tmp_path, "svm", part(10, 0.0)),
        stored(tmp_path, "xgboost", (labels, np.eye(7, dtype=np.float16)[labels]), checkpoint="test"),
    ]
    (board,) = leaderboards(runs)
    return of_best(board, RunFiles(runs))


@pytest.fixture
def faces(best):
    images = np.random.default_rng(0).integers(0, 255, (1010, 48, 48), dtype=np.uint8)
    images[1003] = 77
    return Dataset(images, np.zeros(1010, np.int8), None, EMOTIONS, "fer2013", "made", digest="d1")


def test_the_best_is_the_first_ranked_row_that_keeps_predictions(best, tmp_path):
    assert best.title == "mlp (published), seed 0"
    bare = StoredRun(record("hog-svm", 0.99), tmp_path / "bare")
    runs = [stored(tmp_path / "more", "svm", part(200, 0.3)), bare]
    (board,) = leaderboards(runs)
    assert of_best(board, RunFiles(runs)).row.runner == "svm"
    assert of_best(leaderboards([bare])[0], RunFiles()) is None


def test_pairs_are_counted_both_ways(best):
    """Of four angry faces two were taken for fear and one for disgust; one fear and one disgust for anger."""
    found = rows(pair_table(best))
    assert found == [
        ["anger", "fear", "2 (50.0 %)", "1 (25.0 %)", "3", "60.0"],
        ["anger", "disgust", "1 (25.0 %)", "1 (50.0 %)", "2", "40.0"],
    ]


def test_the_more_frequent_direction_comes_first_and_no_confusion_is_no_pair():
    confusion = np.array([[5, 1, 0], [4, 5, 0], [2, 0, 5]])
    assert confused_pairs(confusion) == [(1, 0), (2, 0)]
    assert confused_pairs(confusion, 1) == [(1, 0)]
    assert confused_pairs(np.eye(3, dtype=int)) == []


def test_mistakes_come_in_order_of_their_confidence(best, faces):
    found = rows(mistake_table(best, None))
    assert [line[0] for line in found] == ["1003", "1002", "1001", "1006", "1004"]
    assert found[0][1:4] == ["anger", "disgust", "95.0"]
    with_data = rows(mistake_table(best, faces))
    assert [line[5] for line in with_data] == ["blank image", "", "", "", ""]
    assert [line[:5] for line in with_data] == found


def test_blank_is_what_the_audit_calls_blank(best, faces):
    faces.images[1002] = 120 + np.arange(48) % 7
    found = rows(mistake_table(best, faces))
    assert [int(line[0]) for line in found if line[5]] == audit(faces).blank_rows[::-1] == [1003, 1002]


def test_the_bins_of_the_curve_add_up_to_the_calibration_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(1 / 7, 1, 3000)
    right = rng.random(3000) < confidence**2
    mean, accuracy, images = reliability(confidence, right)
    assert images.sum() == 3000
    assert (images * np.abs(mean - accuracy)).sum() / 3000 == pytest.approx(calibration_error(confidence, right))
    for i in (4, 9, 14):
        inside = (confidence > i / 15) & (confidence <= (i + 1) / 15)
        assert accuracy[i] == pytest.approx(right[inside].mean())


def test_the_sheet_shows_the_faces_and_their_blanks(best, faces):
    from fer_bench.report.mistake_plots import mistake_sheet

    sheet = np.asarray(Image.open(BytesIO(mistake_sheet(best, faces))).convert("RGB")).astype(int)
    grey = (sheet == 77).all(axis=2)
    assert grey.sum() > 48 * 48  # the blank image, enlarged
    assert mistake_sheet(best, faces) == mistake_sheet(best, faces)


@pytest.fixture(scope="module")
def half_blank(tiny_npz, tmp_path_factory):
    """The last 14 test images, two of each class, are black; whatever a model says of them, twelve are mistakes."""
    with np.load(tiny_npz) as tiny:
        parts = dict(tiny)
    parts["images"][-14:] = 0
    path = tmp_path_factory.mktemp("half-blank") / "half-blank.npz"
    np.savez(path, **parts)
    return path


@pytest.fixture(scope="module")
def trained(half_blank, tmp_path_factory):
    root = tmp_path_factory.mktemp("trained") / "results"
    run(["xgboost"], data=half_blank, results=root, epochs=3, models=False)
    return root


def report(root: Path, *options: str):
    return CliRunner().invoke(main, ["report", "--results", str(root), *options])


def test_faces_are_drawn_only_where_the_data_is_and_git_does_not_see_them(trained, half_blank):
    done = report(trained)
    assert done.exit_code == 0, done.output
    assert "no pictures of mistakes without the data: half-blank (bring it with --data)" in done.stderr
    assert not (trained / "sheets").exists()
    plain = (trained / "README.md").read_text()
    assert "blank image" not in plain
    done = report(trained, "--data", str(half_blank))
    assert "no pictures" not in done.stderr
    (sheet,) = (trained / "sheets").iterdir()
    text = (trained / "README.md").read_text()
    blank = np.flatnonzero(np.ptp(load_dataset(half_blank).images, axis=(1, 2)) == 0)
    marked = re.findall(r"^\| (\d+) \|.*\| blank image \|$", text, flags=re.MULTILINE)
    assert marked
    assert {int(row) for row in marked} <= set(blank)
    assert text.replace(" blank image |", "  |").count("\n") == plain.count("\n")
    subprocess.run(["git", "init", "-q", str(trained)], check=True)
    seen = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=trained, capture_output=True, text=True, check=True
    )
    assert "README.md" in seen.stdout
    assert "sheets" not in seen.stdout
    assert "Errors of the best model" in text
    assert not re.search(r"\]\([^)]*sheets", text)
    assert str(load_dataset(half_blank).digest) in text
    assert sheet.name == "mistakes-half-blank-official.png"


def test_other_data_or_none_is_a_line_and_no_failure(trained, tmp_path, monkeypatch):
    other = tmp_path / "tiny.npz"
    labels = (np.arange(70) % 7).astype(np.int8)
    np.savez(other, images=np.random.default_rng(1).integers(0, 255, (70, 48, 48), dtype=np.uint8), labels=labels)
    for path, words in ((other, "other data is here"), (tmp_path / "nothing.csv", "no such file")):
        done = report(trained, "--data", str(path))
        assert done.exit_code == 0
        assert words in done.stderr
        assert not list(trained.glob("sheets/*"))
    monkeypatch.setenv("FER_BENCH_DATA", str(tmp_path / "gone.csv"))
    done = report(trained)
    assert done.exit_code == 0
    assert "gone.csv" in done.stderr


def test_the_embedded_set_is_always_at_hand(tmp_path):
    faces = load_dataset("synthetic")
    run_of_it = stored(
        tmp_path, "svm", part(144, 0.5), dataset=faces.name, dataset_digest=faces.digest, split_digest="s5",
    )  # fmt: skip
    store = Store(tmp_path / "results")
    work = store.work(run_of_it.record.job)
    for file in run_of_it.folder.iterdir():
        rows_there = dict(np.load(file))
        np.savez(work / file.name, **rows_there | {"rows": np.arange(144, dtype=np.int32)})
    store.commit(run_of_it.record, work)
    done = report(store.root)
    assert done.exit_code == 0, done.output
    assert [path.name for path in (store.root / "sheets").iterdir()] == ["mistakes-synthetic-official.png"]


def test_older_results_folders_learn_to_ignore_the_sheets(tmp_path):
    older = tmp_path / ".gitignore"
    older.write_text("# mine\nmodel/\n.work/\n*.bak")
    Store(tmp_path).prepare()
    assert older.read_text() == "# mine\nmodel/\n.work/\n*.bak\n.slurm/\nsheets/\n"
    Store(tmp_path).prepare()
    assert older.read_text().count("sheets/") == 1
    Store(tmp_path / "new").prepare()
    assert {"model/", ".work/", "sheets/"} <= set((tmp_path / "new" / ".gitignore").read_text().splitlines())


def test_a_board_without_mistakes_is_reported(tmp_path, faces):
    labels = (np.arange(70) % 7).astype(np.int8)
    perfect = stored(tmp_path / "perfect", "svm", (labels, np.eye(7, dtype=np.float16)[labels]))
    write_report(tmp_path / "report", [perfect], datasets={perfect.record.job.dataset_digest: faces})
    text = (tmp_path / "report" / "README.md").read_text()
    assert "0 of 70 test images wrong" in text
    assert of_best(leaderboards([perfect])[0], RunFiles([perfect])).wrong.tolist() == []
