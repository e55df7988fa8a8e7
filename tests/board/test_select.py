"""What a user types for a system, against records made by hand."""

from __future__ import annotations

import pytest
from made_records import record

from fer_bench.board.select import select
from fer_bench.errors import InputError
from fer_bench.records.store import StoredRun


@pytest.fixture
def stored(tmp_path):
    records = [
        record("svm", 0.44),
        record("svm", 0.43, split="notebook", split_digest="s2"),
        record("mlp", 0.30),
        record("mlp", 0.5, recipe="tuned", recipe_digest="r2", seed=1),
        record("mlp", 0.4, recipe="tuned", recipe_digest="r2", seed=0),
        record("stacked-cnn", 0.5, params={"n": 3}),
        record("stacked-cnn", 0.4),
        record("resnet50", status="timeout", message="stopped after 60 s"),
    ]
    return [StoredRun(one, tmp_path / f"{number}") for number, one in enumerate(records)]


def test_a_runner_is_found_on_the_first_board(stored):
    system = select(stored, "svm")
    assert (system.board.split, system.row.label) == ("official", "svm")
    assert [run.record.scores.accuracy for run in system.runs] == [0.44]
    assert select(stored, "svm", split="notebook").runs[0].record.scores.accuracy == 0.43


def test_a_recipe_brings_all_its_seeds_in_order(stored):
    assert [run.record.job.seed for run in select(stored, "mlp:tuned").runs] == [0, 1]


def test_parameters_tell_two_systems_apart(stored):
    assert select(stored, "stacked-cnn[n=3]").row.label == "stacked-cnn[n=3]"
    assert select(stored, "stacked-cnn").row.label == "stacked-cnn"


def test_a_quick_look_is_not_meant_where_there_is_a_whole_run(stored, tmp_path):
    looks = [
        StoredRun(record("svm", 0.2, limit=10), tmp_path / "a"),
        StoredRun(record("knn", 0.2, limit=10), tmp_path / "b"),
    ]
    assert select([*looks, *stored], "svm").runs[0].record.scores.accuracy == 0.44
    assert select([*looks, *stored], "knn").runs == (looks[1],)


def test_a_folder_or_a_key_is_one_run(stored):
    by_folder = select(stored, str(stored[3].folder))
    by_key = select(stored, stored[3].record.job.key[:10])
    assert by_folder.runs == by_key.runs == (stored[3],)
    assert by_folder.row.records == (stored[3].record,)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mlp", ["mlp:published", "mlp:tuned", "key"]),
        ("svn", ["did you mean svm"]),
        ("svm:tuned", ["svm ran with published"]),
        ("resnet50", ["no run called 'resnet50'", "svm"]),
    ],
)
def test_what_names_no_single_system_is_refused(stored, name, words):
    with pytest.raises(InputError) as refused:
        select(stored, name)
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)


def test_data_and_splits_without_runs_are_named(stored):
    with pytest.raises(
        InputError, match="no runs on data set ck, split of any name; there are fer2013 official, fer2013 notebook"
    ):
        select(stored, "svm", dataset="ck")


def test_a_board_that_has_it_not_is_named_in_vain(stored):
    with pytest.raises(InputError, match="no run called 'mlp'; there are svm"):
        select(stored, "mlp", split="notebook")


SIX = ("anger", "disgust", "happiness", "neutral", "sadness", "surprise")


@pytest.fixture
def two_boards(stored, tmp_path):
    six = record("svm", 0.7, dataset="fer2013-six", dataset_digest="d6", classes=list(SIX))
    return [*stored, StoredRun(six, tmp_path / "six")]


def test_the_emotions_choose_the_board(two_boards):
    assert select(two_boards, "svm").board.dataset == "fer2013"
    assert select(two_boards, "svm", classes=SIX).board.dataset == "fer2013-six"
    assert select(two_boards, "svm", classes=reversed(SIX)).board.dataset == "fer2013-six"
    with pytest.raises(InputError, match="no run called 'mlp'; there are svm"):
        select(two_boards, "mlp", classes=SIX)
    with pytest.raises(InputError, match=r"no runs on .*emotions anger, happiness; there are fer2013 official"):
        select(two_boards, "svm", classes=("anger", "happiness"))


@pytest.mark.parametrize("board", [{"split": "notebook"}, {"dataset": "ck"}, {"classes": SIX}])
def test_a_run_that_is_not_on_the_board_that_is_wanted_is_refused(stored, board):
    with pytest.raises(InputError, match="is a run on fer2013 official; wanted is data set"):
        select(stored, stored[3].record.job.key[:10], **board)


@pytest.mark.parametrize(
    ("name", "label", "recipe"),
    [
        ("stacked-cnn[n=3]:published", "stacked-cnn[n=3]", "published"),
        ("stacked-cnn[ n = 3 ]", "stacked-cnn[n=3]", "published"),
        ("stacked-cnn[n=3,k=2]", "stacked-cnn[n=3]", "published"),  # the runner's default says nothing
        ("stacked-cnn[k=2]", "stacked-cnn", "published"),
        ("mlp : tuned", "mlp", "tuned"),
    ],
)
def test_a_name_may_be_written_in_several_ways(stored, name, label, recipe):
    row = select(stored, name).row
    assert (row.label, row.recipe) == (label, recipe)


def test_parameters_of_a_runner_that_is_not_here_are_compared_as_written(stored, tmp_path):
    away = StoredRun(record("away", 0.5, params={"b": 2, "a": "x:y"}), tmp_path / "away")
    assert select([*stored, away], "away[a=x:y,b=2]").runs == (away,)
    with pytest.raises(InputError, match=r"away ran as away\[a=x:y,b=2\]:published"):
        select([*stored, away], "away[b=3]")


@pytest.mark.parametrize("name", ["mlp:", "mlp:tuned:", "mlp[", "results/no/such/folder"])
def test_what_is_no_name_is_refused(stored, name):
    with pytest.raises(InputError):
        select(stored, name)
