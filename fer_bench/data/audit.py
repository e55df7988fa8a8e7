"""What a data set is worth: class counts, repeated images, test images that stand in train, contradicting labels."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel

from .dataset import USAGES, Dataset

#: An image is blank if its lightest and darkest pixel are less than this apart (gray levels of 256): flat, or flat but
#: for the ripple of a JPEG file. FER-2013 has 12 flat images and one of 6 levels; the next has 48.
BLANK = 8


class Conflict(BaseModel):
    """Images equal pixel for pixel that do not all have the same label; ``rows`` count from 0 in the order of the
    set.
    """

    rows: list[int]
    emotions: list[str]


class Audit(BaseModel):
    """What an audit found in a data set. Rows are counted from 0, as read.

    Attributes:
        counts: usage -> emotion -> images; one entry "all" where the set does not say who uses what.
        duplicate_rows: rows equal to an earlier row in pixels, emotion and usage (``duplicated()`` of pandas).
        repeated_images: images whose pixels occur in an earlier row, whatever its label and usage.
        in_training: usage -> images of it that stand, pixel for pixel, in Training too; empty without usages.
        conflicts: groups of equal images under different labels; ``conflict_images`` counts what is in them.
        blank_rows: rows of images that show nothing; see ``BLANK``.
    """

    name: str
    source: str
    digest: str
    images: int
    classes: list[str]
    counts: dict[str, dict[str, int]]
    duplicate_rows: int
    repeated_images: int
    in_training: dict[str, int]
    conflicts: list[Conflict]
    conflict_images: int
    blank_rows: list[int]


def audit(dataset: Dataset) -> Audit:
    """Examines every image; about a second for FER-2013."""
    images = len(dataset)
    flat = np.ascontiguousarray(dataset.images).reshape(images, -1)
    same = _groups(flat)
    usage = dataset.usage if dataset.usage is not None else np.zeros(images, np.int8)
    rows = np.stack([same, dataset.labels, usage], axis=1)
    conflicts = _conflicts(same, dataset)
    return Audit(
        name=dataset.name,
        source=dataset.source,
        digest=dataset.digest,
        images=images,
        classes=list(dataset.classes),
        counts=class_counts(dataset),
        duplicate_rows=images - len(np.unique(rows, axis=0)),
        repeated_images=images - len(np.unique(same)),
        in_training=_in_training(same, dataset.usage),
        conflicts=conflicts,
        conflict_images=sum(len(conflict.rows) for conflict in conflicts),
        blank_rows=np.flatnonzero(blank(flat)).tolist(),
    )


def blank(images: np.ndarray) -> np.ndarray:
    """(N,) bool: which of N images of uint8 pixels, in any shape, show nothing; see ``BLANK``."""
    return np.ptp(images, axis=tuple(range(1, images.ndim))) < BLANK


def _groups(flat: np.ndarray) -> np.ndarray:
    """(N,) int64: the same number for rows with the same bytes."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in flat], dtype=np.int64)


def class_counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Usage -> emotion -> images; one entry "all" where the set does not say who uses what."""
    if dataset.usage is None:
        return {"all": dataset.counts()}
    return {name: dataset.counts(dataset.usage == code) for code, name in enumerate(USAGES)}


def _in_training(same: np.ndarray, usage: np.ndarray | None) -> dict[str, int]:
    if usage is None:
        return {}
    training = same[usage == 0]
    return {
        name: int(np.isin(same[usage == code], training).sum())
        for code, name in enumerate(USAGES)
        if name != "Training"
    }


def _conflicts(same: np.ndarray, dataset: Dataset) -> list[Conflict]:
    groups, labels = np.unique(np.stack([same, dataset.labels], axis=1), axis=0).T
    numbers, kinds = np.unique(groups, return_counts=True)
    found = []
    for number in numbers[kinds > 1]:
        rows = np.flatnonzero(same == number)
        emotions = [dataset.classes[label] for label in labels[groups == number]]
        found.append(Conflict(rows=rows.tolist(), emotions=emotions))
    return sorted(found, key=lambda conflict: conflict.rows)
