"""inception-v3 and inception-v3-flatten: InceptionV3 of ImageNet under new dense layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..api.published import Published
from ..api.recipe import Augmentation, EarlyStopping, NamedRecipe, Recipe, Stage
from ..api.runner import RunnerInfo
from ..errors import InputError
from .keras import KerasRunner
from .shared import FINE_TUNED

if TYPE_CHECKING:
    import keras

_TRAP = "accuracy on augmented Training images; the source gives no validation or test figure"
_NOTES = (
    (
        "published: input size, optimizer and what was frozen are not in the log. Taken: 75 pixels (the least that the"
        " architecture accepts), and Keras' documented fine-tuning example, which the source copies word for word:"
        " backbone frozen, rmsprop. The plateau at 0.33 on the training images fits a frozen backbone."
    ),
    "published: pixels in [0, 1] go into weights that were trained on [-1, 1]; tuned uses [-1, 1].",
    (
        "published: the log is of a Keras in which frozen batch normalisation still used the statistics of each batch"
        " while training; parameter statistics=batch does so, the default statistics=moving is today's Keras."
    ),
    (
        "published: the source stops and checkpoints on training accuracy; here it stops so, but validation picks the"
        " epoch."
    ),
)


class InceptionV3(KerasRunner):
    """InceptionV3, global average pooling, Dense 1024 relu, softmax; 23,908,135 parameters for seven classes.

    A stage trains "head" (the new layers on a frozen backbone) or "all".

    Parameter ``statistics``: what the batch normalisations of a frozen backbone use while the head is trained. "moving"
    is what Keras does today; "batch" is what it did before version 2.1.3: those of the batch, the moving ones
    unchanged.
    """

    info = RunnerInfo(
        name="inception-v3",
        summary="InceptionV3 of ImageNet under one dense layer",
        source="transfer-learning-log, part 1",
        demo_epochs=1,
        demo_limit=30,
        published=(
            Published(
                0.3306,
                None,
                "official",
                "training accuracy, best of 32 epochs",
                _TRAP,
                part="train",
                counted="while training",
                checkpoint="train",
            ),
        ),
        notes=_NOTES,
    )
    parameters: ClassVar = {"statistics": "moving"}
    recipes: ClassVar = {
        "published": Recipe(
            image_size=75,
            channels=3,
            optimizer="rmsprop",
            stages=(Stage(100, 1e-3, 16, "head"),),
            # The source does not show its generator for validation or test images, so those stay unchanged.
            augmentation=Augmentation(rotation=30, shift=0.3, zoom=0.3, flip=True),
            monitor="val_accuracy",
            early_stopping=EarlyStopping("accuracy", patience=10),
            weights="imagenet",
        ),
        "tuned": replace(FINE_TUNED, image_size=75, scaling="signed"),
    }
    application = "InceptionV3"

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        if self.params["statistics"] not in ("moving", "batch"):
            raise InputError(
                f"runner {self.info.name}, parameter statistics={self.params['statistics']}: moving and batch are"
                " possible"
            )

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Model

        inputs, outputs = self.first_model(input_shape, classes)
        model = Model(inputs, outputs)
        self.set_trainable(model, self.recipe.plan()[0].trainable)
        return model

    def first_model(self, shape: tuple[int, int, int], classes: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Input and softmax (N, classes) of part 1 of the log, on which part 2 builds."""
        import keras
        from keras import layers

        inputs = keras.Input(shape)
        x = self.backbone(self.application, shape, name="backbone")(inputs)
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Dense(1024, activation="relu")(x)
        return inputs, layers.Dense(classes, activation="softmax", dtype="float32")(x)

    def set_trainable(self, model: keras.Model, trainable: str) -> None:
        from ..training.freezing import freeze_first

        backbone = model.get_layer("backbone")
        freeze_first(backbone, 0 if trainable == "all" else len(backbone.layers))
        if trainable == "all" or self.params["statistics"] == "moving":
            return
        import keras

        for layer in backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                # A trainable layer takes the statistics of its batch; its own weights stay frozen, its averages too.
                layer.trainable = True
                layer.momentum = 1.0
                for weight in layer.trainable_weights:
                    weight.trainable = False


class InceptionV3Flatten(InceptionV3):
    """inception-v3 with Flatten, Dropout 0.5, Dense 1024 relu and a softmax after it; 23,923,502 parameters."""

    info = RunnerInfo(
        name="inception-v3-flatten",
        summary="inception-v3 with two more dense layers stacked on its softmax",
        source="transfer-learning-log, part 2",
        demo_epochs=1,
        demo_limit=30,
        published=(
            Published(
                0.2563,
                None,
                "official",
                "training accuracy after 10 of 100 epochs",
                _TRAP,
                part="train",
                counted="while training",
                checkpoint="train",
            ),
        ),
        notes=(
            *_NOTES,
            (
                "The source's 'x = model.output' continues from the softmax of the first model, so seven probabilities"
                " are all that the new layers see, half of them dropped; 0.2563 is hardly more than the share of"
                " happiness. Kept in both recipes. Whether its first model had been trained is not in the log; here it"
                " starts untrained. Its epochs took half as long as those of part 1, which two more layers do not"
                " explain: machine or settings were others."
            ),
        ),
    )

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Model, layers

        inputs, x = self.first_model(input_shape, classes)
        x = layers.Dropout(0.5)(layers.Flatten()(x))
        x = layers.Dense(1024, activation="relu")(x)
        model = Model(inputs, layers.Dense(classes, activation="softmax")(x))
        self.set_trainable(model, self.recipe.plan()[0].trainable)
        return model
