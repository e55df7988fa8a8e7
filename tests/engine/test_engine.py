"""The engine: plans, outcomes, records, and what is done again."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from made_records import leftovers

import fer_bench
from fer_bench.api import registry
from fer_bench.data.load import load_dataset
from fer_bench.engine import run, survey
from fer_bench.engine.execute import Attempt, images_of, prepare
from fer_bench.engine.job import Options, plan
from fer_bench.engine.worker import load_parts, valid_probabilities
from fer_bench.errors import InputError
from fer_bench.hardware.device import Target
from fer_bench.hardware.host import cores
from fer_bench.records.predictions import load_predictions
from fer_bench.records.record import SCHEMA_VERSION
from fer_bench.records.store import Store
from fer_bench.scores.metrics import score

FAULTY = str(Path(__file__).with_name("faulty.py"))


@pytest.fixture
def go(tiny_npz, tmp_path):
    def go(*names, **options):
        return run(names, data=tiny_npz, results=tmp_path / "results", plugins=(FAULTY,), **options)

    return go


@pytest.fixture
def dataset(tiny_npz):
    registry.load_plugins((FAULTY,))
    return load_dataset(tiny_npz)


def test_a_run_leaves_a_record_from_which_its_scores_can_be_computed_again(go, tmp_path, dataset):
    (record,) = go("good")
    assert record.status == "ok"
    (stored,), problems = Store(tmp_path / "results").scan()
    assert not problems
    assert stored.record == record
    saved = load_predictions(stored.folder)
    assert saved.probabilities.dtype == np.float16
    assert (dataset.labels[saved.rows] == saved.labels).all()
    seen = np.zeros(len(saved.rows), bool)
    again = score(saved.labels, saved.probabilities, dataset.classes, seen)
    assert again.accuracy == record.scores.accuracy
    assert again.log_loss == record.scores.log_loss
    validation = load_predictions(stored.folder, "validation")
    assert len(validation.rows) == record.validation_scores.images == 21
    assert record.job.test_images == 28
    assert record.cost.model_bytes > 0
    assert record.cost.latency_p95_ms >= record.cost.latency_p50_ms > 0
    assert record.environment.packages["scikit-learn"]
    assert not leftovers(tmp_path / "results")


def test_what_rounding_makes_of_a_probability_is_mended_and_scored(go, tmp_path):
    """``1 - sum`` in float32 is -1.2e-7: two checks that differ on it once kept all later runs from beginning."""
    rounds, good = go("rounds", "good", train_scores="on", tta="flip")
    assert (rounds.status, good.status) == ("ok", "ok")
    assert rounds.scores.images == rounds.tta.scores.images == 28
    (stored,) = (run for run in Store(tmp_path / "results").scan()[0] if run.record.job.runner == "rounds")
    assert load_predictions(stored.folder).probabilities.min() == 0


@pytest.mark.parametrize(
    "made",
    [
        lambda even: even + 1j,
        lambda even: even.astype(str),
        lambda even: np.ma.masked_less(even, 1),
    ],
)
def test_what_would_lose_its_meaning_as_numbers_is_no_prediction(made):
    class Predicts:
        def predict_proba(self, images):
            return made(np.full((len(images), 7), 1 / 7, np.float32))

    with pytest.raises(ValueError, match="plain numbers are wanted"):
        valid_probabilities(Predicts(), np.zeros((3, 48, 48), np.uint8), 7)


@pytest.mark.skipif(os.name == "nt", reason="no FIFOs, and links want rights")
@pytest.mark.parametrize("name", ["elsewhere", "elsewhere[all=yes]"])
def test_a_run_that_puts_a_link_where_its_files_should_be_costs_nobody_theirs(go, name, tmp_path, monkeypatch):
    home = tmp_path / "home"
    for folder in (home, home / "out"):
        (folder / "model").mkdir(parents=True)
        (folder / "link").symlink_to("model")
        (folder / "history.csv").write_text("mine")
        os.mkfifo(folder / "pipe")
    before = sorted(home.rglob("*"))
    monkeypatch.setenv("FER_BENCH_TEST_HOME", str(home))
    failed, good = go(name, "good")
    assert (failed.status, good.status) == ("error", "ok")
    assert "a link, which is not followed" in failed.failure.message
    assert [path for path in sorted(home.rglob("*")) if path.name != "outcome.json"] == before


def test_the_log_of_a_failure_is_in_its_record(go):
    (record,) = go("raises")
    assert any("the model is on fire" in line for line in record.failure.log_tail)
    assert not any("RuntimeWarning" in line for line in record.failure.log_tail)


def test_noise_on_stdout_is_not_taken_for_an_outcome(go):
    (record,) = go("noisy")
    assert record.status == "ok"


def test_what_lies_in_the_current_folder_plays_no_part(go, tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit('this is not the standard library')")
    monkeypatch.chdir(tmp_path)
    assert [record.status for record in go("good")] == ["ok"]


def test_the_worker_is_not_given_test_labels(go):
    (record,) = go("curious")
    assert record.failure is None
    assert record.status == "ok"


def test_fail_fast_stops_after_the_first_failure(go):
    records = go("raises", "good", fail_fast=True)
    assert [record.status for record in records] == ["error"]


def test_runs_at_a_time_meet_and_their_records_stand_in_the_order_of_the_plan(go, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_BENCH_TEST_MEETING", str(tmp_path))
    records = go("raises", "meets", "good", seeds=2, jobs=2)
    assert [(record.job.runner, record.job.seed) for record in records] == [
        (name, seed) for name in ("raises", "meets", "good") for seed in (0, 1)
    ]
    assert [record.status for record in records] == ["error", "error", "ok", "ok", "ok", "ok"]
    assert {record.environment.threads["OMP_NUM_THREADS"] for record in records[2:]} == {max(1, cores() // 2)}
    assert not leftovers(tmp_path / "results")


def test_what_is_done_is_not_done_again(go, dataset, tmp_path):
    first = go("good", "raises")
    again = go("good", "raises")
    assert [r.started for r in again] == [r.started for r in first]
    store = Store(tmp_path / "results")
    jobs = plan(dataset, ["good", "raises"], options=Options())
    assert [step.pending for step in survey(jobs, store)] == [False, False]
    assert [step.pending for step in survey(jobs, store, "failed")] == [False, True]
    assert [step.pending for step in survey(jobs, store, "all")] == [True, True]


def test_a_failed_rerun_does_not_replace_a_success(go, tmp_path):
    (first,) = go("good")
    (again,) = go("good", rerun="all", timeout=0.01)
    assert again.status == "timeout"
    (stored,), _ = Store(tmp_path / "results").scan()
    assert stored.record == first


def test_the_same_job_gives_the_same_numbers_and_another_seed_another_key(go, dataset):
    (first,) = go("good")
    (again,) = go("good", rerun="all")
    assert first.scores == again.scores
    jobs = plan(dataset, ["good"], options=Options(seeds=3))
    assert len({job.info.key for job in jobs}) == 3
    assert [job.info.seed for job in jobs] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mlp", {"epochs": 1}),
        ("xgboost", {"epochs": 1}),
        ("mlp", {"weights": "random"}),
        ("good", {"limit": 5}),
        ("good", {"balance": "weights"}),
    ],
)
def test_the_key_holds_what_changes_the_result(dataset, name, change):
    base = plan(dataset, [name], options=Options())[0].info.key
    assert plan(dataset, [name], options=Options(**change))[0].info.key != base


def test_a_weights_file_counts_by_name_and_content(dataset, tmp_path):
    def key_of(folder: str, content: bytes) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        path = tmp_path / folder / "mine.weights.h5"
        path.write_bytes(content)
        (job,) = plan(dataset, ["mlp"], options=Options(weights=str(path)))
        assert str(tmp_path) not in job.info.weights
        return job.info.key

    assert key_of("here", b"one") == key_of("there", b"one") != key_of("here", b"two")
    with pytest.raises(InputError, match=r"gone\.h5: No such file"):
        plan(dataset, ["mlp"], options=Options(weights=str(tmp_path / "gone.h5")))


@pytest.mark.parametrize(
    "change", [{"epochs": 1}, {"weights": "imagenet"}, {"device": "cpu", "threads": 1, "timeout": 5.0, "models": False}]
)
def test_the_key_leaves_out_what_does_not(dataset, change):
    base = plan(dataset, ["good"], options=Options())[0].info.key
    assert plan(dataset, ["good"], options=Options(**change))[0].info.key == base


def test_limit_leaves_the_test_part_whole(dataset):
    (job,) = plan(dataset, ["good"], options=Options(limit=3))
    assert job.info.train_images == 21
    assert job.info.test_images == 28


@pytest.fixture
def rare(dataset):
    """``dataset`` with one training image of disgust where the other emotions have ten."""
    labels = dataset.labels
    rows = np.flatnonzero((labels != 1) | (np.arange(len(labels)) < 4) | (np.arange(len(labels)) > 69))
    return fer_bench.Dataset(
        dataset.images[rows], labels[rows], dataset.usage[rows], dataset.classes, "rare", "a set that lacks disgust"
    )


def given_to_the_worker(job, work):
    work.mkdir()
    prepare(Attempt(job, work, work, Options(), Target("cpu", "tensorflow")))
    for name, images in images_of(job).items():
        np.save(work / name, images)
    return load_parts(work)


def test_oversampling_reaches_the_worker(rare, tmp_path):
    (job,) = plan(rare, ["good"], options=Options(balance="oversample"))
    train, validation, test = given_to_the_worker(job, tmp_path / "work")
    assert set(np.bincount(train.labels)) == {10}
    own = rare.usage == 0
    np.testing.assert_array_equal(train.images[: own.sum()], rare.images[own])
    (disgust,) = rare.images[own & (rare.labels == 1)]
    np.testing.assert_array_equal(train.images[train.labels == 1], [disgust] * 10)
    np.testing.assert_array_equal(validation.images, rare.images[rare.usage == 1])
    np.testing.assert_array_equal(validation.labels, rare.labels[rare.usage == 1])
    np.testing.assert_array_equal(test, rare.images[rare.usage == 2])


@pytest.mark.parametrize("lacking", [0, 4])
def test_fill_reaches_the_worker(rare, dataset, tmp_path, lacking):
    """And where the second set lacks images too, oversampling makes up for the rest."""
    disgust = np.flatnonzero((dataset.usage == 0) & (dataset.labels == 1))  # the first of them is in ``rare``
    left = np.setdiff1d(np.arange(len(dataset)), disgust[: 1 + lacking])[::-1]
    other = fer_bench.Dataset(
        dataset.images[left], dataset.labels[left], dataset.usage[left], dataset.classes, "other", "other"
    )
    (job,) = plan(rare, ["good"], options=Options(balance="oversample"), fill_from=other)
    train, _, _ = given_to_the_worker(job, tmp_path / "work")
    assert set(np.bincount(train.labels)) == {10}
    own = rare.usage == 0
    np.testing.assert_array_equal(train.images[: own.sum()], rare.images[own])
    np.testing.assert_array_equal(train.labels[: own.sum()], rare.labels[own])
    there = dataset.images[np.delete(disgust, np.arange(1, 1 + lacking))]
    assert len(there) == 10 - lacking
    got = train.images[train.labels == 1]
    assert {image.tobytes() for image in got} == {image.tobytes() for image in there}


def test_a_worker_has_images_of_its_own_in_files_without_labels(rare, dataset, tmp_path):
    (job,) = plan(rare, ["good"], options=Options(), fill_from=dataset)
    work = tmp_path / "work"
    given_to_the_worker(job, work)
    with np.load(work / "input.npz") as given:
        assert len(given["fill_rows"]) == 9
        assert {given[name].ndim for name in given.files} == {1}
    assert {file.name for file in work.iterdir()} == {"task.json", "input.npz", "images.npy", "fill_images.npy"}
    for name, whole in {"images.npy": rare.images, "fill_images.npy": dataset.images}.items():
        before = whole.copy()
        images = np.load(work / name, mmap_mode="r+")
        np.testing.assert_array_equal(images, whole)
        images[:] = 0  # what a runner does to them concerns no other run
        images.flush()
        np.testing.assert_array_equal(whole, before)
    assert "/" not in (work / "task.json").read_text().replace(str(work), "").replace(FAULTY, "")


def test_a_run_with_fill(rare, dataset, tiny_npz, tmp_path):
    """The second set of images is found by a real worker."""
    source = tmp_path / "rare.npz"
    np.savez(source, images=rare.images, labels=rare.labels, usage=rare.usage)
    (plain,), (filled,) = (
        run(["bayes"], data=source, fill=fill, results=tmp_path / "filled", plugins=(FAULTY,))
        for fill in (None, tiny_npz)
    )
    assert plain.status == filled.status == "ok"
    assert filled.job.fill_digest == dataset.digest
    assert filled.scores.accuracy > plain.scores.accuracy


def test_bad_requests_are_refused_before_anything_runs(go, tmp_path):
    with pytest.raises(InputError, match="goood"):
        go("goood")
    with pytest.raises(InputError, match="no recipe 'tuned'"):
        go("good", recipe="tuned")
    with pytest.raises(InputError, match="no parameter 'n'"):
        go("good[n=1]")
    assert not (tmp_path / "results").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_results_folder_that_cannot_be_written_is_refused(go, tmp_path):
    (tmp_path / "results").mkdir(mode=0o500)
    with pytest.raises(InputError, match="can't be written"):
        go("good")


def test_a_results_folder_that_is_a_file_is_refused(go, tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        go("good")


def test_an_unreadable_record_is_reported_and_never_taken_for_done(go, tmp_path):
    go("good")
    store = Store(tmp_path / "results")
    (stored,), _ = store.scan()
    path = stored.folder / "record.json"
    whole = path.read_text()
    later = whole.replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99')
    for broken in (whole[: len(whole) // 2], "", "[]", later):
        path.write_text(broken)
        runs, problems = store.scan()
        assert not runs
        assert len(problems) == 1
        assert str(path) in problems[0]
        for rerun in ("none", "all"):
            with pytest.warns(UserWarning, match=re.escape(problems[0])):
                assert go("good", rerun=rerun) == []
        assert path.read_text() == broken
    with pytest.warns(UserWarning, match="upgrade"):
        (other,) = go("good", "needy")
    assert other.job.runner == "needy"
