"""resnet50: ResNet50 of ImageNet, first frozen, then fine-tuned from its layer 155 on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ..api.published import Published
from ..api.recipe import Recipe, Stage
from ..api.runner import RunnerInfo
from .keras import KerasRunner
from .shared import FINE_TUNED, vgg_preprocessing

if TYPE_CHECKING:
    import keras

#: Keras' ResNet50 counts 175 layers; the source unfreezes those from here on.
FINE_TUNE_START = 155


class ResNet50(KerasRunner):
    """ResNet50, global average pooling, Dropout 0.2, softmax; 23,602,055 parameters for seven classes.

    A stage trains "head", "from-155" (the last 20 layers of the backbone too) or "all". The recipe's option
    ``batch_statistics`` lets the backbone's batch normalisation learn; the source calls it with training=False.
    """

    info = RunnerInfo(
        name="resnet50",
        summary="ResNet50 of ImageNet, frozen and then fine-tuned at its end",
        source="resnet50-finetune",
        version=2,
        demo_epochs=1,
        demo_limit=30,
        published=(
            Published(
                0.8633,
                None,
                "28,709 / 7,178: PublicTest and PrivateTest together",
                "binary accuracy over the seven one-hot outputs; precision 0.670, recall 0.085, AUC 0.745",
                "not categorical accuracy: a model that always says 'none of them' gets 6/7 = 0.857",
                metric="binary",
                part="validation+test",
                nearest="official",
                precision=0.6699,
                recall=0.0854,
                auc=0.7451,
            ),
            Published(
                0.852,
                None,
                "28,709 / 7,178: PublicTest and PrivateTest together",
                "binary accuracy after the first 20 epochs, backbone frozen",
                "not categorical accuracy: a model that always says 'none of them' gets 6/7 = 0.857",
                metric="binary",
                part="validation+test",
                nearest="official",
            ),
        ),
        notes=(
            (
                "published: input size, preprocessing, optimizer and learning rates are not given. Taken: 48 pixels,"
                " ImageNet preprocessing, Adam 1e-3 and then 1e-5, no augmentation; batch 64, as 113 steps over 7,178"
                " images say."
            ),
            (
                "published: that the whole backbone is frozen in the first 20 epochs, and its first 155 layers in the"
                " next 20, is our reading of 'layers before 155 frozen'."
            ),
            (
                "published: batch normalisation keeps ImageNet's statistics, as the source calls the backbone with"
                " training=False."
            ),
        ),
    )
    recipes: ClassVar = {
        "published": Recipe(
            channels=3,
            stages=(Stage(20, 1e-3, 64, "head"), Stage(20, 1e-5, 64, "from-155")),
            weights="imagenet",
            options=(("batch_statistics", False),),
        ),
        "tuned": replace(FINE_TUNED, options=(("batch_statistics", True),)),
    }
    application = "ResNet50"

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        import keras
        from keras import layers

        from ..training.batch_norm import with_still_statistics

        backbone = self.backbone(self.application, input_shape, name="backbone")
        if not self.recipe.option("batch_statistics"):
            backbone = with_still_statistics(backbone)
        inputs = keras.Input(input_shape)
        x = backbone(vgg_preprocessing()(inputs))
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Flatten()(layers.Dropout(0.2)(x))
        model = keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))
        self.set_trainable(model, self.recipe.plan()[-1].trainable)
        return model

    def set_trainable(self, model: keras.Model, trainable: str) -> None:
        from ..training.freezing import freeze_first

        backbone = model.get_layer("backbone")
        frozen = {"head": len(backbone.layers), "from-155": FINE_TUNE_START}
        freeze_first(backbone, frozen.get(trainable, 0))
