"""Ranks and intervals on boards: who shares one, who has none, and that nothing but the records decides."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_records import keep, predictions, record

from fer_bench.board.board import Board
from fer_bench.board.build import boards
from fer_bench.board.ranking import NO_PREDICTIONS, leaderboards, ranked
from fer_bench.data.dataset import EMOTIONS
from fer_bench.records.predictions import Predictions, stored_predictions
from fer_bench.records.record import RunRecord
from fer_bench.records.store import Store
from fer_bench.scores.metrics import score
from fer_bench.scores.stats import resample


def ranks(board: Board) -> dict[str, int | None]:
    return {row.runner: row.rank for row in board.rows}


def board_of(runs: list[RunRecord]) -> Board:
    return ranked(boards(runs)[0], {run.job.key: predictions(run) for run in runs if run.scores})


def guesses(rng: np.random.Generator, labels: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N, C) probabilities of a system that gets ``right`` (N,) bool right, and is wrong at random elsewhere."""
    wrong = (labels + rng.integers(1, 7, len(labels))) % 7
    return 0.02 + 0.86 * np.eye(7)[np.where(right, labels, wrong)]


def on_fer2013(names: dict[str, float]) -> tuple[list[RunRecord], dict[str, Predictions]]:
    """Runs on 3,589 images with those accuracies, that fail on common images as our own do (two thirds of them)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 3589)
    difficulty = rng.random(3589)
    runs, given = [], {}
    for name, accuracy in names.items():
        hard = 0.6 * difficulty + 0.4 * rng.random(3589)
        probabilities = guesses(rng, labels, hard <= np.quantile(hard, accuracy)).astype(np.float16)
        made = record(name)
        job = made.job.model_copy(update={"test_images": 3589})
        runs.append(made.model_copy(update={"job": job, "scores": score(labels, probabilities, EMOTIONS)}))
        given[job.key] = Predictions(np.arange(3589, dtype=np.int32), labels.astype(np.int8), probabilities)
    return runs, given


def test_two_copies_share_a_rank_and_three_points_do_not():
    runs, given = on_fer2013({"svm": 0.60, "mlp": 0.63, "hog-svm": 0.607})
    copy = record("copy")
    copy = copy.model_copy(update={"job": copy.job.model_copy(update={"test_images": 3589}), "scores": runs[0].scores})
    given[copy.job.key] = given[runs[0].job.key]
    board = ranked(boards([*runs, copy])[0], given)
    assert ranks(board) == {"mlp": 1, "svm": 2, "copy": 2, "hog-svm": 2}
    equal = next(pair for pair in board.pairs if {pair.first.runner, pair.second.runner} == {"svm", "copy"})
    assert (equal.p, equal.p_adjusted) == (1, 1)
    assert equal.accuracy.low == equal.accuracy.high == 0


def test_every_pair_is_compared_once_and_corrected():
    board = board_of(
        [record(name, right) for name, right in (("svm", 0.44), ("mlp", 0.45), ("knn", 0.47), ("gpc", 0.6))]
    )
    assert len(board.pairs) == 6
    p = {(pair.first.runner, pair.second.runner): (pair.p, pair.p_adjusted) for pair in board.pairs}
    # The answers are nested: 32, 30 and 26 images decide between gpc and the others, 6, 4 and 2 between these.
    assert p["knn", "svm"] == pytest.approx((2 / 2**6, 3 * 2 / 2**6))
    assert p["knn", "mlp"] == pytest.approx((2 / 2**4, 2 * 2 / 2**4))
    assert p["mlp", "svm"] == pytest.approx((0.5, 0.5))
    assert all(p["gpc", other][1] < 1e-5 for other in ("svm", "mlp", "knn"))
    assert ranks(board) == {"gpc": 1, "knn": 2, "mlp": 2, "svm": 2}
    assert all(pair.first.rank <= pair.second.rank and pair.accuracy.value > 0 for pair in board.pairs)


def test_the_intervals_are_those_of_the_bootstrap():
    runs = [record("mlp", 0.30, seed=0), record("mlp", 0.40, seed=1)]
    (row,) = board_of(runs).rows
    seeds = np.stack([predictions(run).probabilities.argmax(axis=1) for run in runs])
    drawn = resample(predictions(runs[0]).labels, [seeds], EMOTIONS)
    for name in ("accuracy", "macro_f1"):
        wanted = drawn.estimate(0, name)
        assert row.interval(name) == (wanted.low, wanted.high)
        assert wanted.value == pytest.approx(row.mean(name))
    frame = board_of(runs).frame().iloc[0]
    assert (frame["accuracy_low"], frame["accuracy_high"]) == row.interval("accuracy")
    assert (frame["macro_f1_low"], frame["macro_f1_high"]) == row.interval("macro_f1")
    ends = [f"{100 * end:.1f}" for end in row.interval("accuracy")]
    assert f"35.0 ± 7.1 [{ends[0]}, {ends[1]}]" in board_of(runs).text()


def test_without_predictions_there_is_no_rank_and_it_says_so():
    runs = [record("svm", 0.5), record("mlp", 0.6), record("knn", status="oom")]
    board = ranked(boards(runs)[0], {runs[0].job.key: predictions(runs[0])})
    assert ranks(board) == {"svm": 1, "mlp": None, "knn": None}
    row = board.rows[0]
    assert row.note() == f"not ranked: {NO_PREDICTIONS}"
    assert row.interval("accuracy") == (runs[1].scores.accuracy_low, runs[1].scores.accuracy_high)
    assert row.interval("macro_f1") is None
    assert pd.isna(board.frame()["macro_f1_low"][0])
    assert ranks(ranked(boards(runs)[0], {})) == {"svm": None, "mlp": None, "knn": None}


def test_a_seed_without_predictions_leaves_its_row_unranked():
    runs = [record("mlp", 0.5, seed=seed) for seed in range(2)]
    board = ranked(boards(runs)[0], {runs[0].job.key: predictions(runs[0])})
    assert ranks(board) == {"mlp": None}


def test_old_versions_and_what_the_test_part_picked_are_kept_off():
    runs = [
        record("svm", 0.9, runner_version=1),
        record("svm", 0.5, runner_version=2, started="2026-05-01T00:00:00Z"),
        record("vgg", 0.8, training={"init": "none", "checkpoint": "test"}),
        record("theirs", 0.6, family="external"),
    ]
    board = board_of(runs)
    assert [(row.runner, row.rank) for row in board.rows] == [("theirs", 1), ("svm", 2), ("svm", None), ("vgg", None)]
    assert len(board.pairs) == 1
    assert all("macro_f1" in row.intervals for row in board.rows)


def test_answers_to_other_images_are_not_compared():
    runs = [record("svm", 0.5), record("mlp", 0.6), record("knn", 0.7)]
    given = {run.job.key: predictions(run) for run in runs}
    other = given[runs[2].job.key]
    given[runs[2].job.key] = other._replace(rows=other.rows + 1)
    assert ranks(ranked(boards(runs)[0], given)) == {"svm": 2, "mlp": 1, "knn": None}
    given[runs[2].job.key] = Predictions(*(array[:100] for array in other))
    assert ranks(ranked(boards(runs)[0], given)) == {"svm": 2, "mlp": 1, "knn": None}


def test_the_order_of_rows_and_records_never_matters():
    runs = [record("svm", 0.44), record("mlp", 0.5), record("mlp", 0.6, seed=1), record("knn", 0.44)]
    given = {run.job.key: predictions(run) for run in runs}
    first = ranked(boards(runs)[0], given)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(200)
        mixed = {key: Predictions(*(array[order] for array in one)) for key, one in given.items()}
        again = ranked(boards(random.Random(seed).sample(runs, len(runs)))[0], mixed)
        assert again == first
        assert again.text() == first.text()
        assert again.frame().to_csv() == first.frame().to_csv()


def test_a_damaged_file_is_a_note_on_its_row(tmp_path: Path):
    store = Store(tmp_path / "results")
    store.prepare()
    keep(store, record("svm", 0.5))
    damaged = keep(store, record("mlp", 0.6)) / "predictions.npz"
    for content in (b"", b"no zip", damaged.read_bytes()[:300]):
        damaged.write_bytes(content)
        runs, _ = store.scan()
        assert len(stored_predictions(runs)) == 1
        (board,) = leaderboards(runs)
        assert ranks(board) == {"mlp": None, "svm": 1}
        assert NO_PREDICTIONS in board.text()


def test_runs_on_another_machine_have_no_share_in_the_interval():
    runs = [record("mlp", 0.5, seed=0), record("mlp", 0.6, seed=1)]
    elsewhere = runs[1].environment.model_copy(update={"device": "gpu"})
    runs[1] = runs[1].model_copy(update={"environment": elsewhere})
    board = board_of(runs)
    parts = dict(board.by_hardware())
    assert parts["cpu"].rows[0].interval("accuracy") == (runs[0].scores.accuracy_low, runs[0].scores.accuracy_high)
    assert board.rows[0].interval("accuracy") == board.rows[0].intervals["accuracy"]
