"""Small models in files: ONNX as ``fer-bench export`` writes it, made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def weights(classes: int = 7, seed: int = 0) -> np.ndarray:
    """(2304, classes) float32, by which a linear model is sure of some faces and not of others."""
    return np.random.default_rng(seed).normal(0, 0.25, (48 * 48, classes)).astype(np.float32)


def write_onnx(
    path: Path,
    matrix: np.ndarray | None = None,
    *,
    about: dict[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
    **change: Any,
) -> Path:
    """A linear softmax over the pixels / 255; ``about`` changes what it says of itself, ``metadata`` replaces that,
    ``change`` the names and types of its ends.
    """
    from onnx import TensorProto, helper, numpy_helper, save

    matrix = weights() if matrix is None else matrix
    image, answer = change.get("input", "images"), change.get("output", "probabilities")
    kind = change.get("kind", TensorProto.UINT8)
    side = change.get("side", 48)
    nodes = [
        helper.make_node("Cast", [image], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["pixels", "shape"], ["rows"]),
        helper.make_node("Div", ["rows", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "matrix"], ["scores"]),
        helper.make_node("Softmax", ["scores"], [answer], axis=-1),
        *change.get("nodes", []),
    ]
    constants = {
        "shape": np.array([-1, side * side], np.int64),
        "scale": np.array(255, np.float32),
        "matrix": matrix[: side * side],
    }
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(image, kind, ["N", side, side])],
        [helper.make_tensor_value_info(answer, TensorProto.FLOAT, ["N", matrix.shape[1]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    said = {"schema": 1, "name": "linear", "classes": list(EMOTIONS[: matrix.shape[1]]), "key": "ab" * 32} | (
        about or {}
    )
    helper.set_model_props(model, metadata if metadata is not None else {"fer_bench": json.dumps(said)})
    save(model, str(path))
    return path


def tiny_onnx(path: Path) -> Path:
    """The same over the mean of the pixels alone: most bytes of the file are its structure."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(write_onnx(path))
    graph = model.graph
    graph.initializer[-1].CopyFrom(numpy_helper.from_array(weights()[:1], "matrix"))
    graph.node.insert(3, helper.make_node("ReduceMean", ["scaled"], ["mean"], axes=[1], keepdims=1))
    graph.node[4].input[0] = "mean"
    path.write_bytes(model.SerializeToString())
    return path


def linear(images: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """What such a model says, computed in float64."""
    scores = images.reshape(len(images), -1) / 255.0 @ matrix.astype(np.float64)
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
