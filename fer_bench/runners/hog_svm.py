"""hog-svm: the best cheap classical model we found; no source published it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..registry import register
from .base import RunnerInfo
from .features import hog
from .recipe import Recipe
from .svm import SVM


@register("hog-svm")
class HogSVM(SVM):
    """RBF support vector machine on histograms of oriented gradients (6-pixel cells, 9 orientations)."""

    info = RunnerInfo(
        name="hog-svm",
        family="classical",
        summary="RBF support vector machine on histograms of oriented gradients (6-pixel cells, 9 orientations)",
        source="none (ours); features of Dalal and Triggs 2005",
    )
    recipes: ClassVar = {"tuned": Recipe(options=(("C", 5.0), ("gamma", "scale")))}

    def features(self, images: np.ndarray) -> np.ndarray:
        return hog(images)

    def build(self) -> Any:
        return self.classifier()
