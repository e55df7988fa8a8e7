"""A Keras model as ONNX: Keras and tf2onnx do the work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import onnx

from . import onnx_file
from .onnx_file import BATCH, INPUT

if TYPE_CHECKING:
    from .worker import ExportTask


def write(model: keras.Model, path: Path, task: ExportTask, images: np.ndarray | None) -> None:
    """Writes ``model``, from ``plain.plain``, as the task says; ``images`` are for int8, as in ``in_int8``."""
    converted = path.with_name("converted.onnx")
    model.export(str(converted), format="onnx", verbose=False, opset_version=onnx_file.OPSET)
    made = onnx_file.finish(onnx.load(converted), task.classes, task.about)
    if task.quantize == "float16":
        onnx_file.in_float16(made)
    onnx.save(made, path)
    if images is not None:
        in_int8(path, images)


def in_int8(path: Path, images: np.ndarray) -> None:
    """Replaces an ONNX file, of the contract, by one whose convolutions and products compute in int8.

    Args:
        path: the file.
        images: (N, 48, 48) uint8 training images, by which the ranges of what passes between layers are chosen.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):
        """The images, some at a time, then None."""

        def __init__(self) -> None:
            self.left: Iterator[np.ndarray] = iter(np.array_split(images, -(-len(images) // BATCH)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.left, None)
            return None if batch is None else {INPUT: batch}

    prepared = path.with_name("prepared.onnx")
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        path,
        Batches(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
