"""Kept epochs: which they are, what they hold, that they outlive an interruption, and that one can be scored by
hand.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_records import leftovers

from fer_bench.api import registry
from fer_bench.board.ranking import leaderboards
from fer_bench.cli import main
from fer_bench.data.load import load_dataset
from fer_bench.engine import run as run_jobs
from fer_bench.engine.job import Options, plan
from fer_bench.errors import InputError
from fer_bench.records.predictions import load_predictions
from fer_bench.records.record import RunRecord
from fer_bench.records.store import Store, read_record
from fer_bench.training.kept import epoch_file, kept_epochs

PLUGIN = str(Path(__file__).with_name("keeps.py"))


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def trained(tiny_npz, tmp_path_factory) -> Path:
    """The folder of a run that has kept its epochs."""
    results = tmp_path_factory.mktemp("trained") / "results"
    options = ("--plugin", PLUGIN, "--data", tiny_npz, "--results", results, "--device", "cpu", "--threads", 1)
    done = invoke("run", "keeps", "--keep-epochs", *options)
    assert done.exit_code == 0, done.output
    assert not leftovers(results)
    (folder,) = results.glob("*/official/keeps/*")
    return folder


@pytest.fixture
def score(trained, tiny_npz):
    def score(*arguments: object, folder: object = trained, data: object = tiny_npz) -> Result:
        results = trained.parents[3]
        return invoke("score", folder, *arguments, "--plugin", PLUGIN, "--data", data, "--results", results)

    return score


@pytest.fixture
def keeps(trained):
    """The run's runner, with the model that it has stored."""
    registry.load_plugins((PLUGIN,))
    runner = registry.make("keeps", "default")
    runner.load(trained / "model")
    return runner


def improving(folder: Path) -> list[int]:
    """The epochs that were the best so far, by the history."""
    with (folder / "history.csv").open(newline="") as file:
        rows = [(int(row["epoch"]), float(row["val_loss"])) for row in csv.DictReader(file)]
    return [epoch for number, (epoch, value) in enumerate(rows) if all(value < other for _, other in rows[:number])]


def weights_of(folder: Path, epoch: int | None = None) -> list[np.ndarray]:
    """Of a run's model, as it is scored or with a kept epoch loaded by Keras itself."""
    import keras

    from fer_bench.training import preprocess  # noqa: F401  registers a layer

    model = keras.models.load_model(folder / "model" / "model.keras", compile=False)
    if epoch is not None:
        model.load_weights(epoch_file(folder / "model" / "epochs", epoch))
    return model.get_weights()


def test_those_that_improved_are_kept_and_the_last_of_them_is_the_model(trained):
    kept = kept_epochs(trained / "model" / "epochs")
    assert kept == improving(trained)
    assert 1 < len(kept) < 8
    record = read_record(trained / "record.json")
    assert record.training.extra["kept_epochs"] == kept
    assert record.training.best_epoch == kept[-1]
    for best, model in zip(weights_of(trained, kept[-1]), weights_of(trained), strict=True):
        np.testing.assert_array_equal(best, model)
    assert any((a != b).any() for a, b in zip(weights_of(trained, kept[0]), weights_of(trained), strict=True))
    model = sum(path.stat().st_size for path in (trained / "model").glob("*.keras"))
    assert record.cost.model_bytes == model


