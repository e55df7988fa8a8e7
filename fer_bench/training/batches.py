"""The batches that Keras's ``fit`` gets: an epoch's order depends on the seed and the epoch alone.

Keras's own shuffling draws from a global generator, which a training that is taken up again can't put back. (Under
TensorFlow it even draws the same order in each epoch once a seed is set: 3.15, ``ArrayDataAdapter``.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import keras
import numpy as np

from .augment import Augment

#: Images a validation or prediction step takes at once.
EVALUATION_BATCH = 256


class Drawn(Protocol):
    """Data that are drawn anew in each epoch."""

    def begin(self, epoch: int) -> None:
        """Draws for an epoch, counted from 0; called before its first batch is asked for."""


class Draw(keras.callbacks.Callback):
    """Tells ``data`` of each epoch that begins, counted on from ``before``."""

    async_safe = True

    def __init__(self, data: Drawn, before: int = 0) -> None:
        super().__init__()
        self.data, self.before = data, before

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.data.begin(self.before + epoch)


class Shuffled(Drawn, Protocol):
    """The training part in batches; ``data`` is what ``fit`` takes as x."""

    @property
    def data(self) -> Any: ...


def shuffled(x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None, batch: int, seed: int) -> Shuffled:
    """Batches of ``batch`` rows, the last one maybe smaller; each row once an epoch.

    Args:
        x, y: (N, ...), any dtype.
        sample_weight: (N,) float32, or None.
        seed: of the orders.
    """
    parts = (x, y) if sample_weight is None else (x, y, sample_weight)
    made = _InTensorFlow if keras.backend.backend() == "tensorflow" else _InPython
    return made(parts, batch, seed)


def order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """Numbers below ``rows`` (rows,) int64 in the order of one epoch."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


class _InTensorFlow:
    """A tf.data pipeline beside the training, whose gathering needs no Python; the order lies in a variable of its
    own.
    """

    def __init__(self, parts: tuple[np.ndarray, ...], batch: int, seed: int) -> None:
        import tensorflow as tf

        self.rows, self.seed = len(parts[0]), seed
        with tf.device("CPU:0"):
            tensors = [tf.convert_to_tensor(part) for part in parts]
            self.order = tf.Variable(tf.range(self.rows, dtype=tf.int64), trainable=False)

        def batch_of(step: Any) -> tuple[Any, ...]:
            at = self.order[step * batch : (step + 1) * batch]
            return tuple(tf.gather(tensor, at) for tensor in tensors)

        steps = tf.data.Dataset.range(math.ceil(self.rows / batch))
        options = tf.data.Options()
        # As Keras has it: rewriting the graph would copy all that the pipeline holds.
        options.experimental_optimization.apply_default_optimizations = False
        # What tunes a pipeline may sleep for many seconds when the epoch's iterator is given up, and fit waits for it.
        options.autotune.enabled = False
        self.data = steps.map(batch_of).prefetch(4).with_options(options)

    def begin(self, epoch: int) -> None:
        self.order.assign(order(self.rows, self.seed, epoch))


class _InPython(keras.utils.PyDataset):
    def __init__(self, parts: tuple[np.ndarray, ...], batch: int, seed: int) -> None:
        super().__init__()
        self.parts, self.batch, self.seed = parts, batch, seed
        self.begin(0)

    @property
    def data(self) -> _InPython:
        return self

    def begin(self, epoch: int) -> None:
        self.order = order(len(self.parts[0]), self.seed, epoch)

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch)

    def __getitem__(self, step: int) -> tuple[np.ndarray, ...]:
        rows = self.order[step * self.batch : (step + 1) * self.batch]
        return tuple(part[rows] for part in self.parts)


class AugmentedValidation(keras.utils.PyDataset):
    """Validation images augmented anew in each epoch, as sources did that reused their training generator."""

    def __init__(self, images: np.ndarray, targets: np.ndarray, augment: Augment) -> None:
        super().__init__()
        self.images, self.targets, self.augment = images, targets, augment
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draws the seed of an epoch, counted over all stages."""
        self.seed = int(np.random.default_rng((self.augment.seed, epoch)).integers(2**31))

    def __len__(self) -> int:
        return math.ceil(len(self.images) / EVALUATION_BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(index * EVALUATION_BATCH, (index + 1) * EVALUATION_BATCH)
        # Keras may ask for a batch more than once; it draws the same then. Each draw of the layer adds one to the
        # second.
        self.augment.generator.state.assign((self.seed, 1000 * index))
        changed = keras.ops.convert_to_numpy(self.augment(self.images[rows], training=True))
        return np.rint(changed).astype(np.uint8), self.targets[rows]
