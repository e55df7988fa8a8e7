"""lbp-svm: local binary patterns, the features of face recognition before deep nets, and the machine of hog-svm."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..api.context import Context, FitSummary, Part
from ..api.recipe import Recipe
from ..api.runner import RunnerInfo
from .described import mirrored
from .lbp import lbp
from .svm import SVM


class LbpSVM(SVM):
    """RBF support vector machine on regional histograms of uniform local binary patterns.

    The recipe's option ``mirrored`` fits to each training image and its mirror.
    """

    info = RunnerInfo(
        name="lbp-svm",
        summary="RBF support vector machine on histograms of uniform local binary patterns in 8x8 regions",
        source="none (ours); features of Ahonen, Hadid and Pietikäinen 2006",
        demo_limit=60,
    )
    recipes: ClassVar = {"tuned": Recipe(options=(("C", 10.0), ("gamma", "scale"), ("mirrored", False)))}

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        return super().fit(mirrored(train) if self.recipe.option("mirrored") else train, validation, context)

    def features(self, images: np.ndarray) -> np.ndarray:
        return lbp(images)

    def build(self) -> Any:
        return self.classifier()
