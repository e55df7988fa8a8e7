"""Records and predictions are held against each other: what disagrees is named and left out, whatever it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_records import answers, keep, predictions, record

from fer_bench import leaderboards
from fer_bench.board.board import file_name
from fer_bench.cli import main
from fer_bench.errors import InputError
from fer_bench.records.predictions import Contradiction, held, load_predictions, predictions_of
from fer_bench.records.record import RunRecord
from fer_bench.records.store import Store
from fer_bench.report.spare import spared


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results")
    store.prepare()
    for run in (record("svm", 0.44), record("mlp", 0.64), record("knn", 0.5)):
        keep(store, run)
    return store


def folder(store: Store, runner: str) -> Path:
    (found,) = (store.root / "fer2013/official" / runner).iterdir()
    return found


def invoke(command: str, store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(main, [command, "--results", str(store.root), *arguments])


def edit(store: Store, runner: str, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder(store, runner) / "record.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))
    return path


def forget_digests(store: Store) -> None:
    """Makes records those of before digests were noted."""
    for path in store.root.rglob("record.json"):
        fields = json.loads(path.read_text()) | {"schema_version": 4}
        del fields["predictions_digest"]
        path.write_text(json.dumps(fields))


def swap(store: Store, one: str, other: str) -> list[Path]:
    paths = [folder(store, name) / "predictions.npz" for name in (one, other)]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    return paths


def test_a_record_has_the_digest_of_its_predictions(store: Store):
    for run in store.scan()[0]:
        digest = hashlib.sha256((run.folder / "predictions.npz").read_bytes()).hexdigest()
        assert run.record.predictions_digest == digest
    keep(store, failed := record("mlp", status="oom", seed=1))
    assert failed.predictions_digest is None


def test_a_record_from_before_digests_reads_as_before(store: Store):
    before = {run.record.job.key: run.record for run in store.scan()[0]}
    forget_digests(store)
    runs, problems = store.scan()
    assert not problems
    for run in runs:
        assert run.record == before[run.record.job.key].model_copy(update={"predictions_digest": None})
    assert held(runs).problems == []
    assert [row.rank for row in leaderboards(runs)[0].rows] == [1, 2, 3]


@pytest.mark.parametrize("noted", [True, False])
def test_swapped_predictions_answer_nothing(store: Store, noted: bool):
    if not noted:
        forget_digests(store)
    paths = swap(store, "svm", "mlp")
    found = held(store.scan()[0])
    assert [run.record.job.runner for run in found.runs] == ["knn"]
    assert len(found.problems) == 2
    assert all(str(path) in line for path, line in zip(sorted(paths), sorted(found.problems), strict=True))
    assert [row.runner for row in leaderboards(store.scan()[0])[0].rows] == ["knn"]
    done = invoke("compare", store, "svm", "mlp")
    assert done.exit_code == 2
    assert f"{paths[0]}: not those of its record" in done.stderr
    if noted:
        done = invoke("report", store)
        assert done.exit_code == 1
        assert "knn" in done.stdout
        assert "64.0" not in done.stdout
        assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda given: given["rows"].__setitem__(1, given["rows"][0]), "a row twice"),
        (lambda given: given["labels"].__setitem__(0, 6), "or other mistakes"),
        (lambda given: given.update({name: values[:100] for name, values in given.items()}), "100 images of 7 classes"),
        (lambda given: given.update(probabilities=np.full((200, 8), 1 / 8, np.float16)), "200 images of 8 classes"),
        (lambda given: given.update(probabilities=given["probabilities"][::-1]), "or other mistakes"),
    ],
)
def test_predictions_of_an_old_record_must_give_its_scores(store: Store, change: Callable[[Any], object], words: str):
    forget_digests(store)
    path = folder(store, "svm") / "predictions.npz"
    given = {name: array.copy() for name, array in load_predictions(path.parent)._asdict().items()}
    change(given)
    np.savez(path, **given)
    run = next(run for run in store.scan()[0] if run.record.job.runner == "svm")
    with pytest.raises(Contradiction, match=words):
        predictions_of(run)


def set_to(value: object, *names: str) -> Callable[[dict[str, Any]], None]:
    def change(fields: dict[str, Any]) -> None:
        for name in names[:-1]:
            fields = fields[name]
        fields[names[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_to(0.99, "scores", "accuracy"), "accuracy 0.99 outside its interval"),
        (set_to(0.45, "scores", "accuracy"), "accuracy 0.45, 0.44 by its confusion matrix"),
        (set_to(0.9, "scores", "macro_f1"), "macro_f1 0.9"),
        (set_to(0.9, "scores", "weighted_f1"), "weighted_f1 0.9"),
        (set_to(0.9, "scores", "balanced_accuracy"), "balanced_accuracy 0.9"),
        (set_to(0.9, "scores", "emotions", "happiness", "recall"), "happiness: recall 0.9"),
        (set_to(0.9, "scores", "emotions", "happiness", "precision"), "happiness: precision 0.9"),
        (set_to(0.9, "scores", "emotions", "happiness", "f1"), "happiness: F1 0.9"),
        (set_to(3, "scores", "emotions", "happiness", "images"), "happiness: images 3"),
        (set_to([200, 0, 0, 0, 0, 0, 0], "scores", "emotions", "happiness", "distribution"), "happiness: distribution"),
        (set_to(201, "scores", "images_unseen"), "unseen images"),
        (set_to(None, "scores", "accuracy_unseen"), "unseen images"),
        (set_to(100, "job", "test_images"), "200 images, 100 in the test part"),
        (set_to(0, "training", "batch_divisor"), "batch_divisor: 0"),
        (set_to(-2, "training", "best_epoch"), "best_epoch: -2, a negative figure"),
        (set_to(-2, "training", "interruptions"), "interruptions: -2, a negative figure"),
        (set_to(-2, "job", "train_images"), "train_images: -2, a negative figure"),
        (set_to({"stages": 5}, "job", "recipe_fields"), "stages: 5 is no list"),
        (set_to({"stages": [5]}, "job", "recipe_fields"), "is no list of stages"),
        (set_to({"batch": "64"}, "job", "recipe_fields"), "batch: '64', a whole number"),
        (set_to({"epochs": ""}, "job", "recipe_fields"), "epochs: '', a whole number"),
        (set_to({"stages": [{"epochs": [1]}]}, "job", "recipe_fields"), "stages.0.epochs: [1], a whole number"),
        (set_to({"fit": -1.0}, "cost", "phases"), "cost.phases.fit: -1.0, a negative figure"),
        (set_to("abc", "predictions_digest"), "predictions_digest"),
    ],
)
def test_a_record_that_contradicts_itself_is_named_and_left_out(store: Store, change: Any, words: str):
    path = edit(store, "svm", change)
    runs, problems = store.scan()
    assert [run.record.job.runner for run in runs] == ["knn", "mlp"]
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}: not a valid record (")
    assert words in problems[0]


def test_a_bad_evaluation_and_long_names_do_not_bring_a_report_down(store: Store):
    evaluation = folder(store, "svm") / "evaluations/ck-1/evaluation.json"
    evaluation.parent.mkdir(parents=True)
    evaluation.write_text('{"schema_version": 1}')
    edit(store, "mlp", set_to("GPU " * 120, "environment", "device"))
    edit(store, "knn", set_to("GPU " * 120, "environment", "device"))
    done = invoke("report", store)
    assert done.exit_code == 1
    assert [line for line in done.stderr.splitlines() if f"{evaluation}: not a readable evaluation" in line]
    assert "svm" in done.stdout
    assert (store.root / "index.html").exists()


def test_a_long_name_of_a_file_is_cut_and_stays_its_own():
    one, other = file_name("x" * 300), file_name("x" * 301)
    assert len(one) == len(other) == 100
    assert one != other
    assert file_name("a b/c") == "a-b-c"


def test_what_no_check_foresaw_is_found_named_and_left_out(store: Store):
    for seed in range(9):
        keep(store, record("mlp", 0.6, seed=seed))
    runs = store.scan()[0]
    bad = {run.folder for run in runs if run.record.job.seed in (3, 7)}

    def work(some: Any) -> int:
        if bad & {run.folder for run in some}:
            raise ZeroDivisionError("nobody thought of that")
        return len(some)

    result, rest, problems = spared(runs, work)
    assert result == len(rest) == len(runs) - 2
    assert len(problems) == 2
    assert all("ZeroDivisionError: nobody thought of that" in line for line in problems)
    with pytest.raises(InputError):
        spared(runs, lambda _: predictions_of(runs[0]._replace(folder=store.root)))


def said(lines: str, *words: str) -> bool:
    return any(all(word in line for word in words) for line in lines.splitlines())


def test_verify_computes_every_score_again(store: Store):
    for path in store.root.rglob("record.json"):  # whose scores are of the probabilities before they were rounded
        path.parent.joinpath("predictions.npz").unlink()
    for runner, right in (("svm", 0.44), ("mlp", 0.64), ("knn", 0.5)):
        run = record(runner, right)
        keep(store, rounded(run))
    done = invoke("report", store, "--verify")
    assert done.exit_code == 0, done.output
    assert "3 records with scores, computed again: every score is that of its predictions" in done.stderr
    assert not (store.root / "README.md").exists()
    path = edit(store, "svm", set_to(0.25, "scores", "log_loss"))
    edit(store, "mlp", set_to(0.875, "scores", "emotions", "happiness", "true_confidence"))
    swapped = folder(store, "knn") / "predictions.npz"
    np.savez(swapped, **predictions(record("knn", 0.5, dataset_digest="d2"))._asdict())
    done = invoke("report", store, "--verify")
    assert done.exit_code == 1
    assert said(done.stdout, f"{path}: scores.log_loss is 0.25, computed again ")
    assert said(done.stdout, "scores.emotions.happiness.true_confidence is 0.875, computed again 0.")
    assert said(done.stdout, f"{swapped}: not those of its record")
    assert len(done.stdout.splitlines()) == 3


def rounded(run: RunRecord) -> RunRecord:
    """A made record with the scores of its predictions as they are stored."""
    from fer_bench.scores.metrics import score

    given = predictions(run)
    return run.model_copy(
        update={"scores": score(given.labels, given.probabilities, run.job.classes, np.arange(200) % 10 == 0)}
    )


def test_verify_holds_labels_against_the_data(tmp_path: Path, tiny_npz: Path):
    from fer_bench.data.load import load_dataset
    from fer_bench.data.splits import make_split
    from fer_bench.records.predictions import Predictions
    from fer_bench.scores.metrics import score

    data = load_dataset(tiny_npz)
    split = make_split(data, "official")
    store = Store(tmp_path / "results")
    store.prepare()
    for name, labels in (("svm", data.labels[split.test]), ("mlp", (data.labels[split.test] + 1) % 7)):
        probabilities = answers(0.5, 7)[1][: len(labels)].astype(np.float16)
        fields = {"dataset": data.name, "dataset_digest": data.digest, "split_digest": split.digest}
        run = record(name, **fields)
        job = run.job.model_copy(update={"test_images": len(labels)})
        scores = score(labels, probabilities, data.classes, split.test_seen)
        keep(
            store,
            run.model_copy(update={"job": job, "scores": scores}),
            Predictions(split.test.astype(np.int32), labels, probabilities),
        )
    assert invoke("report", store, "--verify").exit_code == 0
    done = invoke("report", store, "--verify", "--data", str(tiny_npz))
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 1
    assert said(done.stdout, "mlp", "in the predictions", "in the data; 28 are like that")
