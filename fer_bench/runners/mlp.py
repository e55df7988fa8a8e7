"""mlp: a perceptron of five hidden layers on the 2,304 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .base import Published, RunnerInfo
from .keras import KerasRunner
from .recipe import Augmentation, EarlyStopping, Recipe, ReduceLR

if TYPE_CHECKING:
    import keras


class MLP(KerasRunner):
    """Dense 512-256-128-64-16, relu, with dropout of 0.2 after the first two; 1,353,799 parameters for seven classes.

    The recipe's option ``output`` is the last layer's activation: "softmax", or the source's "relu".
    """

    info = RunnerInfo(
        name="mlp",
        family="deep",
        summary="perceptron of five hidden layers on the pixels",
        source="emotion-detection-notebook, section 2 (Deep Multi Layer Perceptron)",
        demo_epochs=8,
        published=(
            Published(0.33, 0.26, "notebook", "test part; epoch chosen by validation loss", checkpoint="validation"),
            Published(
                0.3357,
                0.2677,
                "notebook",
                "validation part; epoch chosen by validation loss",
                "the images that picked its epoch",
                part="validation",
                checkpoint="validation",
            ),
        ),
        notes=(
            "published: the output layer has relu instead of softmax, a bug that the source shipped. As in Keras' loss, "
            "outputs are divided by their sum; here 1e-7 is added first, so that an all-zero row means 'no idea', not NaN.",
            "published: the source min-max scales each pixel over the training part. On FER-2013 every pixel spans 0..255 "
            "there (measured on both splits), so that is division by 255, which is done here.",
        ),
    )
    recipes: ClassVar = {
        "published": Recipe(
            batch=8,
            epochs=100,
            early_stopping=EarlyStopping("val_loss", patience=7),
            reduce_lr=ReduceLR("val_loss", factor=0.05, patience=5),
            options=(("output", "relu"),),
        ),
        "tuned": Recipe(
            optimizer="adamw",
            learning_rate=1e-3,
            weight_decay=0.05,
            schedule="cosine",
            warmup_epochs=2,
            batch=128,
            epochs=80,
            augmentation=Augmentation(shift=0.04, flip=True),
            label_smoothing=0.05,
            monitor="val_accuracy",
            options=(("output", "softmax"),),
        ),
    }

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Model, layers

        inputs = layers.Input(input_shape)
        x = layers.Flatten()(inputs)
        x = layers.Dropout(0.2)(layers.Dense(512, activation="relu")(x))
        x = layers.Dropout(0.2)(layers.Dense(256, activation="relu")(x))
        for units in (128, 64, 16):
            x = layers.Dense(units, activation="relu")(x)
        return Model(inputs, layers.Dense(classes, activation=self.recipe.option("output"))(x))
