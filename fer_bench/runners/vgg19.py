"""vgg19-frozen and vgg19-full: VGG19 without its last pooling, as a fixed feature extractor or trained whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ..api.published import Published
from ..api.recipe import Augmentation, EarlyStopping, Recipe, ReduceLR
from ..api.runner import RunnerInfo
from .keras import KerasRunner
from .shared import FINE_TUNED, NOTEBOOK_AUGMENTATION, vgg_preprocessing

if TYPE_CHECKING:
    import keras

_ON_TEST = (
    "early stopping, learning rate and checkpoint were chosen on the test part itself; there was no validation part"
)
_NOTES = (
    (
        "published: pixels in [0, 1] go into weights that were trained on mean-subtracted 0..255; tuned preprocesses as"
        " VGG does."
    ),
    (
        "published: validation images are augmented too, as the source did with its test images; here test images never"
        " are."
    ),
)

_PUBLISHED = Recipe(
    channels=3,
    batch=32,
    augmentation=NOTEBOOK_AUGMENTATION,
    augment_validation=True,
    monitor="val_accuracy",
    early_stopping=EarlyStopping("val_accuracy", patience=11, min_delta=5e-5),
    reduce_lr=ReduceLR("val_accuracy", factor=0.5, patience=7, min_lr=1e-7),
    weights="imagenet",
)
_TUNED = replace(FINE_TUNED, options=(("preprocessing", "vgg"), ("normalised", True)))
_FROZEN_TUNED = replace(
    _TUNED,
    learning_rate=1e-3,
    epochs=8,
    augmentation=Augmentation(rotation=5, shift=0.05, flip=True),
    label_smoothing=0.05,
)


class _VGG19(KerasRunner):
    """VGG19 up to block5_conv4.

    Options of the recipe: ``preprocessing`` is "vgg", or the source's "none"; ``normalised`` puts a batch normalisation
    between features and classifier, because features of ImageNet's weights reach 144 and a fresh classifier begins
    with a loss of 15 on them.
    """

    application = "VGG19"

    def features(self, input_shape: tuple[int, int, int]) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.Model]:
        """The input, block5_conv4's output (N, H/16, W/16, 512), and the backbone between them."""
        import keras

        vgg = self.backbone(self.application, input_shape)
        backbone = keras.Model(vgg.input, vgg.get_layer("block5_conv4").output, name="backbone")
        inputs = keras.Input(input_shape)
        x = vgg_preprocessing()(inputs) if self.recipe.option("preprocessing") == "vgg" else inputs
        return inputs, backbone(x), backbone


class VGG19Frozen(_VGG19):
    """Average pooling 2x2 and Dense 512-384-96-32 on frozen features; 20,524,327 parameters, 499,943 trainable."""

    info = RunnerInfo(
        name="vgg19-frozen",
        summary="VGG19 of ImageNet, frozen, under five dense layers",
        source="emotion-detection-notebook, section 4 (Transfer Learning using Pretrained CNN Model)",
        demo_epochs=1,
        demo_limit=30,
        published=(Published(0.39, 0.37, "notebook-90-10", "test part", _ON_TEST, checkpoint="test"),),
        notes=(
            *_NOTES,
            (
                "published: the export of the notebook lost the augmentation cell of this model; taken to be the one"
                " that stands before vgg19-full."
            ),
            (
                "bottleneck: tuned without augmentation, so the images go through the frozen layers once, not once an"
                " epoch."
            ),
        ),
    )
    recipes: ClassVar = {
        "published": replace(_PUBLISHED, epochs=100),
        "tuned": _FROZEN_TUNED,
        "bottleneck": replace(_FROZEN_TUNED, augmentation=Augmentation()),
    }

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Model, layers

        from ..training.freezing import freeze_first

        inputs, x, backbone = self.features(input_shape)
        freeze_first(backbone, len(backbone.layers))
        x = layers.Flatten(name="features")(layers.AveragePooling2D(2)(x))
        if self.recipe.option("normalised"):
            x = layers.BatchNormalization()(x)
        for units in (512, 384, 96, 32):
            x = layers.Dense(units, activation="relu")(x)
        return Model(inputs, layers.Dense(classes, activation="softmax")(x))

    def set_trainable(self, model: keras.Model, trainable: str) -> None:
        """Nothing to change: the backbone stays as ``build`` froze it."""


class VGG19Full(_VGG19):
    """Global average pooling and a softmax on VGG19, everything trainable; 20,027,975 parameters."""

    info = RunnerInfo(
        name="vgg19-full",
        summary="VGG19 of ImageNet, trained whole",
        source="emotion-detection-notebook, section 5 (Training VGG19 from scratch)",
        demo_epochs=1,
        demo_limit=30,
        published=(
            Published(
                0.6639,
                0.6600,
                "notebook-90-10",
                "test part; epoch 18 of 50",
                _ON_TEST,
                checkpoint="test",
                emotion_f1=(0.60, 0.41, 0.49, 0.87, 0.52, 0.76, 0.63),
            ),
            Published(
                0.75948,
                0.75581,
                "notebook-90-10",
                "accuracy on the training part, images unchanged; epoch 18 of 50",
                "images that it was fitted to",
                part="train",
                checkpoint="test",
            ),
        ),
        notes=(*_NOTES, "published: 'from scratch' is the source's heading; it starts from ImageNet's weights."),
    )
    recipes: ClassVar = {
        "published": replace(_PUBLISHED, learning_rate=1e-4, epochs=50),
        "tuned": replace(_TUNED, learning_rate=2e-4, weight_decay=5e-2, batch=128, epochs=14),
    }

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Model, layers

        inputs, x, _ = self.features(input_shape)
        x = layers.GlobalAveragePooling2D()(x)
        if self.recipe.option("normalised"):
            x = layers.BatchNormalization()(x)
        return Model(inputs, layers.Dense(classes, activation="softmax")(x))
