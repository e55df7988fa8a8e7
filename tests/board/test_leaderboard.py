"""Leaderboards from records made by hand: order, grouping, failures, and what stays apart."""

from __future__ import annotations

import random
from dataclasses import replace

import pandas as pd
import pytest
from made_records import record

from fer_bench.api.runner import RunnerInfo
from fer_bench.board.build import boards
from fer_bench.board.columns import COLUMNS
from fer_bench.data.dataset import EMOTIONS
from fer_bench.records.record import Environment, RunRecord

EXPECTED = [RunnerInfo(name, "deep") for name in ("svm", "mlp", "vgg19-full")]


@pytest.fixture
def many() -> list[RunRecord]:
    return [
        record("svm", 0.44),
        *(record("mlp", 0.30 + seed / 100, seed=seed) for seed in range(3)),
        record("mlp", 0.5, recipe="tuned", recipe_digest="r2"),
        record("resnet50", status="timeout", message="stopped after 60 s"),
        record("hog-svm", 0.58, split="notebook", split_digest="s2"),
        record("xgboost", 0.44),
        record("custom-cnn", 0.6, epochs=2, training={"epochs_run": 2, "epochs_planned": 2, "init": "random"}),
    ]


def test_the_order_of_records_never_matters(many):
    first = boards(many, EXPECTED)
    for seed in range(5):
        shuffled = random.Random(seed).sample(many, len(many))
        again = boards(shuffled, EXPECTED)
        assert again == first
        assert [board.text() for board in again] == [board.text() for board in first]


def test_rows_are_sorted_by_accuracy_and_unranked_without_predictions(many):
    board = boards(many, EXPECTED)[0]
    assert board.split == "official"
    assert [(row.runner, row.status) for row in board.rows] == [
        ("custom-cnn", "ok"),
        ("mlp", "ok"),
        ("svm", "ok"),
        ("xgboost", "ok"),
        ("mlp", "ok"),
        ("resnet50", "timeout"),
        ("vgg19-full", "not run yet"),
    ]
    assert {row.rank for row in board.rows} == {None}


def test_seeds_are_one_row_with_mean_and_spread(many):
    frame = boards(many)[0].frame().set_index(["runner", "recipe"])
    row = frame.loc[("mlp", "published")]
    assert row["seeds"] == 3
    assert row["accuracy"] == pytest.approx(0.31)
    assert row["accuracy_sd"] == pytest.approx(0.01)
    assert row["fit_seconds"] == pytest.approx(10.0)
    assert pd.isna(frame.loc[("svm", "published"), "accuracy_sd"])
    assert "31.0 ± 1.0 [" in boards(many)[0].text()


def test_label_schemes_and_data_never_share_a_table():
    six = [name for name in EMOTIONS if name != "fear"]
    found = boards([
        record(), record(classes=six, dataset="fer2013-six", dataset_digest="d2"), record(dataset_digest="d3"),
        record(split_digest="s9"), record(classes=six), record(dataset="synthetic", dataset_digest="d4"),
    ])  # fmt: skip
    assert len(found) == 6
    assert all(len(board.rows) == 1 for board in found)
    assert len({board.slug for board in found}) == 6
    assert found[-1].dataset == "synthetic"
    assert all({tuple(run.job.classes) for run in board.rows[0].runs} == {board.classes} for board in found)


def test_the_latest_record_of_a_job_stands():
    old, new = record(right=0.2, started="2026-01-01T00:00:00Z"), record(right=0.3, started="2026-02-01T00:00:00Z")
    for pair in ([old, new], [new, old]):
        (row,) = boards(pair)[0].rows
        assert row.runs == (new,)
    failed = record(status="oom", started="2026-03-01T00:00:00Z", message="out of memory")
    assert boards([failed, new])[0].rows[0].status == "oom"


@pytest.mark.parametrize("status", ["error", "timeout", "oom", "interrupted", "skipped"])
def test_a_failed_run_is_a_row_with_its_reason(status):
    board = boards([record("mlp", status=status, message="line one\nline | two"), record("svm", 0.4)])[0]
    row = board.rows[-1]
    assert (row.runner, row.status, row.rank) == ("mlp", status, None)
    assert row.note() == f"{status}: line one line | two"
    assert "line one" in board.text()


