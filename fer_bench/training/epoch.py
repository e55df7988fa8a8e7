"""Training under JAX for a GPU: the data stay on the device, and an epoch is one compiled program.

``keras.Model.fit`` sends every batch from the host and returns to Python at every step; on a GPU that costs small
models most of their time. Here the images lie on the device as they are stored (uint8), and shuffling, gathering,
casting and augmentation happen inside the program, under ``lax.scan``. The mathematics is Keras's own:
``stateless_call``, the loss, the optimizer's ``stateless_apply``. What differs from ``fit``: a last batch that would
not be full is left out, other images in each epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from .batches import EVALUATION_BATCH


class State(NamedTuple):
    """The values of a model's and its optimizer's variables, in Keras's order."""

    trainable: list[jax.Array]
    non_trainable: list[jax.Array]
    optimizer: list[jax.Array]


class Sums(NamedTuple):
    """Loss and right answers summed over images, and their number; scalars, float32."""

    loss: Any
    right: Any
    images: Any

    def logs(self, prefix: str = "") -> dict[str, float]:
        """Keras's names -> means."""
        return {
            f"{prefix}loss": float(self.loss / self.images),
            f"{prefix}accuracy": float(self.right / self.images),
        }


def steps_per_epoch(images: int, batch: int) -> int:
    """Full batches in an epoch; a set smaller than one batch makes one of its own."""
    return max(1, images // batch)


def fit(
    model: keras.Model,
    train: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    validation: Callable[[], tuple[np.ndarray, np.ndarray]] | None,
    *,
    batch: int,
    epochs: int,
    initial_epoch: int = 0,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback],
    on_compiled: Callable[[], None],
) -> None:
    """Trains a compiled ``model`` in place, as ``model.fit`` would, one program an epoch.

    Args:
        model: compiled with an optimizer and one loss over (N, classes) probabilities.
        train: inputs (N, ...) of any dtype, one-hot targets (N, classes) float32, sample weights (N,) float32 or None.
        validation: gives inputs and one-hot targets anew for each epoch, always of the same shape; or None.
        batch: images a step; the whole of ``train`` if it has fewer.
        epochs: at most; callbacks may stop earlier.
        initial_epoch: the first to be trained, counted from 0.
        seed: of the shuffling.
        callbacks: Keras's; their hooks of epochs and tests are called, not those of batches.
        on_compiled: called once, when both programs are compiled and before the first step.
    """
    images = len(train[0])
    inputs, targets, weights = (None if part is None else jax.device_put(part) for part in train)
    model.optimizer.build(model.trainable_variables)
    shuffle = jax.random.key(seed)
    program = (
        jax.jit(_epoch(model, steps_per_epoch(images, batch), min(batch, images)), donate_argnums=0)
        .lower(_read(model), inputs, targets, weights, shuffle)
        .compile()
    )
    measure = None if validation is None else _measure(model, *validation())
    on_compiled()
    watching = keras.callbacks.CallbackList(list(callbacks), add_history=False, model=model, epochs=epochs)
    model.stop_training = False
    watching.on_train_begin()
    for number in range(initial_epoch, epochs):
        watching.on_epoch_begin(number)
        state, sums = program(_read(model), inputs, targets, weights, jax.random.fold_in(shuffle, number))
        _write(model, state)
        logs = sums.logs()
        if validation is not None and measure is not None:
            watching.on_test_begin()
            logs |= measure(*validation()).logs("val_")
            watching.on_test_end()
        watching.on_epoch_end(number, logs)
        if model.stop_training:
            break
    watching.on_train_end()


def _read(model: keras.Model) -> State:
    return State(
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
        [variable.value for variable in model.optimizer.variables],
    )


def _write(model: keras.Model, state: State) -> None:
    variables = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    for group, values in zip(variables, state, strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)


def _sums(loss: Any, targets: Any, predictions: Any) -> Sums:
    """Sums over one batch, whose mean loss is given."""
    right = jnp.argmax(predictions, axis=-1) == jnp.argmax(targets, axis=-1)
    return Sums(loss * len(targets), jnp.sum(right, dtype="float32"), jnp.float32(len(targets)))


def _add(sums: Sums, more: Sums) -> Sums:
    return Sums(*(a + b for a, b in zip(sums, more, strict=True)))


def _epoch(model: keras.Model, steps: int, batch: int) -> Callable[..., tuple[State, Sums]]:
    """(state, inputs, targets, weights, shuffling key) -> the state after one epoch, and its sums."""

    def loss_of(trainable: Any, non_trainable: Any, inputs: Any, targets: Any, weights: Any) -> Any:
        predictions, non_trainable, penalties = model.stateless_call(
            trainable, non_trainable, inputs, training=True, return_losses=True
        )
        loss = model.loss(targets, predictions, sample_weight=weights) + sum(penalties)
        return loss, (non_trainable, _sums(loss, targets, predictions))

    gradient = jax.grad(loss_of, has_aux=True)

    def epoch(state: State, inputs: Any, targets: Any, weights: Any, shuffle: Any) -> tuple[State, Sums]:
        def step(carry: tuple[State, Sums], rows: Any) -> tuple[tuple[State, Sums], None]:
            (trainable, non_trainable, optimizer), sums = carry
            of_rows = [None if part is None else jnp.take(part, rows, axis=0) for part in (inputs, targets, weights)]
            gradients, (non_trainable, more) = gradient(trainable, non_trainable, *of_rows)
            trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
            return (State(trainable, non_trainable, optimizer), _add(sums, more)), None

        order = jax.random.permutation(shuffle, len(inputs))[: steps * batch].reshape(steps, batch)
        nothing = Sums(*jnp.zeros(3, "float32"))
        (state, sums), _ = jax.lax.scan(step, (state, nothing), order)
        return state, sums

    return epoch


def _measure(model: keras.Model, inputs: np.ndarray, targets: np.ndarray) -> Callable[[Any, Any], Sums]:
    """Compiles the evaluation of data of this shape: (inputs, targets) -> sums under the model's present weights.

    Full batches go through ``lax.scan``, the rest through one step of its own size.
    """
    full = len(inputs) // EVALUATION_BATCH

    def step(trainable: Any, non_trainable: Any, x: Any, y: Any) -> Sums:
        predictions, _, penalties = model.stateless_call(
            trainable, non_trainable, x, training=False, return_losses=True
        )
        return _sums(model.loss(y, predictions) + sum(penalties), y, predictions)

    def whole(trainable: Any, non_trainable: Any, x: Any, y: Any) -> Sums:
        sums = Sums(*jnp.zeros(3, "float32"))
        if full:
            batches = [part[: full * EVALUATION_BATCH].reshape(full, -1, *part.shape[1:]) for part in (x, y)]
            sums, _ = jax.lax.scan(lambda s, b: (_add(s, step(trainable, non_trainable, *b)), None), sums, batches)
        if len(x) > full * EVALUATION_BATCH:
            sums = _add(sums, step(trainable, non_trainable, *(part[full * EVALUATION_BATCH :] for part in (x, y))))
        return sums

    def variables() -> tuple[list[Any], list[Any]]:
        state = _read(model)
        return state.trainable, state.non_trainable

    compiled = jax.jit(whole).lower(*variables(), inputs, targets).compile()
    return lambda x, y: Sums(*compiled(*variables(), x, y))
