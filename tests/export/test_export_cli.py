"""``fer-bench export``: the file answers as the run did, alone; what is printed; and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_records import keep, leftovers, record

from fer_bench.export import formats
from fer_bench.records.predictions import predictions_of
from fer_bench.records.store import Store, StoredRun, read_record

#: Loads a file with the library that it is for, and nothing of ours; leaves its answers.
ALONE = {
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession(path)
(given,), (found,) = session.get_inputs(), session.get_outputs()
assert (given.name, given.type, given.shape[1:]) == ("images", "tensor(uint8)", [48, 48])
assert isinstance(given.shape[0], str) and (found.name, found.type) == ("probabilities", "tensor(float)")
answers = np.concatenate([session.run(None, {"images": part})[0] for part in (images[:1], images[1:])])
about = json.loads(session.get_modelmeta().custom_metadata_map["fer_bench"])
assert not {"keras", "tensorflow", "fer_bench", "sklearn", "onnx"} & sys.modules.keys()
""",
    "litert": """
import tensorflow as tf
lite = tf.lite.Interpreter(path)
(given,), (found,) = lite.get_input_details(), lite.get_output_details()
lite.resize_tensor_input(given["index"], images.shape)
lite.allocate_tensors()
lite.set_tensor(given["index"], images)
lite.invoke()
answers = lite.get_tensor(found["index"])
with zipfile.ZipFile(path) as archive:
    about = json.loads(archive.read("fer_bench.json"))
    assert archive.read("labels.txt").decode().split() == about["classes"]
assert "fer_bench" not in sys.modules
""",
    "keras": """
import keras
model = keras.saving.load_model(path)
answers = np.asarray(model(images))  # as who does not know of `training` calls it
with zipfile.ZipFile(path) as archive:
    about = json.loads(archive.read("metadata.json"))["fer_bench"]
assert "fer_bench" not in sys.modules
""",
}


