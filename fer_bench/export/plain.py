"""A trained model in Keras's own layers and in float32: what computes the same wherever Keras does.

The layers that this package registers stand for several of Keras's, or for one that is faster in training. A model
trained in mixed precision answers in the precision of its processor; its copy here answers alike on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from ..data.dataset import IMAGE_SIZE
from ..training.batch_norm import BatchNormalization
from ..training.preprocess import Normalise, Preprocess


def plain(model: keras.Model, name: str) -> keras.Model:
    """A copy of ``model``, which takes (N, 48, 48, 1) uint8, that takes (N, 48, 48) uint8 and computes in float32.

    Its weights are copies, its layers Keras's own but for those that another package registered. It has been called
    once, as Keras wants of what it exports. ``name`` is made one that TensorFlow takes.
    """
    config = _rewritten(model.get_config(), _OWN)
    copy = type(model).from_config(config)
    copy.set_weights([np.asarray(weights, np.float32) for weights in model.get_weights()])
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE), dtype="uint8", name="images")
    channel = keras.layers.Reshape((IMAGE_SIZE, IMAGE_SIZE, 1), name="channel", dtype="uint8")(images)
    # Keras's layers for images take it for training where nobody says that it is none, and those after them follow.
    answers = copy(channel, training=False)
    whole = keras.Model(images, answers, name="".join(c if c.isalnum() else "_" for c in name))
    whole(np.zeros((1, IMAGE_SIZE, IMAGE_SIZE), np.uint8), training=False)
    return whole


def in_float32(model: keras.Model) -> keras.Model | None:
    """A copy of ``model`` that computes in float32, its layers as they are; None where it does so itself."""
    if all(layer.compute_dtype in ("float32", None) or _is_integer(layer) for layer in model._flatten_layers()):
        return None
    copy = type(model).from_config(_rewritten(model.get_config(), {}))
    copy.set_weights([np.asarray(weights, np.float32) for weights in model.get_weights()])
    return copy


def _is_integer(layer: keras.Layer) -> bool:
    return "int" in str(layer.compute_dtype)


def strange_layers(model: keras.Model) -> list[str]:
    """The names under which other packages registered layers of a model: who loads it needs those packages."""
    found = {keras.saving.get_registered_name(type(layer)) for layer in model._flatten_layers()}
    return sorted(name for name in found if ">" in name)


def _rewritten(config: Any, own: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]) -> Any:
    """A model's configuration with every precision float32, and layers registered under the names in ``own`` replaced
    by what that makes of theirs.
    """
    if isinstance(config, list | tuple):
        return [_rewritten(value, own) for value in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        floats = "float" in config["config"]["name"]
        return {**config, "config": {"name": "float32"}} if floats else config
    changed = {key: _rewritten(value, own) for key, value in config.items()}
    replaced = own.get(config.get("registered_name") or "")
    return changed | replaced(changed["config"]) if replaced else changed


def _preprocess(config: dict[str, Any]) -> dict[str, Any]:
    """``Preprocess`` as a model of cropping, scaling, resizing and copying to channels."""
    layer = Preprocess.from_config(config)
    shape = (IMAGE_SIZE, IMAGE_SIZE, 1)
    x = images = keras.Input(shape, dtype="uint8")
    if layer.window:
        before = (IMAGE_SIZE - layer.window) // 2
        after = IMAGE_SIZE - layer.window - before
        x = keras.layers.Cropping2D(((before, after), (before, after)), data_format="channels_last", dtype="uint8")(x)
    scale, offset = (1 / 127.5, -1.0) if layer.scaling == "signed" else (1 / 255, 0.0)
    x = keras.layers.Rescaling(scale, offset, dtype="float32")(x)
    if x.shape[1] != layer.image_size:
        size = (layer.image_size, layer.image_size)
        x = keras.ops.image.resize(x, size, interpolation="bilinear", data_format="channels_last")
    if layer.channels > 1:
        x = keras.layers.Concatenate(dtype="float32")([x] * layer.channels)
    return _serialized(keras.Model(images, x, name=layer.name))


def _normalise(config: dict[str, Any]) -> dict[str, Any]:
    """``Normalise`` as a model of Keras's operations; its number of classes is asked of who calls it."""
    outputs = keras.Input((None,))
    x = outputs + keras.config.epsilon()
    return _serialized(keras.Model(outputs, x / keras.ops.sum(x, axis=-1, keepdims=True), name=config["name"]))


def _serialized(model: keras.Model) -> dict[str, Any]:
    made = keras.saving.serialize_keras_object(model)
    return {key: made[key] for key in ("module", "class_name", "config", "registered_name")}


def _batch_normalization(config: dict[str, Any]) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": "BatchNormalization", "registered_name": None}


_OWN = {
    keras.saving.get_registered_name(Preprocess): _preprocess,
    keras.saving.get_registered_name(Normalise): _normalise,
    keras.saving.get_registered_name(BatchNormalization): _batch_normalization,
}
