"""The data of a study: the training and the validation part as a set of their own, in which no test image is."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from ..data.dataset import Dataset, digest_of
from ..data.splits import Split
from ..errors import InputError


def without_test(dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
    """The images and labels of a split's training and validation part alone, and their split, whose test part is empty.

    Both digests are of these parts alone. What is trained on them, and every random draw, is the same whatever the test
    part holds.

    Raises:
        InputError: the split has no validation part, by which a study could choose.
    """
    if not len(split.validation):
        raise InputError(
            f"split {split.name} has no validation part, by which a search could choose; take another --split"
        )
    rows = np.concatenate([split.train, split.validation])
    images, labels = np.ascontiguousarray(dataset.images[rows]), dataset.labels[rows]
    digest = digest_of(images, labels, None, dataset.classes)
    parts = replace(dataset, images=images, labels=labels, usage=None, digest=digest)
    train = np.arange(len(split.train), dtype=np.int64)
    validation = np.arange(len(split.train), len(rows), dtype=np.int64)
    none = np.empty(0, np.int64)
    told = f"{split.name} without test\n{len(train)}\n{len(validation)}"
    return parts, Split(
        split.name, train, validation, none, none.astype(bool), hashlib.sha256(told.encode()).hexdigest()
    )
