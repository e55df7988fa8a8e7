"""A plugin for the tests of exporting: a net with all that an export has to see to, and runners that can't be exported."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from fer_bench import KerasRunner, Recipe, SklearnRunner, register
from fer_bench.runners.svm import SVM


@register("tiny-net")
class TinyNet(KerasRunner):
    """A window, another size, three channels, signed pixels, our batch normalisation, bfloat16, no softmax, and a layer
    that takes it for training where nobody says that it is none.
    """

    recipes: ClassVar = {
        "default": Recipe(
            image_size=32,
            window=44,
            channels=3,
            scaling="signed",
            learning_rate=0.01,
            batch=16,
            epochs=6,
            precision="mixed_bfloat16",
        )
    }

    def build(self, input_shape, classes):
        from keras import Sequential, layers

        from fer_bench.training.batch_norm import BatchNormalization

        return Sequential(
            [
                layers.Input(input_shape),
                layers.RandomFlip("horizontal"),
                layers.Conv2D(16, 3, strides=2),
                BatchNormalization(),
                layers.ReLU(),
                layers.Dropout(0.1),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(64, activation="relu"),
                layers.Dense(classes, activation="softplus"),
            ]
        )


@register("says-otherwise")
class SaysOtherwise(SVM):
    """Its scores are no longer those of its machine: a file of the machine would answer otherwise."""

    def _scores(self, rows: np.ndarray) -> np.ndarray:
        return np.roll(super()._scores(rows), 1, axis=1)


@register("own-features")
class OwnFeatures(SklearnRunner):
    """Sees the mean of each row of pixels."""

    def features(self, images: np.ndarray) -> np.ndarray:
        return images.mean(axis=2).astype(np.float32)

    def build(self):
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB()
