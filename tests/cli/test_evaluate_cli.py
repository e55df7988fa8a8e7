"""``fer-bench evaluate`` on a plugin's models trained on the tiny set."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_records import leftovers, record
from PIL import Image

from fer_bench.cli import main
from fer_bench.data.load import load_foreign
from fer_bench.engine.evaluate import evaluate as evaluate_run
from fer_bench.engine.job import Options
from fer_bench.errors import InputError
from fer_bench.records.store import Store

FAULTY = str(Path(__file__).parents[1] / "engine" / "faulty.py")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def trained(tiny_npz, tmp_path_factory) -> Path:
    """A results folder with two seeds of a model."""
    root = tmp_path_factory.mktemp("trained") / "results"
    done = invoke("run", "good", "--plugin", FAULTY, "--seeds", 2, "--data", tiny_npz, "--results", root)
    assert done.exit_code == 0, done.output
    return root


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """Folders <emotion>/<subject>: the tiny set's happiness, sadness and neutral in brightness, and contempt."""
    root = tmp_path_factory.mktemp("data") / "CK Plus"
    rng = np.random.default_rng(3)
    for name, level in (("happy", 3), ("sad", 4), ("neutral", 6), ("contempt", 2)):
        for subject in ("S1", "S2", "S3"):
            (root / name / subject).mkdir(parents=True)
            for number in range(4):
                image = np.clip(30 + 30 * level + rng.normal(0, 25, (48, 48)), 0, 255).astype(np.uint8)
                Image.fromarray(image).save(root / name / subject / f"{number}.png")
    return root


@pytest.fixture
def evaluate(trained, other):
    def evaluate(*arguments: object, data: object = other, results: object = trained) -> Result:
        return invoke("evaluate", *arguments, "--data", data, "--results", results, "--plugin", FAULTY)

    return evaluate


