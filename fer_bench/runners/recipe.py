"""Recipe: everything about a training that is not the model, frozen and hashable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Augmentation:
    """Random changes to a training image; each range is symmetric about no change, as in ImageDataGenerator.

    rotation and shear are in degrees; shift and zoom are fractions; crop is in pixels of the 48-pixel image (pad by
    that many, cut back at random); noise is the standard deviation on a 0..1 scale; blur the largest Gaussian sigma in
    pixels; contrast a fraction; erase the probability that a random rectangle is blanked; mixup the alpha of the Beta
    distribution by which two images of a batch, and their labels, are mixed; cutmix the same, of the share that an image
    keeps where a box of another one is pasted into it. Where both are given, a batch gets one of them at random.
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
        return self != Augmentation()


@dataclass(frozen=True)
class EarlyStopping:
    monitor: str = "val_loss"
    patience: int = 7
    min_delta: float = 0.0


@dataclass(frozen=True)
class ReduceLR:
    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 5
    min_lr: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One stage of a staged training: ``trainable`` names what learns, in words that the runner understands."""

    epochs: int
    learning_rate: float
    batch: int
    trainable: str = "all"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. ``options`` carries what is special to one runner (hyper-parameters of an estimator).

    image_size (pixels) and channels describe the model's input; images arrive as 48x48 gray and are resized and copied
    to three channels inside the compiled step. ``window`` (pixels) is the side of the square that is cut out of the
    48x48 image before that, at a random place in training and in the middle for a prediction; 0 takes the whole image.
    ``scaling``: "unit" is [0, 1], "signed" is [-1, 1]. ``weights`` is the initialisation that ``--weights auto`` tries
    first. ``stages`` replaces epochs, learning_rate and batch if given. ``monitor`` is what picks the checkpoint, always
    on validation data. ``ema`` is the decay of an exponential moving average of the weights, which is what is validated
    and kept (0: the weights themselves); see training.average.
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
        return dict(self.options).get(name, default)

    def plan(self) -> tuple[Stage, ...]:
        """The stages to train, one where the recipe names none."""
        return self.stages or (Stage(self.epochs, self.learning_rate, self.batch),)

    def with_smaller_batches(self, divisor: int) -> Recipe:
        """The same with every batch divided, rounded down, but for at least one image."""
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
