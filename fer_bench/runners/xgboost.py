"""xgboost: gradient-boosted trees, asked for by the design; no source published a figure."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from ..registry import register
from .base import Context, FitSummary, Part, Runner, RunnerInfo
from .features import hog, pixels
from .recipe import EarlyStopping, Recipe

FEATURES = {"pixels": pixels, "hog": hog}


@register("xgboost")
class XGBoost(Runner):
    """Gradient-boosted trees on pixels, or on HOG with features=hog.

    An epoch is a boosting round: one tree for each class. The validation part's log loss stops the rounds and picks how
    many of them the model keeps. On a GPU the trees are grown there.
    """

    info = RunnerInfo(
        family="classical",
        source="none (asked for by the design); method of Chen and Guestrin 2016, arXiv:1603.02754",
        demo_epochs=25,
    )
    recipes: ClassVar = {
        "tuned": Recipe(
            epochs=300,
            learning_rate=0.2,
            early_stopping=EarlyStopping("val_loss", patience=20),
            options=(("max_depth", 6), ("subsample", 0.8), ("colsample_bytree", 0.3), ("max_bin", 64)),
        )
    }
    parameters: ClassVar = {"features": "pixels"}
    uses: ClassVar = frozenset({"epochs"})

    def __init__(self, recipe: str = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        name = self.params["features"]
        if name not in FEATURES:
            raise InputError(f"runner {self.info.name} has no features {name!r}; it has {', '.join(FEATURES)}")
        self.features = FEATURES[name]

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        """Grows the trees; without a validation part all rounds run and all stand."""
        import xgboost as xgb

        rounds = min(self.recipe.epochs, context.epochs or self.recipe.epochs)
        options = dict(self.recipe.options)
        settings = options | {
            "objective": "multi:softprob",
            "num_class": len(context.classes),
            "eval_metric": ["merror", "mlogloss"],
            "tree_method": "hist",
            "learning_rate": self.recipe.learning_rate,
            "device": context.device.replace("gpu", "cuda"),
            "seed": context.seed("fit"),
        }
        callbacks = [_history(context, rounds, self.recipe.learning_rate)]
        with context.phase("train"):
            grown = self._matrix(train, max_bin=options["max_bin"])
            watched = [(grown, "train")]
            if validation is not None and len(validation.labels):
                watched.append((self._matrix(validation, max_bin=options["max_bin"], ref=grown), "validation"))
                stopping = self.recipe.early_stopping
                patience = stopping.patience if stopping else rounds
                callbacks.append(xgb.callback.EarlyStopping(rounds=patience, metric_name="mlogloss", save_best=True))
            self.booster = xgb.train(
                settings, grown, num_boost_round=rounds, evals=watched, callbacks=callbacks, verbose_eval=False
            )
        history = callbacks[0].rows
        return FitSummary(
            checkpoint="validation" if len(watched) > 1 else "last",
            epochs_run=len(history),
            epochs_planned=self.recipe.epochs,
            best_epoch=self.booster.num_boosted_rounds(),
            stopped="early" if len(history) < rounds else "",
            history=history,
        )

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, classes) float32."""
        import xgboost as xgb

        raw = self.booster.predict(xgb.DMatrix(self.features(images))).astype(np.float64)
        return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)

    def save(self, directory: Path) -> None:
        """Writes ``model.ubj``."""
        self.booster.save_model(directory / "model.ubj")

    def load(self, directory: Path) -> None:
        """Reads ``model.ubj``, which holds trees and no code; InputError where that can't be done."""
        import xgboost as xgb

        path = directory / "model.ubj"
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            self.booster = xgb.Booster(model_file=path)
        except (xgb.core.XGBoostError, ValueError) as error:
            reason = " ".join(str(error).split())[-160:]
            raise InputError(f"{path}: not a readable model ({reason})") from None

    def _matrix(self, part: Part, **options: Any) -> Any:
        import xgboost as xgb

        return xgb.QuantileDMatrix(self.features(part.images), part.labels, weight=part.weights, **options)


def _history(context: Context, rounds: int, learning_rate: float) -> Any:
    """A callback that keeps ``rows`` of the history, one a round, and reports each."""
    from xgboost.callback import TrainingCallback

    class History(TrainingCallback):
        def __init__(self) -> None:
            self.rows: list[dict[str, float]] = []
            self.since = time.perf_counter()

        def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[float]]]) -> bool:
            now = time.perf_counter()
            row = {"epoch": epoch + 1, "learning_rate": learning_rate, "seconds": now - self.since}
            self.since = now
            for part, scores in evals_log.items():
                prefix = "" if part == "train" else "val_"
                row[f"{prefix}loss"] = float(scores["mlogloss"][-1])
                row[f"{prefix}accuracy"] = 1 - float(scores["merror"][-1])
            self.rows.append(row)
            context.report(row | {"epochs": rounds})
            return False

    return History()
