"""Ensembles: what is averaged, what decides it, and what the board says of it."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_records import keep, record, said

from fer_bench.board.board import Board
from fer_bench.board.build import boards
from fer_bench.board.select import select
from fer_bench.data.load import load_dataset
from fer_bench.data.splits import make_split
from fer_bench.entries.ensemble import average
from fer_bench.entries.ensemble_choice import fitted_weights
from fer_bench.entries.named import commit
from fer_bench.errors import InputError
from fer_bench.records.predictions import Predictions, load_predictions
from fer_bench.records.record import Cost, Environment, TestTime
from fer_bench.records.store import PREDICTIONS, Store, StoredRun
from fer_bench.scores.metrics import score

IMAGES, HELD = 60, 40
TAKEN = "is taken ({})"


class Results:
    """A results folder with runs of made-up predictions."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)

    def add(
        self,
        runner: str,
        number: int,
        skill: float = 1.0,
        *,
        held: int = HELD,
        tta: str = "",
        shift: int = 0,
        **changes: Any,
    ) -> StoredRun:
        """A run; those of another ``number`` say something else. ``shift``: of the rows of its images."""
        whole = record(runner, **changes)
        labels, probabilities = said(number, IMAGES, skill)
        val_labels, val_probabilities = said(number + 1000, held, skill)
        arrays = {
            "rows": np.arange(IMAGES, dtype=np.int32) + shift, "labels": labels.astype(np.int8), "probabilities": probabilities,
            "val_rows": np.arange(held, dtype=np.int32) + 500, "val_labels": val_labels.astype(np.int8),
            "val_probabilities": val_probabilities,
        }  # fmt: skip
        classes, seen = whole.job.classes, np.zeros(IMAGES, bool)
        update: dict[str, Any] = {
            "scores": score(labels, probabilities, classes, seen),
            "validation_scores": score(val_labels, val_probabilities, classes) if held else None,
            "job": whole.job.model_copy(update={"test_images": IMAGES}),
        }
        if tta:
            arrays["tta_probabilities"], arrays["val_tta_probabilities"] = (
                probabilities[:, ::-1],
                val_probabilities[:, ::-1],
            )
            with_views = score(labels, probabilities[:, ::-1], classes, seen)
            update["tta"] = TestTime(method=tta, scores=with_views)
        whole = whole.model_copy(update=update)
        work = self.store.work(whole.job)
        np.savez(work / PREDICTIONS, **arrays)
        return StoredRun(whole, self.store.commit(whole, work))

    def put(self, runs: list[StoredRun], name: str = "mean", force: bool = False, **how: Any) -> StoredRun:
        made = average(runs, name, **how)
        return StoredRun(made.record, commit(made.record, made.arrays, self.store, force, TAKEN))

    @property
    def board(self) -> Board:
        (board,) = boards(run.record for run in self.store.scan()[0])
        return board


@pytest.fixture
def results(tmp_path) -> Results:
    return Results(tmp_path / "results")


@pytest.fixture
def three(results) -> list[StoredRun]:
    return [results.add("svm", 1, 0.5), results.add("mlp", 2, 1.0), results.add("xgboost", 3, 1.5)]


def weights_of(run: StoredRun) -> dict[str, float]:
    assert run.record.ensemble
    return {member.runner: member.weight for member in run.record.ensemble.members}


def test_equal_weights_are_the_mean_of_what_is_saved(results, three):
    run = results.put(three)
    for part in ("test", "validation"):
        of_three = [load_predictions(one.folder, part) for one in three]
        saved = load_predictions(run.folder, part)
        assert saved.probabilities == pytest.approx(
            np.mean([p.probabilities.astype(float) for p in of_three], axis=0), abs=1e-7
        )
        assert np.array_equal(saved.rows, of_three[0].rows)
    record = run.record
    saved = load_predictions(run.folder)
    again = score(saved.labels, saved.probabilities, record.job.classes)
    assert again.model_dump(exclude={"images_unseen", "accuracy_unseen"}) == record.scores.model_dump(
        exclude={"images_unseen", "accuracy_unseen"}
    )
    held = load_predictions(run.folder, "validation")
    assert score(held.labels, held.probabilities, record.job.classes) == record.validation_scores
    assert weights_of(run) == pytest.approx(dict.fromkeys(("svm", "mlp", "xgboost"), 1 / 3))


@pytest.mark.parametrize("how", [{}, {"chosen": True}, {"weights": "validation"}, {"tta": True}])
def test_an_ensemble_of_one_is_that_one_to_the_last_digit(results, how):
    one = results.add("svm", 1, tta="flip")
    run = results.put([one], **how)
    unseen = {"images_unseen": None, "accuracy_unseen": None}
    assert run.record.scores == one.record.scores.model_copy(update=unseen)
    assert run.record.validation_scores == one.record.validation_scores
    if "tta" in how:
        assert run.record.tta.scores == one.record.tta.scores.model_copy(update=unseen)