def test_every_seed_is_scored_and_kept(evaluate, trained):
    done = evaluate("good", "--subject", "folder", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [one["seed"] for one in found] == [0, 1]
    for one, run in zip(found, sorted(Store(trained).scan()[0], key=lambda run: run.record.job.seed), strict=True):
        assert (one["images"], one["scored"], one["subjects"]) == (48, 36, 3)
        assert one["dropped"] == {"contempt": 12}
        assert one["missing"] == ["anger", "disgust", "fear", "surprise"]
        (folder,) = (run.folder / "evaluations").iterdir()
        assert folder.name == f"ck-plus-{one['data_digest'][:8]}"
        assert json.loads((folder / "evaluation.json").read_text()) == one
        with np.load(folder / "predictions.npz") as saved:
            right = saved["probabilities"].argmax(axis=1) == saved["labels"]
            assert set(saved["subjects"]) == {"S1", "S2", "S3"}
        assert one["whole"]["scores"]["accuracy"] == right.mean()
        assert one["masked"]["scores"]["accuracy"] >= right.mean()
    assert not leftovers(trained)
    board = invoke("report", "--results", trained).stdout
    assert "good" in board
    assert "| ck-plus-" in (trained / "README.md").read_text()


def test_a_person_reads_what_was_dropped_and_what_was_masked(evaluate, trained):
    done = evaluate(next(trained.glob("*/official/good/*-s0-*")), "--subject", "folder")
    for words in (
        "36 of 48 images scored, of 3 subjects",
        "dropped, as the model does not know them: contempt (12)",
        "without an image in ck-plus: anger, disgust, fear, surprise",
        "accuracy over subjects  [",
        "F1, masked",
    ):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_numbers_in_an_order_that_nobody_named(evaluate, trained, tiny_npz, tmp_path):
    """A set whose numbers are AffectNet's is refused unsaid, as the model speaks against FER-2013's order; said, it is
    read.
    """
    with np.load(tiny_npz) as file:
        images, labels = file["images"][::-1], file["labels"][::-1]
    orders = {"fer2013": (0, 1, 2, 3, 4, 5, 6), "affectnet": (6, 5, 4, 1, 2, 3, 0)}
    for name, numbers in orders.items():
        np.savez(tmp_path / f"{name}.npz", images=images, labels=np.array(numbers)[labels])
    right = evaluate("good", "--json", data=tmp_path / "fer2013.npz")
    assert right.exit_code == 0, right.output
    assert "numbers read as 0 anger, 1 disgust" in right.stderr
    before = sorted(trained.rglob("*"))
    refused = evaluate("good", data=tmp_path / "affectnet.npz")
    assert refused.exit_code == 2
    assert "as --classes affectnet reads them; say which it is" in refused.stderr
    assert sorted(trained.rglob("*")) == before
    read = evaluate("good", "--classes", "affectnet", "--json", data=tmp_path / "affectnet.npz")
    assert "0 neutral, 1 happiness" in read.stderr
    for one, other in zip(json.loads(right.stdout), json.loads(read.stdout), strict=True):
        assert one["whole"]["scores"] == other["whole"]["scores"]
        assert one["data_digest"] == other["data_digest"]
    insisted = evaluate("good", "--classes", "fer2013", data=tmp_path / "affectnet.npz")
    assert insisted.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["god"], "did you mean good"),
        (["good", "--subject", "person"], "no column 'person'"),
        (["good"], "--subject folder"),
        (["good:tuned"], "good"),
        (["good", "--device", "gpu:99"], "gpu"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(evaluate, arguments, words):
    refused(evaluate(*arguments), words)


def refused(done: Result, words: str) -> None:
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert len([line for line in done.stderr.splitlines() if "images of" not in line]) == 1


def test_data_that_can_not_be_evaluated_on(evaluate, tiny_npz, tmp_path):
    refused(evaluate("good", data=tmp_path / "gone"), "no such file or folder")
    refused(evaluate("good", data=tiny_npz), "was trained on tiny.npz")
    (tmp_path / "broken.npz").write_bytes(b"x")
    refused(evaluate("good", data=tmp_path / "broken.npz"), "not readable")
    np.savez(tmp_path / "bored.npz", images=np.full((3, 48, 48), 9, np.uint8), labels=["bored"] * 3)
    refused(
        evaluate("good", data=tmp_path / "bored.npz"), "no class in common: bored.npz has bored; the model knows anger"
    )
    refused(evaluate("good", results=tmp_path / "none"), "no results folder")


def test_models_that_are_not_there_or_broken(evaluate, trained, tmp_path):
    root = tmp_path / "results"
    shutil.copytree(trained, root, ignore=shutil.ignore_patterns("evaluations"))
    models = sorted(root.glob("*/official/good/*/model"))
    (models[0] / "centroids.npy").write_bytes(b"x")
    key = models[0].parent.name.rpartition("-")[2]
    refused(evaluate(key, "--subject", "folder", results=root), "can't be used")
    assert not list(root.glob("*/official/good/*/evaluations"))
    assert not leftovers(root)
    shutil.rmtree(models[1])
    done = evaluate(models[1].parent, "--subject", "folder", results=root)
    refused(done, "has no model")
    assert "fer-bench run good --recipe default --split official --force" in done.stderr
    store = Store(root)
    store.commit(record("their-net", family="external", recipe="external"), None)
    refused(evaluate("their-net", "--subject", "folder", results=root), "scored from predictions made elsewhere")


def test_a_model_that_is_trained_again_meanwhile_is_not_evaluated(trained, other, tmp_path):
    root = tmp_path / "results"
    shutil.copytree(trained, root, ignore=shutil.ignore_patterns("evaluations"))
    store = Store(root)
    run = store.scan()[0][0]
    foreign, _ = load_foreign(other, "folder")
    with ThreadPoolExecutor(1) as pool:
        with store.claim(run.record.job):
            waits = pool.submit(evaluate_run, run, "good", foreign, None, store, Options(plugins=(FAULTY,)))
            store.commit(run.record.model_copy(update={"started": "2030-01-01T00:00:00+00:00"}), None)
            assert not waits.done()
        with pytest.raises(InputError, match="trained again"):
            waits.result(60)
    assert not list(root.glob("*/official/good/*/evaluations"))


def as_npz(path: Path, source: Path, rows: np.ndarray) -> Path:
    """Some rows of an .npz set, without their usage."""
    with np.load(source) as file:
        np.savez(path, images=file["images"][rows], labels=file["labels"][rows])
    return path


@pytest.mark.parametrize("known_by", ["its file", "its data"])
def test_images_that_it_was_trained_on_are_counted_and_left_out(
    evaluate, trained, tiny_npz, tmp_path, monkeypatch, known_by
):
    """In another order, among others, without their usage: by the file of the model, and for a run without it by its
    data.
    """
    root = tmp_path / "results"
    shutil.copytree(trained, root)
    if known_by == "its data":
        for path in root.glob("*/official/good/*/model/training-images.npz"):
            path.unlink()
        monkeypatch.setenv("FER_BENCH_DATA", str(tiny_npz))
    with np.load(tiny_npz) as file:
        usage = file["usage"]
    test = np.flatnonzero(usage == "PrivateTest")
    rows = np.random.default_rng(0).permutation([*np.flatnonzero(usage == "Training")[:40], *test])
    mixed = as_npz(tmp_path / "mixed.npz", tiny_npz, rows)
    (run,) = (run for run in Store(root).scan()[0] if run.record.job.seed == 0)
    (one,) = json.loads(evaluate(run.folder, "--json", data=mixed, results=root).stdout)
    assert (one["images"], one["scored"], one["training_images"], one["unchecked"]) == (68, 28, 40, "")
    assert one["whole"]["scores"]["confusion"] == run.record.scores.confusion
    (folder,) = (run.folder / "evaluations").glob("mixed-*")
    with np.load(folder / "predictions.npz") as saved:
        assert set(rows[saved["training_rows"]]) == {*np.flatnonzero(usage == "Training")[:40]}
    done = evaluate(run.folder, "--keep-training-images", data=mixed, results=root)
    assert "68 of 68 images scored" in done.stdout
    assert "40 images are of those that it was trained on (tiny, split official): scored with the others" in done.stdout
    nothing = evaluate(
        run.folder, data=as_npz(tmp_path / "n.npz", tiny_npz, rows[usage[rows] == "Training"]), results=root
    )
    refused(
        nothing, "n.npz: nothing is left to score, good was trained on all 40 images whose emotion it knows (tiny, spl"
    )


def test_where_nobody_knows_what_it_was_trained_on_a_line_says_so(evaluate, trained, tiny_npz, tmp_path, monkeypatch):
    root = tmp_path / "results"
    shutil.copytree(trained, root)
    for path in root.glob("*/official/good/*/model/training-images.npz"):
        path.unlink()
    monkeypatch.setenv("FER_BENCH_DATA", "synthetic")
    data = as_npz(tmp_path / "some.npz", tiny_npz, np.arange(20))
    done = evaluate(next(root.glob("*/official/good/*-s0-*")), data=data, results=root)
    assert "20 of 20 images scored" in done.stdout
    assert "could not be checked for images that it was trained on: it was trained on tiny, which" in done.stdout


def test_a_worker_that_crashes_ends_it_with_code_1_and_the_other_seed_is_evaluated(
    evaluate, trained, tmp_path, monkeypatch
):
    """The model of one seed makes the process end; that is no mistake of the user's."""
    root = tmp_path / "results"
    shutil.copytree(trained, root, ignore=shutil.ignore_patterns("evaluations"))
    monkeypatch.setenv("FER_BENCH_TEST_ABORT", str(tmp_path / "aborted"))
    done = evaluate("good", "--subject", "folder", "--json", results=root)
    assert done.exit_code == 1, done.output
    assert "did not predict (error): the worker crashed (signal 6, SIGABRT)" in done.stderr
    assert [one["seed"] for one in json.loads(done.stdout)] == [1]
    assert not leftovers(root)
