"""The training loop that all deep runners share, stage by stage, as the recipe says.

Each stage is Keras's ``fit``, or on a GPU under JAX ``epoch.fit``, whose epochs are compiled whole.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from ..api.context import Context, FitSummary
from ..api.recipe import Recipe, Stage
from ..errors import InputError
from . import backup
from .augment import Augment
from .average import Average
from .batches import EVALUATION_BATCH, AugmentedValidation, Draw, shuffled
from .callbacks import watching
from .compiling import compile_for
from .kept import forget, kept_epochs
from .progress import Keep, Record
from .resume import Checkpoint


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

    In ``context.workdir`` its state is saved after epochs, and a training that was broken off there goes on, to the
    same
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
    targets = train_y if train_y.ndim == 2 else _one_hot(train_y, len(context.classes))
    validation = _validation(val_x, val_y, recipe, context)
    stages = [_capped(stage, context.epochs) for stage in recipe.plan()]
    checkpoint = "last" if validation is None else "validation"
    planned = sum(stage.epochs for stage in recipe.plan())
    summary = FitSummary(init=init, checkpoint=checkpoint, epochs_planned=planned)
    training = _Training(
        model,
        (train_x, targets, sample_weight),
        validation,
        recipe,
        context,
        summary,
        stages,
        whole or model,
        _compiles(loop, context),
    )
    training.run(set_trainable)
    _tell_kept(summary, context)
    return summary


@dataclass(frozen=True)
class _Training:
    """A training, stage by stage.

    ``data`` are images or features (N, ...), targets (N, classes) float32 and weights (N,) or None. ``validation`` is
    what ``_validation`` makes. ``compiled`` tells whether ``epoch.fit`` runs it instead of Keras's ``fit``.
    """

    model: Any
    data: tuple[np.ndarray, np.ndarray, np.ndarray | None]
    validation: Any
    recipe: Recipe
    context: Context
    summary: FitSummary
    stages: list[Stage]
    whole: Any
    compiled: bool

    @functools.cached_property
    def checkpoint(self) -> Checkpoint:
        made_by = {
            "Keras": keras.__version__,
            "backend": keras.backend.backend(),
            "recipe": self.recipe.digest()[:8],
            "init": self.summary.init,
            "loop": "epoch" if self.compiled else "fit",
        }
        return Checkpoint(self.context, made_by)

    @property
    def total(self) -> int:
        return sum(stage.epochs for stage in self.stages)

    def run(self, set_trainable: Callable[[str], None] | None) -> None:
        """Runs all stages, from where an earlier attempt left off."""
        start = backup.load(self.checkpoint, self.model, self.summary)
        if self.context.kept is not None:
            forget(self.context.kept, self.context.epochs_before + len(self.summary.history))
        for number, stage in enumerate(self.stages):
            # What a stage draws that no layer has a generator for, such as new weights, depends on no other stage.
            keras.utils.set_random_seed(self.context.seed(f"stage-{number}"))
            if number == start.stage:
                start.restore(self.model)
            if set_trainable is not None:
                set_trainable(stage.trainable)
            if number >= start.stage:
                start = self._run_stage(stage, start)
        start.restore(self.model)  # where an earlier attempt had come to the end of all stages
        self.summary.epochs_run = len(self.summary.history)

    def _run_stage(self, stage: Stage, start: backup.Start) -> backup.Start:
        """Runs one stage from ``start`` to its end, which is saved; returns where the training goes on from there."""
        steps = self._steps(stage)
        record = Record(self.context, self.summary, start.stage, steps, self.total, before=start.before)
        try:
            compile_for(self.model, self.recipe, stage, steps)
            if start.epoch:
                start.restore(self.model)
                start.restore_optimizer(self.model)
            callbacks, best = self._callbacks(start, record)
            (self._fit_compiled if self.compiled else self._fit)(stage, start, callbacks, record)
        finally:
            record.enter(None)
        run = len(self.summary.history) - start.before
        self.summary.best_epoch = start.before + (best.best_epoch + 1 if best else run)
        self.summary.stopped = record.stopped or ("early" if run < stage.epochs else "")
        after = backup.Start(start.stage + 1, before=len(self.summary.history))
        over = after.stage == len(self.stages)
        backup.save(self.checkpoint, self.model, self.summary, after, self.total, over=over)
        return after

    def _steps(self, stage: Stage) -> int:
        if not self.compiled:
            return math.ceil(len(self.data[0]) / stage.batch)
        from . import epoch

        return epoch.steps_per_epoch(len(self.data[0]), stage.batch)

    def _callbacks(self, start: backup.Start, record: Record) -> tuple[list[Any], Any]:
        """Those of a stage, in the order in which they act, and the keeper of its best weights, or None."""
        watched, best = watching(self.recipe, self.context, self.validation is not None, start.stage)
        keeping = []
        if best is not None and start.stage == len(self.stages) - 1:
            keeping = [Keep(self.context, best, self.whole, self.context.epochs_before + start.before)]
        saving = backup.Backup(self.checkpoint, self.summary, start, self.total, watched)
        averages = [Average(self.data[0])] if self.recipe.ema else []
        callbacks = [*averages, record, *watched, *keeping, saving]
        if isinstance(self.validation, AugmentedValidation):
            callbacks.insert(0, Draw(self.validation, start.before))
        return callbacks, best

    def _fit_compiled(self, stage: Stage, start: backup.Start, callbacks: list[Any], record: Record) -> None:
        from . import epoch

        epoch.fit(
            self.model,
            self.data,
            None if self.validation is None else _whole(self.validation),
            batch=stage.batch,
            epochs=stage.epochs,
            initial_epoch=start.epoch,
            seed=self.context.seed(f"shuffle-{start.stage}"),
            callbacks=callbacks,
            on_compiled=functools.partial(record.enter, "train"),
        )

    def _fit(self, stage: Stage, start: backup.Start, callbacks: list[Any], record: Record) -> None:
        batches = shuffled(*self.data, stage.batch, self.context.seed(f"shuffle-{start.stage}"))
        self.model.fit(
            batches.data,
            validation_data=self.validation,
            validation_batch_size=None if isinstance(self.validation, AugmentedValidation) else EVALUATION_BATCH,
            epochs=stage.epochs,
            initial_epoch=start.epoch,
            callbacks=[Draw(batches), *callbacks],
            shuffle=False,
            verbose=0,
        )


def _compiles(loop: str, context: Context) -> bool:
    """Whether whole epochs are compiled: where that is asked for, and on a GPU under JAX."""
    return loop == "epoch" or (loop == "auto" and keras.backend.backend() == "jax" and context.device.startswith("gpu"))


def _validation(val_x: np.ndarray | None, val_y: np.ndarray | None, recipe: Recipe, context: Context) -> Any:
    """What Keras's ``fit`` takes for the validation part: arrays, or batches drawn anew each epoch; None without
    one.
    """
    if val_x is None or val_y is None or not len(val_y):
        return None
    targets = _one_hot(val_y, len(context.classes))
    if not recipe.augment_validation:
        return val_x, targets
    return AugmentedValidation(val_x, targets, Augment(recipe.augmentation, context.seed("augment-validation")))


def _tell_kept(summary: FitSummary, context: Context) -> None:
    """Puts into the summary which epochs are kept, and says so where the best is not among them."""
    if context.kept is None or summary.checkpoint == "last":
        return
    summary.extra["kept_epochs"] = kept = kept_epochs(context.kept)
    if (summary.best_epoch or 0) + context.epochs_before not in kept:
        context.report(
            {"note": "its best epoch is not among the kept ones: it ran without --keep-epochs, or could not be written"}
        )


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


def _whole(validation: Any) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """What gives the whole validation part as arrays, drawn anew at each call where it is augmented."""
    if not isinstance(validation, AugmentedValidation):
        return lambda: validation

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        batches = [validation[index] for index in range(len(validation))]
        return np.concatenate([images for images, _ in batches]), validation.targets

    return drawn
