"""A Keras model for LiteRT, which was TensorFlow Lite: TensorFlow's converter does the work.

What the file says of itself lies in a zip archive behind the model, where LiteRT's own metadata has its files, too:
``labels.txt`` and ``fer_bench.json``. Python's ``zipfile`` opens it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .onnx_file import BATCH

LABELS, ABOUT = "labels.txt", "fer_bench.json"


def convert(model: keras.Model, path: Path, quantize: str, images: np.ndarray | None) -> None:
    """Writes ``model``, from ``plain.plain``, to a file that ends with .tflite.

    Args:
        model: takes ``images``, (N, 48, 48) uint8.
        path: the file.
        quantize: "none", "float16" or "int8".
        images: (M, 48, 48) uint8 training images, by which int8 chooses the ranges of what passes between layers.
    """
    import tensorflow as tf

    target: dict[str, Any] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    settings: dict[str, Any] = {} if quantize == "none" else {"optimizations": [tf.lite.Optimize.DEFAULT]}
    if quantize == "float16":
        target["supported_types"] = [tf.float16]
    if images is not None:

        def shown() -> Iterator[list[np.ndarray]]:
            for image in images:
                yield [image[None]]

        settings["representative_dataset"] = shown
    model.export(str(path), format="litert", verbose=False, target_spec=target, **settings)


def describe(path: Path, classes: Sequence[str], about: str) -> None:
    """Adds the classes' names and what the file says of itself."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(LABELS, "".join(f"{name}\n" for name in classes))
        archive.writestr(ABOUT, about)


def answers(path: Path, images: np.ndarray) -> np.ndarray:
    """The (N, classes) float32 probabilities of a LiteRT file for (N, 48, 48) uint8 images."""
    try:
        from ai_edge_litert.interpreter import Interpreter  # where TensorFlow's is to move
    except ImportError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter

    interpreter = Interpreter(model_path=str(path))
    given, found = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    batches = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        interpreter.resize_tensor_input(given, batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given, batch)
        interpreter.invoke()
        batches.append(interpreter.get_tensor(found).copy())
    return np.concatenate(batches)
