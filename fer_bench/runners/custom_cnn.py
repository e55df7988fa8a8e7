"""custom-cnn: three convolutions with pooling between them and three dense layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ..api.published import Published
from ..api.runner import RunnerInfo
from .keras import KerasRunner
from .shared import NOTEBOOK, NOTEBOOK_AUGMENTATION, TUNED

if TYPE_CHECKING:
    import keras


class CustomCNN(KerasRunner):
    """Conv 256@3x3-max-Conv 128@2x2-avg-Conv 64@3x3-avg-Dense 128-BN-64-16; 353,287 parameters (353,031 trainable).

    The recipe's option ``activation`` is that of the convolutions: "relu", or the source's None.
    """

    info = RunnerInfo(
        name="custom-cnn",
        summary="three wide convolutions and three dense layers",
        source="emotion-detection-notebook, section 3 (Custom CNN Model)",
        version=2,  # 2: batches come in another order in each epoch
        demo_epochs=1,
        published=(
            Published(
                0.3241,
                0.2656,
                "notebook",
                "test part; epoch chosen by loss on augmented validation images",
                checkpoint="validation",
            ),
        ),
        notes=(
            (
                "published: the convolutions have no activation, a bug that the source shipped: between poolings the"
                " net is linear. tuned gives them relu; the parameters are the same in number."
            ),
            (
                "published: the export of the notebook lost the augmentation cell of this model; taken to be the one"
                " that stands before both VGG19 models."
            ),
            "published: validation images are augmented too, as the source did; test images never are.",
        ),
    )
    recipes: ClassVar = {
        "published": replace(
            NOTEBOOK,
            channels=3,
            augmentation=NOTEBOOK_AUGMENTATION,
            augment_validation=True,
            options=(("activation", None),),
        ),
        "tuned": replace(
            TUNED,
            channels=3,
            learning_rate=2e-3,
            epochs=36,
            label_smoothing=0.0,
            options=(("activation", "relu"),),
        ),
    }

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Sequential, layers

        activation = self.recipe.option("activation", "relu")
        return Sequential(
            [
                layers.Input(input_shape),
                layers.Conv2D(256, 3, activation=activation),
                layers.MaxPooling2D(),
                layers.Dropout(0.2),
                layers.Conv2D(128, 2, activation=activation),
                layers.AveragePooling2D(2),
                layers.Dropout(0.2),
                layers.Conv2D(64, 3, activation=activation),
                layers.AveragePooling2D(2),
                layers.Dropout(0.2),
                layers.Flatten(),
                layers.Dense(128, activation="relu"),
                layers.BatchNormalization(),
                layers.Dense(64, activation="relu"),
                layers.Dense(16, activation="relu"),
                layers.Dense(classes, activation="softmax"),
            ]
        )
