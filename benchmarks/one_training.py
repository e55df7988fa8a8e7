"""python -m benchmarks.one_training RUNNER LINE FACES IMAGES EPOCHS [SEED]: trains one net and says how long epochs
took.

LINE is "published" or "tuned" (a recipe, through the runner's own ``fit``), "notebook" (the published model, recipe and
augmentation, with stock Keras's ``fit`` and ImageDataGenerator) or "notebook-whole" (the same, with every layer
learning that learns under the tuned recipe). FACES is an .npz with images and labels; where it has held_images and
held_labels, the accuracy on those after the last epoch is told too.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.api import registry
from fer_bench.api.context import Context, Part
from fer_bench.data.dataset import EMOTIONS

from . import notebook

#: uint8 images (N, 48, 48) -> (N, classes) scores of a trained net.
Predict = Callable[[np.ndarray], np.ndarray]


def ours(
    name: str, recipe: str, images: np.ndarray, labels: np.ndarray, epochs: int, seed: int
) -> tuple[list[float], Predict]:
    """Seconds of each epoch of the recipe's first stage, as the runner's own history has them, and the trained net."""
    runner = registry.make(name, recipe)
    # The stages differ in what learns and in the batch; one is enough.
    runner.recipe = replace(runner.recipe, stages=runner.recipe.stages[:1])
    with tempfile.TemporaryDirectory() as scratch:
        context = Context(EMOTIONS, key=f"benchmark-{seed}", workdir=Path(scratch), epochs=epochs, weights="random")
        summary = runner.fit(Part(images, labels), None, context)
    assert summary is not None
    return [row["seconds"] for row in summary.history], runner.predict_proba


def theirs(
    name: str, whole: bool, images: np.ndarray, labels: np.ndarray, epochs: int, seed: int
) -> tuple[list[float], Predict]:
    """Seconds of each epoch of ``model.fit``, and the trained net."""
    import keras

    keras.utils.set_random_seed(seed)
    runner: Any = registry.make(name, "published")
    learns = (registry.make(name, "tuned") if whole else runner).recipe.plan()[0].trainable
    model = runner.core(len(EMOTIONS), "random")
    runner.set_trainable(model, learns)
    whole_model = model
    x = notebook.prepare(images, runner.recipe)
    if name == "vgg-bottleneck":
        features = model.get_layer("features").output
        x = keras.Model(model.input, features).predict(x, verbose=0)
        model = keras.Model(features, model.output)
    targets = keras.utils.to_categorical(labels, len(EMOTIONS))
    clock = _epochs()
    data = notebook.batches(x, targets, runner.recipe)
    notebook.compiled(model, runner.recipe).fit(**data, epochs=epochs, verbose=0, callbacks=[clock])
    return clock.seconds, lambda held: whole_model.predict(notebook.prepare(held, runner.recipe), verbose=0)


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


def main(name: str, line: str, faces: Path, images: int, epochs: int, seed: int) -> dict[str, Any]:
    """What one training came to.

    "seconds" of each epoch after the first, "setup_seconds" of all else (building, compiling, features), and
    "accuracy".
    """
    with np.load(faces) as file:
        x, y = file["images"][:images], file["labels"][:images]
        held = (file["held_images"], file["held_labels"]) if "held_images" in file else None
    import keras  # noqa: F401  its import is no part of the set-up

    start = time.perf_counter()
    if line.startswith("notebook"):
        seconds, predict = theirs(name, line == "notebook-whole", x, y, epochs, seed)
    else:
        seconds, predict = ours(name, line, x, y, epochs, seed)
    total = time.perf_counter() - start
    steady = seconds[1:]
    accuracy = None if held is None else float((predict(held[0]).argmax(axis=1) == held[1]).mean())
    return {"seconds": steady, "setup_seconds": total - sum(steady) - min(steady), "accuracy": accuracy}


if __name__ == "__main__":
    runner, line, faces, *numbers = sys.argv[1:]
    images, epochs, seed = map(int, [*numbers, 0][:3])
    print(json.dumps(main(runner, line, Path(faces), images, epochs, seed)))