def test_the_order_of_the_runs_changes_nothing(results, three):
    for how in ({}, {"chosen": True}, {"chosen": True, "weights": "validation"}):
        made = average(three, "mean", **how)
        for seed in range(3):
            again = average(random.Random(seed).sample(three, 3), "mean", **how)
            assert again.record.job == made.record.job
            assert again.record.ensemble == made.record.ensemble
            assert all(np.array_equal(again.arrays[name], made.arrays[name]) for name in made.arrays)


@pytest.mark.parametrize(
    "how", [{"chosen": True}, {"weights": "validation"}, {"chosen": True, "weights": "validation"}]
)
def test_neither_test_labels_nor_test_predictions_choose_anything(results, three, how):
    before = average(three, "mean", **how).record
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, IMAGES).astype(np.int8)
    others = []
    for run in three:
        with np.load(run.folder / PREDICTIONS) as saved:
            arrays = dict(saved)
        arrays |= {"labels": labels, "probabilities": rng.permutation(arrays["probabilities"])}
        other = run.record.model_copy(
            update={"scores": score(labels, arrays["probabilities"], run.record.job.classes, np.zeros(IMAGES, bool))}
        )
        work = results.store.work(other.job)
        np.savez(work / PREDICTIONS, **arrays)
        others.append(StoredRun(other, results.store.commit(other, work)))
    after = average(others, "mean", **how).record
    assert after.scores != before.scores
    assert after.ensemble == before.ensemble
    assert after.validation_scores == before.validation_scores


def test_with_test_time_augmentation_both_are_averaged_and_it_chooses(results):
    runs = [results.add("svm", 1, 2.0, tta="flip"), results.add("mlp", 2, 1.0, tta="flip")]
    run = results.put(runs, tta=True, weights="validation")
    held = [load_predictions(one.folder, "validation", tta=True) for one in runs]
    by_name = dict(zip(("svm", "mlp"), (one.probabilities for one in held), strict=True))
    fitted = fitted_weights(np.stack([by_name["mlp"], by_name["svm"]]), held[0].labels)
    assert weights_of(run) == {name: w for name, w in zip(("mlp", "svm"), fitted, strict=True) if w > 0}
    assert run.record.tta.method == "flip"
    saved = load_predictions(run.folder, tta=True)
    assert score(saved.labels, saved.probabilities, run.record.job.classes).accuracy == run.record.tta.scores.accuracy
    (row,) = [row for row in results.board.rows if row.runner == "mean"]
    assert row.tta == "flip"


def test_it_is_a_row_of_its_own_that_says_what_it_is(results, three):
    results.put(three, chosen=True)
    rows = {row.runner: row for row in results.board.rows}
    assert len(rows) == 4
    row = rows["mean"]
    assert (row.family, row.recipe, len(row.runs), row.rankable) == ("ensemble", "ensemble", 1, True)
    assert "chosen from 3, with their weights, on validation" in row.note()
    assert select(results.store.scan()[0], "mean").row.label == "mean"


def test_its_note_has_the_weights_the_heaviest_first(results, three):
    run = results.put(three, weights="validation")
    (row,) = [row for row in results.board.rows if row.runner == "mean"]
    heaviest_first = sorted(weights_of(run).items(), key=lambda pair: -pair[1])
    assert len({round(weight, 2) for _, weight in heaviest_first}) == len(heaviest_first) > 1
    places = [row.note().index(f"{weight:.2f} {name} (") for name, weight in heaviest_first]
    assert places == sorted(places)


def test_its_cost_is_the_sum_of_its_members_and_time_only_on_one_machine(results, three):
    cost = results.put(three).record.cost
    assert (cost.parameters, cost.fit_seconds) == (3 * 1234567, sum(run.record.cost.fit_seconds for run in three))
    assert cost.macs is None
    elsewhere = three[0].record.model_copy(update={"environment": Environment(device="gpu")})
    folder = results.store.commit(elsewhere, _with_predictions(results.store, three[0]))
    mixed = results.put([StoredRun(elsewhere, folder), *three[1:]], force=True)
    assert (mixed.record.cost.parameters, mixed.record.cost.fit_seconds) == (3 * 1234567, None)
    assert {place for place, _ in results.board.by_hardware()} == {"cpu", "gpu"}


def _with_predictions(store: Store, run: StoredRun) -> Path:
    work = store.work(run.record.job)
    shutil.copy(run.folder / PREDICTIONS, work)
    return work


def test_a_member_picked_on_test_takes_the_rank_of_all(results, three):
    picked = results.add("vgg19-full", 4, checkpoint="test", training={"init": "random", "checkpoint": "test"})
    run = results.put([*three, picked])
    assert run.record.job.checkpoint == run.record.training.checkpoint == "test"
    (row,) = [row for row in results.board.rows if row.runner == "mean"]
    assert not row.rankable
    assert "checkpoint picked on the test part: not ranked" in row.note()


def test_a_quick_look_among_the_members_is_one_of_the_whole(results, three):
    results.put([*three, results.add("hog-svm", 4, limit=20)])
    (row,) = [row for row in results.board.rows if row.runner == "mean"]
    assert row.quick_look


