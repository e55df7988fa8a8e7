"""Grad-CAM: where an image speaks for a class, as the last convolution of a Keras model sees it.

Selvaraju et al.: Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
arXiv:1610.02391. The score is the logarithm of the probability, for our models end in a softmax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..api.runner import Runner
from ..data.dataset import IMAGE_SIZE
from ..runners.keras import KerasRunner
from ..training.preprocess import Preprocess

if TYPE_CHECKING:
    import keras

#: Added to a probability before its logarithm is taken.
EPSILON = 1e-7


def grad_cam(runner: Runner, image: np.ndarray, column: int) -> np.ndarray | None:
    """Where a face speaks for one output, (48, 48) float32 in [0, 1], the largest 1 unless nothing speaks for it.

    Args:
        runner: one that has loaded its model.
        image: (48, 48) uint8.
        column: of the output.

    Returns:
        None where that can't be told: no Keras model, or none whose features have a place in the image up to a layer
        through which everything goes.
    """
    model = getattr(runner, "_model", None)
    if not isinstance(runner, KerasRunner) or model is None:
        return None
    halves = cut(model)
    if halves is None:
        return None
    preprocess, front, head = halves
    features = np.asarray(_plain(front(preprocess(image[None, ..., None]), training=False)), np.float32)
    gradient = _gradient(head, features, column)
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    found = np.maximum((weights * features).sum(axis=-1)[0], 0)
    return _on_image(found / found.max() if found.max() > 0 else found, preprocess.window)


def cut(model: keras.Model) -> tuple[Preprocess, keras.Model, keras.Model] | None:
    """A runner's model in three: what prepares images, the layers up to the last with features (N, H, W, C), the rest.

    None where there is no such layer, or something goes past it.
    """
    import keras

    preprocess = next((layer for layer in model.layers if isinstance(layer, Preprocess)), None)
    core = model.layers[-1]
    if preprocess is None or not isinstance(core, keras.Model):
        return None
    features = _features(core.outputs[0])
    if features is None:
        return None
    return preprocess, keras.Model(core.inputs, features), keras.Model(features, core.outputs[0])


def _features(tensor: Any) -> Any:
    """What goes into the output ``tensor`` as (N, H, W, C), and before dropout and pooling, which make it coarser.

    None where there is nothing of that form, or where several branches come together behind it.
    """
    from keras import layers

    coarser = (layers.MaxPooling2D, layers.AveragePooling2D, layers.Dropout, layers.SpatialDropout2D)
    while True:
        operation, node, _ = tensor._keras_history
        spatial = len(tensor.shape) == 4 and None not in tensor.shape[1:3] and min(tensor.shape[1:3]) > 1
        if spatial and not isinstance(operation, coarser):
            return None if isinstance(operation, layers.InputLayer) else tensor
        before = operation._inbound_nodes[node].input_tensors
        if len(before) != 1:  # the model's input, or a branch
            return None
        tensor = before[0]


def _gradient(head: keras.Model, features: np.ndarray, column: int) -> np.ndarray:
    """The gradient of the logarithm of an output, by the features (1, H, W, C), of that shape."""
    import keras
    from keras import ops

    def score(given: Any) -> Any:
        return ops.log(head(given, training=False)[0, column] + EPSILON)

    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(score)(features), np.float32)
    if keras.backend.backend() == "torch":
        given = ops.convert_to_tensor(features).requires_grad_(True)
        score(given).backward()
        return np.asarray(given.grad.cpu(), np.float32)
    import tensorflow as tf

    given = tf.convert_to_tensor(features)
    with tf.GradientTape() as tape:
        tape.watch(given)
        found = score(given)
    return np.asarray(tape.gradient(found, given), np.float32)


def _plain(tensor: Any) -> np.ndarray:
    from keras import ops

    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def _on_image(found: np.ndarray, window: int) -> np.ndarray:
    """A map (h, w) of what the model looks at, on the image: the square of ``window`` pixels in its middle, or all."""
    import cv2

    side = window or IMAGE_SIZE
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    first = (IMAGE_SIZE - side) // 2
    resized = cv2.resize(found.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    image[first : first + side, first : first + side] = resized
    return image
