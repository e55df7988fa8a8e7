"""Label schemes: which emotions are told apart. A scheme is part of the data's digest, so scores never mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError
from .dataset import EMOTIONS, Dataset
from .match import labels_in
from .names import emotion, merged_classes

#: "six" is FER-2013 without fear, in the order of the result table of the six-emotion source (``six-emotion-cnn``).
SCHEMES: dict[str, tuple[str, ...]] = {
    "seven": EMOTIONS,
    "six": ("anger", "disgust", "happiness", "neutral", "sadness", "surprise"),
}


def apply_scheme(dataset: Dataset, scheme: str = "seven", merge: Sequence[str] = ()) -> Dataset:
    """The data under a label scheme: rows of emotions outside it are dropped, then the merges are made.

    Args:
        dataset: any data; returned as it is where nothing changes.
        scheme: "seven" keeps the data's own classes, "six" is FER-2013 without fear.
        merge: emotions to join, such as "sadness+neutral"; the new class takes the place of its first part.

    Returns:
        A dataset named after the scheme ("fer2013-six", "fer2013-sadness+neutral") with a digest of its own.

    Raises:
        InputError: an unknown scheme, an unknown emotion, an emotion merged twice, or fewer than two classes left.
    """
    if scheme not in SCHEMES:
        raise InputError(f"unknown label scheme {scheme!r}; known are {', '.join(SCHEMES)}")
    kept = dataset.classes if scheme == "seven" else SCHEMES[scheme]
    missing = [name for name in kept if name not in dataset.classes]
    if missing:
        raise InputError(
            f"scheme {scheme} needs {', '.join(missing)}; {dataset.source} has {', '.join(dataset.classes)}"
        )
    merges = [_merge(text, kept) for text in merge]
    parts = [part for merged in merges for part in merged.split("+")]
    twice = next((part for part in parts if parts.count(part) > 1), None)
    if twice:
        raise InputError(f"{twice} is merged twice, in {' and '.join(merge)}; join them, as in sadness+neutral+fear")
    classes = merged_classes(kept, merges)
    if len(classes) < 2:
        raise InputError(f"merging {' and '.join(merge)} leaves one class; at least two are needed")
    if classes == dataset.classes:
        return dataset

    labels = labels_in(classes, dataset)
    rows = slice(None) if (labels >= 0).all() else np.flatnonzero(labels >= 0)
    suffix = [scheme] * (scheme != "seven") + merges
    return replace(
        dataset,
        images=dataset.images[rows],
        labels=labels[rows],
        usage=None if dataset.usage is None else dataset.usage[rows],
        classes=classes,
        name="-".join([dataset.name, *suffix]),
        digest="",
    )


def rows_kept(dataset: Dataset, scheme: str) -> np.ndarray:
    """(n,) int64, the rows of ``dataset``, under no scheme yet, that ``apply_scheme`` keeps."""
    return np.flatnonzero(np.isin(dataset.labels, [dataset.classes.index(name) for name in SCHEMES[scheme]]))


def _merge(text: str, classes: tuple[str, ...]) -> str:
    """ "neutral+sad" -> "sadness+neutral" """
    known = ", ".join(classes)
    for part in text.split("+"):
        if emotion(part) not in classes:
            raise InputError(f"can't merge {text!r}: {part.strip()!r} is no emotion of this data; it has {known}")
    merged = emotion(text)
    if merged is None or "+" not in merged:
        raise InputError(
            f"can't merge {text!r}: two different emotions joined by + are wanted, such as sadness+neutral"
        )
    return "+".join(sorted(merged.split("+"), key=classes.index))
