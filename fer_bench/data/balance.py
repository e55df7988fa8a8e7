"""Class balance of the training part: sample weights, oversampling, or a second data set that fills the gaps."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..errors import InputError
from .dataset import Dataset
from .match import labels_in

Balance = Literal["none", "weights", "oversample"]


def balanced(labels: np.ndarray, classes: int, how: Balance, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows to train on, and their weights.

    Args:
        labels: (n,) int, the labels of the training part.
        classes: number of classes; those without rows are left alone.
        how: "none"; "weights" gives each row n / (classes present * rows of its class), scikit-learn's "balanced", so
            that weights average 1; "oversample" repeats rows of the smaller classes until all are as large as the
            largest, each row of a class equally often give or take one.
        seed: picks the rows that are repeated once more than others.

    Returns:
        (m,) int64 indices into ``labels``, the original rows first, and (m,) float32 weights or None.
    """
    rows = np.arange(len(labels), dtype=np.int64)
    if how == "weights":
        from sklearn.utils.class_weight import compute_sample_weight

        return rows, compute_sample_weight("balanced", labels).astype(np.float32)
    if how == "oversample":
        rng = np.random.default_rng(seed)
        gaps = _gaps(labels, classes)
        shuffled = [rng.permutation(rows[labels == label]) for label in range(classes)]
        extra = [np.resize(own, gap) for own, gap in zip(shuffled, gaps, strict=True) if len(own)]
        return np.concatenate([rows, *extra]), None
    if how != "none":
        raise InputError(f"unknown balance {how!r}; none, weights and oversample are known")
    return rows, None


def fill(
    train_labels: np.ndarray, other: Dataset, classes: tuple[str, ...], seed: int, *, avoid: np.ndarray | None = None
) -> np.ndarray:
    """Rows of a second data set that bring each class up to the largest, as far as it has images.

    Args:
        train_labels: (n,) int, indices into ``classes``.
        other: where the images come from; of a set with usages, only its Training rows.
        classes: names of the classes trained on; ``labels_in`` says what each row of ``other`` counts as.
        seed: picks among the rows when there are more than needed.
        avoid: (m, 48, 48) uint8, images that must not come in: those of validation and test.

    Returns:
        (k,) int64 row numbers into ``other``, sorted.

    Raises:
        InputError: the two sets have no class in common.
    """
    labels = labels_in(classes, other)
    usable = labels >= 0
    if not usable.any():
        raise InputError(f"{other.source} can't fill classes {', '.join(classes)}: it has {', '.join(other.classes)}")
    if other.usage is not None:
        usable &= other.usage == 0
    if avoid is not None:
        barred = {image.tobytes() for image in avoid}
        usable &= np.array([image.tobytes() not in barred for image in other.images], bool)
    rng = np.random.default_rng(seed)
    gaps = _gaps(train_labels, len(classes))
    drawn = [rng.permutation(np.flatnonzero(usable & (labels == label)))[:gap] for label, gap in enumerate(gaps)]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def check_fill(
    train_labels: np.ndarray, other: Dataset, classes: tuple[str, ...], *, avoid: np.ndarray | None = None
) -> None:
    """Raises InputError where ``fill`` would bring in no image, and says why; the arguments are those of ``fill``."""
    if len(fill(train_labels, other, classes, 0, avoid=avoid)):
        return
    reason = "the classes that lack images are none of its, or all its images of them stand in validation or test"
    if not any(_gaps(train_labels, len(classes))):
        reason = "all classes of the training part have as many images"
    elif other.usage is not None and not (other.usage == 0).any():
        reason = "it has no images of a training part"
    raise InputError(f"--fill {other.source}: fills nothing, because {reason}; leave it out or give other data")


def _gaps(labels: np.ndarray, classes: int) -> list[int]:
    """Rows that each class lacks to be as large as the largest."""
    counts = np.bincount(labels, minlength=classes)
    return (counts.max() - counts).tolist()
