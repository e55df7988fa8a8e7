"""Recipe: everything about a training that is not the model, frozen and hashable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe that is none of a runner's own, with its name; a runner takes it where it takes the name of one."""

    name: str
    recipe: Recipe


@dataclass(frozen=True)
class Augmentation:
    """Random changes to a training image; each range is symmetric about no change, as in ImageDataGenerator.

    Attributes:
        rotation, shear: the largest angle, in degrees.
        shift: the largest shift, as a fraction of the image's side.
        zoom: the largest change of size, as a fraction.
        flip: whether half of the images are mirrored, left and right.
        crop: pixels of the 48-pixel image by which it is padded before it is cut back at a random place.
        noise: standard deviation of Gaussian noise, where pixels are in 0..1.
        blur: the largest sigma of a Gaussian, in pixels.
        contrast: the largest change of contrast, as a fraction.
        erase: probability that a random rectangle is blanked.
        mixup: alpha of the Beta distribution by which two images of a batch, and their labels, are mixed.
        cutmix: alpha of the Beta distribution of the share that an image keeps where a box of another one is pasted
            into it. Where mixup is given, too, a batch gets one of the two at random.

    >>> from fer_bench import Augmentation
    >>> Augmentation(rotation=10, flip=True).any, Augmentation().any
    (True, False)
    """

    rotation: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    crop: int = 0
    noise: float = 0.0
    blur: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def any(self) -> bool:
        """Whether anything is changed at all."""
        return self != Augmentation()


@dataclass(frozen=True)
class EarlyStopping:
    """The end of a training whose ``monitor`` has not improved by ``min_delta`` in ``patience`` epochs."""

    monitor: str = "val_loss"
    patience: int = 7
    min_delta: float = 0.0


@dataclass(frozen=True)
class ReduceLR:
    """The learning rate times ``factor``, down to ``min_lr``, after ``patience`` epochs without a better
    ``monitor``.
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 5
    min_lr: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One stage of a staged training: ``trainable`` names what learns, in words that the runner understands.

    ``batch`` is the number of images a step; a schedule begins anew in each stage, at ``learning_rate``.
    """

    epochs: int
    learning_rate: float
    batch: int
    trainable: str = "all"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: everything but the model itself. A variant is made with ``dataclasses.replace``.

    Attributes:
        image_size, channels: side (pixels) and channels (1 or 3) of the model's input; images arrive as 48x48 gray and
            are resized and copied to three channels inside the compiled step.
        scaling: of the pixels; "unit" is [0, 1], "signed" is [-1, 1].
        optimizer, learning_rate, weight_decay: Keras's; "sgd" has a Nesterov momentum of 0.9.
        schedule: of the learning rate; "cosine" falls to 0 over the epochs of a stage, and rules out ``reduce_lr``.
        warmup_epochs: epochs in which a cosine schedule rises from 0 before it falls.
        batch: images a step.
        epochs: at most; ``early_stopping`` may end a stage before.
        stages: take the place of epochs, learning_rate and batch where there are any.
        augmentation: of the training images, and with ``augment_validation`` of the validation images, too.
        label_smoothing: share of a target that is spread evenly over all classes.
        monitor: what picks the checkpoint, always on validation data.
        precision: in which the model computes; its weights and its probabilities are float32.
        weights: the initialisation that ``--weights auto`` tries first.
        options: what is special to one runner, such as hyper-parameters of an estimator, as (name, value) pairs.
        window: side (pixels) of the square that is cut out of the 48x48 image before it is resized, at a random place
            in training and in the middle for a prediction; 0 takes the whole image.
        ema: decay of an exponential moving average of the weights, which is what is validated and kept, see
            ``training.average``; 0 takes the weights themselves.
        note: for people; the only field that is not in the digest.

    >>> from dataclasses import replace
    >>> from fer_bench import Augmentation, Recipe
    >>> recipe = Recipe(batch=64, epochs=20, augmentation=Augmentation(shift=0.1, flip=True))
    >>> replace(recipe, note="as published").digest() == recipe.digest() != replace(recipe, batch=128).digest()
    True
    """

    image_size: int = 48
    channels: int = 1
    scaling: Literal["unit", "signed"] = "unit"
    optimizer: Literal["adam", "sgd", "adamw", "rmsprop"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: int = 0
    batch: int = 32
    epochs: int = 30
    stages: tuple[Stage, ...] = ()
    augmentation: Augmentation = Augmentation()
    augment_validation: bool = False
    label_smoothing: float = 0.0
    monitor: str = "val_loss"
    early_stopping: EarlyStopping | None = None
    reduce_lr: ReduceLR | None = None
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    weights: Literal["random", "imagenet"] = "random"
    options: tuple[tuple[str, Any], ...] = ()
    window: int = 0
    ema: float = 0.0
    note: str = ""

    def option(self, name: str, default: Any = None) -> Any:
        """The value of one of ``options``, or ``default`` where it is not among them."""
        return dict(self.options).get(name, default)

    def plan(self) -> tuple[Stage, ...]:
        """The stages to train, one where the recipe names none."""
        return self.stages or (Stage(self.epochs, self.learning_rate, self.batch),)

    def with_smaller_batches(self, divisor: int) -> Recipe:
        """This recipe with every batch divided by ``divisor`` and rounded down, to one image at least."""
        stages = tuple(replace(stage, batch=max(1, stage.batch // divisor)) for stage in self.stages)
        return replace(self, batch=max(1, self.batch // divisor), stages=stages)

    def digest(self) -> str:
        """sha256 (hex) of every field but the note.

        A field that came later counts where it says something, so that older records keep their keys.
        """
        fields = {k: v for k, v in asdict(self).items() if k != "note"}
        for place, names in ((fields["augmentation"], ("mixup", "cutmix")), (fields, ("window", "ema"))):
            for name in names:
                if not place[name]:
                    del place[name]
        return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()