def test_the_best_kept_epoch_has_the_scores_of_the_run(score, trained):
    record = read_record(trained / "record.json")
    done = score("--epoch", record.training.best_epoch, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads(record.scores.model_dump_json())
    assert not [run for run in Store(trained.parents[3]).scan()[0] if run.record.job.family == "external"]


def test_a_row_of_a_chosen_epoch_is_marked_and_never_ranked(score, trained, keeps, tiny_npz):
    first = kept_epochs(trained / "model" / "epochs")[0]
    done = score("--epoch", first, "--name", "by-hand", "--note", "as its author did")
    assert done.exit_code == 0, done.output
    words = f"epoch {first} of keeps/{trained.name}, chosen by hand: not ranked; as its author did"
    assert words in " ".join(done.stdout.split())
    results = trained.parents[3]
    (folder,) = results.glob("*/official/by-hand/*")
    keeps._model.load_weights(epoch_file(trained / "model" / "epochs", first))
    dataset = load_dataset(tiny_npz)
    given = load_predictions(folder)
    expected = keeps.predict_proba(dataset.images[given.rows])
    np.testing.assert_allclose(given.probabilities, expected, atol=1e-3)
    stored = load_predictions(trained)
    assert np.abs(given.probabilities.astype(float) - stored.probabilities).max() > 1e-2
    (board,) = leaderboards(Store(results).scan()[0])
    ranks = {row.runner: row.rank for row in board.rows}
    assert ranks == {"keeps": 1, "by-hand": None}
    report = invoke("report", "--results", results)
    assert report.exit_code == 0, report.output
    assert "chosen by hand" in (results / "README.md").read_text()
    shutil.rmtree(folder.parent)


def test_what_can_not_be_scored_is_said_in_a_line(score, trained, tmp_path, tiny_npz):
    kept = kept_epochs(trained / "model" / "epochs")
    other = next(epoch for epoch in range(1, 9) if epoch not in kept)
    none, bare = tmp_path / "none", tmp_path / "bare"
    shutil.copytree(trained, none)
    shutil.rmtree(none / "model" / "epochs")
    shutil.copytree(trained, bare, ignore=shutil.ignore_patterns("model"))
    with np.load(tiny_npz) as tiny:
        np.savez(tmp_path / "dark.npz", images=tiny["images"] // 2, labels=tiny["labels"], usage=tiny["usage"])
    for done, words in (
        (score("--epoch", other), f"has not kept epoch {other}; it has {', '.join(map(str, kept))}"),
        (score("--epoch", 1, folder=none), "has kept no epochs; train it so: fer-bench run keeps --recipe default"),
        (score("--epoch", 1, folder=bare), "has no model"),
        (score("--epoch", 1, folder=tmp_path), "holds no record.json"),
        (score("--epoch", 1, folder=tiny_npz), "holds no record.json"),
        (score("--epoch", kept[0], "--split", "notebook"), "was trained on split official"),
        (score("--epoch", kept[0], "--labels", "six"), "was trained on tiny"),
        (score("--epoch", kept[0], data=tmp_path / "dark.npz"), "was trained on tiny"),
        (score("--epoch", kept[0], "--name", "keeps"), "runner's name"),
    ):
        assert done.exit_code == 2, done.output
        assert words in done.stderr
        assert [line for line in done.stderr.splitlines() if not line.startswith("fer-bench: data:")][1:] == []


def test_a_file_of_weights_that_is_damaged_is_refused(keeps, tmp_path):
    (tmp_path / "epoch-001.weights.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        keeps.load_epoch(tmp_path / "epoch-001.weights.h5")


def test_evaluated_on_its_own_test_part_it_has_the_scores_of_its_record(trained, tiny_npz, tmp_path):
    with np.load(tiny_npz) as file:
        test = file["usage"] == "PrivateTest"
        np.savez(tmp_path / "part.npz", images=file["images"][test], labels=file["labels"][test])
    record, results = read_record(trained / "record.json"), trained.parents[3]
    options = ("--plugin", PLUGIN, "--results", results, "--device", "cpu", "--json")
    done = invoke("evaluate", "keeps", "--data", tmp_path / "part.npz", *options)
    assert done.exit_code == 0, done.output
    (one,) = json.loads(done.stdout)
    assert one["whole"]["scores"]["confusion"] == record.scores.confusion
    assert one["whole"]["scores"]["log_loss"] == pytest.approx(record.scores.log_loss, abs=1e-3)
    assert one["masked"] is None
    assert one["environment"]["backend"] == record.environment.backend
    shutil.rmtree(trained / "evaluations")


def test_a_training_taken_up_again_keeps_the_epochs_before(trained, tiny_npz, tmp_path, monkeypatch):
    def go(**options) -> RunRecord:
        options |= {"device": "cpu", "threads": 1, "keep_epochs": True}
        (record,) = run_jobs(["keeps"], data=tiny_npz, results=tmp_path / "cut", plugins=(PLUGIN,), **options)
        return record

    kept = kept_epochs(trained / "model" / "epochs")
    monkeypatch.setenv("FER_BENCH_TEST_KILL", str(kept[1]))
    assert go().status == "error"
    monkeypatch.delenv("FER_BENCH_TEST_KILL")
    record = go(rerun="failed")
    assert (record.status, record.training.interruptions) == ("ok", 1)
    (again,) = (tmp_path / "cut").glob("*/official/keeps/*")
    assert kept_epochs(again / "model" / "epochs") == kept
    for epoch in kept:
        for ours, theirs in zip(weights_of(again, epoch), weights_of(trained, epoch), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(weights_of(again), weights_of(trained), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    probabilities = [load_predictions(folder).probabilities for folder in (again, trained)]
    np.testing.assert_array_equal(*probabilities)
    assert record.scores == read_record(trained / "record.json").scores
    assert not leftovers(tmp_path / "cut")


def test_a_run_without_kept_epochs_is_not_run_again_and_that_is_said(tiny_npz, tmp_path):
    def go(*arguments: str) -> Result:
        results = tmp_path / "results"
        return invoke("run", "jots", *arguments, "--plugin", PLUGIN, "--data", tiny_npz, "--results", results)

    assert go().exit_code == 0
    again = go("--keep-epochs")
    assert again.exit_code == 0, again.output
    assert "1 of 1 jobs went well without --keep-epochs and are not trained again for it; --force does" in again.stderr
    assert go("--keep-epochs", "--force").exit_code == 0
    (folder,) = (tmp_path / "results").glob("*/official/jots/*")
    assert kept_epochs(folder / "model" / "epochs") == [1]
    assert "without --keep-epochs" not in go("--keep-epochs").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["svm"], "runner svm is no Keras model"),
        (["mlp", "--split", "notebook-90-10"], "no validation part"),
        (["mlp", "--no-models"], "--no-models"),
    ],
)
def test_what_has_nothing_to_keep_is_refused_before_anything_runs(tiny_npz, tmp_path, arguments, words):
    results = tmp_path / "results"
    done = invoke("run", *arguments, "--keep-epochs", "--data", tiny_npz, "--results", results)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not results.exists()


def test_under_all_runners_with_nothing_to_keep_are_named_once(tiny_npz, tmp_path):
    done = invoke("run", "--all", "--keep-epochs", "--dry-run", "--data", tiny_npz, "--results", tmp_path / "results")
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stderr.splitlines() if "--keep-epochs" in line]
    assert "svm" in line
    assert "xgboost" in line
    assert "mlp" not in line


def test_the_option_changes_no_key(tiny_npz):
    dataset = load_dataset(tiny_npz)
    keys = [plan(dataset, ["mlp"], options=Options(keep_epochs=keep))[0].info.key for keep in (False, True)]
    assert keys[0] == keys[1]
    with pytest.raises(InputError, match="no validation part"):
        plan(dataset, ["mlp"], ["notebook-90-10"], Options(keep_epochs=True))
    assert plan(dataset, ["mlp"], ["notebook-90-10"], Options(keep_epochs=True, checkpoint="test"))
