"""fer-net: our own network for 48-pixel faces, trained from scratch, in two budgets, and distilled.

The two shapes that are known to work on FER-2013 are VGG's pairs of 3x3 convolutions with batch normalisation (Simonyan
and Zisserman 2015; Khaireddin and Chen 2021, arXiv 2105.03588) and ResNet18 with a 3x3 stem (He et al. 2016), either
with squeeze-and-excitation (Hu et al. 2018). What each ingredient of the recipes is worth: benchmarks/ingredients.md.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..api.context import Context, FitSummary, Part
from ..api.recipe import Augmentation, NamedRecipe, Recipe
from ..api.runner import RunnerInfo
from ..errors import InputError
from .keras import KerasRunner
from .series import Series

if TYPE_CHECKING:
    import keras

_CPU = Recipe(
    image_size=44,
    window=44,
    optimizer="adamw",
    learning_rate=0.004,
    weight_decay=0.05,
    schedule="cosine",
    warmup_epochs=2,
    batch=128,
    epochs=42,
    augmentation=Augmentation(rotation=12, shear=8, zoom=0.12, flip=True, erase=0.1),
    label_smoothing=0.1,
    monitor="val_accuracy",
    ema=0.998,
    precision="mixed_bfloat16",
    options=(("width", 32), ("dense", 512), ("dropout", 0.4), ("stage_dropout", 0.05)),
)
_GPU = replace(
    _CPU,
    optimizer="sgd",
    learning_rate=0.08,
    weight_decay=5e-4,
    warmup_epochs=5,
    epochs=250,
    augmentation=Augmentation(rotation=15, shear=8, zoom=0.15, flip=True, erase=0.4, mixup=0.2, cutmix=1.0),
    ema=0.999,
    options=(("width", 64), ("dense", 2048), ("dropout", 0.5), ("stage_dropout", 0.1)),
)


class FerNet(KerasRunner):
    """Four stages of convolutions, filters doubling from stage to stage, after VGG or ResNet18.

    Parameters: ``arch`` "vgg" or "resnet"; ``width``, the filters of the first stage (0: the recipe's own); ``se``,
    squeeze-and-excitation after each stage (vgg) or block (resnet).

    Options of the recipe: ``width``; ``dense``, the width of VGG's head; ``dropout`` before the last layer, and
    ``stage_dropout`` after VGG's stages, times 0, 1, 2 and 3; ``members`` and ``teaching`` make ``fit`` a distillation,
    see there.
    """

    info = RunnerInfo(
        name="fer-net",
        summary="VGG or ResNet18 for 48-pixel faces, from scratch, in two budgets",
        source="none (ours); after Khaireddin and Chen, arXiv 2105.03588",
        demo_epochs=1,
        demo_limit=30,
        notes=(
            "cpu took 53 minutes on two cores; gpu is meant for 10 minutes on one H100, and not measured yet.",
            (
                "distilled: several nets by recipe gpu from different seeds, then one that learns from labels and from"
                " their averaged probabilities, all in one run."
            ),
            "width=0 is the recipe's own: 32 filters by cpu, 64 by gpu. PrivateTest chose nothing.",
        ),
    )
    parameters: ClassVar = {"arch": "vgg", "width": 0, "se": True}
    recipes: ClassVar = {
        "cpu": _CPU,
        "gpu": _GPU,
        # Smoothed labels make worse teachers (Müller et al. 2019, arXiv 1906.02629).
        "distilled": replace(_GPU, label_smoothing=0.0, options=(*_GPU.options, ("members", 3), ("teaching", 0.7))),
    }

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        if self.params["arch"] not in ("vgg", "resnet"):
            raise InputError(f"runner fer-net, parameter arch={self.params['arch']}: vgg and resnet are possible")
        if not 0 <= self.params["width"] <= 256:
            raise InputError(f"runner fer-net, parameter width={self.params['width']}: 0 to 256 is possible")

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Input, Model, layers

        inputs = Input(input_shape)
        width = self.params["width"] or self.recipe.option("width")
        body = self._vgg if self.params["arch"] == "vgg" else self._resnet
        x = layers.Dropout(self.recipe.option("dropout"))(body(inputs, width))
        return Model(inputs, layers.Dense(classes, activation="softmax")(x))

    def _vgg(self, x: keras.KerasTensor, width: int) -> keras.KerasTensor:
        from keras import layers

        for stage in range(4):
            for _ in range(2):
                x = layers.ReLU()(_convolution(x, width << stage))
            x = layers.MaxPooling2D(padding="same")(x)
            if self.params["se"]:
                x = _excited(x)
            x = layers.Dropout(stage * self.recipe.option("stage_dropout"))(x)
        x = layers.Dense(self.recipe.option("dense"), use_bias=False)(layers.Flatten()(x))
        return layers.ReLU()(layers.BatchNormalization()(x))

    def _resnet(self, x: keras.KerasTensor, width: int) -> keras.KerasTensor:
        from keras import layers

        x = layers.ReLU()(_convolution(x, width))
        for stage in range(4):
            for block in range(2):
                stride = 2 if stage and not block else 1
                branch = layers.ReLU()(_convolution(x, width << stage, stride=stride))
                branch = _convolution(branch, width << stage)
                if self.params["se"]:
                    branch = _excited(branch)
                if stride > 1:
                    # Averages and then 1x1, as in ResNet-D (He et al. 2019): a strided 1x1 would not see three of four
                    # pixels.
                    x = _convolution(layers.AveragePooling2D(2, padding="same")(x), width << stage, size=1)
                x = layers.ReLU()(layers.add([x, branch]))
        return layers.GlobalAveragePooling2D()(x)

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        """Trains one net, or with the option ``members`` so many and then the one that is kept, on what they think.

        That one's targets are ``teaching`` times the members' mean probabilities, over each training image and its
        mirror, and for the rest the labels. Validation picks the epoch of each net. (Hinton et al. 2015, arXiv
        1503.02531, at temperature 1; a student of the same shape as its teachers: Furlanello et al. 2018, arXiv
        1805.04770.)
        """
        members = self.recipe.option("members", 0)
        if not members:
            return super().fit(train, validation, context)
        series = Series(context, members + 1)
        thoughts = np.zeros((len(train.labels), len(context.classes)), "float32")
        for number in range(1, members + 1):
            member = type(self)(self.recipe_name, **self.params)
            member.recipe = self.recipe
            series.fit(f"member-{number}", partial(super(FerNet, member).fit, train, validation))
            with context.phase("train"):
                for images in (train.images, train.images[:, :, ::-1]):
                    thoughts += member.predict_proba(images) / (2 * members)
        teaching = self.recipe.option("teaching")
        labels = np.eye(len(context.classes), dtype="float32")[train.labels]
        taught = train._replace(labels=teaching * thoughts + (1 - teaching) * labels)
        series.fit("student", partial(super().fit, taught, validation))
        return series.summary()


def _convolution(x: keras.KerasTensor, filters: int, size: int = 3, stride: int = 1) -> keras.KerasTensor:
    """Without bias, and batch normalisation."""
    from keras import layers

    from ..training.batch_norm import BatchNormalization

    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
    return BatchNormalization()(x)


def _excited(x: keras.KerasTensor) -> keras.KerasTensor:
    """Squeeze-and-excitation: each channel scaled by what all channels' means say, through an eighth of their
    number.
    """
    from keras import layers

    channels = x.shape[-1]
    scale = layers.GlobalAveragePooling2D(keepdims=True)(x)
    scale = layers.Dense(max(4, channels // 8), activation="relu")(scale)
    return layers.multiply([x, layers.Dense(channels, activation="sigmoid")(scale)])