def test_a_failed_seed_is_told_on_its_row():
    board = boards([record("mlp", 0.3), record("mlp", seed=1, status="timeout", message="too slow")])[0]
    (row,) = board.rows
    assert row.status == "1 of 2 ok"
    assert row.note() == "seed 1 timeout: too slow"


def test_what_runs_got_over_stands_in_the_note_column_alone():
    (plain,) = boards([record("mlp")])[0].rows
    assert plain.mishaps() == ""
    hurt = {"attempts": ["oom: no\nmemory", "timeout: slow"]}
    runs = [
        record("svm", training={"init": "none", "interruptions": 1}),
        record("svm", seed=1, training={"init": "none", "interruptions": 2}).model_copy(update=hurt),
    ]
    (row,) = boards(runs)[0].rows
    words = (
        "seed 0: went on after 1 interruption; seed 1: went on after 2 interruptions, "
        "2 earlier attempts: oom: no memory; timeout: slow"
    )
    assert row.note() == ""  # it sets nothing apart
    assert row.mishaps() == words
    assert next(column for column in COLUMNS if column.name == "note").text(row) == words


def test_budgets_and_training_data_set_rows_apart_and_are_noted():
    board = boards([
        record(), record(limit=50), record(balance="weights"), record(fill_digest="abcdef0123"),
        record(epochs=3, training={"epochs_planned": 3, "epochs_run": 3}), record(params={"C": 5}),
    ])[0]  # fmt: skip
    notes = {row.note() for row in board.rows}
    assert notes == {
        "", "at most 50 training images a class; a quick look: not ranked", "balance: weights", "filled from data set abcdef01",
        "epochs capped at 3",
    }  # fmt: skip
    assert "svm[C=5]" in {row.label for row in board.rows}
    assert {row.note() for row in board.rows if not row.rankable} == {
        "at most 50 training images a class; a quick look: not ranked"
    }
    assert boards([record(limit=50, dataset="synthetic")])[0].rows[0].rankable


def test_what_auto_weights_came_to_is_never_averaged():
    found = boards([
        record("vgg", 0.6, seed=0, training={"init": "imagenet"}),
        record("vgg", 0.4, seed=1, training={"init": "random"}),
    ])  # fmt: skip
    assert [row.runs[0].training.init for row in found[0].rows] == ["imagenet", "random"]


def test_results_of_an_older_runner_are_marked():
    old = record(right=0.6, runner_version=1)
    new = record(right=0.5, runner_version=2, started="2026-05-01T00:00:00Z")
    first, second = boards([new, old])[0].rows
    assert (first.note(), first.rankable, first.stale) == ("", True, ())
    assert "superseded" in second.note()
    assert (second.rankable, second.stale) == (False, ("runner changed",))


def test_unseen_accuracy_and_other_means_are_those_of_the_scores():
    run = record(right=0.5)
    row = boards([run])[0].frame().iloc[0]
    for name in ("accuracy", "accuracy_low", "accuracy_unseen", "weighted_f1", "log_loss", "binary_accuracy"):
        assert row[name] == getattr(run.scores, name)


def test_the_terminal_table_fits(many):
    many.append(record("inception-v3-flatten", status="error", message="ValueError: " + "a long reason " * 60))
    text = boards(many, EXPECTED)[0].text()
    assert max(map(len, text.splitlines())) <= 120
    assert "not run yet: vgg19-full" in text
    assert text.splitlines()[0] == "fer2013, split official: 200 test images, 7 emotions"


def test_a_board_of_failures_only_still_prints():
    assert "no luck" in boards([record(status="error", message="no luck")])[0].text()


def test_emotions_by_runner(many):
    board = boards(many)[0]
    text = board.emotions_text()
    assert all(name in text for name in (*EMOTIONS, "svm", "mlp"))
    assert "resnet50" not in text
    row = next(row for row in board.rows if row.label == "svm")
    assert f"{100 * row.runs[0].scores.emotions['fear'].f1:.1f}" in text


def test_column_names_are_unique():
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)


def marks(runs, infos=()):
    """What each row of every board is stale by, with its rank."""
    return {
        (board.dataset_digest, board.split_digest, row.runner): (row.stale, row.rankable)
        for board in boards(runs, infos)
        for row in board.rows
        if row.records
    }