def alone(path: Path, form: str, images: np.ndarray, tmp_path: Path) -> tuple[np.ndarray, dict]:
    """What a file says of images, and of itself, in a process that knows nothing of this program."""
    np.save(tmp_path / "images.npy", images)
    code = "import json, sys, zipfile\nimport numpy as np\npath, images = sys.argv[1], np.load('images.npy')\n"
    code += ALONE[form] + "np.save('answers.npy', answers)\nprint(json.dumps(about))"
    command = [sys.executable, "-I", "-c", code, str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(tmp_path / "answers.npy"), json.loads(done.stdout)


def run_of(results: Path, name: str) -> StoredRun:
    (folder,) = results.glob(f"*/official/{name}/*")
    return StoredRun(read_record(folder / "record.json"), folder)


def test_images_of(tiny_npz: Path, usage: str) -> np.ndarray:
    with np.load(tiny_npz) as arrays:
        return arrays["images"][arrays["usage"] == usage]


test_images_of.__test__ = False


@pytest.mark.parametrize(
    ("name", "form", "within"),
    [
        ("tiny-net", "onnx", 0.03),  # the run computed in bfloat16, where the processor can
        ("tiny-net", "litert", 0.03),
        ("tiny-net", "keras", 0.03),
        ("svm", "onnx", 0.001),  # what a run keeps is float16
        ("hog-svm", "onnx", 0.001),
        ("xgboost", "onnx", 0.001),
    ],
)
def test_a_file_answers_alone_as_the_run_did_on_the_test_part(
    name, form, within, exported, trained, tiny_npz, tmp_path
):
    path, done = exported(name, form)
    run = run_of(trained, name)
    kept = predictions_of(run)
    found, about = alone(path, form, test_images_of(tiny_npz, "PrivateTest"), tmp_path)
    np.testing.assert_allclose(found, kept.probabilities, atol=within)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert found.dtype == np.float32
    assert np.unique(found.argmax(axis=1)).size > 1

    job, scores = run.record.job, run.record.scores
    assert about["classes"] == job.classes
    assert (about["schema"], about["name"], about["runner"]) == (1, f"{name}:{job.recipe}", name)
    assert (about["key"], about["recipe"], about["seed"]) == (job.key, job.recipe, 0)
    assert (about["data"], about["split"]) == (job.dataset, "official")
    assert about["figures"]["accuracy"] == scores.accuracy
    assert about["figures"]["confusion"] == scores.confusion
    assert about["figures"]["emotions"]["fear"]["recall"] == scores.emotions["fear"].recall
    assert about["made_by"].startswith("fer-bench ")

    told = json.loads(done.stdout)
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    parity = told["parity"]
    assert (parity["part"], parity["images"]) == ("validation", 21)
    assert (parity["largest_float32"] or 0 if name == "tiny-net" else parity["largest"]) < 1e-4
    assert not leftovers(trained)


def test_smaller_weights_and_a_row_of_its_own(export, exported, trained, tiny_npz, tmp_path):
    whole, _ = exported("tiny-net")
    half, _ = exported("tiny-net", "onnx", "float16")
    assert half.stat().st_size < 0.75 * whole.stat().st_size  # metadata and graph stay
    # Made by two processes, yet node for node the same, but for the casts: a model is the same file each time.
    nodes, more = onnx.load(whole).graph.node, onnx.load(half).graph.node
    assert list(more)[len(more) - len(nodes) :] == list(nodes)
    assert {node.op_type for node in list(more)[: len(more) - len(nodes)]} == {"Cast"}
    results = tmp_path / "results"
    shutil.copytree(trained, results)
    done = export("tiny-net", "--quantize", "int8", "--row", "tiny-net-int8", results=results)
    assert done.exit_code == 0, done.output
    (path,) = tmp_path.glob("*.onnx")
    assert path.name == "tiny-net-default-s0.onnx"
    found, about = alone(path, "onnx", test_images_of(tiny_npz, "PrivateTest"), tmp_path)
    assert about["weights"] == "int8"
    row = run_of(results, "tiny-net-int8")
    kept = predictions_of(row)
    np.testing.assert_allclose(found, kept.probabilities, atol=0.001)
    assert row.record.scores.accuracy == (found.argmax(axis=1) == kept.labels).mean()
    extra = row.record.training.extra
    assert extra["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert extra["key"] == run_of(trained, "tiny-net").record.job.key
    assert f"{100 * row.record.scores.accuracy:.1f} % of 28 test images" in done.stdout
    again = export("tiny-net", "--row", "tiny-net-int8", "--output", "other.onnx", results=results)
    assert again.exit_code == 2
    assert "--force replaces it" in again.stderr
    assert not (tmp_path / "other.onnx").exists()


def test_a_file_that_answers_otherwise_is_not_kept(export, tmp_path):
    done = export("says-otherwise")
    assert done.exit_code == 1
    assert "does not answer as the run does" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_half_written(trained, tiny_npz, tmp_path):
    """A limit on the size of files stands for it; the file of the SVM is larger."""
    main = [sys.executable, "-c", "from fer_bench.cli import main; main()"]
    command = [*main, "export", "svm", "--data", str(tiny_npz), "--results", str(trained)]
    limited = ["bash", "-c", 'ulimit -f 400; exec "$@"', "bash", *command, "--output", "svm.onnx"]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "the disk is full" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def refused(done, tmp_path: Path, *words: str) -> None:
    """One line, exit code 2, and no file."""
    assert done.exit_code == 2, done.output
    said = [line for line in done.stderr.splitlines() if not line.startswith("fer-bench: data: ")]
    assert len(said) == 1, said
    assert all(word in said[0] for word in words), said[0]
    assert not list(tmp_path.glob("*.*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["svm", "--format", "litert"], ["no Keras model", "--format onnx"]),
        (["xgboost", "--format", "keras"], ["no Keras model", "--format onnx"]),
        (["svm", "--quantize", "int8"], ["no Keras model", "none and float16"]),
        (["xgboost", "--quantize", "float16"], ["no weights"]),
        (["tiny-net", "--format", "keras", "--quantize", "int8"], ["onnx, litert"]),
        (["own-features"], ["own-features", "features of its own"]),
        (["svm", "--output", "svm.tflite"], ["ends with .onnx"]),
        (["svm", "--output", "nowhere/svm.onnx"], ["no folder nowhere"]),
        (["svm", "--row", "hog-svm"], ["--row hog-svm", "a runner's name"]),
        (["nothing"], ["no run called"]),
    ],
)
def test_what_can_not_be_exported_is_one_line(arguments, words, export, tmp_path):
    refused(export(*arguments), tmp_path, *words)


def test_what_is_there_stays_but_by_force(export, tmp_path):
    path = tmp_path / "svm-published-s0.onnx"
    path.write_bytes(b"mine")
    done = export("svm")
    assert done.exit_code == 2
    assert "--force replaces it" in done.stderr
    assert path.read_bytes() == b"mine"
    planned = export("svm", "--force", "--dry-run")
    assert planned.exit_code == 0
    assert str(path.name) in planned.stdout
    assert path.read_bytes() == b"mine"
    assert export("svm", "--force").exit_code == 0
    assert len(path.read_bytes()) > 1000


def test_a_run_that_can_not_be_told_or_has_no_model_is_one_line(export, trained, tmp_path_factory, tmp_path):
    results = tmp_path_factory.mktemp("results") / "results"
    shutil.copytree(trained, results)
    store, run = Store(results), run_of(results, "svm")
    job = run.record.job.model_copy(update={"seed": 1, "key": "ab" * 32})
    work = store.work(job)
    shutil.copy(run.folder / "predictions.npz", work)
    folder = store.commit(run.record.model_copy(update={"job": job}), work)
    refused(export("svm", results=results), tmp_path, "2 seeds", "abababab", run.record.job.key[:8])
    refused(export("abababab", results=results), tmp_path, "has no model")
    shutil.rmtree(folder)
    refused(export("svm", results=results, data="synthetic"), tmp_path, "has other images")
    keep(store, record("from-outside", family="external", recipe="external"))
    refused(export("from-outside", results=results), tmp_path, "predictions made elsewhere")


def test_a_library_that_is_missing_is_told_before_anything_runs(export, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LIBRARIES", ("onnx", "a_library_that_nobody_has"))
    refused(export("svm"), tmp_path, "a_library_that_nobody_has", "pip install 'fer-bench[export]'")


def test_an_exported_file_names_no_other(exported, tmp_path):
    """All of a model is in its one file: moved elsewhere, it still answers."""
    path, _ = exported("svm")
    moved = tmp_path / "moved" / "m.onnx"
    moved.parent.mkdir()
    shutil.copy(path, moved)
    found, _ = alone(moved, "onnx", np.zeros((2, 48, 48), np.uint8), tmp_path)
    assert found.shape == (2, 7)
    assert not zipfile.is_zipfile(moved)
