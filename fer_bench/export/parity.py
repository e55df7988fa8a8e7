"""Whether an exported file answers as the run's own model does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: How far a probability of a file may be off, by how its weights are stored; int8 has what it costs said, no limit.
LIMITS = {"none": 1e-3, "float16": 1e-2}
#: The share of images that may be further off all the same: a machine that counts votes turns over where one is a tie.
TIES = 1e-3
#: How far a model that computed in bfloat16 may be off on average from what it is in float32.
ROUNDING = 1e-2


@dataclass(frozen=True)
class Parity:
    """A file's answers beside those of the run's own model, on the same images.

    Attributes:
        quantize: how the file's weights are stored.
        part: of the split, whose images they are.
        images: how many.
        largest, mean: absolute difference of probabilities from the run's own.
        same: share of images with the same answer.
        largest_float32: the largest difference from the run's model computed in float32; None where it does so itself.
        beyond: how many images have a larger one than their weights allow; 0 for int8.
        accuracy_run, accuracy_file: of the run's own model and of the file.
    """

    quantize: str
    part: str
    images: int
    largest: float
    mean: float
    same: float
    largest_float32: float | None
    beyond: int
    accuracy_run: float
    accuracy_file: float

    @property
    def broken(self) -> bool:
        """Whether the file is no export of that model. Of int8 nobody can say: its accuracy tells."""
        return self.quantize in LIMITS and (self.beyond > TIES * self.images or self.mean > ROUNDING)

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return asdict(self)


def compare(
    labels: np.ndarray,
    own: np.ndarray,
    in_float32: np.ndarray | None,
    found: np.ndarray,
    *,
    part: str,
    quantize: str,
) -> Parity:
    """The parity of (N, classes) probabilities.

    Args:
        labels: (N,) true classes.
        own: the run's own answers.
        in_float32: what its model says in float32; None where it computes so anyway.
        found: the file's.
        part: whose images they are.
        quantize: how the file's weights are stored.
    """
    off = np.abs(found.astype(np.float64) - own)
    off_float32 = off if in_float32 is None else np.abs(found.astype(np.float64) - in_float32)
    limit = LIMITS.get(quantize, np.inf)
    return Parity(
        quantize=quantize,
        part=part,
        images=len(labels),
        largest=float(off.max()),
        mean=float(off.mean()),
        same=float((own.argmax(axis=1) == found.argmax(axis=1)).mean()),
        largest_float32=None if in_float32 is None else float(off_float32.max()),
        beyond=int((off_float32.max(axis=1) > limit).sum()),
        accuracy_run=float((own.argmax(axis=1) == labels).mean()),
        accuracy_file=float((found.argmax(axis=1) == labels).mean()),
    )
