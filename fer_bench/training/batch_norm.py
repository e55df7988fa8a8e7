"""Batch normalisation as one operation of TensorFlow where that is the backend, and with statistics that stay.

Keras writes it out in a dozen operations, which took 37 % of a training step of fer-net on two cores.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="fer_bench")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer for images (N, H, W, C), with the same weights and the same results but for rounding."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if keras.backend.backend() != "tensorflow" or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        learns = bool(training and self.trainable)
        nothing = tf.zeros(0)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=ops.cast(self.gamma, "float32"),
            offset=ops.cast(self.beta, "float32"),
            mean=nothing if learns else ops.convert_to_tensor(self.moving_mean),
            variance=nothing if learns else ops.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=learns,
        )
        if learns:
            # TensorFlow's variance is that of a sample of n, Keras keeps the n values' own.
            n = tf.cast(tf.size(inputs) // inputs.shape[-1], "float32")
            kept = self.momentum
            self.moving_mean.assign(self.moving_mean * kept + mean * (1 - kept))
            self.moving_variance.assign(self.moving_variance * kept + variance * (n - 1) / n * (1 - kept))
        return outputs


@keras.saving.register_keras_serializable(package="fer_bench")
class StillBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, which in training too takes the means and variances that it came with; scale and offset may learn.

    That is what a call with training=False asks for. Inside a larger model Keras does not keep to it: all layers are
    called as the whole model is.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)


def with_still_statistics(model: keras.Model) -> keras.Model:
    """A model of the same layers, names and weights, whose batch normalisation keeps its statistics in training."""

    def remade(layer: keras.Layer) -> keras.Layer:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        return (StillBatchNormalization if normalises else type(layer)).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=remade)
    copy.set_weights(model.get_weights())
    return copy
