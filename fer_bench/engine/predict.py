"""A trained model on other images, in a process of its own (``python -m fer_bench.engine.predict FOLDER``).

It reads ``task.json`` and ``images.npy`` from FOLDER, loads the model, and writes ``probabilities.npy`` and
``outcome.json``, as the worker does; with test-time augmentation where the task names some, and with the weights of a
kept epoch where it names one. It is given no labels. The model may be anybody's, so what it takes is limited: a
classical one is tried on a few images first, and all of this process's memory has a limit where the system keeps to
one.
"""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import numpy as np

from ..api.runner import Runner
from ..data.dataset import IMAGE_SIZE
from ..errors import InputError
from ..hardware.memory import limited
from ..records.record import Cost
from ..runners.keras import KerasRunner
from .measure import ran_on
from .outcome import Outcome
from .task import IMAGES, PROBABILITIES, PredictTask
from .tta import Augmented
from .worker import main, make_runner, predict_parts, valid_probabilities

#: A nearest-neighbour model of 280,000 faces takes half of it: a distance to each.
MOST_PER_IMAGE, FEW_IMAGES = 4 << 20, 4


def load_and_predict(task: PredictTask, folder: Path) -> Outcome:
    """Loads the stored model of ``task``, and leaves its probabilities for ``images.npy`` in ``folder``."""
    with limited():
        return _load_and_predict(task, folder)


def _load_and_predict(task: PredictTask, folder: Path) -> Outcome:
    runner = make_runner(task)
    runner.load(Path(task.model))
    if not isinstance(runner, KerasRunner):  # whose layers are known before they are made
        check_cost(runner, Path(task.model))
    if task.epoch:
        assert isinstance(runner, KerasRunner)  # only such a one has kept epochs
        runner.load_epoch(Path(task.epoch))
    images = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
    tta_cost = Cost()
    if task.tta == "none":
        probabilities = valid_probabilities(runner, images, len(task.classes))
    else:
        arrays, tta_cost = predict_parts(Augmented(runner, task.tta), {PROBABILITIES: images}, len(task.classes))
        probabilities = arrays[PROBABILITIES]
    np.save(folder / PROBABILITIES, probabilities)
    return Outcome(status="ok", tta_cost=tta_cost, ran_on=ran_on(task.device))


def check_cost(runner: Runner, model: Path) -> None:
    """Raises InputError where predicting takes a runner more memory an image than a model for faces needs.

    Memory of Python and numpy counts, as what each of some more images adds to the peak.
    """
    peaks = []
    tracemalloc.start()
    try:
        for count in (1, 1, 1 + FEW_IMAGES):  # what the first call loads is no image's
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            runner.predict_proba(np.zeros((count, IMAGE_SIZE, IMAGE_SIZE), np.uint8))
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    each = (peaks[-1] - peaks[-2]) // FEW_IMAGES
    if each > MOST_PER_IMAGE:
        raise InputError(f"{model}: takes {each:,} bytes an image to predict; {MOST_PER_IMAGE:,} are the limit")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), PredictTask, load_and_predict))
