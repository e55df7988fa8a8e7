"""An exponential moving average of the weights, which is what is validated, kept and saved (Polyak and Juditsky 1992).

Keras's own (``use_ema``) begins with the first random weights, which a short training never forgets, and leaves batch
normalisation with the statistics of other weights than it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from .batches import EVALUATION_BATCH, order

#: Images from which batch normalisation's statistics under the averages are taken; Wu and Johnson 2021
#: (arXiv 2105.07576) find that a thousand are enough.
STATISTICS_IMAGES = 1024


def averaging(kind: type[Any], decay: float) -> type[Any]:
    """``kind``, a class of optimizers, that also keeps ``averages`` of the weights; itself where ``decay`` is 0.

    After step t, counted from 0: average = d * average + (1 - d) * weights, d = min(decay, t / (t + 9)), so that a
    short training averages over about the last tenth of its steps (TensorFlow's ``ExponentialMovingAverage`` does the
    same).
    """
    if not decay:
        return kind

    class Averaging(kind):  # type: ignore[misc]
        def build(self, variables: Sequence[Any]) -> None:
            if not self.built:
                super().build(variables)
                self.averages = self.add_optimizer_variables(variables, "average")

        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            super().apply(grads, trainable_variables)
            step = ops.cast(self.iterations - 1, "float32")
            rest = 1 - ops.minimum(decay, step / (step + 9))
            for average, variable in zip(self.averages, self._trainable_variables, strict=True):
                average.assign(average + rest * (ops.convert_to_tensor(variable) - average))

    return Averaging


class Average(keras.callbacks.Callback):
    """Gives the model its averages from an epoch's last step to the next one's first; the optimizer has the weights
    then.

    So whatever looks at the model between two epochs sees the averages, and a saved state has both. Batch normalisation
    gets the statistics of the averaged weights, from training images augmented as for training. This one stands before
    the callbacks that shall see it.

    Args:
        inputs: of the training, (N, ...); the statistics are those of some of them.
    """

    async_safe = True

    def __init__(self, inputs: np.ndarray) -> None:
        super().__init__()
        self.sample = np.asarray(inputs)[order(len(inputs), 0, 0)[:STATISTICS_IMAGES]]
        self.shown = False

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self.pass_through = _training_pass(self.model)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if epoch:
            self._swap()
        self.shown = False

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._show()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._show()

    def _show(self) -> None:
        if not self.shown:
            self._swap()
            take_statistics(self.model, self.sample, self.pass_through)
            self.shown = True

    def _swap(self) -> None:
        for variable, average in zip(self.model.trainable_variables, self.model.optimizer.averages, strict=True):
            weights = np.array(ops.convert_to_numpy(variable))
            variable.assign(average)
            average.assign(weights)


def _training_pass(model: Any) -> Callable[[np.ndarray], object]:
    """What passes a batch through ``model`` as in training, for what that leaves in its variables; compiled at first
    use.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        compiled: Callable[[np.ndarray], object] = tf.function(lambda inputs: model(inputs, training=True))
        return compiled
    if keras.backend.backend() != "jax":
        return lambda inputs: model(inputs, training=True)
    import jax

    after = jax.jit(lambda *state: model.stateless_call(*state, training=True)[1])

    def pass_through(inputs: np.ndarray) -> None:
        groups = (model.trainable_variables, model.non_trainable_variables)
        found = after(*([variable.value for variable in group] for group in groups), inputs)
        for variable, value in zip(model.non_trainable_variables, found, strict=True):
            variable.assign(value)

    return pass_through


def take_statistics(model: Any, inputs: np.ndarray, pass_through: Callable[[np.ndarray], object]) -> None:
    """Sets the statistics of every trainable batch normalisation to their mean over batches of ``inputs`` (N, ...).

    The rest that makes no full batch is left out, unless there is no other. ``pass_through`` passes a batch through the
    model as in training, and does so for the first time here if it is compiled.
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    if not layers:
        return
    statistics = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # the statistics are then those of the last batch
    sums: list[Any] = [0.0] * len(statistics)
    size = min(EVALUATION_BATCH, len(inputs))
    batches = range(len(inputs) // size)
    for number in batches:
        pass_through(inputs[number * size : (number + 1) * size])
        sums = [total + ops.convert_to_numpy(variable) for total, variable in zip(sums, statistics, strict=True)]
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    for variable, total in zip(statistics, sums, strict=True):
        variable.assign(total / len(batches))
