"""inception-v3 and inception-v3-flatten: InceptionV3 of ImageNet under new dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .base import Published, RunnerInfo
from .keras import KerasRunner
from .recipe import Augmentation, EarlyStopping, Recipe, Stage
from .shared import MODERATE

if TYPE_CHECKING:
    import keras

#: The source's own; its generator for validation or test images is not shown, so those stay unchanged.
_AUGMENTATION = Augmentation(rotation=30, shift=0.3, zoom=0.3, flip=True)

_TRAP = "accuracy on augmented Training images; the source gives no validation or test figure"
_NOTES = (
    "published: input size, optimizer and what was frozen are not in the log. Taken: 75 pixels (the least that the "
    "architecture accepts), and Keras' documented fine-tuning example, which the source copies word for word: backbone "
    "frozen, rmsprop. The plateau at 0.33 on the training images fits a frozen backbone.",
    "published: pixels in [0, 1] go into weights that were trained on [-1, 1]; tuned uses [-1, 1].",
    "published: the source stops and checkpoints on training accuracy; here it stops so, but validation picks the epoch.",
)


def _published() -> Recipe:
    return Recipe(
        image_size=75,
        channels=3,
        optimizer="rmsprop",
        stages=(Stage(100, 1e-3, 16, "head"),),
        augmentation=_AUGMENTATION,
        monitor="val_accuracy",
        early_stopping=EarlyStopping("accuracy", patience=10),
        weights="imagenet",
    )


def _tuned() -> Recipe:
    return Recipe(
        image_size=75,
        channels=3,
        scaling="signed",
        optimizer="adamw",
        learning_rate=5e-4,
        weight_decay=1e-2,
        schedule="cosine",
        warmup_epochs=1,
        batch=64,
        epochs=7,
        augmentation=MODERATE,
        label_smoothing=0.1,
        monitor="val_accuracy",
        precision="mixed_bfloat16",
        weights="imagenet",
    )


class InceptionV3(KerasRunner):
    """InceptionV3, global average pooling, Dense 1024 relu, softmax; 23,908,135 parameters for seven classes.

    A stage trains "head" (the new layers on a frozen backbone) or "all".
    """

    info = RunnerInfo(
        name="inception-v3",
        family="deep",
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
                checkpoint="train",
            ),
        ),
        notes=_NOTES,
    )
    recipes: ClassVar = {"published": _published(), "tuned": _tuned()}

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
        x = self.backbone("InceptionV3", shape, name="backbone")(inputs)
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Dense(1024, activation="relu")(x)
        return inputs, layers.Dense(classes, activation="softmax", dtype="float32")(x)

    def set_trainable(self, model: keras.Model, trainable: str) -> None:
        model.get_layer("backbone").trainable = trainable == "all"


class InceptionV3Flatten(InceptionV3):
    """inception-v3 with Flatten, Dropout 0.5, Dense 1024 relu and a softmax after it; 23,923,502 parameters."""

    info = RunnerInfo(
        name="inception-v3-flatten",
        family="deep",
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
                checkpoint="train",
            ),
        ),
        notes=(
            *_NOTES,
            "The source's 'x = model.output' continues from the softmax of the first model, so seven probabilities are all "
            "that the new layers see, half of them dropped; 0.2563 is hardly more than the share of happiness. Kept in both "
            "recipes. Whether its first model had been trained is not in the log; here it starts untrained.",
        ),
    )
    recipes: ClassVar = {"published": _published(), "tuned": _tuned()}

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Model, layers

        inputs, x = self.first_model(input_shape, classes)
        x = layers.Dropout(0.5)(layers.Flatten()(x))
        x = layers.Dense(1024, activation="relu")(x)
        model = Model(inputs, layers.Dense(classes, activation="softmax")(x))
        self.set_trainable(model, self.recipe.plan()[0].trainable)
        return model
