"""logistic-regression: one linear score for each emotion, and their softmax."""

from __future__ import annotations

from typing import Any, ClassVar

from ..api.recipe import Recipe
from ..api.runner import RunnerInfo
from .described import DescribedRunner


class Logistic(DescribedRunner):
    """Multinomial logistic regression with an L2 penalty."""

    info = RunnerInfo(
        name="logistic-regression",
        summary="Multinomial logistic regression on HOG, or on pixels with features=pixels",
        source="none (ours)",
    )
    recipes: ClassVar = {
        "tuned": Recipe(options=(("C", 0.01), ("iterations", 200), ("mirrored", True))),
    }

    def build(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.recipe.option("C"), max_iter=self.recipe.option("iterations"))
