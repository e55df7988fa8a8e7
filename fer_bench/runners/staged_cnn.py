"""staged-cnn: a plain CNN pretrained on the emotions, then given a new last layer and trained in three stages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ..api.context import Context, FitSummary, Part
from ..api.published import Published
from ..api.recipe import Augmentation, Recipe, Stage
from ..api.runner import RunnerInfo
from ..data.dataset import EMOTIONS
from ..training.weights import is_path, load_into
from .keras import KerasRunner
from .shared import TUNED

if TYPE_CHECKING:
    import keras

_TRAP = "six classes (no fear), and a test set of 4,601 images that fits neither PublicTest nor PrivateTest"


class StagedCNN(KerasRunner):
    """Conv 32-64-pool-128-pool-128-pool-Dense 1024-softmax; 2,345,607 parameters for seven classes.

    A stage trains "pretrain" or "all" (everything), or "head": the last layer, drawn anew, on the frozen rest.
    """

    info = RunnerInfo(
        name="staged-cnn",
        summary="plain CNN: pretraining, a new last layer, then everything in growing batches",
        source="six-emotion-cnn; the pretraining is that of github.com/atulapra/Emotion-detection",
        demo_epochs=1,
        demo_limit=30,
        published=(
            Published(0.658, None, "own test set, six classes", "generation 5", _TRAP, nearest="official", classes=6),
            Published(0.68, None, "own test set, six classes", "generation 6", _TRAP, nearest="official", classes=6),
        ),
        notes=(
            (
                "published: the source starts from a stranger's weights, trained on the seven classes (Adam 1e-4, batch"
                " 64, 50 epochs). Here that pretraining is the first of four stages, on the run's own training part and"
                " its classes (of six, the seventh is not known to the runner); --weights PATH gives this net's weights"
                " for seven emotions instead and skips it."
            ),
            (
                "published: the source augments by random crop, flip, noise, blur and contrast but gives no strengths;"
                " those here are ours. They act in the pretraining too, where the source had none."
            ),
            (
                "published: the optimizer of the stages after the pretraining is not given; taken to be Adam, as before"
                " them."
            ),
            "published: the source fills its smaller classes with frames of a second data set; here only --fill does.",
        ),
    )
    recipes: ClassVar = {
        "published": Recipe(
            stages=(
                Stage(50, 1e-4, 64, "pretrain"),
                Stage(10, 1e-3, 32, "head"),
                Stage(10, 1e-4, 128, "all"),
                Stage(10, 1e-4, 1024, "all"),
            ),
            augmentation=Augmentation(crop=4, flip=True, noise=0.02, blur=0.7, contrast=0.3),
        ),
        "tuned": replace(
            TUNED,
            weight_decay=2e-2,
            batch=128,
            epochs=50,
            note="one stage: pretraining on the very images that follow adds nothing",
        ),
    }

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        if is_path(context.weights):
            left = tuple(stage for stage in self.recipe.stages if stage.trainable != "pretrain")
            self.recipe = replace(self.recipe, stages=left)
        return super().fit(train, validation, context)

    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        from keras import Sequential, layers

        if not is_path(self.weights):
            return _net(input_shape, classes)
        pretrained = _net(input_shape, len(EMOTIONS))
        self.init = load_into(pretrained, self.weights)
        self._has_backbone = True
        return Sequential(
            [layers.Input(input_shape), *pretrained.layers[:-1], layers.Dense(classes, activation="softmax")]
        )

    def set_trainable(self, model: keras.Model, trainable: str) -> None:
        *body, head = model.layers
        for layer in body:
            layer.trainable = trainable != "head"
        if trainable == "head":
            # A Keras initializer draws the same numbers each time; its clone draws others.
            head.kernel.assign(head.kernel_initializer.clone()(head.kernel.shape))
            head.bias.assign(head.bias_initializer(head.bias.shape))


def _net(input_shape: tuple[int, int, int], classes: int) -> keras.Sequential:
    from keras import Sequential, layers

    return Sequential(
        [
            layers.Input(input_shape),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )
