"""A trained model on other images, in a process of its own (``python -m fer_bench.engine.predict FOLDER``).

It reads ``task.json`` and ``images.npy`` from FOLDER, loads the model, and writes ``probabilities.npy`` and
``outcome.json``, as the worker does; with test-time augmentation where the task names some, and with the weights of a
kept epoch where it names one. It is given no labels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ..records.record import Cost
from ..runners.keras import KerasRunner
from .measure import ran_on
from .outcome import Outcome
from .task import IMAGES, PROBABILITIES, PredictTask
from .tta import Augmented
from .worker import main, make_runner, predict_parts, valid_probabilities


def load_and_predict(task: PredictTask, folder: Path) -> Outcome:
    """Loads the stored model of ``task``, and leaves its probabilities for ``images.npy`` in ``folder``."""
    runner = make_runner(task)
    runner.load(Path(task.model))
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


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), PredictTask, load_and_predict))
