"""Makes an exported file of a stored model, in a process of its own (``python -m fer_bench.export.worker FOLDER``).

It reads ``task.json``, ``images.npy`` and for int8 ``calibration.npy`` from FOLDER, loads the model, and writes the
file under ``out/``, what the model itself says of the first images, and what the file says of all of them. It is given
no labels. The model may be anybody's, so what it takes is limited, as in ``engine.predict``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..engine.measure import ran_on
from ..engine.outcome import Outcome
from ..engine.predict import check_cost
from ..engine.task import IMAGES, OUT, PROBABILITIES, Task
from ..engine.worker import main, make_runner, valid_probabilities
from ..hardware.memory import limited
from ..runners.keras import KerasRunner
from .formats import SUFFIXES

CALIBRATION, FLOAT32, ANSWERS, FILE = "calibration.npy", "float32.npy", "answers.npy", "model"


@dataclass(frozen=True, kw_only=True)
class ExportTask(Task):
    """An export of the model in the folder ``model``.

    ``name`` is what the file calls it, ``format`` a key of ``formats.SUFFIXES``, ``quantize`` how its weights are
    stored, ``about`` what the file says of itself, ``compared`` how many of the images the model itself predicts.
    """

    model: str
    name: str
    format: str
    quantize: str
    about: str
    compared: int


def load_and_export(task: ExportTask, folder: Path) -> Outcome:
    """Does what ``task`` says in ``folder``; what whoever loads the file has to know is the outcome's message."""
    with limited():
        runner = make_runner(task)
        runner.load(Path(task.model))
        if not isinstance(runner, KerasRunner):
            check_cost(runner, Path(task.model))
        images = np.load(folder / IMAGES, allow_pickle=False)
        compared, classes = images[: task.compared], len(task.classes)
        np.save(folder / PROBABILITIES, valid_probabilities(runner, compared, classes))
        (folder / OUT).mkdir()
        path = folder / OUT / f"{FILE}{SUFFIXES[task.format]}"
        known = ""
        if isinstance(runner, KerasRunner):
            from .keras_files import export as of_keras

            known = of_keras(runner, task, path, compared, folder)
        else:
            from .classical import export as of_classical

            of_classical(runner, task, path)
        np.save(folder / ANSWERS, answers(path, task.format, images))
        return Outcome(status="ok", message=known, ran_on=ran_on(task.device))


def answers(path: Path, form: str, images: np.ndarray) -> np.ndarray:
    """What an exported file says of (N, 48, 48) uint8 images: (N, classes) float32."""
    if form == "onnx":
        from .onnx_file import answers as of_onnx

        return of_onnx(path, images)
    from .keras_files import answers as of_keras

    return of_keras(path, form, images)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), ExportTask, load_and_export))
