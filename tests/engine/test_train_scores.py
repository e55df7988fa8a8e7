"""Scores of the training part: against scikit-learn, on a model that is asked again; when they are made, and when
not.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as sk
from made_records import leftovers

from fer_bench import Dataset
from fer_bench.api import registry
from fer_bench.data.load import load_dataset
from fer_bench.data.splits import make_split
from fer_bench.engine import run, survey
from fer_bench.engine.execute import execute
from fer_bench.engine.job import Options, plan, seed_key
from fer_bench.engine.on_train import TRAIN_PROBABILITIES, score_training
from fer_bench.errors import InputError
from fer_bench.hardware.device import choose
from fer_bench.records.store import MODEL, Store

FAULTY = str(Path(__file__).with_name("faulty.py"))


@pytest.fixture
def go(tiny_npz, tmp_path):
    def go(*names, **options):
        return run(names, data=tiny_npz, results=tmp_path / "results", plugins=(FAULTY,), **options)

    return go


@pytest.fixture
def dataset(tiny_npz) -> Dataset:
    registry.load_plugins((FAULTY,))
    return load_dataset(tiny_npz)


def asked_again(folder: Path, name: str, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted labels of the training part, from the model that a run kept."""
    runner = registry.make(name, "published")
    runner.load(folder / MODEL)
    rows = make_split(dataset).train
    return dataset.labels[rows], runner.predict_proba(dataset.images[rows]).argmax(axis=1)


def test_they_are_those_that_scikit_learn_counts_on_the_training_images(go, tmp_path, dataset):
    (record,) = go("svm", balance="oversample")
    assert record.status == "ok", record.failure
    (stored,), problems = Store(tmp_path / "results").scan()
    assert not problems
    assert stored.record == record
    labels, predicted = asked_again(stored.folder, "svm", dataset)
    scores = record.train_scores
    assert scores.images == record.job.train_images == 70
    assert scores.accuracy == pytest.approx(sk.accuracy_score(labels, predicted))
    assert scores.weighted_f1 == pytest.approx(sk.f1_score(labels, predicted, average="weighted"))
    assert scores.macro_f1 == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert scores.confusion == sk.confusion_matrix(labels, predicted, labels=range(7)).tolist()
    assert scores.images_unseen is None
    assert scores != record.scores
    assert [path.name for path in stored.folder.rglob("*train*")] == ["training-images.npz"]
    assert not leftovers(tmp_path / "results")
    with np.load(stored.folder / "predictions.npz") as kept:
        assert {len(kept[name]) for name in kept.files} == {28, 21}


def test_images_that_fill_or_repeat_are_not_counted(dataset, tiny_npz, tmp_path):
    """Of disgust the training part has one image; ten are trained on."""
    labels = dataset.labels
    keep = np.flatnonzero((labels != 1) | (np.arange(len(labels)) < 4) | (np.arange(len(labels)) > 69))
    np.savez(tmp_path / "rare.npz", images=dataset.images[keep], labels=labels[keep], usage=dataset.usage[keep])
    (record,) = run(
        ["svm"], data=tmp_path / "rare.npz", fill=tiny_npz, balance="oversample", results=tmp_path / "results"
    )
    assert record.status == "ok", record.failure
    assert record.train_scores.images == record.job.train_images == 61
    assert record.train_scores.emotions["disgust"].images == 1


@pytest.mark.parametrize(("choice", "made"), [("auto", {"published"}), ("on", {"published", "tuned"}), ("off", set())])
def test_auto_is_for_published_recipes(dataset, choice, made):
    jobs = plan(dataset, ["mlp"], options=Options(recipe="all", train_scores=choice))
    assert {job.info.recipe for job in jobs} == {"published", "tuned"}
    assert {job.info.recipe for job in jobs if job.train_scores} == made


def test_without_them_there_are_none_and_on_makes_them_for_any_recipe(go):
    (auto,) = go("good")
    assert auto.train_scores is None
    (on,) = go("good", train_scores="on", rerun="all")
    assert on.train_scores.images == 70
    assert on.scores == auto.scores


def test_neither_key_nor_seeds_know_of_them_and_nothing_is_done_again_for_them(go, dataset, tmp_path):
    jobs = [plan(dataset, ["svm"], options=Options(train_scores=choice))[0] for choice in ("auto", "on", "off")]
    assert len({job.info.key for job in jobs}) == len({seed_key(job.info) for job in jobs}) == 1
    (without,) = go("svm", train_scores="off")
    assert without.train_scores is None
    assert [step.pending for step in survey(jobs, Store(tmp_path / "results"))] == [False] * 3
    assert go("svm", train_scores="on") == [without]


def test_views_that_are_added_later_leave_them_as_they_are(go):
    (before,) = go("good", train_scores="on")
    (after,) = go("good", tta="flip")
    assert after.tta
    assert after.train_scores == before.train_scores is not None


def test_an_unknown_choice_is_refused(dataset):
    with pytest.raises(InputError, match=r"train_scores 'always' is none of auto, on, off"):
        plan(dataset, ["good"], options=Options(train_scores="always"))


def test_predictions_of_other_images_are_not_scored(dataset, tmp_path):
    (job,) = plan(dataset, ["good"], options=Options(train_scores="on"))
    np.save(tmp_path / TRAIN_PROBABILITIES, np.full((69, 7), 1 / 7, np.float16))
    with pytest.raises(ValueError, match=r"shape \(69, 7\), wanted \(70, 7\)"):
        score_training(job, tmp_path)
    assert score_training(replace(job, train_scores=False), tmp_path) is None


def test_a_worker_that_leaves_none_is_a_failure_that_says_so(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("fer_bench.engine.on_train.TRAIN_PROBABILITIES", "nowhere.npy")
    (job,) = plan(dataset, ["good"], options=Options(train_scores="on"))
    store = Store(tmp_path / "results")
    store.prepare()
    record = execute(job, store, Options(plugins=(FAULTY,)), choose())
    assert record.status == "error"
    assert "no readable predictions" in record.failure.message
    assert "nowhere.npy" in record.failure.message
