"""Models by their names: what an exported file may be, and a trained run that answers from a process of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from made_models import EMOTIONS, linear, weights, write_onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from fer_bench.cli import main
from fer_bench.errors import InputError, RunError
from fer_bench.inference.model import open_model, told_apart
from fer_bench.inference.onnx_model import MOST_BYTES
from fer_bench.records.store import Store

ODD = str(Path(__file__).with_name("odd.py"))
CRASH, RAISE, NAN = 251, 252, 253


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("models") / "linear.onnx")


@pytest.fixture(scope="module")
def trained(tiny_npz, tmp_path_factory) -> Path:
    """A results folder with a run of the runner "brightness" on the tiny set."""
    root = tmp_path_factory.mktemp("trained") / "results"
    arguments = ["run", "brightness", "--plugin", ODD, "--data", str(tiny_npz), "--results", str(root)]
    done = CliRunner().invoke(main, [*arguments, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    return root


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 250, (count, 48, 48), dtype=np.uint8)


def test_a_file_answers_as_its_weights_say(onnx_file):
    model = open_model(str(onnx_file))
    given = images(9)
    assert (model.name, model.classes, model.key) == ("linear", EMOTIONS, "ab" * 32)
    np.testing.assert_allclose(model(given), linear(given, weights()), atol=1e-5)
    np.testing.assert_array_equal(model(given)[4:5], model(given[4:5]))
    assert model(given).dtype == np.float32
    assert model(given[:0]).shape == (0, 7)


def saved(path: Path, change) -> Path:
    """The linear model, after ``change`` has changed its protobuf."""
    model = onnx.load(write_onnx(path))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def endless(model):
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(helper.make_node("Loop", ["", "yes"], [], body=body))


def elsewhere(model):
    tensor = model.graph.initializer[-1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def hidden_elsewhere(model):
    tensor = numpy_helper.from_array(np.zeros(3, np.float32))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["yes"], [], then_branch=inner, else_branch=inner))


def own_operator(model):
    model.graph.node.append(helper.make_node("Run", ["images"], ["x"], domain="org.evil"))


def own_function(model):
    identity = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(helper.make_function("org.evil", "f", ["a"], ["b"], [identity], model.opset_import))


def a_petabyte(model):
    graph = model.graph
    graph.node[-1].output[0] = "inner"
    graph.initializer.append(numpy_helper.from_array(np.array([1 << 50], np.int64), "size"))
    graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["zeros"]))
    graph.node.append(helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0))
    graph.node.append(helper.make_node("Add", ["inner", "zero"], ["probabilities"]))


def logits(model):
    model.graph.node[-1].op_type = "Identity"
    del model.graph.node[-1].attribute[:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (endless, "operator Loop"),
        (elsewhere, "another file"),
        (hidden_elsewhere, "another file"),
        (own_operator, "'org.evil'"),
        (own_function, "operators of its own"),
        (a_petabyte, "can't be run|no model can be made"),
        (logits, "no probability"),
        (lambda model: model.ClearField("graph"), "not an ONNX file"),
        (lambda model: model.graph.node.pop(), "no model can be made|takes and gives"),
    ],
)
def test_what_no_exported_model_has_is_refused(tmp_path, change, words):
    path = saved(tmp_path / "odd.onnx", change)
    with pytest.raises(InputError, match=words) as refusal:
        open_model(str(path))
    assert str(refusal.value).startswith(str(path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {}}, "not one exported by fer-bench"),
        ({"metadata": {"fer_bench": "[" * 100_000}}, "can't be read"),
        ({"metadata": {"fer_bench": "[1]"}}, "can't be read"),
        ({"about": {"schema": 2}}, "form 2, of which this version knows 1"),
        ({"about": {"classes": ["a", "a"]}}, "make no sense"),
        ({"about": {"classes": list("abcdefgh")}}, "8 for each image"),
        ({"about": {"name": None}}, "make no sense"),
        ({"input": "x"}, "takes and gives"),
        ({"answer": "x", "output": "x"}, "takes and gives"),
        ({"kind": TensorProto.FLOAT}, "takes and gives|no model can be made"),
        ({"side": 24}, "takes and gives"),
    ],
)
def test_what_a_file_says_of_itself_is_checked(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        open_model(str(write_onnx(tmp_path / "odd.onnx", **change)))


def test_no_file_of_a_model_is_refused_however_it_is_damaged(tmp_path, onnx_file):
    path = tmp_path / "odd.onnx"
    with pytest.raises(InputError, match=f"no such file: {path}"):
        open_model(str(path))
    content = onnx_file.read_bytes()
    for damaged in (b"", b"hello", b"\xff" * 100, content[:-1], content[: len(content) // 2], content[:100]):
        path.write_bytes(damaged)
        with pytest.raises(InputError):
            open_model(str(path))
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="are the limit"):
        open_model(str(path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a plain file"):
        open_model(str(path))


def test_a_run_answers_as_it_did_when_it_was_scored(trained, tiny_npz):
    (run,) = Store(trained).scan()[0]
    with np.load(run.folder / "predictions.npz") as kept, np.load(tiny_npz) as data:
        wanted, faces = kept["probabilities"], data["images"][kept["rows"]]
    model = open_model("brightness", results=trained, plugins=[ODD])
    try:
        assert (model.name, model.key) == ("brightness:default", run.record.job.key)
        np.testing.assert_array_equal(model(faces).astype(np.float16), wanted)
        many = np.concatenate([faces] * 40)  # more than one call takes
        np.testing.assert_array_equal(model(many), np.concatenate([model(faces)] * 40))
        assert "odd" not in sys.modules, "a plugin's code is for its own process"
    finally:
        model.close()


def test_what_goes_wrong_in_the_process_of_a_run_is_one_line(trained):
    model = open_model("brightness", results=trained, plugins=[ODD])
    face = images(1)
    try:
        for pixel, words in ((RAISE, "too much for me"), (NAN, "NaN")):
            face[0, 0, 0] = pixel
            with pytest.raises(InputError, match=words):
                model(face)
        face[0, 0, 0] = 0
        assert model(face).shape == (1, 7), "it goes on"
        face[0, 0, 0] = CRASH
        with pytest.raises(RunError, match="ended with code 3"):
            model(face)
    finally:
        model.close()


def test_no_process_and_no_file_is_left(trained):
    model = open_model("brightness", results=trained, plugins=[ODD])
    worker, work = model._process, model._work
    assert work.is_dir()
    model.close()
    assert worker.returncode is not None
    assert not work.exists()


def test_a_run_and_a_file_are_asked_side_by_side(trained, onnx_file, tmp_path):
    Image.fromarray(images(1)[0]).save(tmp_path / "face.png")
    models = ["--model", "brightness", "--results", trained, "--plugin", ODD, "--model", onnx_file]
    done = CliRunner().invoke(main, ["predict", str(tmp_path / "face.png"), *map(str, models), "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [row["model"] for row in rows] == ["brightness:default", "linear"]
    assert rows[1]["emotion"] == EMOTIONS[linear(images(1), weights())[0].argmax()]
    assert list(rows[0]["probabilities"]) == list(EMOTIONS)


def test_a_run_that_can_not_answer_is_refused(trained, tmp_path):
    with pytest.raises(InputError, match="no run called 'svm'"):
        open_model("svm", results=trained)
    with pytest.raises(InputError, match="no results folder"):
        open_model("svm", results=tmp_path / "none")
    (run,) = Store(trained).scan()[0]
    hidden = (run.folder / "model").rename(run.folder / "hidden")
    try:
        with pytest.raises(InputError, match="has no model"):
            open_model("brightness", results=trained, plugins=[ODD])
        Image.fromarray(images(1)[0]).save(tmp_path / "face.png")
        models = ["--model", "brightness", "--results", str(trained), "--plugin", ODD]
        done = CliRunner().invoke(main, ["predict", str(tmp_path / "face.png"), *models])
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "has no model" in done.stderr
    finally:
        hidden.rename(run.folder / "model")


def test_two_of_one_name_are_told_apart_by_their_keys(tmp_path, onnx_file):
    one = open_model(str(onnx_file))
    other = open_model(str(write_onnx(tmp_path / "other.onnx", about={"key": "cd" * 32})))
    assert told_apart([one]) == ["linear"]
    assert told_apart([one, other]) == ["linear (abababab)", "linear (cdcdcdcd)"]
    copy = open_model(str(write_onnx(tmp_path / "copy.onnx")))
    assert told_apart([one, copy]) == ["linear (linear.onnx)", "linear (copy.onnx)"]
    namesake = open_model(str(write_onnx(tmp_path / onnx_file.name)))
    assert told_apart([one, namesake]) == [f"linear ({onnx_file})", f"linear ({namesake.source})"]
    with pytest.raises(InputError, match="given twice"):
        told_apart([one, one])
