"""The checkpoint picked on the test part: only where it is asked for, marked, and of the same training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from fer_bench.api import registry
from fer_bench.board.ranking import leaderboards
from fer_bench.cli import main
from fer_bench.data.load import load_dataset
from fer_bench.engine import run
from fer_bench.engine.execute import Attempt, prepare
from fer_bench.engine.job import Options, key_of, plan, seed_key, training_rows
from fer_bench.errors import InputError
from fer_bench.hardware.device import Target
from fer_bench.records.predictions import load_predictions
from fer_bench.records.record import ENSEMBLE, EXTERNAL
from fer_bench.records.store import Store, read_record

RESULTS = Path(__file__).parents[2] / "results"
ON_TEST = Options(checkpoint="test")


@pytest.fixture(scope="module")
def dataset(tiny_npz):
    return load_dataset(tiny_npz)


def test_keys_of_committed_records_are_still_those_of_their_jobs():
    jobs = [read_record(path).job for path in sorted(RESULTS.glob("*/*/*/*/record.json"))]
    run_here = [job for job in jobs if job.family not in (EXTERNAL, ENSEMBLE)]
    assert run_here
    for job in run_here:
        assert job.checkpoint == "validation"
        assert key_of(job.model_dump()) == job.key
        assert seed_key(job) == job.key


def test_a_committed_record_still_is_that_of_its_job(fer2013):
    """The key as it is planned today, from the real data."""
    path = next(RESULTS.glob("fer2013/official/svm/*/record.json"))
    (job,) = plan(load_dataset(fer2013), ["svm"], options=Options())
    assert job.info.key == read_record(path).job.key


def test_the_option_makes_another_job_with_the_same_seeds(dataset):
    (fair,), (picked,) = (plan(dataset, ["xgboost"], options=one) for one in (Options(), ON_TEST))
    assert fair.info.key != picked.info.key
    assert seed_key(picked.info) == seed_key(fair.info) == fair.info.key
    assert "checkpoint picked on test" in picked.title


@pytest.mark.parametrize("name", ["xgboost", "fer-net"])
@pytest.mark.parametrize("split", ["official", "notebook", "notebook-90-10", "kfold-3-0"])
def test_no_test_label_enters_a_worker_without_the_option(dataset, tmp_path, split, name):
    """Other test labels, and the worker is given the very same bytes."""
    (job,) = plan(dataset, [name], [split], Options())
    given = training_rows(job)
    assert not {*given["train_rows"], *given["val_rows"]} & set(given["test_rows"])
    labels = dataset.labels.copy()
    labels[job.split.test] = (labels[job.split.test] + 3) % 7
    other = replace(job, dataset=replace(dataset, labels=labels, digest=dataset.digest))
    again = training_rows(other)
    assert given.keys() == again.keys()
    for name in given:
        np.testing.assert_array_equal(given[name], again[name])
    tasks = []
    for number, one in enumerate((job, other)):
        work = tmp_path / str(number)
        work.mkdir()
        prepare(Attempt(one, work, tmp_path, Options(), Target("cpu", "tensorflow")))
        tasks.append(json.loads((work / "task.json").read_text()))
    assert tasks[0] == tasks[1]


@pytest.mark.parametrize("split", ["official", "notebook-90-10"])
def test_with_the_option_the_test_part_is_what_is_watched(dataset, split):
    (job,) = plan(dataset, ["xgboost"], [split], ON_TEST)
    given = training_rows(job)
    np.testing.assert_array_equal(given["val_rows"], job.split.test)
    np.testing.assert_array_equal(given["val_labels"], dataset.labels[job.split.test])
    assert not set(given["train_rows"]) & set(given["val_rows"])


@pytest.fixture(scope="module")
def both(tiny_npz, tmp_path_factory):
    """xgboost, whose round validation picks, and the test part; the two stored runs."""
    root = tmp_path_factory.mktemp("both") / "results"
    for checkpoint in ("validation", "test"):
        run(["xgboost"], data=tiny_npz, results=root, epochs=8, checkpoint=checkpoint, models=False)
    runs = {stored.record.job.checkpoint: stored for stored in Store(root).scan()[0]}
    return runs["validation"], runs["test"]


def test_the_record_says_so_and_has_no_validation_scores(both):
    fair, picked = both
    assert (fair.record.training.checkpoint, picked.record.training.checkpoint) == ("validation", "test")
    assert fair.record.validation_scores.images == 21
    assert picked.record.validation_scores is None
    assert len(load_predictions(picked.folder, "validation").rows) == 0
    saved = load_predictions(picked.folder)
    assert len(saved.probabilities) == len(saved.labels) == picked.record.scores.images == 28
    (board,) = leaderboards(both)
    assert [row.rank for row in board.rows] == [1, None]


def test_the_two_trainings_are_the_same_up_to_what_was_watched(both):
    fair, picked = (pd.read_csv(stored.folder / "history.csv") for stored in both)
    rounds = min(len(fair), len(picked))
    assert rounds >= 2
    pd.testing.assert_series_equal(fair["loss"][:rounds], picked["loss"][:rounds])
    assert (fair["val_loss"][:rounds] != picked["val_loss"][:rounds]).any()


def test_what_picks_no_epoch_is_refused_by_name_and_left_out_of_all(dataset, tiny_npz, tmp_path):
    with pytest.raises(InputError, match="svm picks no epoch"):
        plan(dataset, ["svm"], options=ON_TEST)
    everything = {job.info.runner for job in plan(dataset, list(registry.BUILTINS), options=ON_TEST, explicit=False)}
    assert everything == {name for name in registry.BUILTINS if "epochs" in registry.get(name).uses}
    assert {"svm", "hog-svm", "lbp-svm", "bovw", "knn", "logistic-regression", "random-forest"}.isdisjoint(everything)
    command = ["run", "--all", "--checkpoint", "test", "--dry-run", "--data", str(tiny_npz), "--results", str(tmp_path)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0
    assert "leaves out what picks no epoch: svm, hog-svm" in done.stderr
    refused = CliRunner().invoke(main, ["run", "svm", *command[2:]])
    assert refused.exit_code == 2
    assert "svm picks no epoch" in refused.stderr
