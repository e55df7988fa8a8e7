"""The training loop that all deep runners share, stage by stage, as the recipe says.

Each stage is Keras's ``fit``, or on a GPU under JAX ``epoch.fit``, whose epochs are compiled whole.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np

from ..api.context import Context, FitSummary
from ..api.recipe import Recipe, Stage
from ..errors import InputError
from . import backup
from .augment import Augment, MixedCrossentropy
from .average import Average, averaging
from .batches import EVALUATION_BATCH, AugmentedValidation, Draw, shuffled
from .kept import forget, kept_epochs
from .progress import Keep, Record
from .resume import Checkpoint
from .tensorboard import tensorboard

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def train(
    model: Any,
    train_x: np.ndarray,
    train_y: np.ndarray,
    sample_weight: np.ndarray | None,
    val_x: np.ndarray | None,
    val_y: np.ndarray | None,
    recipe: Recipe,
    context: Context,
    *,
    set_trainable: Callable[[str], None] | None = None,
    init: str = "random",
    whole: Any = None,
    loop: Literal["auto", "fit", "epoch"] = "auto",
) -> FitSummary:
    """Trains ``model`` in place and leaves it with the weights of the best epoch of the last stage.

    In ``context.workdir`` its state is saved after epochs, and a training that was broken off there goes on, to the same
    end: on one CPU thread the same to the last bit.

    Args:
        model: a keras.Model with (N, classes) probabilities, not compiled.
        train_x: what the model takes, (N, ...), any dtype.
        train_y: (N,) labels, integers below len(context.classes), or (N, classes) float32 targets that sum to one.
        sample_weight: (N,) float32, or None.
        val_x, val_y: the same for validation, which picks the epoch; None: the last epoch stands.
        set_trainable: called with each stage's ``trainable`` before the stage is compiled, or skipped as done already.
        init: where the first weights come from, for the summary.
        whole: the model whose weights ``context.kept`` gets, which shares those of ``model``; that one where None.
        loop: "fit" is Keras's, "epoch" compiles whole epochs (JAX only), "auto" takes that on a GPU under JAX.

    Raises:
        InputError: the recipe contradicts itself, or TensorBoard is asked for and not installed.
    """
    if recipe.schedule == "cosine" and recipe.reduce_lr:
        raise InputError("a recipe has either schedule='cosine' or reduce_lr, not both")
    whole_epochs = loop == "epoch" or (
        loop == "auto" and keras.backend.backend() == "jax" and context.device.startswith("gpu")
    )
    classes = len(context.classes)
    train_y = train_y if train_y.ndim == 2 else _one_hot(train_y, classes)
    validation: Any = None
    if val_x is not None and val_y is not None and len(val_y):
        targets = _one_hot(val_y, classes)
        if recipe.augment_validation:
            augment = Augment(recipe.augmentation, context.seed("augment-validation"))
            validation = AugmentedValidation(val_x, targets, augment)
        else:
            validation = (val_x, targets)
    stages = [_capped(stage, context.epochs) for stage in recipe.plan()]
    total = sum(stage.epochs for stage in stages)
    summary = FitSummary(
        init=init,
        checkpoint="last" if validation is None else "validation",
        epochs_planned=sum(stage.epochs for stage in recipe.plan()),
    )
    made_by = {
        "Keras": keras.__version__,
        "backend": keras.backend.backend(),
        "recipe": recipe.digest()[:8],
        "init": init,
    }
    checkpoint = Checkpoint(context, made_by | {"loop": "epoch" if whole_epochs else "fit"})
    start = backup.load(checkpoint, model, summary)
    if context.kept is not None:
        forget(context.kept, context.epochs_before + len(summary.history))
    for number, stage in enumerate(stages):
        # What a stage draws that no layer has a generator for, such as new weights, depends on no other stage.
        keras.utils.set_random_seed(context.seed(f"stage-{number}"))
        if number == start.stage:
            start.restore(model)
        if set_trainable is not None:
            set_trainable(stage.trainable)
        if number < start.stage:
            continue
        steps = math.ceil(len(train_x) / stage.batch)
        if whole_epochs:
            from . import epoch

            steps = epoch.steps_per_epoch(len(train_x), stage.batch)
        record = Record(context, summary, number, steps, total, before=start.before)
        try:
            _compile(model, recipe, stage, steps)
            if start.epoch:
                start.restore(model)
                start.restore_optimizer(model)
            seed = context.seed(f"shuffle-{number}")
            watching, best = _callbacks(recipe, context, validation is not None, number)
            saving = backup.Backup(checkpoint, summary, start, total, watching)
            keeping = []
            if best is not None and number == len(stages) - 1:
                keeping = [Keep(context, best, whole or model, context.epochs_before + start.before)]
            callbacks = [*([Average(train_x)] if recipe.ema else []), record, *watching, *keeping, saving]
            if isinstance(validation, AugmentedValidation):
                callbacks.insert(0, Draw(validation, start.before))
            if whole_epochs:
                epoch.fit(
                    model,
                    (train_x, train_y, sample_weight),
                    None if validation is None else _whole(validation),
                    batch=stage.batch,
                    epochs=stage.epochs,
                    initial_epoch=start.epoch,
                    seed=seed,
                    callbacks=callbacks,
                    on_compiled=functools.partial(record.enter, "train"),
                )
            else:
                batches = shuffled(train_x, train_y, sample_weight, stage.batch, seed)
                model.fit(
                    batches.data,
                    validation_data=validation,
                    validation_batch_size=None if isinstance(validation, AugmentedValidation) else EVALUATION_BATCH,
                    epochs=stage.epochs,
                    initial_epoch=start.epoch,
                    callbacks=[Draw(batches), *callbacks],
                    shuffle=False,
                    verbose=0,
                )
        finally:
            record.enter(None)
        run = len(summary.history) - start.before
        summary.best_epoch = start.before + (best.best_epoch + 1 if best else run)
        summary.stopped = record.stopped or ("early" if run < stage.epochs else "")
        start = backup.Start(number + 1, before=len(summary.history))
        backup.save(checkpoint, model, summary, start, total, over=start.stage == len(stages))
    if start.stage == len(stages):
        start.restore(model)
    summary.epochs_run = len(summary.history)
    if context.kept is not None and validation is not None:
        summary.extra["kept_epochs"] = kept = kept_epochs(context.kept)
        if (summary.best_epoch or 0) + context.epochs_before not in kept:
            context.report(
                {
                    "note": "its best epoch is not among the kept ones: it ran without --keep-epochs, or could not be written"
                }
            )
    return summary


def predict(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes) float32 of ``model`` for ``inputs`` (N, ...), batch by batch."""
    if not len(inputs):
        return np.empty((0, model.output_shape[-1]), "float32")
    batches = []
    for start in range(0, len(inputs), EVALUATION_BATCH):
        batch = np.asarray(inputs[start : start + EVALUATION_BATCH])
        images = len(batch)
        if 1 < images < EVALUATION_BATCH and keras.backend.backend() == "jax":
            # JAX compiles for each shape: two will do, a full batch and a single image.
            batch = np.concatenate([batch, np.zeros((EVALUATION_BATCH - images, *batch.shape[1:]), batch.dtype)])
        batches.append(np.asarray(model.predict_on_batch(batch), "float32")[:images])
    return np.concatenate(batches)


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes, dtype="float32")[np.asarray(labels, dtype=np.int64)]


