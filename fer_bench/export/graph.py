"""An ONNX graph written node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from .onnx_file import INPUT, OPSET, OUTPUT

#: The version of the file's form that goes with ``OPSET``.
IR = 8


def number(value: float) -> np.ndarray:
    """(1,) float32."""
    return np.array([value], np.float32)


class Graph:
    """Nodes and constants in the order in which they are added; every name is made here, but those of its ends."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.domains = {"": OPSET}

    def node(self, kind: str, *inputs: str | np.ndarray, output: str = "", **attributes: Any) -> str:
        """Adds an operation on what is named, or on constants; returns the name of its output."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], **attributes))
        return output

    def constant(self, value: np.ndarray) -> str:
        """Adds an array; returns its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def float32(self, name: str) -> str:
        """What is named, as float32."""
        return self.node("Cast", name, to=TensorProto.FLOAT)

    def part(self, name: str, axis: int, start: int, end: int) -> str:
        """The elements from ``start`` to ``end`` along an axis."""
        places = (np.array([value], np.int64) for value in (start, end, axis))
        return self.node("Slice", name, *places)

    def include(self, model: onnx.ModelProto, given: str) -> list[str]:
        """Adds all of a model, of opset ``OPSET`` or before, with ``given`` as its input; returns its outputs."""
        start = f"part_{len(self.nodes)}_"
        added = compose.add_prefix(model, start).graph
        self.node("Identity", given, output=added.input[0].name)
        self.nodes += added.node
        self.constants += added.initializer
        for used in model.opset_import:
            self.domains[used.domain] = max(used.version, self.domains.get(used.domain, 0))
        return [output.name for output in added.output]

    def model(self) -> onnx.ModelProto:
        """The graph as a model; what goes in and comes out is to be made the contract's by ``onnx_file.finish``."""
        ends = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in (INPUT, OUTPUT)]
        graph = helper.make_graph(self.nodes, "graph", ends[:1], ends[1:], self.constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.domains.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR)
