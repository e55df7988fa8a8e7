"""A figure that a source published, with what it takes to put ours beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Counted = Literal["after", "while training"]


@dataclass(frozen=True)
class Published:
    """A figure that a source published, and what it is worth.

    ``split`` and ``protocol`` say how it was obtained; ``trap`` why it can't be compared as it stands (empty: nothing
    known). All figures are fractions from 0 to 1; None where the source gives none. The other fields are for programs:
    they say what of ours is put beside it.
    """

    accuracy: float | None
    weighted_f1: float | None
    split: str
    protocol: str
    trap: str = ""
    #: What ``accuracy`` is; "binary" is one-vs-rest accuracy over all outputs, as Scores.binary_accuracy.
    metric: Literal["accuracy", "binary"] = "accuracy"
    #: The images that the figure is of: a part of the split, or validation and test together.
    part: Literal["train", "validation", "test", "validation+test"] = "test"
    #: When a training accuracy was counted: on the unchanged images after the training, or on what it is trained on
    #: (augmented images, and weights that change), as Keras prints it while it trains.
    counted: Counted = "after"
    #: What picked the epoch: "validation", "test", "train", "last" (nothing did), "none" (no epochs) or "unknown".
    checkpoint: str = "unknown"
    #: The split of this suite that has its images, or comes nearest, where ``split`` is none of them.
    nearest: str = ""
    #: How many emotions the published model tells apart.
    classes: int = 7
    #: Our recipe that follows it; "" where none does.
    recipe: str = "published"
    #: F1 of each emotion, in the order of the classes.
    emotion_f1: tuple[float, ...] = ()
    #: Precision and recall at threshold 0.5 over all outputs, as Keras counts them beside binary accuracy, and the area
    #: under the ROC curve.
    precision: float | None = None
    recall: float | None = None
    auc: float | None = None

    @property
    def our_split(self) -> str:
        """The split of this suite on which our own figure is measured."""
        return self.nearest or self.split

    @property
    def same_images(self) -> bool:
        """Whether ``our_split`` has the very images: validation and test together are all that is not Training."""
        return not self.nearest or self.part == "validation+test"
