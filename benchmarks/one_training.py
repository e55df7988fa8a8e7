"""python -m benchmarks.one_training RUNNER LINE FACES IMAGES EPOCHS: trains one net and prints how long epochs took.

LINE is "published" or "tuned" (a recipe, through the runner's own ``fit``), "notebook" (the published model, recipe and
augmentation, with stock Keras's ``fit`` and ImageDataGenerator) or "notebook-whole" (the same, with every layer learning
that learns under the tuned recipe).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench import registry
from fer_bench.data.dataset import EMOTIONS
from fer_bench.runners.base import Context, Part

from . import notebook


def ours(name: str, recipe: str, images: np.ndarray, labels: np.ndarray, epochs: int) -> list[float]:
    """Seconds of each epoch of the recipe's first stage, as the runner's own history has them."""
    runner = registry.make(name, recipe)
    # The stages differ in what learns and in the batch; one is enough.
    runner.recipe = replace(runner.recipe, stages=runner.recipe.stages[:1])
    with tempfile.TemporaryDirectory() as scratch:
        context = Context(EMOTIONS, key="benchmark", workdir=Path(scratch), epochs=epochs, weights="random")
        summary = runner.fit(Part(images, labels), None, context)
    assert summary is not None
    return [row["seconds"] for row in summary.history]


def theirs(name: str, whole: bool, images: np.ndarray, labels: np.ndarray, epochs: int) -> list[float]:
    """Seconds of each epoch of ``model.fit``."""
    import keras

    keras.utils.set_random_seed(0)
    runner: Any = registry.make(name, "published")
    learns = (registry.make(name, "tuned") if whole else runner).recipe.plan()[0].trainable
    model = runner.core(len(EMOTIONS), "random")
    runner.set_trainable(model, learns)
    x = notebook.prepare(images, runner.recipe)
    if name == "vgg-bottleneck":
        features = model.get_layer("features").output
        x = keras.Model(model.input, features).predict(x, verbose=0)
        model = keras.Model(features, model.output)
    targets = keras.utils.to_categorical(labels, len(EMOTIONS))
    clock = _epochs()
    data = notebook.batches(x, targets, runner.recipe)
    notebook.compiled(model, runner.recipe).fit(**data, epochs=epochs, verbose=0, callbacks=[clock])
    return clock.seconds


def _epochs() -> Any:
    import keras

    class Epochs(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self.start)

    return Epochs()


def main(name: str, line: str, faces: Path, images: int, epochs: int) -> dict[str, Any]:
    """{"seconds": of each epoch after the first, "setup_seconds": all else: building, compiling, features}."""
    with np.load(faces) as file:
        x, y = file["images"][:images], file["labels"][:images]
    import keras  # noqa: F401  its import is no part of the set-up

    start = time.perf_counter()
    if line.startswith("notebook"):
        seconds = theirs(name, line == "notebook-whole", x, y, epochs + 1)
    else:
        seconds = ours(name, line, x, y, epochs + 1)
    total = time.perf_counter() - start
    steady = seconds[1:]
    return {"seconds": steady, "setup_seconds": total - sum(steady) - min(steady)}


if __name__ == "__main__":
    runner, line, faces, images, epochs = sys.argv[1:]
    print(json.dumps(main(runner, line, Path(faces), int(images), int(epochs))))
