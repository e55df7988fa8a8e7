"""Multiply-accumulates of a Keras model, as the field counts them: convolutions and dense layers, nothing else."""

from __future__ import annotations

import math
from typing import Any

from keras import layers

#: Names of the kernels of the layers that can be counted: each kernel is applied once for every position of the output.
KERNELS: dict[type, tuple[str, ...]] = {
    layers.Dense: ("kernel",),
    layers.Conv1D: ("kernel",),
    layers.Conv2D: ("kernel",),
    layers.Conv3D: ("kernel",),
    layers.DepthwiseConv1D: ("kernel",),
    layers.DepthwiseConv2D: ("kernel",),
    layers.SeparableConv1D: ("depthwise_kernel", "pointwise_kernel"),
    layers.SeparableConv2D: ("depthwise_kernel", "pointwise_kernel"),
}
#: Layers and operations that multiply matrices without a weight of their own, which a search for weights would miss.
PRODUCTS = frozenset({
    "Attention", "AdditiveAttention", "Conv", "ConvTranspose", "DepthwiseConv", "Dot", "DotProductAttention", "Einsum",
    "Inner", "Matmul", "Outer", "SeparableConv", "Tensordot", "Vdot",
})  # fmt: skip


def count_macs(model: Any) -> int | None:
    """Multiply-accumulates of one forward pass of a functional or Sequential ``model`` on one image.

    Convolutions and dense layers count; bias, normalisation, pooling and activation do not, and zeros that pad an image
    count like its pixels. That is the convention of the figures in papers (ResNet50 at 224 pixels: 3.9 G). A layer that
    is used twice counts twice.

    None, rather than a figure that is too small, where the model has a layer with a kernel that is not known here, or
    is no graph of layers, or has positions whose number depends on the input.
    """
    graph = getattr(model, "_functional", model)  # of a Sequential that is built
    if not hasattr(graph, "_nodes_by_depth"):
        return None
    # Nodes and not layers: a layer has one for each of its uses, and may have others outside this model.
    nodes = [node for depth in graph._nodes_by_depth.values() for node in depth if not node.is_input]
    counts = [_of_call(node.operation, node.outputs[0].shape) for node in nodes]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _of_call(layer: Any, shape: tuple[int | None, ...]) -> int | None:
    """Multiply-accumulates of one use of ``layer`` that gives an output of ``shape`` (N, ...)."""
    if type(layer) in KERNELS:
        channels_first = getattr(layer, "data_format", "") == "channels_first"
        sides = shape[2:] if channels_first else shape[1:-1]
        known = [side for side in sides if side is not None]
        kernels = (getattr(layer, name).shape for name in KERNELS[type(layer)])
        return sum(map(math.prod, kernels)) * math.prod(known) if len(known) == len(sides) else None
    if hasattr(layer, "_nodes_by_depth") or hasattr(layer, "_functional"):
        return count_macs(layer)
    unknown = type(layer).__name__ in PRODUCTS or any(len(weight.shape) > 1 for weight in getattr(layer, "weights", ()))
    return None if unknown else 0
