"""The exported files of a Keras runner, in each format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from ..errors import InputError
from ..runners.keras import KerasRunner
from ..training.fit import predict
from .plain import in_float32, plain

if TYPE_CHECKING:
    from .worker import ExportTask


def export(runner: KerasRunner, task: ExportTask, path: Path, compared: np.ndarray, folder: Path) -> None:
    """Writes the file of a loaded runner to ``path``, and where it computes in less than float32 what its model says
    in float32 of the ``compared`` images, (N, 48, 48) uint8, as ``float32.npy`` into ``folder``.
    """
    from .worker import CALIBRATION, FLOAT32

    model = runner.keras_model
    same = in_float32(model)
    if same is not None:
        np.save(folder / FLOAT32, predict(same, compared[..., None]))
    copy = plain(model, task.name)
    if task.format == "onnx":
        from onnx import save

        from . import onnx_file
        from .keras_onnx import convert, in_int8

        made = onnx_file.finish(convert(copy, folder), task.classes, task.about)
        if task.quantize == "float16":
            onnx_file.in_float16(made)
        save(made, path)
        if task.quantize == "int8":
            in_int8(path, np.load(folder / CALIBRATION, allow_pickle=False))
    else:
        raise InputError(task.format)


def answers(path: Path, form: str, images: np.ndarray) -> np.ndarray:
    """What a file for LiteRT, or a Keras file, says of (N, 48, 48) uint8 images: (N, classes) float32."""
    if form == "keras":
        return predict(keras.saving.load_model(path), images)
    raise InputError(form)