def test_a_newer_runner_or_recipe_makes_a_row_stale_and_takes_its_rank():
    info = RunnerInfo("mine", version=1, recipe_digests=(("published", "r1"), ("tuned", "r9")))
    run = record("mine", 0.5)
    place = ("d1", "s1", "mine")
    assert marks([run], [info])[place] == ((), True)
    assert marks([run], [replace(info, version=2)])[place] == (("runner changed",), False)
    assert marks([run], [replace(info, recipe_digests=(("published", "r2"),))])[place] == (("recipe changed",), False)
    assert marks([run], [replace(info, recipe_digests=(("tuned", "r1"),))])[place] == (("recipe changed",), False)


def test_nothing_is_said_of_runners_and_recipes_that_nobody_knows():
    run = record("a-plugin-that-is-not-loaded", 0.5)
    assert marks([run], [RunnerInfo("svm", version=9)])["d1", "s1", run.job.runner] == ((), True)
    assert marks([record("mine", 0.5)], [RunnerInfo("mine")])["d1", "s1", "mine"] == ((), True)


def test_a_newer_record_with_other_data_of_that_name_makes_the_older_rows_stale():
    old = record("svm", 0.6)
    newer = {"started": "2026-02-01T00:00:00Z"}
    data = record("mlp", 0.4, dataset_digest="d2", split_digest="s2", **newer)
    split = record("mlp", 0.4, split_digest="s2", **newer)
    for other, word in ((data, "data changed"), (split, "split changed")):
        for pair in ([old, other], [other, old]):
            found = marks(pair)
            assert found["d1", "s1", "svm"] == ((word,), False)
            assert found[other.job.dataset_digest, "s2", "mlp"] == ((), True)
    elsewhere = record("mlp", dataset_digest="d2", split="notebook", split_digest="s2", **newer)
    six = record("mlp", dataset="fer2013-six", dataset_digest="d2", split_digest="s2", **newer)
    for other in (elsewhere, six):
        assert marks([old, other])["d1", "s1", "svm"] == ((), True)
    back = record("mlp", 0.4, started="2026-03-01T00:00:00Z")
    assert marks([old, data, back])["d1", "s1", "svm"] == ((), True)


def test_stale_rows_keep_their_place_below_the_ranked_ones_and_are_marked():
    board = boards([record("mine", 0.9), record("svm", 0.4)], [RunnerInfo("mine", version=2)])[0]
    assert [(row.runner, row.rankable) for row in board.rows] == [("svm", True), ("mine", False)]
    frame = board.frame().set_index("runner")
    assert frame.loc["mine", "stale"] == "runner changed"
    assert pd.isna(frame.loc["svm", "stale"])
    assert "stale: runner changed" in board.text()


def test_a_checkpoint_picked_on_the_test_part_is_a_row_of_its_own_without_a_rank():
    fair = record("mlp", 0.5, training={"init": "random", "checkpoint": "validation"})
    picked = record("mlp", 0.6, checkpoint="test", training={"init": "random", "checkpoint": "test"})
    told = record("xgboost", 0.7, training={"checkpoint": "test"})
    failed = record("svm", status="error", checkpoint="test")
    board = boards([picked, fair, told, failed])[0]
    assert [(row.runner, row.rankable, row.test_selected) for row in board.rows] == [
        ("mlp", True, False), ("xgboost", False, True), ("mlp", False, True), ("svm", False, True),
    ]  # fmt: skip
    assert board.frame()["checkpoint"].tolist()[:3] == ["validation", "test", "test"]
    assert "checkpoint picked on the test part: not ranked" in board.text()


def test_the_revision_says_whether_the_tree_was_dirty():
    def at(seed, revision, dirty):
        where = Environment(git_revision=revision, git_dirty=dirty)
        return record("mlp", seed=seed).model_copy(update={"environment": where})

    runs = [at(0, "0123456789abcdef", False), at(1, "fedcba9876543210", True), at(2, None, None)]
    frame = boards(runs)[0].frame()
    assert frame["revision"].tolist() == ["0123456, fedcba9+dirty"]
    assert "0123456, fedcba9+dirty" in boards(runs)[0].table("report")[1][0]
