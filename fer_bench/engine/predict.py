"""A trained model on other images, in a process of its own (``python -m fer_bench.engine.predict FOLDER``).

It reads ``task.json`` and ``images.npy`` from FOLDER, loads the model, and writes ``probabilities.npy`` and
``outcome.json``, as the worker does; with test-time augmentation where the task names some. It is given no labels.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from .worker import augmented, checked, main, ran_on

IMAGES, PROBABILITIES = "images.npy", "probabilities.npy"


def run(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Load and predict; returns the outcome."""
    from .. import registry

    for warning in registry.load_plugins(task["plugins"]):
        print(warning, file=sys.stderr)
    runner = registry.make(task["spec"], task["recipe"])
    runner.load(Path(task["model"]))
    images = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
    classes = len(task["classes"])
    cost: dict[str, float] = {}
    if task["tta"] == "none":
        probabilities = checked(runner.predict_proba(images), len(images), classes)
    else:
        arrays, cost = augmented(runner, task["tta"], {PROBABILITIES: images}, classes)
        probabilities = arrays[PROBABILITIES]
    np.save(folder / PROBABILITIES, probabilities)
    return {"status": "ok", "tta_cost": cost, "ran_on": ran_on(task["device"])}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), run))
