"""transfer: any network of keras.applications under a new classifier; its last layers learn, or all, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..api.recipe import Augmentation
from ..api.runner import RunnerInfo
from ..errors import InputError
from ..training.applications import application, check_side
from .keras import KerasRunner
from .shared import FINE_TUNED, own_preprocessing

if TYPE_CHECKING:
    import keras

#: As vgg19-full is tuned, in fewer epochs.
_TUNED = replace(
    FINE_TUNED,
    learning_rate=2e-4,
    weight_decay=5e-2,
    batch=128,
    epochs=6,
    options=(("normalised", True), ("dense", 0), ("dropout", 0.3)),
)
#: As vgg-bottleneck is tuned, in fewer epochs.
_BOTTLENECK = replace(
    _TUNED,
    learning_rate=3e-4,
    warmup_epochs=2,
    epochs=12,
    augmentation=Augmentation(),
    options=(("normalised", True), ("dense", 512), ("dropout", 0.5)),
)


class Transfer(KerasRunner):
    """Global average pooling and a softmax on any network of keras.applications, after its own preprocessing.

    Parameters: ``backbone``, its name in keras.applications; ``unfreeze``, the share of its layers that learn, from 0
    to 1, counted from its end, see ``training.freezing.before_share``; ``size``, the side of its images in pixels (0:
    the recipe's own).

    What lies before the first layer that learns computes as in inference: its batch normalisations keep the
    statistics that came with the weights, and it drops nothing out. A stage trains "head", the classifier alone, or
    "all" that learns.

    Options of the recipe: ``normalised`` puts a batch normalisation between features and classifier, as in vgg19-full;
    ``dense`` is the width of a layer before the last one, 0 for none; ``dropout`` comes before that last one.
    """

    info = RunnerInfo(
        name="transfer",
        summary="any network of keras.applications, its last layers trained, or all, or none",
        source="none (ours); emotion-detection-notebook asks for its last 10 to 15 % of layers as future work",
        demo_epochs=1,
        demo_limit=30,
        notes=(
            (
                "unfreeze=0.15 trains the last 15 % of the layers that have weights to learn, rounded to the nearest"
                " and one at least; 0 trains the classifier alone, 1 everything."
            ),
            "size=0 is the recipe's own image_size.",
            "bottleneck: without augmentation, so the images go through the frozen layers once, not once an epoch.",
            "Not among the runners of 'run --all': random weights, which it has offline, are no point of departure.",
        ),
    )
    parameters: ClassVar = {"backbone": "EfficientNetV2B0", "unfreeze": 0.15, "size": 0}
    variants: ClassVar = ()
    recipes: ClassVar = {"tuned": _TUNED, "bottleneck": _BOTTLENECK}

    def __init__(self, recipe: str = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        who = f"runner {self.info.name}, parameter"
        name, share, size = (self.params[key] for key in ("backbone", "unfreeze", "size"))
        self.network = application(name, f"{who} backbone")
        self.application = name
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InputError(
                f"{who} unfreeze={share}: a share from 0 (the classifier alone) to 1 (every layer) is possible"
            )
        self.params["unfreeze"] = float(share)
        if size and self.recipe.image_size not in (size, FINE_TUNED.image_size):
            raise InputError(
                f"{who} size={size}: recipe {self.recipe_name} says image_size={self.recipe.image_size}; leave one out"
            )
        where = "parameter size" if size else f"no parameter size, and image_size of recipe {self.recipe_name}"
        check_side(name, self.side, f"runner {self.info.name}, {where}")
        if (self.recipe.channels, self.recipe.scaling) != (FINE_TUNED.channels, FINE_TUNED.scaling):
            raise InputError(
                f"runner {self.info.name}, recipe {self.recipe_name}: channels={self.recipe.channels} and"
                f" scaling={self.recipe.scaling}; a backbone wants 3 channels, and scales pixels itself (unit)"
            )
        strange = {stage.trainable for stage in self.recipe.plan()} - {"head", "all"}
        if strange:
            raise InputError(
                f"runner {self.info.name}, recipe {self.recipe_name}: a stage trains {', '.join(sorted(strange))}; head"
                " and all are possible"
            )

    @property
    def side(self) -> int:
        """Pixels: the parameter ``size``, or the recipe's own where that is 0."""
        return self.params["size"] or self.recipe.image_size

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        import keras
        from keras import layers

        from ..training.freezing import before_share, freeze_first, split

        backbone = self.backbone(self.application, input_shape)
        if self.network.first:
            backbone = keras.Model(backbone.get_layer(self.network.first).input, backbone.outputs[0])
        self._backbone, self._frozen = backbone, before_share(backbone, self.params["unfreeze"])
        freeze_first(backbone, self._frozen)
        frozen, learning = split(backbone, self._frozen)
        inputs = keras.Input(input_shape)
        x = own_preprocessing(self.network.preprocessing)(inputs)
        if frozen:
            x = frozen(x)
        if frozen and learning and _is_worth(frozen, backbone):
            x = layers.Identity(name="features")(x)
        if learning:
            x = learning(x)
        x = layers.GlobalAveragePooling2D(name="pooled" if learning else "features")(x)
        return keras.Model(inputs, self._classifier(x, classes))

    def set_trainable(self, model: keras.Model, trainable: str) -> None:
        from ..training.freezing import freeze_first

        freeze_first(self._backbone, self._frozen if trainable == "all" else len(self._backbone.layers))

    def _classifier(self, x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
        from keras import layers

        if self.recipe.option("normalised"):
            x = layers.BatchNormalization()(x)
        if dense := self.recipe.option("dense", 0):
            x = layers.Dense(dense, activation="relu")(x)
        x = layers.Dropout(self.recipe.option("dropout", 0.0))(x)
        return layers.Dense(classes, activation="softmax")(x)


def _is_worth(frozen: keras.Model, backbone: keras.Model) -> bool:
    """Whether to compute the frozen part once saves a tenth of the backbone's work at least.

    In NASNet each cell takes what two before it gave: there everything goes through one tensor only at its beginning,
    whose features are large.
    """
    from ..training.macs import count_macs

    return 10 * (count_macs(frozen) or 0) >= (count_macs(backbone) or 0)
