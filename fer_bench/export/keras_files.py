"""The exported files of a Keras runner, in each format."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from ..runners.keras import KerasRunner
from ..training.fit import predict
from .plain import in_float32, plain, strange_layers

if TYPE_CHECKING:
    from .worker import ExportTask

#: Where a .keras file has what Keras says of it: a JSON object, to which ours is added under ``OURS``.
METADATA, OURS = "metadata.json", "fer_bench"


def export(runner: KerasRunner, task: ExportTask, path: Path, compared: np.ndarray, folder: Path) -> str:
    """Writes the file of a loaded runner to ``path``, and where it computes in less than float32 what its model says
    in float32 of the ``compared`` images, (N, 48, 48) uint8, as ``float32.npy`` into ``folder``.

    Returns what whoever loads the file has to know, or "".
    """
    from .worker import CALIBRATION, FLOAT32

    model = runner.keras_model
    same = in_float32(model)
    if same is not None:
        np.save(folder / FLOAT32, predict(same, compared[..., None]))
    copy = plain(model, task.name)
    shown = np.load(folder / CALIBRATION, allow_pickle=False) if task.quantize == "int8" else None
    if task.format == "onnx":
        from .keras_onnx import write

        write(copy, path, task, shown)
    elif task.format == "litert":
        from . import litert

        litert.convert(copy, path, task.quantize, shown)
        litert.describe(path, task.classes, task.about)
    else:
        copy.save(path)
        _describe(path, task.about)
        if layers := strange_layers(copy):
            return f"who loads it has to import what registered {', '.join(layers)} first"
    return ""


def _describe(path: Path, about: str) -> None:
    """Adds to a .keras file what it says of itself."""
    with zipfile.ZipFile(path) as archive:
        members = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in members.items():
            if info.filename == METADATA:
                content = json.dumps({**json.loads(content), OURS: json.loads(about)}).encode()
            archive.writestr(info, content)


def answers(path: Path, form: str, images: np.ndarray) -> np.ndarray:
    """What a file for LiteRT, or a Keras file, says of (N, 48, 48) uint8 images: (N, classes) float32."""
    if form == "litert":
        from .litert import answers as of_litert

        return of_litert(path, images)
    return predict(keras.saving.load_model(path), images)
