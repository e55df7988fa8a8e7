"""The report as written: the same for the same records, complete, whole files, text that can't break a table."""

from __future__ import annotations

import csv
import io
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from made_records import answers, predictions, record
from pandas.testing import assert_frame_equal
from PIL import Image

from fer_bench.api.published import Published
from fer_bench.api.runner import RunnerInfo
from fer_bench.board.build import boards
from fer_bench.board.ranking import leaderboards, ranked
from fer_bench.data.dataset import EMOTIONS
from fer_bench.errors import InputError
from fer_bench.records.store import Store, StoredRun
from fer_bench.report import markdown
from fer_bench.report.write import csv_of, frame, write_report

INFOS = [
    RunnerInfo("svm", "classical", published=(Published(0.4276, 0.4043, "notebook", "test part"),)),
    RunnerInfo(
        "resnet50",
        "deep",
        published=(
            Published(
                0.863, None, "elsewhere", "binary", "not | categorical", metric="binary", part="validation+test",
                nearest="official", recall=0.085,
            ),
        ),
    ),
    RunnerInfo("vgg19-full", "deep", published=(Published(0.6639, 0.66, "notebook-90-10", "test picks the epoch"),)),
]  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder as runs leave it; the report is written into it once for the tests that only read."""
    store = Store(tmp_path_factory.mktemp("report") / "results")
    store.prepare()
    made = [
        record("svm", 0.44),
        record("svm", 0.43, split="notebook", split_digest="s2"),
        record("mlp", 0.31, family="deep", training={"epochs_run": 3, "epochs_planned": 9, "best_epoch": 2}),
        record("mlp", 0.33, family="deep", seed=1, training={"epochs_run": 3, "epochs_planned": 9}),
        record("resnet50", 0.2, family="deep", epochs=1, training={"epochs_run": 1, "epochs_planned": 1}),
        record("custom-cnn", status="error", message="bad | shape <None>\nsecond line"),
        record("svm", 0.9, dataset="synthetic", dataset_digest="d9"),
    ]
    for run in made:
        work = store.work(run.job)
        epochs = run.training.epochs_run or 0
        if epochs:
            history = pd.DataFrame(
                {"stage": 1, "epoch": range(1, epochs + 1), "loss": 1.5, "accuracy": 0.3, "val_loss": 1.6}
            )
            history.to_csv(work / "history.csv", index=False)
        if run.scores:
            given = predictions(run)._asdict()
            np.savez(work / "predictions.npz", **given, **{f"val_{name}": part[:0] for name, part in given.items()})
        store.commit(run, work)
    return store.root


@pytest.fixture(scope="module")
def written(results: Path) -> list[Path]:
    runs, problems = Store(results).scan()
    assert not problems
    return write_report(results, runs, INFOS).paths


@pytest.fixture(scope="module")
def text(results: Path, written: list[Path]) -> str:
    return (results / "README.md").read_text(encoding="utf-8")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_page_of_published_figures_is_whole(results: Path, written: list[Path]):
    assert results / "published.md" in written
    page = (results / "published.md").read_text(encoding="utf-8")
    found = tables(page)
    assert [line[0] for line in found[0][2:]] == ["svm", "resnet50", "vgg19-full"]
    for table in found:
        assert {len(line) for line in table} == {len(table[0])}


def tables(text: str) -> list[list[list[str]]]:
    found = re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.MULTILINE)
    return [[cells(line) for line in block.strip().splitlines()] for block in found]


def test_equal_records_give_equal_bytes_in_any_order(results: Path, written: list[Path]):
    before = {path: path.read_bytes() for path in written}
    stale = results / "plots" / "curves-of-a-run-that-is-gone.png"
    shutil.copy(next((results / "plots").glob("curves-*.png")), stale)
    own = results / "plots" / "curves-that-somebody-drew.png"
    Image.new("RGB", (9, 9)).save(own)
    runs = Store(results).scan()[0]
    assert write_report(results, random.Random(1).sample(runs, len(runs)), INFOS).paths == written
    assert {path: path.read_bytes() for path in written} == before
    assert not stale.exists()
    assert own.exists()
    own.unlink()


def test_every_table_is_whole_and_every_picture_is_there(results: Path, written: list[Path], text: str):
    found = tables(text)
    assert len(found) > 6
    for table in found:
        assert {len(line) for line in table} == {len(table[0])}
    linked = re.findall(r"\]\(([^)]+\.png)\)", text)
    assert len(linked) == len(set(linked))
    assert {results / name for name in linked} == {path for path in written if path.suffix == ".png"}
    for name in linked:
        assert (results / name).stat().st_size < 60_000
        with Image.open(results / name) as picture:
            assert min(picture.size) > 100
    assert sum("curves" in name for name in linked) == 2  # two seeds of the mlp; one epoch makes no curve
    assert text.count("<details>") == text.count("</details>")
    assert not list(results.glob(".README*"))


def test_the_board_has_failures_with_reasons_and_rows_not_run(text: str):
    board = next(table for table in tables(text) if table[0][0] == "#")
    rows = {line[1]: dict(zip(board[0], line, strict=True)) for line in board[2:]}
    assert rows["custom-cnn"]["Status"] == "error"
    assert rows["custom-cnn"]["Note"] == r"error: bad \| shape &lt;None&gt; second line"
    assert rows["vgg19-full"]["Status"] == "not run yet"
    assert rows["mlp"]["Accuracy [95 %]"].startswith("32.0 ± 1.4 [")
    assert rows["mlp"]["Epochs"] == "3/9"
    assert rows["svm"]["Binary"] == f"{100 * (1 - 0.56 * 2 / 7):.1f}"
    assert board[1][board[0].index("Runner")] == "---"
    assert board[1][board[0].index("Unseen")] == "--:"


def test_pairs_are_shown_with_their_differences(text: str):
    table = next(table for table in tables(text) if table[0][1] == "minus")
    names = ["svm (published)", "mlp (published)", "resnet50 (published)"]
    assert [line[:2] for line in table[2:]] == [[names[0], names[1]], [names[0], names[2]], [names[1], names[2]]]
    pair = table[2]
    assert pair[2].startswith("+12.0 [+")
    assert pair[4:] == ["&lt; 0.001", "&lt; 0.001"]  # 26 and 22 images between svm and the seeds, all one way
    rows = {line[1]: line[0] for line in next(table for table in tables(text) if table[0][0] == "#")[2:]}
    assert (rows["svm"], rows["mlp"], rows["resnet50"]) == ("1", "2", "3")


def test_of_many_rows_only_neighbours_are_paired():
    runs = [record(f"runner-{number:02}", 0.2 + number / 20) for number in range(14)]
    found = ranked(boards(runs)[0], {run.job.key: predictions(run) for run in runs})
    lines = tables(markdown.pair_table(found))[0][2:]
    assert [line[0] for line in lines] == [f"runner-{number:02} (published)" for number in range(13, 0, -1)]
    assert [line[1] for line in lines] == [f"runner-{number:02} (published)" for number in range(12, -1, -1)]
    assert len(found.pairs) == 14 * 13 / 2


def test_published_figures_stand_beside_ours_on_real_data_only(text: str):
    table = tables(text)[-1]
    rows = {line[0]: dict(zip(table[0], line, strict=True)) for line in table[2:]}
    assert rows["svm"]["Published"] == "42.8 / 40.4"
    assert rows["svm"]["Ours, its protocol"] == "43.0 / 43.0 (published)"
    assert rows["svm"]["Ours, official"] == "44.0 / 44.0 (published)"
    assert "90.0" not in "".join(rows["svm"].values())
    assert rows["vgg19-full"]["Ours, official"] == "not run yet"
    assert rows["resnet50"]["Published"] == "86.3 binary"
    assert rows["resnet50"]["Its trap"] == r"not \| categorical"
    assert rows["resnet50"]["Ours, official"] == "20.0 / 20.0 (published, epochs capped at 1)"
    assert "(published.md)" in text


def test_emotions_are_those_of_the_predictions(results: Path, text: str):
    table = next(table for table in tables(text) if table[0][0] == "Emotion")
    run = boards(run.record for run in Store(results).scan()[0])[0].rows[0].runs[0]
    assert [line[0] for line in table[2:]] == [*EMOTIONS, "total"]
    assert table[0][2:7] == ["Accuracy", "Precision", "F1", "Confidence (predicted)", "Confidence (true)"]
    labels, given = answers(run.scores.accuracy, 7)
    predicted = given.argmax(axis=1)
    for i, line in enumerate(table[2:]):
        own = labels == i if i < 7 else np.full(200, True)
        assert int(line[1]) == own.sum()
        accuracy = (predicted == labels)[own].mean()
        confidence, true_confidence = given[own].max(axis=1).mean(), given[np.arange(200), labels][own].mean()
        wanted = [accuracy, confidence, true_confidence]
        assert [float(line[place]) for place in (2, 5, 6)] == pytest.approx([100 * value for value in wanted], abs=0.06)
        counts = np.bincount(predicted[own], minlength=7)
        assert line[7:] == [f"{count} ({100 * count / own.sum():.1f})" for count in counts]
    total = table[-1]
    report = sk.classification_report(labels, predicted, output_dict=True)["weighted avg"]
    assert [float(cell) for cell in total[3:5]] == pytest.approx(
        [100 * report["precision"], 100 * report["f1-score"]], abs=0.06
    )


def test_emotions_are_means_over_seeds_and_what_old_records_lack_stays_empty():
    runs = [record("mlp", right, seed=seed) for seed, right in enumerate((0.30, 0.33))]
    runs[1].scores.emotions["fear"].true_confidence = None
    for emotion in runs[0].scores.emotions.values():
        emotion.true_confidence = None
    row = boards(runs)[0].rows[0]
    lines = {line[0]: line for line in tables(markdown.emotion_table(row, EMOTIONS))[0][2:]}
    rights = [run.scores.emotions["anger"].distribution[0] for run in runs]
    assert rights == [9, 10]
    images = runs[0].scores.emotions["anger"].images
    assert lines["anger"][1] == str(images) == "29"
    assert lines["anger"][7] == f"9.5 ({950 / 29:.1f})"
    assert lines["anger"][6] == f"{100 * runs[1].scores.emotions['anger'].true_confidence:.1f}"
    assert lines["fear"][6] == lines["total"][6] == ""
    assert lines["total"][1:3] == ["200", "31.5"]


def test_the_training_part_has_columns_where_a_run_has_scores_of_it():
    with_them = record("svm", 0.5).model_copy(update={"train_scores": record("svm", 0.9).scores})
    (board,) = boards([with_them, record("mlp", 0.3)])
    table = tables(markdown.board_table(board, "report"))[0]
    lines = [dict(zip(table[0], line, strict=True)) for line in table[2:]]
    rows = {line["Runner"]: line for line in lines}
    assert (rows["svm"]["Train"], rows["mlp"]["Train"]) == ("90.0", "")
    assert rows["svm"]["Train F1 wtd"] == f"{100 * with_them.train_scores.weighted_f1:.1f}"
    assert rows["svm"]["Accuracy [95 %]"].startswith("50.0 [")
    saved = board.frame().set_index("runner")
    assert saved.loc["svm", "train_accuracy"] == 0.9
    (board,) = boards([record("mlp", 0.3)])
    assert "Train" not in tables(markdown.board_table(board, "report"))[0][0]


def test_csv_reads_back_equal(results: Path, written: list[Path]):
    whole = frame(leaderboards(Store(results).scan()[0], INFOS))
    assert whole["rank"].notna().sum() == 5
    saved = (results / "leaderboard.csv").read_text(encoding="utf-8")
    back = pd.read_csv(
        io.StringIO(saved),
        dtype=whole.dtypes.to_dict(),
        engine="python",
        na_values=[""],
        keep_default_na=False,
    )
    assert_frame_equal(back, whole, check_exact=True)
    assert len(list(csv.reader(io.StringIO(saved)))) == len(whole) + 1


def test_no_records_is_an_error_of_the_user(tmp_path: Path):
    with pytest.raises(InputError, match="no records"):
        write_report(tmp_path, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a|b", r"a\|b"), ("<b>&", "&lt;b&gt;&amp;"), ("x\ny", "x y"), ("__init__", r"\_\_init\_\_"), ("a\\", "a\\\\")],
)
def test_escape(text: str, expected: str):
    assert markdown.escape(text) == expected


def test_no_cell_of_the_csv_is_a_formula():
    """Not even of a failure's message, which a runner writes; and numbers stay numbers."""
    texts = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "fine", None]
    table = pd.DataFrame({"note": pd.array(texts, "string"), "change": np.full(len(texts), -0.5)})
    back = pd.read_csv(io.StringIO(csv_of(table), newline=""))
    assert back["note"].fillna("").tolist() == [f"'{text}" for text in texts[:5]] + ["fine", ""]
    assert (back["change"] == -0.5).all()


def test_an_endless_command_is_cut_and_costs_no_time():
    """A line of 16 MB took hours: taking it apart is quadratic."""
    assert len(markdown.portable("fer-bench " + "/a" * 8_000_000)) < 5000


def test_commands_lose_the_folders_of_a_machine():
    runs = [record().model_copy(update={"command": "/opt/venv/bin/fer-bench run svm --data=/home/me/fer2013.csv"})]
    assert markdown.commands(runs) == ["fer-bench run svm --data=fer2013.csv"]


def test_the_worst_confusions_come_first():
    row = boards([record(right=0.0)])[0].rows[0]
    assert markdown.confusions(row, EMOTIONS).startswith("anger → disgust (100.0 % of anger)")


def test_a_board_of_failures_only_is_reported(tmp_path: Path):
    run = record(status="oom", message="out of memory")
    write_report(tmp_path, [StoredRun(run, tmp_path)])
    assert "out of memory" in (tmp_path / "README.md").read_text(encoding="utf-8")
