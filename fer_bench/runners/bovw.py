"""bovw: a bag of visual words with a spatial pyramid, and a linear support vector machine."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..api.published import Published
from ..api.recipe import Recipe
from ..api.runner import RunnerInfo
from .features import SIZE
from .sklearn import SklearnRunner


class BagOfVisualWords(SklearnRunner):
    """Dense SIFT of four sizes, a vocabulary of each, histograms over a spatial pyramid, and a linear machine."""

    info = RunnerInfo(
        name="bovw",
        summary="Bag of visual words: dense SIFT, k-means, histograms over a spatial pyramid, linear SVM",
        source="Ionescu, Popescu and Grozea 2013, Local learning to improve bag of visual words model for facial "
        "expression recognition (ICML workshop on challenges in representation learning)",
        demo_limit=20,
        published=(
            Published(
                accuracy=0.6748,
                weighted_f1=None,
                split="official",
                protocol="fourth place of the Kaggle contest, PrivateTest",
                trap="a machine of its own for each test image, fitted to the training images nearest to it",
                checkpoint="none",
                recipe="",
            ),
        ),
        notes=(
            "No recipe follows the source to the letter: one linear machine answers for all images here, and "
            "vocabularies are trees of two levels, one for each size of the descriptors.",
        ),
    )
    recipes: ClassVar = {
        "tuned": Recipe(
            options=(("C", 1.0), ("coarse", 128), ("components", 64), ("fine", 128), ("step", 2)),
            note="chosen on PublicTest, after 5,000 training images",
        ),
    }
    trusted: ClassVar = ("fer_bench.runners.vocabulary.Vocabulary",)

    def features(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, 2304) uint8: the first step of the pipeline sees the pixels as they are."""
        return images.reshape(len(images), SIZE * SIZE)

    def decide(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores and predictions from one look at the images."""
        scores = self._scores(rows)
        return scores, scores.argmax(axis=1)

    def build(self) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        from .visual_words import VisualWords

        options = dict(self.recipe.options)
        machine = LinearSVC(C=options.pop("C"), tol=1e-2)
        return make_pipeline(VisualWords(**options), machine)
