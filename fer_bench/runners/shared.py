"""What several deep runners share: recipes, an augmentation that suits 48-pixel faces, and preprocessing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..api.recipe import Augmentation, EarlyStopping, Recipe, ReduceLR

if TYPE_CHECKING:
    import keras

    from ..training.applications import Preprocessing

#: Moderate changes for the tuned recipes: enough to slow over-fitting down, too little to hide a mouth or a brow.
MODERATE = Augmentation(rotation=10, shift=0.1, shear=5, zoom=0.1, flip=True)
#: ImageDataGenerator's arguments in emotion-detection-notebook; its shear_range of .15 is in degrees, next to none.
NOTEBOOK_AUGMENTATION = Augmentation(rotation=15, shift=0.15, shear=0.15, zoom=0.15, flip=True)

#: How emotion-detection-notebook trains the nets of its own.
NOTEBOOK = Recipe(
    batch=8,
    epochs=100,
    early_stopping=EarlyStopping("val_loss", patience=7),
    reduce_lr=ReduceLR("val_loss", factor=0.05, patience=5),
)
#: What the tuned recipes of convolutional nets begin with.
TUNED = Recipe(
    optimizer="adamw",
    weight_decay=1e-2,
    schedule="cosine",
    warmup_epochs=1,
    batch=64,
    augmentation=MODERATE,
    label_smoothing=0.1,
    monitor="val_accuracy",
    precision="mixed_bfloat16",
)
#: Few epochs from ImageNet's weights.
FINE_TUNED = replace(TUNED, channels=3, learning_rate=5e-4, epochs=7, weights="imagenet")


def vgg_preprocessing() -> keras.layers.Layer:
    """A layer that maps gray copies in [0, 1], (N, H, W, 3), to what VGG's and ResNet50's ImageNet weights expect.

    The same as ``keras.applications.vgg19.preprocess_input`` on pixels 0..255: ImageNet's mean is subtracted in BGR
    order; the three channels of a gray image are equal, so turning RGB into BGR changes nothing else.
    """
    import keras

    return keras.layers.Rescaling(255.0, offset=[-103.939, -116.779, -123.68], name="vgg_preprocessing")


def own_preprocessing(kind: Preprocessing) -> keras.layers.Layer:
    """A layer that maps gray copies in [0, 1], (N, H, W, 3), to what a network of keras.applications expects.

    "caffe" is ``vgg_preprocessing``; the others compute in float32 whatever the network computes in.
    """
    import keras

    if kind == "caffe":
        return vgg_preprocessing()
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scale, offset = {
        "tf": (2.0, -1.0),
        "torch": ([1 / d for d in deviation], [-m / d for m, d in zip(mean, deviation, strict=True)]),
        "inside": (255.0, 0.0),
    }[kind]
    return keras.layers.Rescaling(scale, offset, dtype="float32", name=f"{kind}_preprocessing")
