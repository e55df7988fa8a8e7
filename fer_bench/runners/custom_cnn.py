"""custom-cnn: three convolutions with pooling between them and three dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .base import Published, RunnerInfo
from .keras import KerasRunner
from .recipe import EarlyStopping, Recipe, ReduceLR
from .shared import MODERATE
from .vgg19 import NOTEBOOK_AUGMENTATION

if TYPE_CHECKING:
    import keras


class CustomCNN(KerasRunner):
    """Conv 256@3x3-max-Conv 128@2x2-avg-Conv 64@3x3-avg-Dense 128-BN-64-16; 353,287 parameters (353,031 trainable).

    The recipe's option ``activation`` is that of the convolutions: "relu", or the source's None.
    """

    info = RunnerInfo(
        name="custom-cnn",
        family="deep",
        summary="three wide convolutions and three dense layers",
        source="emotion-detection-notebook, section 3 (Custom CNN Model)",
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
            "published: the convolutions have no activation, a bug that the source shipped: between poolings the net is "
            "linear. tuned gives them relu; the parameters are the same in number.",
            "published: the export of the notebook lost the augmentation cell of this model; taken to be the one that "
            "stands before both VGG19 models.",
            "published: validation images are augmented too, as the source did; test images never are.",
        ),
    )
    recipes: ClassVar = {
        "published": Recipe(
            channels=3,
            batch=8,
            epochs=100,
            augmentation=NOTEBOOK_AUGMENTATION,
            augment_validation=True,
            early_stopping=EarlyStopping("val_loss", patience=7),
            reduce_lr=ReduceLR("val_loss", factor=0.05, patience=5),
            options=(("activation", None),),
        ),
        "tuned": Recipe(
            channels=3,
            optimizer="adamw",
            learning_rate=2e-3,
            weight_decay=1e-2,
            schedule="cosine",
            warmup_epochs=1,
            batch=64,
            epochs=6,
            augmentation=MODERATE,
            monitor="val_accuracy",
            precision="mixed_bfloat16",
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
