"""Keras's callbacks that a recipe asks for: a falling learning rate, early stopping, the keeper of the best weights."""

from __future__ import annotations

from typing import Any

import keras

from ..api.context import Context
from ..api.recipe import Recipe
from .tensorboard import tensorboard


def _mode(monitor: str) -> str:
    return "max" if monitor.endswith("accuracy") else "min"


def watching(recipe: Recipe, context: Context, validated: bool, stage: int) -> tuple[list[Any], Any]:
    """Keras's callbacks for one stage, and among them the one that keeps the best weights (None: last epoch stands)."""
    callbacks: list[Any] = []
    best = None
    if recipe.reduce_lr and (validated or not recipe.reduce_lr.monitor.startswith("val_")):
        r = recipe.reduce_lr
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                r.monitor, factor=r.factor, patience=r.patience, mode=_mode(r.monitor), min_lr=r.min_lr
            )
        )
    if validated:
        if recipe.early_stopping:
            e = recipe.early_stopping
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    e.monitor, min_delta=e.min_delta, patience=e.patience, mode=_mode(e.monitor)
                )
            )
        # With endless patience, EarlyStopping is Keras's keeper of the best weights.
        best = keras.callbacks.EarlyStopping(
            recipe.monitor, patience=10**9, mode=_mode(recipe.monitor), restore_best_weights=True
        )
        callbacks.append(best)
    if context.tensorboard is not None:
        callbacks.append(tensorboard(context.tensorboard / f"stage-{stage + 1}"))
    return callbacks, best
