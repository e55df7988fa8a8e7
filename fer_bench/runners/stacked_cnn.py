"""stacked-cnn: INPUT -> [[CONV -> RELU]*N -> POOL]*M -> [FC -> RELU]*K -> FC, with N, M, K and filters as
parameters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..api.published import Published
from ..api.recipe import Augmentation, NamedRecipe, Recipe
from ..api.runner import RunnerInfo
from ..errors import InputError
from .keras import KerasRunner
from .shared import vgg_preprocessing

if TYPE_CHECKING:
    import keras

#: Width of the first dense layer; each further one doubles it, as the source's 128 and 256 do.
_DENSE = 128
#: The largest value of each parameter. Five poolings leave 1 x 1 of 48 x 48 pixels; the rest keeps a slip from
#: asking for more memory than there is.
_LARGEST = {"n": 8, "m": 5, "k": 6, "filters": 512}

_HELD_OUT = "20 % of Training held out, drawn without a seed"
_PUBLISHED = Recipe(
    channels=3,
    batch=32,
    epochs=30,
    augmentation=Augmentation(shift=0.2, zoom=0.2, flip=True),
    augment_validation=True,
    options=(("m", 3), ("filters", 16), ("kernel", 2), ("dense_on", "positions"), ("preprocessing", "vgg")),
)


class StackedCNN(KerasRunner):
    """Blocks of convolutions and a pooling, filters doubling from block to block, then dense layers.

    Parameters: ``n`` convolutions a block, ``m`` blocks, ``k`` dense layers, ``filters`` of the first block; for m and
    filters, 0 means the recipe's own number (published: 3 blocks from 16, 75,303 parameters; tuned: 4 from 32).

    Options of the recipe: ``m``, ``filters``, ``kernel`` (pixels); ``dense_on`` "positions" (at each of the last
    block's positions, averaged after, as in the source) or "all" (flattened); ``regularised`` adds batch normalisation
    to each convolution and dropout after each block; ``preprocessing`` "vgg" subtracts ImageNet's mean.
    """

    info = RunnerInfo(
        name="stacked-cnn",
        summary="stacked convolutions of chosen depth and width",
        source="emotional-ai; its notebook 'final model training' (github.com/alviniac/Emotional-AI)",
        demo_epochs=3,
        published=(
            Published(
                0.55,
                None,
                _HELD_OUT,
                "validation accuracy, last of 30 epochs, with augmentation",
                "a validation figure, on augmented images of Training; no test figure is published",
                part="validation",
                checkpoint="last",
                nearest="holdout-20-shuffled",
            ),
            Published(
                0.5204,
                None,
                _HELD_OUT,
                "validation accuracy, last of 10 epochs, without augmentation",
                "a validation figure, on rows of Training; no test figure is published",
                part="validation",
                checkpoint="last",
                nearest="holdout-20-shuffled",
                recipe="published-plain",
            ),
        ),
        notes=(
            (
                "published: as the notebook has it, kernels are 2x2, dense layers act at each position before a global"
                " average, pixels are preprocessed for VGG16, and validation images are augmented too."
            ),
            (
                "published-plain: the same net without augmentation, batch 20, 10 epochs, as in the source's notebook"
                " 'trying different models'; the source's three points between the two are also those of 20 more"
                " epochs."
            ),
            "tuned: 3x3 kernels, batch normalisation, dropout, flattened dense layers, four blocks from 32 filters.",
        ),
    )
    parameters: ClassVar = {"n": 2, "m": 0, "k": 2, "filters": 0}
    recipes: ClassVar = {
        "published": _PUBLISHED,
        "published-plain": replace(
            _PUBLISHED, batch=20, epochs=10, augmentation=Augmentation(), augment_validation=False
        ),
        "tuned": Recipe(
            optimizer="sgd",
            learning_rate=0.08,
            weight_decay=5e-4,
            schedule="cosine",
            warmup_epochs=2,
            batch=128,
            epochs=40,
            augmentation=Augmentation(rotation=12, shift=0.1, shear=8, zoom=0.12, flip=True),
            label_smoothing=0.1,
            monitor="val_accuracy",
            precision="mixed_bfloat16",
            options=(("m", 4), ("filters", 32), ("kernel", 3), ("dense_on", "all"), ("regularised", True)),
        ),
    }

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        for name, largest in _LARGEST.items():
            if not 0 <= self.params[name] <= largest or (name == "n" and not self.params[name]):
                least = 1 if name == "n" else 0
                raise InputError(
                    f"runner stacked-cnn, parameter {name}={self.params[name]}: {least} to {largest} is possible"
                )

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Input, Sequential, layers

        from ..training.batch_norm import BatchNormalization

        option, params = self.recipe.option, self.params
        blocks, filters = params["m"] or option("m"), params["filters"] or option("filters")
        model = Sequential([Input(input_shape)])
        if option("preprocessing") == "vgg":
            model.add(vgg_preprocessing())
        for block in range(blocks):
            for _ in range(params["n"]):
                model.add(
                    layers.Conv2D(
                        filters << block, option("kernel"), padding="same", use_bias=not option("regularised")
                    )
                )
                if option("regularised"):
                    model.add(BatchNormalization())
                model.add(layers.ReLU())
            model.add(layers.MaxPooling2D())
            if option("regularised"):
                model.add(layers.Dropout(0.1 + 0.05 * block))
        if option("dense_on") == "all":
            model.add(layers.Flatten())
        for number in range(params["k"]):
            model.add(layers.Dense(_DENSE << number, activation="relu"))
        if option("dense_on") == "positions":
            model.add(layers.GlobalAveragePooling2D())
        elif option("regularised"):
            model.add(layers.Dropout(0.4))
        model.add(layers.Dense(classes, activation="softmax"))
        return model
