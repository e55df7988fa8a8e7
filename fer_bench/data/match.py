"""The classes of two data sets, matched by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .dataset import Dataset


def place_of(name: str, classes: Sequence[str]) -> int:
    """The index of the class that an emotion counts as, or -1: its own, or the merged one that holds it.

    "sadness" counts as "sadness+neutral", and so does "neutral+sadness".
    """
    parts = set(name.split("+"))
    return next((place for place, one in enumerate(classes) if parts <= set(one.split("+"))), -1)


def labels_in(classes: Sequence[str], other: Dataset) -> np.ndarray:
    """The labels of ``other`` as (N,) int8 indices into ``classes``, -1 where those have none; see ``place_of``."""
    return np.array([place_of(name, classes) for name in other.classes], np.int8)[other.labels]


def match(classes: Sequence[str], foreign: Dataset) -> tuple[np.ndarray, dict[str, int], list[str]]:
    """A model's classes and a foreign set's, matched by name; see ``place_of``.

    Returns:
        labels (N,) int8 of the set's images, indices into ``classes``, -1 where the model has no such class; the number
        of those by the set's class; the model's classes of which the set has no image.

    Raises:
        InputError: no image shows an emotion that the model knows.
    """
    labels = labels_in(classes, foreign)
    if not (labels >= 0).any():
        there = ", ".join(name for name, count in foreign.counts().items() if count)
        raise InputError(f"no class in common: {foreign.source} has {there}; the model knows {', '.join(classes)}")
    dropped = {name: count for name, count in foreign.counts(labels < 0).items() if count}
    return labels, dropped, [name for code, name in enumerate(classes) if not (labels == code).any()]
