"""SklearnRunner: any scikit-learn classifier as a runner, from one method."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..api.context import Context, FitSummary, Part
from ..api.runner import Runner, RunnerInfo
from ..errors import InputError
from . import estimator_file
from .features import pixels


class SklearnRunner(Runner):
    """A runner around a scikit-learn classifier or Pipeline; a subclass implements ``build`` and that is all.

    Every step whose ``random_state`` is None gets ``context.seed("fit")``. Sample weights go to the last step.
    Probabilities are the estimator's own where it has ``predict_proba``. Otherwise they are softmax(T x decision
    function), T fitted on the validation part by log loss (T = 1 without one; temperature scaling, Guo et al. 2017,
    arXiv:1706.04599), and the most probable class is always what the estimator itself predicts.

    >>> from fer_bench import Context, Part, SklearnRunner, load_dataset
    >>> from sklearn.neighbors import NearestCentroid
    >>> class Nearest(SklearnRunner):
    ...     def build(self):
    ...         return NearestCentroid()
    >>> data, nearest = load_dataset("synthetic"), Nearest()
    >>> summary = nearest.fit(Part(data.images, data.labels), None, Context(data.classes))
    >>> nearest.predict_proba(data.images[:5]).shape
    (5, 7)
    """

    info = RunnerInfo(family="classical")
    uses: ClassVar = frozenset()
    #: Full names of types that are in the fitted model beside scikit-learn's, numpy's and those of what ``build``
    #: returns, and that are safe to make from a file.
    trusted: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def build(self) -> Any:
        """The untrained classifier or Pipeline."""

    def features(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, D) float32; the pixels in [0, 1] unless overridden."""
        return pixels(images)

    def decide(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, D) features -> decision scores (N, K), and the columns (N,) of the estimator's own predictions."""
        scores = self._scores(rows)
        return scores, np.searchsorted(self.estimator.classes_, self.estimator.predict(rows))

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        """Fits the estimator, then the temperature if it has no probabilities of its own.

        Raises:
            InputError: sample weights for an estimator that takes none, or an estimator that gives no scores.
        """
        self.estimator = seeded(self.build(), context.seed("fit"))
        self.outputs = len(context.classes)
        self.temperature = 1.0
        weights = {} if train.weights is None else {self._weight_argument(): train.weights}
        with context.phase("train"):
            self.estimator.fit(self.features(train.images), train.labels.astype(np.int64), **weights)
        if not any(hasattr(self.estimator, name) for name in ("predict_proba", "decision_function")):
            raise InputError(
                f"runner {self.info.name}: {type(self.estimator).__name__} has neither predict_proba nor "
                "decision_function; wrap it in sklearn.calibration.CalibratedClassifierCV"
            )
        if hasattr(self.estimator, "predict_proba") or validation is None or not len(validation.labels):
            return FitSummary()
        with context.phase("validate"):
            scores = self._scores(self.features(validation.images))
            self.temperature = best_temperature(scores, validation.labels, self.estimator.classes_)
        return FitSummary(extra={"temperature": self.temperature})

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, classes) float32; a class that was absent from the training part gets 0."""
        rows = self.features(images)
        if hasattr(self.estimator, "predict_proba"):
            known = self.estimator.predict_proba(rows)
        else:
            scores, answers = self.decide(rows)
            known = led_by(softmax(self.temperature * scores), answers)
        probabilities = np.zeros((len(images), self.outputs), np.float32)
        probabilities[:, self.estimator.classes_] = known / known.sum(axis=1, keepdims=True)
        return probabilities

    def save(self, directory: Path) -> None:
        """Writes ``model.skops``; InputError where the estimator holds what ``load`` would not trust."""
        state = {"estimator": self.estimator, "outputs": self.outputs, "temperature": float(self.temperature)}
        estimator_file.save(state, directory, self._trusted(), self.info.name)

    def load(self, directory: Path) -> None:
        """Reads ``model.skops``, which runs no code; InputError where that can't be done."""
        state = estimator_file.load(directory, self._trusted(), self.info.name)
        self.estimator, self.outputs, self.temperature = state["estimator"], state["outputs"], state["temperature"]

    def _trusted(self) -> set[str]:
        return {*self.trusted, *estimator_file.trusted_types(self.build())}

    def _scores(self, rows: np.ndarray) -> np.ndarray:
        """The decision function as (N, K), also for two classes."""
        scores = np.asarray(self.estimator.decision_function(rows), np.float64)
        return np.stack([-scores, scores], axis=1) / 2 if scores.ndim == 1 else scores

    def _weight_argument(self) -> str:
        from sklearn.pipeline import Pipeline
        from sklearn.utils.validation import has_fit_parameter

        name, last = self.estimator.steps[-1] if isinstance(self.estimator, Pipeline) else ("", self.estimator)
        if not has_fit_parameter(last, "sample_weight"):
            raise InputError(
                f"runner {self.info.name}: {type(last).__name__} takes no sample weights; "
                "balance the training part by oversampling, or leave it as it is"
            )
        return f"{name}__sample_weight" if name else "sample_weight"


def seeded(estimator: Any, seed: int) -> Any:
    """``estimator`` with ``seed`` as every ``random_state`` in it that is None."""
    unset = [name for name, value in estimator.get_params().items() if _is_seed(name) and value is None]
    return estimator.set_params(**dict.fromkeys(unset, seed))


def _is_seed(name: str) -> bool:
    return name == "random_state" or name.endswith("__random_state")


def softmax(scores: np.ndarray) -> np.ndarray:
    """(N, K) -> (N, K), rows summing to one."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def best_temperature(scores: np.ndarray, labels: np.ndarray, known: np.ndarray) -> float:
    """The T that minimises the log loss of softmax(T x scores); column j of (N, K) scores is class ``known[j]``.

    Labels that are not among ``known`` are left out, as no T gives them any probability; 1.0 if none are left.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    usable = np.isin(labels, known)
    if not usable.any():
        return 1.0
    scores = scores[usable]
    chosen = scores[np.arange(len(scores)), np.searchsorted(known, labels[usable])]

    def loss(log_temperature: float) -> float:
        factor = np.exp(log_temperature)
        return float(np.mean(logsumexp(factor * scores, axis=1) - factor * chosen))

    return float(np.exp(minimize_scalar(loss, bounds=(-8.0, 8.0), method="bounded").x))


def led_by(probabilities: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """(N, K) probabilities in which column ``answers`` leads every row.

    Scores and votes break ties differently, so the answer is now and then second: the two change places. The answer
    then leads by 0.2 % at least, which survives float16.
    """
    rows, top = np.arange(len(answers)), probabilities.argmax(axis=1)
    led = probabilities.copy()
    led[rows, top], led[rows, answers] = probabilities[rows, answers], probabilities[rows, top]
    others = led.copy()
    others[rows, answers] = 0
    led[rows, answers] = np.maximum(led[rows, answers], 1.002 * others.max(axis=1))
    return led / led.sum(axis=1, keepdims=True)
