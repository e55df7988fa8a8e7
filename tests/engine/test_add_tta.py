"""Runs with test-time augmentation: one training, both scores; and what is done for a run that went well without."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from made_records import leftovers

from fer_bench.api import registry
from fer_bench.data.load import load_dataset
from fer_bench.data.splits import make_split
from fer_bench.engine import run, survey
from fer_bench.engine.job import Options, plan, seed_key
from fer_bench.engine.tta import Augmented
from fer_bench.errors import InputError
from fer_bench.records.predictions import load_predictions
from fer_bench.records.record import RunRecord
from fer_bench.records.store import MODEL, Store
from fer_bench.scores.metrics import score

FAULTY = str(Path(__file__).with_name("faulty.py"))


@pytest.fixture
def go(tiny_npz, tmp_path):
    def go(*names, **options):
        return run(names, data=tiny_npz, results=tmp_path / "results", plugins=(FAULTY,), **options)

    return go


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def dataset(tiny_npz):
    registry.load_plugins((FAULTY,))
    return load_dataset(tiny_npz)


def without(record: RunRecord) -> dict:
    return record.model_dump(mode="json") | {"tta": None, "predictions_digest": None}


def test_neither_key_nor_seeds_know_of_it(dataset):
    options = [Options(tta=method, checkpoint="validation") for method in ("none", "flip", "ten-crop")]
    jobs = [plan(dataset, ["mlp"], options=each)[0] for each in options]
    assert len({job.info.key for job in jobs}) == len({seed_key(job.info) for job in jobs}) == 1
    assert [job.tta for job in jobs] == ["none", "flip", "ten-crop"]


def test_an_unknown_method_is_refused(dataset):
    with pytest.raises(InputError, match=r"no test-time augmentation 'random'; there are none, flip, ten-crop"):
        plan(dataset, ["good"], options=Options(tta="random"))


def test_one_training_gives_the_scores_without_and_those_with(go, store, dataset):
    (record,) = go("good", tta="ten-crop")
    (stored,), _ = store.scan()
    assert stored.record == record
    assert record.tta.method == "ten-crop"
    assert record.tta.environment is None
    for part, plain, with_views in (
        ("test", record.scores, record.tta.scores),
        ("validation", record.validation_scores, record.tta.validation_scores),
    ):
        seen = make_split(dataset).test_seen if part == "test" else None
        for tta, said in ((False, plain), (True, with_views)):
            saved = load_predictions(stored.folder, part, tta=tta)
            assert saved.probabilities.dtype == np.float16
            assert score(saved.labels, saved.probabilities, dataset.classes, seen) == said
    runner = registry.make("good", "default")
    runner.load(stored.folder / MODEL)
    images = dataset.images[load_predictions(stored.folder).rows]
    again = Augmented(runner, "ten-crop").predict_proba(images).astype(np.float16)
    assert np.array_equal(load_predictions(stored.folder, tta=True).probabilities, again)
    assert record.tta.latency_p50_ms > record.cost.latency_p50_ms
    assert record.tta.predict_images_per_second < record.cost.predict_images_per_second
    for tta, pending in (("ten-crop", False), ("none", False), ("flip", True)):
        (step,) = survey(plan(dataset, ["good"], options=Options(tta=tta)), store)
        assert (step.pending, step.adds_tta, step.retrained) == (pending, pending, False)
    assert go("good") == go("good", tta="ten-crop") == [record]


def test_a_stored_model_is_asked_again_and_nothing_else_changes(go, store):
    (before,) = go("good")
    folder = store.scan()[0][0].folder
    model = {path.name: path.read_bytes() for path in (folder / MODEL).iterdir()}
    (again,) = go("good", tta="flip")
    assert without(again) == without(before)
    assert again.tta.method == "flip"
    assert again.tta.command
    assert again.tta.hardware
    assert store.scan()[0][0].record == again
    assert {path.name: path.read_bytes() for path in (folder / MODEL).iterdir()} == model
    assert not leftovers(store.root)
    (fresh,) = go("good", tta="flip", rerun="all")
    assert fresh.scores == before.scores
    assert fresh.tta.scores == again.tta.scores
    assert fresh.tta.command == ""


def test_a_model_that_cannot_be_used_costs_nothing_and_one_that_is_gone_is_trained_again(go, store, dataset):
    (before,) = go("good")
    folder = store.scan()[0][0].folder
    kept = (folder / "record.json").read_bytes()
    for path in (folder / MODEL).iterdir():
        path.write_bytes(b"no model")
    (failed,) = go("good", tta="flip")
    assert failed.status == "error"
    assert str(folder / MODEL) in failed.failure.message
    assert "--force trains it again" in failed.failure.hint
    assert (folder / "record.json").read_bytes() == kept
    assert store.scan()[0][0].record == before
    shutil.rmtree(folder / MODEL)
    (step,) = survey(plan(dataset, ["good"], options=Options(tta="flip")), store)
    assert (step.pending, step.adds_tta, step.retrained) == (True, False, True)
    (again,) = go("good", tta="flip")
    assert again.scores == before.scores
    assert (again.tta.method, again.tta.command) == ("flip", "")


def test_a_checkpoint_picked_on_test_has_no_validation_scores_with_it(go):
    (record,) = go("xgboost", tta="flip", checkpoint="test", epochs=2)
    assert record.status == "ok", record.failure
    assert record.tta.scores.images == 28
    assert record.tta.validation_scores is None
