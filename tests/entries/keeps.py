"""A plugin with runners that keep epochs: one of Keras, which is killed as soon as an epoch has ended that the
environment names, and one without a library.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np

from fer_bench import KerasRunner, Recipe, Runner, register
from fer_bench.training import resume
from fer_bench.training.kept import epoch_file

resume.SHARE = float("inf")
RECIPE = Recipe(image_size=12, epochs=8, batch=14, learning_rate=0.05, monitor="val_loss")


@register("keeps")
class Keeps(KerasRunner):
    """A dense layer with batch normalisation."""

    recipes = {"default": RECIPE}

    def build(self, input_shape, classes):
        from keras import Input, Sequential, layers

        layer = [layers.Flatten(name="features"), layers.BatchNormalization(momentum=0.5)]
        return Sequential([Input(input_shape), *layer, layers.Dense(classes, activation="softmax")])

    def fit(self, train, validation, context):
        report, last = context.report, int(os.environ.get("FER_BENCH_TEST_KILL", "0"))

        def watched(event):
            report(event)
            if event.get("epoch", 0) > last > 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return super().fit(train, validation, replace(context, report=watched))


@register("jots")
class Jots(Runner):
    """An even chance of everything, and a file where the weights of its only epoch are wanted."""

    keeps_epochs = True

    def fit(self, train, validation, context):
        if context.kept:
            context.kept.mkdir(parents=True, exist_ok=True)
            epoch_file(context.kept, 1).touch()

    def predict_proba(self, images):
        return np.full((len(images), 7), 1 / 7, np.float32)

    def save(self, directory):
        (directory / "model").touch()

    def load(self, directory):
        pass
