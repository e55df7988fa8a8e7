"""What a model from a file would take, told before it is made: its parameters, and the numbers that its layers give."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

from ..data.dataset import IMAGE_SIZE
from ..errors import InputError

#: Numbers that one layer may give for one image: four million, as VGG19's first layers do for an image of 255 pixels.
MOST_NUMBERS = 1 << 22
#: A layer that a file describes at two places counts twice where only its shape is known; seeds are no parameters.
_TWICE, _FEW = 2, 1 << 16

Shape = tuple[int | None, ...]
#: Name of a layer, and the shape of what it gives.
Output = tuple[str, Shape]
#: What every model predicts for.
IMAGE: Shape = (None, IMAGE_SIZE, IMAGE_SIZE, 1)


def check_size(config: Any, stored: int, path: Path) -> None:
    """Raises InputError where the model that ``config`` describes would take more memory than a model for faces does.

    Args:
        config: what ``config.json`` holds; each class in it may be made.
        stored: how many numbers the file has for its parameters, of which each must be there.
        path: what the file is called in the message.
    """
    model, outputs = _outline(config)
    parameters = sum(math.prod(variable.shape) for variable in model.variables)
    if parameters > _TWICE * stored + _FEW:
        raise InputError(
            f"{path}: describes a model of {parameters:,} parameters, and holds {stored:,}; such a model is not loaded"
        )
    for name, shape in outputs:
        numbers = math.prod(side for side in shape if side is not None)
        if numbers > MOST_NUMBERS:
            raise InputError(
                f"{path}: its layer {name[:60]!r} gives {numbers:,} numbers an image; {MOST_NUMBERS:,} are the limit"
            )


def _outline(config: Any) -> tuple[Any, list[Output]]:
    """The model that a configuration describes, with shapes but without numbers: no variable of it has memory; its
    outputs.

    Whatever goes wrong as Keras makes it is raised as it is.
    """
    import keras

    made: list[tuple[Any, list[Output]]] = []
    failed: list[BaseException] = []

    def make() -> None:
        # Variables get their numbers when the scope ends. It is never left, but ends with its thread: Keras keeps
        # scopes, and what waits to get its numbers, for each thread.
        keras.StatelessScope().__enter__()
        try:
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
            if not isinstance(model, keras.Model):
                raise ValueError("it describes no model")
            made.append((model, list(_outputs(model, IMAGE))))
        except BaseException as error:  # raised again below, in the thread that asked
            failed.append(error)

    state = random.getstate()  # layers without a seed draw one
    thread = Thread(target=make)
    thread.start()
    thread.join()
    random.setstate(state)
    if failed:
        raise failed[0]
    return made[0]


def _outputs(model: Any, given: Shape) -> Iterator[Output]:
    """Name of the layer and shape of each output of a graph's layers, those of models in it included.

    Sides that a graph leaves open are those of what it is ``given``.
    """
    graph = getattr(model, "_functional", None) or model  # of a Sequential that is built
    graph = _closed(graph, given)
    for node in [node for depth in getattr(graph, "_nodes_by_depth", {}).values() for node in depth]:
        for output in node.outputs:
            yield node.operation.name, output.shape
        if not node.is_input and hasattr(node.operation, "layers"):
            yield from _outputs(node.operation, node.input_tensors[0].shape)


def _closed(graph: Any, given: Shape) -> Any:
    """A graph of one input with that input's open sides closed; as it is where it has none, or can't take what is
    given.
    """
    import keras

    inputs = getattr(graph, "inputs", None) or []
    if len(inputs) != 1 or None not in inputs[0].shape[1:] or len(inputs[0].shape) != len(given):
        return graph
    sides = [side or of_given for side, of_given in zip(inputs[0].shape[1:], given[1:], strict=True)]
    try:
        closed = keras.tree.map_structure(lambda tensor: keras.Input(sides, dtype=tensor.dtype), graph.input)
        return keras.models.clone_model(graph, input_tensors=closed)
    except Exception:  # whatever its layers raise where images are too small for them, as they would when it predicts
        return graph
