"""A plugin with small Keras models; as soon as an epoch has ended that the environment names, the process is killed."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

from fer_bench import KerasRunner, Recipe, register
from fer_bench.training import resume

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
