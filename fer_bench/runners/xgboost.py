"""xgboost: gradient-boosted trees, asked for by the design; no source published a figure."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..api.context import Context, FitSummary, Part
from ..api.recipe import EarlyStopping, NamedRecipe, Recipe
from ..api.runner import Runner, RunnerInfo
from ..errors import InputError
from ..training.resume import Checkpoint
from .features import NAMED, SIZE

#: Rounds after which the state of a training can be saved.
STRETCH = 20
#: No label scheme of faces has more.
MOST_CLASSES = 200
#: What early stopping remembers from round to round.
_REMEMBERED = ("stopping_history", "best_scores", "current_rounds")


class XGBoost(Runner):
    """Gradient-boosted trees on pixels, or on HOG with features=hog.

    An epoch is a boosting round: one tree for each class. The validation part's log loss stops the rounds and picks how
    many of them the model keeps. On a GPU the trees are grown there.
    """

    info = RunnerInfo(
        name="xgboost",
        summary="Gradient-boosted trees on pixels, or on HOG with features=hog",
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

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        name = self.params["features"]
        if name not in NAMED:
            raise InputError(f"runner {self.info.name} has no features {name!r}; it has {', '.join(NAMED)}")
        self.features = NAMED[name]

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        """Grows the trees; without a validation part all rounds run and all stand."""
        import xgboost as xgb

        rounds = min(self.recipe.epochs, context.epochs or self.recipe.epochs)
        settings = self._settings(context)
        made_by = {"xgboost": xgb.__version__, "recipe": self.recipe.digest()[:8], "validation": validation is not None}
        checkpoint = Checkpoint(context, made_by)
        saved = checkpoint.load()
        rows: list[dict[str, float]] = [] if saved is None else saved.progress["history"]
        trees = None if saved is None else bytearray(saved.arrays["trees"])
        callbacks = [_history(context, rows, rounds, self.recipe.learning_rate)]
        stopping: Any = None
        with context.phase("train"):
            grown = self._matrix(train, max_bin=settings["max_bin"])
            watched = [(grown, "train")]
            if validation is not None and len(validation.labels):
                watched.append((self._matrix(validation, max_bin=settings["max_bin"], ref=grown), "validation"))
                early = self.recipe.early_stopping
                stopping = xgb.callback.EarlyStopping(
                    rounds=early.patience if early else rounds, metric_name="mlogloss"
                )
                callbacks.append(stopping)
                if saved is not None:
                    vars(stopping).update(saved.progress["stopping"])
            # The random states of xgboost can't be saved, so each stretch begins with new ones.
            while not _over(rows, rounds, stopping):
                booster = xgb.train(
                    settings | {"seed": context.seed(f"round-{len(rows)}")},
                    grown,
                    num_boost_round=min(STRETCH, rounds - len(rows)),
                    evals=watched,
                    xgb_model=trees,
                    callbacks=callbacks,
                    verbose_eval=False,
                )
                trees = booster.save_raw()
                if checkpoint.due:
                    place = (
                        "its last round's end"
                        if _over(rows, rounds, stopping)
                        else f"round {len(rows) + 1} of {rounds}"
                    )
                    checkpoint.save(place, _progress(rows, stopping), {"trees": np.frombuffer(trees, np.uint8)})
            booster = xgb.Booster({"device": settings["device"]}, model_file=trees)
            self.booster = booster[: booster.best_iteration + 1] if stopping else booster
        return FitSummary(
            checkpoint="validation" if len(watched) > 1 else "last",
            epochs_run=len(rows),
            epochs_planned=self.recipe.epochs,
            best_epoch=self.booster.num_boosted_rounds(),
            stopped="early" if len(rows) < rounds else "",
            history=rows,
        )

    def _settings(self, context: Context) -> dict[str, Any]:
        return dict(self.recipe.options) | {
            "objective": "multi:softprob",
            "num_class": len(context.classes),
            "eval_metric": ["merror", "mlogloss"],
            "tree_method": "hist",
            "learning_rate": self.recipe.learning_rate,
            "device": context.device.replace("gpu", "cuda"),
        }

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
        self._check_sizes(path)

    def _check_sizes(self, path: Path) -> None:
        """Raises InputError where the trees are for other features than this runner's, or give absurdly many
        numbers.
        """
        settings = json.loads(self.booster.save_config())["learner"]["learner_model_param"]
        wanted, outputs = self.features(np.zeros((1, SIZE, SIZE), np.uint8)).shape[1], int(settings["num_class"])
        if self.booster.num_features() != wanted:
            raise InputError(
                f"{path}: trees on {self.booster.num_features():,} features; {self.info.name} has {wanted:,}"
            )
        if not 2 <= outputs <= MOST_CLASSES:
            raise InputError(f"{path}: trees for {outputs:,} classes; 2 to {MOST_CLASSES} are possible")

    def _matrix(self, part: Part, **options: Any) -> Any:
        import xgboost as xgb

        return xgb.QuantileDMatrix(self.features(part.images), part.labels, weight=part.weights, **options)


def _progress(rows: list[dict[str, float]], stopping: Any) -> dict[str, Any]:
    """What a saved state needs beside the trees: the history, and what early stopping remembers."""
    return {
        "history": rows,
        "stopping": {name: vars(stopping)[name] for name in _REMEMBERED} if stopping else {},
    }


def _over(rows: list[dict[str, float]], rounds: int, stopping: Any) -> bool:
    return len(rows) >= rounds or (stopping is not None and stopping.current_rounds >= stopping.rounds)


def _history(context: Context, rows: list[dict[str, float]], rounds: int, learning_rate: float) -> Any:
    """A callback that adds to ``rows``, the history, one a round, and reports each."""
    from xgboost.callback import TrainingCallback

    class History(TrainingCallback):
        def __init__(self) -> None:
            self.since = time.perf_counter()

        def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[float]]]) -> bool:
            now = time.perf_counter()
            row = {"epoch": len(rows) + 1, "learning_rate": learning_rate, "seconds": now - self.since}
            self.since = now
            for part, scores in evals_log.items():
                prefix = "" if part == "train" else "val_"
                row[f"{prefix}loss"] = float(scores["mlogloss"][-1])
                row[f"{prefix}accuracy"] = 1 - float(scores["merror"][-1])
            rows.append(row)
            context.report(row | {"epochs": rounds})
            return False

    return History()
