"""Every score of the suite, from labels and probabilities alone; the same code for every runner."""

from __future__ import annotations

from pydantic import BaseModel


class EmotionScores(BaseModel):
    """One emotion of the test part. ``accuracy`` is its recall, the field's per-emotion accuracy.

    ``confidence`` is the mean probability given to the predicted label over this emotion's images; ``distribution`` the
    number of its images predicted as each class, in class order.
    """

    images: int
    precision: float
    recall: float
    f1: float
    confidence: float
    distribution: list[int]


class Scores(BaseModel):
    """All scores of one set of predictions; fractions in [0, 1] unless said otherwise."""

    images: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    images_unseen: int | None
    accuracy_unseen: float | None
    weighted_f1: float
    macro_f1: float
    balanced_accuracy: float
    top2_accuracy: float
    binary_accuracy: float
    log_loss: float
    calibration_error: float
    confusion: list[list[int]]
    emotions: dict[str, EmotionScores]
