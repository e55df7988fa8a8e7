"""What classical models see of an image, as ONNX: the operations of ``runners.features``."""

from __future__ import annotations

import numpy as np

from ..runners import features
from ..runners.features import BLOCK, CELL, CELLS, HOG_LENGTH, ORIENTATIONS, SIZE
from .graph import Graph, number


def pixels(graph: Graph, images: str) -> str:
    """(N, 48, 48) uint8 -> (N, 2304) float32, as ``features.pixels``."""
    flat = graph.node("Reshape", graph.float32(images), np.array([-1, SIZE * SIZE]))
    return graph.node("Div", flat, number(255))


def hog(graph: Graph, images: str) -> str:
    """(N, 48, 48) uint8 -> (N, 1764) float32, as ``features.hog``."""
    gray = graph.node("Unsqueeze", graph.float32(images), np.array([1]))
    down, right = _gradient(graph, gray, 2), _gradient(graph, gray, 3)
    squares = graph.node("Add", graph.node("Mul", down, down), graph.node("Mul", right, right))
    voted = graph.node("Mul", _oriented(graph, down, right), graph.node("Sqrt", squares))
    cells = graph.node("AveragePool", voted, kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    cells = graph.node("Transpose", cells, perm=[0, 2, 3, 1])
    return _blocks(graph, cells)


def _gradient(graph: Graph, images: str, axis: int) -> str:
    """Each pixel's next minus its last along an axis of (N, 1, 48, 48); 0 at the border."""
    inner = graph.node("Sub", graph.part(images, axis, 2, SIZE), graph.part(images, axis, 0, SIZE - 2))
    beside = np.zeros(8, np.int64)
    beside[[axis, axis + 4]] = 1
    return graph.node("Pad", inner, beside)


def _oriented(graph: Graph, down: str, right: str) -> str:
    """(N, 9, 48, 48): 1 for the orientation of each pixel's gradient, 0 for the others.

    ONNX has no arctan2. Turned to point down, or right, a gradient is past an angle where it lies at the left of it;
    no gradient of whole numbers lies on one of the angles between orientations, whose tangents are irrational.
    """
    zero = number(0)
    level = graph.node("And", graph.node("Equal", down, zero), graph.node("Less", right, zero))
    turned = graph.node("Or", graph.node("Less", down, zero), level)
    sign = graph.node("Where", turned, number(-1), number(1))
    both = graph.node("Concat", graph.node("Mul", down, sign), graph.node("Mul", right, sign), axis=1)
    angles = np.pi * np.arange(1, ORIENTATIONS) / ORIENTATIONS
    sides = np.stack([np.cos(angles), -np.sin(angles)], axis=1).astype(np.float32)
    past = graph.float32(graph.node("GreaterOrEqual", graph.node("Conv", both, sides[..., None, None]), zero))
    first = graph.node("Sub", number(1), graph.part(past, 1, 0, 1))
    between = graph.node("Sub", graph.part(past, 1, 0, ORIENTATIONS - 2), graph.part(past, 1, 1, ORIENTATIONS - 1))
    last = graph.part(past, 1, ORIENTATIONS - 2, ORIENTATIONS - 1)
    return graph.node("Concat", first, between, last, axis=1)


def _blocks(graph: Graph, cells: str) -> str:
    """(N, 8, 8, 9) -> (N, 1764): every block of 2x2 cells, normalised, clipped at 0.2, normalised again."""
    places = CELLS - BLOCK + 1
    rows = [graph.part(cells, 1, at, at + places) for at in range(BLOCK)]
    moved = [graph.part(row, 2, at, at + places) for row in rows for at in range(BLOCK)]
    blocks = _unit(graph, graph.node("Concat", *moved, axis=3))
    blocks = _unit(graph, graph.node("Min", blocks, number(0.2)))
    return graph.node("Reshape", blocks, np.array([-1, HOG_LENGTH]))


def _unit(graph: Graph, blocks: str) -> str:
    squares = graph.node("ReduceSum", graph.node("Mul", blocks, blocks), np.array([3]), keepdims=1)
    return graph.node("Div", blocks, graph.node("Sqrt", graph.node("Add", squares, number(1e-10))))


#: What of ``runners.features`` has a form here, and how many numbers that is.
OF = {features.pixels: pixels, features.hog: hog}
LENGTHS = {features.pixels: SIZE * SIZE, features.hog: HOG_LENGTH}