def _capped(stage: Stage, epochs: int | None) -> Stage:
    """The stage with at most ``epochs`` epochs."""
    if epochs is None or epochs >= stage.epochs:
        return stage
    return Stage(epochs, stage.learning_rate, stage.batch, stage.trainable)


def _compile(model: Any, recipe: Recipe, stage: Stage, steps: int) -> None:
    tensorflow = keras.backend.backend() == "tensorflow"
    model.compile(
        optimizer=_optimizer(recipe, stage, steps),
        loss=_loss(model, recipe),
        metrics=["accuracy"],
        # Measured on a CPU: XLA makes dense nets 1.7 times faster and convolutions twice as slow. Keras knows the rest.
        jit_compile=True if tensorflow and not _convolves(model) else "auto",
        # Several small steps in one call of TensorFlow's graph; elsewhere it would be a loop in Python all the same.
        steps_per_execution=min(steps, 256 // stage.batch) if tensorflow and stage.batch <= 16 else 1,
    )


def _loss(model: Any, recipe: Recipe) -> Any:
    if recipe.augmentation.mixup or recipe.augmentation.cutmix:
        augment = next(layer for layer in model.layers if isinstance(layer, Augment))
        return MixedCrossentropy(augment, recipe.label_smoothing)
    return keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)


def _convolves(model: Any) -> bool:
    return any("Conv" in type(layer).__name__ for layer in model._flatten_layers())


def _optimizer(recipe: Recipe, stage: Stage, steps: int) -> Any:
    rate: Any = stage.learning_rate
    if recipe.schedule == "cosine":
        warmup = min(recipe.warmup_epochs, stage.epochs - 1) * steps
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            decay_steps=max(1, stage.epochs * steps - warmup),
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    kind = averaging(_OPTIMIZERS[recipe.optimizer], recipe.ema)
    # None is no decay; AdamW takes a number only.
    decay = recipe.weight_decay if recipe.optimizer == "adamw" else recipe.weight_decay or None
    nesterov = {"momentum": 0.9, "nesterov": True} if recipe.optimizer == "sgd" else {}
    return kind(rate, weight_decay=decay, **nesterov)


def _mode(monitor: str) -> str:
    return "max" if monitor.endswith("accuracy") else "min"


def _callbacks(recipe: Recipe, context: Context, validated: bool, stage: int) -> tuple[list[Any], Any]:
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


def _whole(validation: Any) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """What gives the whole validation part as arrays, drawn anew at each call where it is augmented."""
    if not isinstance(validation, AugmentedValidation):
        return lambda: validation

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        batches = [validation[index] for index in range(len(validation))]
        return np.concatenate([images for images, _ in batches]), validation.targets

    return drawn
