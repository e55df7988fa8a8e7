"""The ONNX files that this package makes: what goes in and comes out, what they say of themselves, smaller weights.

One input ``images``, (N, 48, 48) uint8; one output ``probabilities``, (N, classes) float32, each row summing to one;
whatever lies between is in the file. ``metadata_props`` has ``fer_bench``, a JSON object: see ``about.about``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..data.dataset import IMAGE_SIZE
from ..errors import InputError

INPUT, OUTPUT, METADATA = "images", "probabilities", "fer_bench"
#: onnxruntime reads it from version 1.15 on.
OPSET = 17
#: Tensors with fewer numbers, biases most of them, stay float32: they are next to nothing of a file.
FEW = 2048
#: Images a time.
BATCH = 256


def finish(model: onnx.ModelProto, classes: Sequence[str], about: str) -> onnx.ModelProto:
    """``model`` with the contract's names, shapes and metadata; it has one input and one output."""
    graph = model.graph
    _rename(graph, graph.input[0].name, INPUT)
    _rename(graph, graph.output[0].name, OUTPUT)
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", IMAGE_SIZE, IMAGE_SIZE]))
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", len(classes)]))
    _number(graph)
    graph.name, graph.doc_string, model.doc_string = "fer-bench", "", ""
    helper.set_model_props(model, {METADATA: about})
    onnx.checker.check_model(model)
    return model


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


def _number(graph: onnx.GraphProto) -> None:
    """Names nodes and values by their places, and puts constants in order: converters name them by chance, and the same
    model is to be the same file. A graph with others inside, which know its names, keeps them.
    """
    if any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        return
    names = {name: name for name in ("", INPUT, OUTPUT)}
    for place, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{place}"
        for values in (node.input, node.output):
            values[:] = [names.setdefault(name, f"value_{len(names)}") for name in values]
    used = {tensor.name: tensor for tensor in graph.initializer if tensor.name in names}
    constants = [used[name] for name in names if name in used]
    for tensor in constants:
        tensor.name = names[tensor.name]
    kept = [tensor.SerializeToString() for tensor in constants]
    del graph.initializer[:]
    graph.initializer.extend(onnx.TensorProto.FromString(content) for content in kept)


def in_float16(model: onnx.ModelProto) -> None:
    """Stores the larger weights as float16, and casts each to float32 as the file is loaded; computes as before.

    Raises InputError where there are none, or one is too large for a float16.
    """
    stored = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= FEW
    }
    if not stored:
        raise InputError("--quantize float16: this model has no weights to store so, export it without")
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name not in stored:
            continue
        name, weights = tensor.name, stored[tensor.name]
        if not (np.abs(weights) <= np.finfo(np.float16).max).all():
            raise InputError(f"--quantize float16: a weight of {np.abs(weights).max():.3g} is no float16")
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}_float16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], f"{name}_cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def answers(path: Path, images: np.ndarray) -> np.ndarray:
    """The (N, classes) float32 probabilities of an ONNX file for (N, 48, 48) uint8 images, from onnxruntime alone."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batches: list[Any] = [
        session.run([OUTPUT], {INPUT: np.ascontiguousarray(images[start : start + BATCH])})[0]
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(batches)
