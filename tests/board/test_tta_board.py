"""The column of test-time augmentation on every board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_records import answers, keep, record

from fer_bench.board.board import WIDTH
from fer_bench.board.build import boards
from fer_bench.errors import InputError
from fer_bench.records.record import Environment, RunRecord, TestTime
from fer_bench.records.store import RECORD, Store, read_record
from fer_bench.report.write import write_report
from fer_bench.scores.metrics import score


def with_views(run: RunRecord, right: float, method: str = "flip", **changes: Any) -> RunRecord:
    """A run that is right about a share ``right`` with test-time augmentation."""
    scores = score(*answers(right, len(run.job.classes)), run.job.classes)
    return run.model_copy(update={"tta": TestTime(method=method, scores=scores, latency_p50_ms=4.0, **changes)})


def test_accuracy_and_rank_are_without_and_the_column_is_with():
    (board,) = boards([with_views(record("svm", 0.5), 0.6), record("mlp", 0.55)])
    assert [row.runner for row in board.rows] == ["mlp", "svm"]
    frame = board.frame().set_index("runner")
    assert frame.loc["svm", ["accuracy", "tta", "tta_accuracy"]].tolist() == [0.5, "flip", 0.6]
    assert frame["tta"].isna()["mlp"]
    assert "flip 60.0" in board.text()
    assert "TTA" not in boards([record("mlp")])[0].text()


def test_seeds_have_a_mean_only_where_all_have_the_same():
    runs = [with_views(record("mlp", 0.5, seed=seed), 0.6 + seed / 50, "ten-crop") for seed in range(3)]
    (row,) = boards(runs)[0].rows
    assert (row.tta, row.tta_scores("accuracy")) == ("ten-crop", pytest.approx([0.6, 0.62, 0.64]))
    assert "ten-crop 62.0 ± 2.0" in boards(runs)[0].text()
    for other in (record("mlp", 0.5, seed=2), with_views(record("mlp", 0.5, seed=2), 0.6, "flip")):
        (row,) = boards([*runs[:2], other])[0].rows
        assert (row.tta, row.tta_scores("accuracy")) == ("", [])
        assert "test-time augmentation not alike for all seeds" in row.note()


def test_a_terminal_that_is_too_narrow_has_it_below_the_table():
    long = "a-runner-with-quite-a-long-name"
    runs = [with_views(record(long, 0.5), 0.6, "ten-crop"), with_views(record("svm", 0.5), 0.625)]
    text = boards(runs)[0].text()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "with test-time augmentation: " in text
    assert "svm (published) flip 62.5" in " ".join(text.split())


def test_latency_of_another_machine_is_none_of_the_row():
    here, there = (Environment(device="cpu", cpu=cpu) for cpu in ("one", "other"))
    run = record("svm").model_copy(update={"environment": here})
    for where, seen in ((None, 4.0), (here, 4.0), (there, None)):
        (row,) = boards([with_views(run, 0.6, environment=where)])[0].rows
        assert row.tta_cost("latency_p50_ms") == seen


def test_report_csv_and_page_have_it(tmp_path: Path):
    store = Store(tmp_path / "results")
    keep(store, with_views(record("svm", 0.5), 0.6, command="/usr/bin/fer-bench run --results /home/somebody/results"))
    write_report(store.root, store.scan()[0])
    assert "| flip 60.0 |" in (store.root / "README.md").read_text()
    assert ",flip,0.6," in (store.root / "leaderboard.csv").read_text()
    page = (store.root / "index.html").read_text()
    assert '"tta_accuracy":"flip 60.0"' in page
    assert "Test-time augmentation" in page
    assert not [path for path in store.root.glob("*.*") if path.is_file() and "/home/somebody" in path.read_text()]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"method": "flip"', '"method": "random"'),
        ('"latency_p50_ms": 4.0', '"latency_p50_ms": -4.0'),
        ('"members": []', '"members": [1]'),
    ],
)
def test_nonsense_is_no_record(tmp_path: Path, old: str, new: str):
    whole = with_views(record("svm", 0.5), 0.6)
    store = Store(tmp_path)
    path = keep(store, whole) / RECORD
    text = path.read_text()
    if "members" in old:
        text = text.replace(
            '"ensemble": null', '"ensemble": {"members": [1], "candidates": [], "chosen": true, "weights": "equal"}'
        )
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match="not a valid record"):
        read_record(path)
