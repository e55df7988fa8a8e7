"""svm: the support vector machine of the first source, on raw pixels."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from ..api.context import Context, FitSummary, Part
from ..api.published import Published
from ..api.recipe import NamedRecipe, Recipe
from ..api.runner import RunnerInfo
from ..errors import InputError
from ..hardware.device import gpu_backends
from .sklearn import SklearnRunner

ENGINES = ("auto", "sklearn", "sklearnex", "jax")
INSTALL = {"sklearnex": "pip install scikit-learn-intelex", "jax": "pip install 'fer-bench[jax]'"}


class SVM(SklearnRunner):
    """RBF support vector machine on 2,304 min-max scaled pixels.

    The ``engine`` parameter picks what solves it: ``sklearn``, ``sklearnex`` (scikit-learn-intelex, x86-64, many times
    faster) or ``jax`` (our own solver, for a GPU). ``auto`` is jax on a GPU that it can use, else sklearnex where it is
    installed, else sklearn. All stop within the same tolerance: after 2,000 faces they predicted the same, after 28,709
    jax and sklearnex differed in 2 of 3,589 predictions.
    """

    info = RunnerInfo(
        name="svm",
        summary="RBF support vector machine on 2,304 min-max scaled pixels",
        source="emotion-detection-notebook.txt",
        published=(
            Published(
                accuracy=0.4276,
                weighted_f1=0.4043,
                split="notebook",
                protocol="80/20 split of the de-duplicated rows, scored once on the 20 % held out",
                checkpoint="none",
            ),
            Published(
                accuracy=0.6086,
                weighted_f1=0.5957,
                split="notebook",
                protocol="accuracy on the training part",
                trap="images that it was fitted to",
                part="train",
                checkpoint="none",
            ),
        ),
    )
    recipes: ClassVar = {
        "published": Recipe(options=(("C", 1.0), ("gamma", "scale")), note="library defaults"),
    }
    parameters: ClassVar = {"engine": "auto"}

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        self.engine = self.params["engine"]
        if self.engine not in ENGINES:
            raise InputError(f"runner {self.info.name} has no engine {self.engine!r}; it has {', '.join(ENGINES)}")
        if self.engine in INSTALL and find_spec(self.engine) is None:
            raise InputError(f"engine {self.engine} is not installed; {INSTALL[self.engine]}, or take engine=sklearn")

    def build(self) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import MinMaxScaler

        return make_pipeline(MinMaxScaler(), self.classifier())

    def classifier(self) -> Any:
        """The untrained machine of the chosen engine, with the recipe's C and gamma."""
        from .machine import SupportVectorMachine

        return SupportVectorMachine(engine=self.engine, C=self.recipe.option("C"), gamma=self.recipe.option("gamma"))

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        """As ``SklearnRunner.fit``; the summary names the engine, its iterations and the number of support vectors."""
        if self.params["engine"] == "auto":
            self.engine = best_engine(context.device)
        summary = super().fit(train, validation, context)
        summary.extra |= {"engine": self.engine, "support_vectors": len(self._machine.support_vectors_)}
        if hasattr(self._machine, "n_iter_"):
            summary.extra["iterations"] = self._machine.n_iter_
        return summary

    def count_macs(self, classes: int = 7) -> int | None:
        """Of the fitted machine: each support vector's distance, and its share in the decision of every pair of
        classes.
        """
        if not hasattr(self, "estimator"):
            return None
        vectors, features = self._machine.support_vectors_.shape
        return vectors * (features + len(self._machine.intercept_))

    def decide(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores and predictions from one pass over the support vectors."""
        from .machine import most_voted

        scores = self._scores(rows)
        return scores, most_voted(scores)

    @property
    def _machine(self) -> Any:
        """The fitted machine, the last step where there are several."""
        return self.estimator[-1] if hasattr(self.estimator, "steps") else self.estimator


def best_engine(device: str) -> str:
    """The fastest engine for a device, "cpu" or "gpu:N", of those that are installed."""
    if device.startswith("gpu") and "jax" in gpu_backends():
        return "jax"
    return "sklearnex" if find_spec("sklearnex") else "sklearn"
