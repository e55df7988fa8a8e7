"""mlp: a perceptron on the 2,304 pixels, of five hidden layers or others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..api.published import Published
from ..api.recipe import Augmentation, NamedRecipe, Recipe
from ..api.runner import RunnerInfo
from ..errors import InputError
from .keras import KerasRunner
from .shared import NOTEBOOK

if TYPE_CHECKING:
    import keras


class MLP(KerasRunner):
    """Dense 512-256-128-64-16, relu, with dropout of 0.2 after the first two; 1,353,799 parameters for seven classes.

    Parameter ``hidden``: the widths of the hidden layers with dashes between them, as in "512-256-128-64-16".
    The recipe's option ``output`` is the last layer's activation: "softmax", or the source's "relu".
    """

    info = RunnerInfo(
        name="mlp",
        summary="perceptron of five hidden layers on the pixels",
        source="emotion-detection-notebook, section 2 (Deep Multi Layer Perceptron)",
        version=2,  # 2: batches come in another order in each epoch
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
            (
                "published: the output layer has relu instead of softmax, a bug that the source shipped. As in Keras'"
                " loss, outputs are divided by their sum; here 1e-7 is added first, so that an all-zero row means 'no"
                " idea', not NaN."
            ),
            (
                "published: the source min-max scales each pixel over the training part. On FER-2013 every pixel spans"
                " 0..255 there (measured on both splits), so that is division by 255, which is done here."
            ),
            (
                "published: the rate of the second dropout is illegible in the source's export; taken to be 0.2, as the"
                " first."
            ),
        ),
    )
    parameters: ClassVar = {"hidden": "512-256-128-64-16"}
    recipes: ClassVar = {
        "published": replace(NOTEBOOK, options=(("output", "relu"),)),
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

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        widths = self.params["hidden"].split("-")
        if not (1 <= len(widths) <= 20 and all(w.isascii() and w.isdecimal() and 1 <= int(w) <= 8192 for w in widths)):
            raise InputError(
                f"runner mlp, parameter hidden={self.params['hidden']}: 1 to 20 widths from 1 to 8192 are possible,"
                " with dashes between them, as in hidden=512-256-128-64-16"
            )
        self.hidden = tuple(map(int, widths))

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Model, layers

        inputs = layers.Input(input_shape)
        x = layers.Flatten()(inputs)
        for number, units in enumerate(self.hidden):
            x = layers.Dense(units, activation="relu")(x)
            if number < 2:
                x = layers.Dropout(0.2)(x)
        return Model(inputs, layers.Dense(classes, activation=self.recipe.option("output"))(x))
