"""vgg-bottleneck: ImageNet features of VGG16 or VGG19, extracted once, under a two-layer classifier."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..api.published import Published
from ..api.recipe import Augmentation, NamedRecipe, Recipe
from ..api.runner import RunnerInfo
from ..errors import InputError
from .keras import KerasRunner
from .shared import FINE_TUNED, vgg_preprocessing

if TYPE_CHECKING:
    import keras

_BACKBONES = {"vgg16": "VGG16", "vgg19": "VGG19"}


class VGGBottleneck(KerasRunner):
    """Dense 512 relu, Dropout 0.5, softmax on 512 frozen features of a 48-pixel image; 266,247 trainable parameters.

    Parameter ``backbone``: "vgg19", on whose features the source trained its classifier, or "vgg16". The recipe's
    option ``normalised`` puts a batch normalisation between features and classifier.
    """

    info = RunnerInfo(
        name="vgg-bottleneck",
        summary="VGG features of ImageNet, extracted once, under two dense layers",
        source="emotional-ai; its notebook 'transfer learning model' (github.com/alviniac/Emotional-AI)",
        demo_epochs=20,
        demo_limit=30,
        published=(
            Published(
                0.38,
                None,
                "20 % of Training held out, drawn without a seed",
                "validation accuracy (0.377 in the last of 20 epochs, 0.391 in the best)",
                "a validation figure, on rows of Training; no test figure is published",
                part="validation",
                checkpoint="last",
                nearest="holdout-20-shuffled",
            ),
        ),
        notes=(
            (
                "published: as the notebook has it, rmsprop, batch 20, 20 epochs, the checkpoint of the lowest"
                " validation loss. Its logged loss of 9.8 shows saturated softmax outputs: the features are large and"
                " are not normalised."
            ),
        ),
    )
    parameters: ClassVar = {"backbone": "vgg19"}
    variants: ClassVar = ({"backbone": "vgg16"}, {"backbone": "vgg19"})
    recipes: ClassVar = {
        "published": Recipe(channels=3, optimizer="rmsprop", batch=20, epochs=20, weights="imagenet"),
        "tuned": replace(
            FINE_TUNED,
            learning_rate=3e-4,
            weight_decay=0.05,
            warmup_epochs=2,
            batch=128,
            epochs=60,
            augmentation=Augmentation(),
            options=(("normalised", True),),
        ),
    }

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        if self.params["backbone"] not in _BACKBONES:
            known = " or ".join(_BACKBONES)
            raise InputError(
                f"runner vgg-bottleneck, parameter backbone={self.params['backbone']}: {known} is possible"
            )
        self.application = _BACKBONES[self.params["backbone"]]

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        import keras
        from keras import layers

        from ..training.freezing import freeze_first

        backbone = self.backbone(self.application, input_shape, name="backbone")
        freeze_first(backbone, len(backbone.layers))
        inputs = keras.Input(input_shape)
        x = layers.Flatten(name="features")(backbone(vgg_preprocessing()(inputs)))
        if self.recipe.option("normalised"):
            x = layers.BatchNormalization()(x)
        x = layers.Dense(512, activation="relu")(x)
        x = layers.Dropout(0.5)(x)
        return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))
