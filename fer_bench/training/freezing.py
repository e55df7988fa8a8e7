"""Which layers of a backbone learn, and where the part ends that does not.

In Keras a batch normalisation that does not learn computes as in inference, with the statistics that came with it.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import keras


def freeze_first(backbone: keras.Model, count: int) -> None:
    """Lets all of ``backbone.layers`` learn but the first ``count``, however they were set before."""
    backbone.trainable = False  # under TensorFlow what a model is already is not passed on to its layers
    backbone.trainable = count < len(backbone.layers)
    for layer in backbone.layers[:count]:
        layer.trainable = False


def before_share(backbone: keras.Model, share: float) -> int:
    """How many of ``backbone.layers`` stand before those that learn where the last ``share`` of them does, from 0 to 1.

    Only layers that have weights to learn are counted. Their number is rounded to the nearest, halves up, and is one at
    least where the share is more than nothing. Where all of them learn nothing stands before, where none does all do.

    Args:
        backbone: one of which everything may learn, as Keras makes it.
    """
    able = [place for place, layer in enumerate(backbone.layers) if layer.trainable_weights]
    wanted = max(1, math.floor(len(able) * share + 0.5)) if share else 0
    if not wanted:
        return len(backbone.layers)
    return 0 if wanted == len(able) else able[-wanted]


def split(backbone: keras.Model, count: int) -> tuple[keras.Model | None, keras.Model | None]:
    """``backbone`` in two models that share its layers; the first has none but its first ``count`` layers.

    They are cut at a tensor through which everything passes, the last such one that those layers allow: where branches
    are open, this is one before them. None stands for a part that would compute nothing. The first is without the
    layers that draw at random, such as dropout: where nothing in it learns it gives the same in training as in
    inference.
    """
    tensor = _narrow(backbone, {id(layer) for layer in backbone.layers[count:]})
    if tensor is backbone.inputs[0]:
        return None, backbone
    frozen = _settled(keras.Model(backbone.inputs, tensor, name="frozen"))
    if tensor is backbone.outputs[0]:
        return frozen, None
    return frozen, keras.Model(tensor, backbone.outputs[0], name="learning")


def _settled(model: keras.Model) -> keras.Model:
    """``model`` of the same layers, without those that draw at random.

    To call it with training=False would not do: Keras calls all parts of a model as it calls the model.
    """

    def call(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # Beside its weights, a layer's variables hold the states of its random generators.
        draws = isinstance(layer, keras.Layer) and len(layer.variables) > len(layer.weights)
        return inputs if draws else layer(inputs, *args, **kwargs)

    return keras.models.clone_model(model, call_function=call, clone_function=lambda layer: layer)


def _narrow(backbone: keras.Model, stop: set[int]) -> Any:
    """The last tensor that alone is still wanted when it is computed, before any of the layers in ``stop`` (by id)."""
    by_depth = backbone._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    uses = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    uses.update(id(tensor) for tensor in backbone.outputs)
    found, wanted = backbone.inputs[0], set()
    for node in nodes:
        if id(node.operation) in stop:
            break
        for tensor in node.input_tensors:
            uses[id(tensor)] -= 1
            if not uses[id(tensor)]:
                wanted.discard(id(tensor))
        wanted |= {id(tensor) for tensor in node.outputs}
        if wanted == {id(node.outputs[0])}:
            found = node.outputs[0]
    return found