@pytest.mark.parametrize("fate", ["removed", "again", "superseded"])
def test_it_is_stale_where_a_member_is_no_longer_what_it_was(results, three, fate):
    results.put(three)
    assert not [row for row in results.board.rows if row.stale]
    if fate == "removed":
        shutil.rmtree(three[1].folder)
    elif fate == "again":
        results.add("mlp", 2, started="2026-05-01T00:00:00Z")
    else:
        results.add("mlp", 2, started="2026-05-01T00:00:00Z", runner_version=2)
    (row,) = [row for row in results.board.rows if row.runner == "mean"]
    assert row.stale == ("members changed",)
    assert not row.rankable
    assert "stale: members changed" in row.note()


def test_a_member_that_was_none_of_the_chosen_may_go(results, three):
    results.put(three, name="best", chosen=True)
    members = results.store.scan()[0]
    kept = next(run.record.ensemble for run in members if run.record.ensemble)
    others = [run for run in three if run.record.job.key not in {member.key for member in kept.members}]
    for run in others:
        shutil.rmtree(run.folder)
    assert not [row for row in results.board.rows if row.stale]


def test_another_one_of_the_name_is_put_there_by_force_only(results, three):
    first = results.put(three)
    assert results.put(three).record.job == first.record.job  # the same once more
    with pytest.raises(InputError, match=r"mean is taken \(.*mean"):
        results.put(three[:2])
    assert results.store.find(first.record.job)
    second = results.put(three[:2], force=True)
    found = [run for run in results.store.scan()[0] if run.record.ensemble]
    assert found == [second]


def test_unseen_images_are_those_of_the_split(tiny_npz, tmp_path):
    """Also where the predictions stand in another order than the split."""
    dataset = load_dataset(tiny_npz)
    split = replace(make_split(dataset), test_seen=np.arange(28) % 5 == 0)
    store = Store(tmp_path / "results")
    labels, probabilities = dataset.labels[split.test], said(1, len(split.test), 1.0)[1]
    whole = record("svm", dataset_digest=dataset.digest, split_digest=split.digest)
    order = np.random.default_rng(0).permutation(len(labels))
    given = Predictions(split.test[order].astype(np.int32), labels[order], probabilities[order])
    keep(store, whole, given)
    (run,) = store.scan()[0]
    made = average([run], "mean", split=split)
    wanted = score(labels, probabilities, dataset.classes, split.test_seen)
    assert np.array_equal(made.arrays["rows"], given.rows)
    assert wanted.images_unseen == 22
    found = made.record.scores
    assert (found.images_unseen, found.accuracy_unseen) == (wanted.images_unseen, wanted.accuracy_unseen)


@pytest.mark.parametrize(
    ("add", "how", "message"),
    [
        (("mlp", 9, {"split": "notebook", "split_digest": "s2"}), {}, "an ensemble is of one board"),
        (("mlp", 9, {"dataset_digest": "d2"}), {}, "an ensemble is of one board"),
        (("mlp", 9, {"classes": ["a", "b", "c", "d", "e", "f", "g"]}), {}, "an ensemble is of one board"),
        (("svm", 1, {}), {}, r"svm \(published, seed 0\) is named twice"),
        (("mlp", 9, {"shift": 1}), {}, "not of the same test images"),
        (("mlp", 9, {"held": 0}), {"chosen": True}, r"mlp \(published, seed 0\) has no validation predictions"),
        (("mlp", 9, {"held": 20}), {"weights": "validation"}, "have not the same validation part"),
        (("mlp", 9, {}), {"tta": True}, r"--with-tta: no predictions with it for mlp \(published, seed 0\)"),
        (("mlp", 9, {"tta": "ten-crop"}), {"tta": True}, "not the same for all: flip of svm .*, ten-crop of mlp"),
    ],
)
def test_what_can_not_be_averaged_is_refused(results, add, how, message):
    first = results.add("svm", 1, tta="flip")
    runner, number, changes = add
    with pytest.raises(InputError, match=message):
        average([first, results.add(runner, number, **changes)], "mean", **how)


def test_an_ensemble_of_ensembles_is_refused(results, three):
    with pytest.raises(InputError, match="mean is an ensemble; name its members instead"):
        average([results.put(three[:2]), three[2]], "more")


def test_a_run_that_is_made_again_meanwhile_is_noticed(results, three):
    results.add("mlp", 2, started="2026-05-01T00:00:00Z")
    with pytest.raises(InputError, match=r"mlp .* was run again in the meantime"):
        average(three, "mean")


def test_without_a_common_validation_part_equal_weights_still_do(results, three):
    run = results.put([*three, results.add("hog-svm", 4, held=20, limit=20)])
    assert run.record.validation_scores is None
    assert len(load_predictions(run.folder, "validation").rows) == 0


def test_costs_that_nobody_knows_are_no_sums(results, three):
    unknown = three[0].record.model_copy(update={"cost": Cost()})
    folder = results.store.commit(unknown, _with_predictions(results.store, three[0]))
    cost = results.put([StoredRun(unknown, folder), *three[1:]]).record.cost
    assert (cost.parameters, cost.fit_seconds) == (None, None)
