"""random-forest: trees on random shares of the images, and of what is seen of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..api.recipe import Recipe
from ..api.runner import RunnerInfo
from ..errors import InputError
from . import estimator_file
from .described import DescribedRunner
from .features import SIZE


class RandomForest(DescribedRunner):
    """Decision trees, each grown on a bootstrap sample; the mean of their leaves' shares is the probability."""

    info = RunnerInfo(
        name="random-forest",
        summary="Random forest on pixels, or on HOG with features=hog",
        source="none (ours); method of Breiman 2001",
        demo_limit=60,
    )
    recipes: ClassVar = {
        "tuned": Recipe(
            options=(("max_features", "sqrt"), ("min_samples_leaf", 5), ("mirrored", True), ("trees", 150)),
        ),
    }
    parameters: ClassVar = {"features": "pixels"}
    #: ``load`` looks at each of them before any is asked.
    trusted: ClassVar = ("sklearn.tree._tree.Tree",)

    def build(self) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            self.recipe.option("trees"),
            min_samples_leaf=self.recipe.option("min_samples_leaf"),
            max_features=self.recipe.option("max_features"),
            n_jobs=-1,
        )

    def load(self, directory: Path) -> None:
        """Reads ``model.skops``; InputError where that can't be done, or a tree leads out of itself."""
        super().load(directory)
        seen = self.features(np.zeros((1, SIZE, SIZE), np.uint8)).shape[1]
        for number, grown in enumerate(getattr(self.estimator, "estimators_", ())):
            if reason := astray(getattr(grown, "tree_", None), seen):
                raise InputError(
                    f"{directory / estimator_file.FILE}: tree {number} {reason}; not a model to be trusted"
                )


def astray(tree: Any, features: int) -> str:
    """What is wrong with a ``sklearn.tree._tree.Tree`` of a file, "" where nothing is.

    Compiled code follows a tree's numbers without a look at them: a wrong one reads foreign memory, or runs for ever.
    Every branch must lead to a later node, as in all that scikit-learn grows, and ask for a feature that there is.
    """
    if tree is None or tree.node_count < 1:
        return "has no nodes"
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    node = np.arange(tree.node_count)
    inner = left != -1
    leads_on = (node < left) & (left < tree.node_count) & (node < right) & (right < tree.node_count)
    if not leads_on[inner].all():
        return "has branches that lead nowhere"
    if not ((feature[inner] >= 0) & (feature[inner] < features)).all():
        return f"asks for features that are none of {features:,}"
    return ""
