"""Splits: which rows train, which pick the checkpoint, which are scored; each with a digest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers into a Dataset, int64, disjoint; ``validation`` may be empty.

    ``test_seen`` is a (len(test),) bool mask of test images whose exact pixels also stand in train.
    ``digest`` is the sha256 of name and indices.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    test_seen: np.ndarray
    digest: str
