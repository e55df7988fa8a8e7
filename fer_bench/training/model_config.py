"""What a model's configuration may name: each class and function at each depth is found as Keras would find it, or
refused.

Keras builds whatever a ``.keras`` file names: layers that hold code (Lambda, a SavedModel, a Torch module) or read
files (vocabularies) among them, and any registered object. Which of them its safe mode refuses differs from version to
version. Here a name stands for one thing only, which is known to compute on numbers and nothing else.
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError

#: No layer is wider, no kernel larger.
LARGEST_NUMBER = 1 << 20
#: Numbers under these keys are no sizes; whatever else stands there is looked at.
_NO_SIZES = frozenset({"seed", "shared_object_id"})

_MODELS = frozenset({"Functional", "Sequential", "Model"})
_CLASSES = {
    "keras": _MODELS | {"DTypePolicy"},
    "keras.models": _MODELS,
    "keras.src.models.functional": _MODELS,
    "keras.src.models.sequential": _MODELS,
    "keras.src.models.model": _MODELS,
    "keras.dtype_policies": {"DTypePolicy"},
    "keras.src.applications.convnext": {"LayerScale", "StochasticDepth"},
    "keras.src.applications.inception_resnet_v2": {"CustomScaleLayer"},
}
#: Modules of which every class with this base may be made: all of them are of numbers alone.
_BASES = {
    "keras.initializers": "Initializer",
    "keras.regularizers": "Regularizer",
    "keras.constraints": "Constraint",
}
_OPERATIONS = tuple(f"keras.src.ops.{part}" for part in ("image", "linalg", "math", "nn", "numpy"))
#: Of the operations in keras.src.ops.core, which else run what they are given.
_CORE_OPERATIONS = frozenset({
    "Cast", "ConvertToTensor", "SaturateCast", "Scatter", "ScatterUpdate", "Slice", "SliceUpdate", "StopGradient",
    "Unstack",
})  # fmt: skip
#: Parts of keras.src.layers whose classes compute on numbers alone; "core", which has Lambda and the like, is not among
#: them.
_LAYERS = (
    "activations",
    "attention",
    "convolutional",
    "merging",
    "normalization",
    "pooling",
    "preprocessing.image_preprocessing",
    "preprocessing.normalization",
    "preprocessing.rescaling",
    "regularization",
    "reshaping",
    "rnn",
)
_CORE_LAYERS = frozenset({"Dense", "EinsumDense", "Embedding", "Identity", "InputLayer", "Masking"})
#: Functions beside the activations in their module.
_NO_ACTIVATIONS = frozenset({"get", "serialize", "deserialize"})
#: How Keras writes values, not objects.
_VALUES = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"})


def check_config(config: Any, path: Path, packages: Collection[str]) -> None:
    """Raises InputError for the first class, function or number in a model's configuration that may not be there.

    Args:
        config: what ``config.json`` holds.
        path: what the file is called in the message.
        packages: those whose registered classes and functions may be named.
    """
    for found in _parts(config):
        reason = ""
        if isinstance(found, str):
            # Keras takes a text for the object that is registered under it, wherever an object may stand.
            reason = _strange(found, _registered(found), packages)
        elif isinstance(found, dict) and "class_name" in found:
            reason = _refusal(found, packages)
        if reason:
            raise InputError(f"{path}: its configuration has {reason}; such a model is not loaded")


def _parts(config: Any) -> Iterator[Any]:
    """Every object and value in a configuration, whatever key it stands under; absurd numbers are refused on the
    way.
    """
    todo = [config]
    while todo:
        part = todo.pop()
        yield part
        if isinstance(part, dict):
            todo += [value for key, value in part.items() if not (key in _NO_SIZES and isinstance(value, int | float))]
        elif isinstance(part, list):
            todo += part
        elif isinstance(part, int | float) and not abs(part) <= LARGEST_NUMBER:
            raise ValueError(f"{part:.3g} is no size of a model for faces")


def _registered(name: str) -> Any:
    """The class or function that somebody has registered under a name, or None."""
    import keras

    return keras.saving.get_registered_object(name)


def _strange(called: str, found: Any, packages: Collection[str]) -> str:
    package = str(getattr(found, "__module__", "")).partition(".")[0]
    return "" if found is None or package in packages else f"{called[:80]}, registered by another package"


def _refusal(found: dict[str, Any], packages: Collection[str]) -> str:
    """Why an object may not be built, "" where it may."""
    name, module, registered = found["class_name"], found.get("module"), found.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str | None) or not isinstance(registered, str | None):
        return "names that are no text"
    if name in _VALUES:
        return ""
    if name == "function":
        return _function_refusal(found.get("config"), module, packages)
    called = f"{module or '?'}.{name}"[:80]
    # As Keras does it: what is registered goes first, and is known by the one name where there is no other.
    own = _registered(registered if "registered_name" in found and registered else name)
    if own is not None:
        one = isinstance(own, type) and (own.__module__, own.__name__) == (module, name)
        refused = _strange(called, own, packages)
        return refused or ("" if one else f"{called} under the name {str(registered)[:60]!r}")
    if not _computes(name, module or ""):
        return f"{called}, which could run code or is none of Keras' layers"
    return "" if registered in (None, name) else f"{called} under the name {registered[:60]!r}"


def _function_refusal(name: Any, module: str | None, packages: Collection[str]) -> str:
    """Why a function may not be used: one of Keras' activations, or one that a package of ``packages`` registered,
    may.
    """
    from keras import activations

    called = f"function {str(name)[:60]!r} of {module}"
    own = _registered(name) if isinstance(name, str) else None
    if own is not None:
        return _strange(called, own, packages) or ("" if isinstance(own, types.FunctionType) else called)
    known = isinstance(name, str) and name not in _NO_ACTIVATIONS and callable(getattr(activations, name, None))
    return "" if known and module in ("builtins", "keras.activations") else called


def _computes(name: str, module: str) -> bool:
    """Whether what Keras finds in one of its modules under a name is a class that computes on numbers and nothing
    else.
    """
    if module in _CLASSES:
        return name in _CLASSES[module]
    core = module == "keras.src.ops.core" and name in _CORE_OPERATIONS
    if not (core or module in _OPERATIONS or module in _BASES or module == "keras.layers"):
        return False
    found = vars(importlib.import_module(module)).get(name)
    if not isinstance(found, type):
        return False
    if module in _BASES:
        return issubclass(found, getattr(importlib.import_module(module), _BASES[module]))
    if module != "keras.layers":
        return found.__module__ == module and any(base.__name__ == "Operation" for base in found.__mro__)
    home = found.__module__.removeprefix("keras.src.layers.")
    if home.startswith("core."):
        return name in _CORE_LAYERS
    return any(home == part or home.startswith(f"{part}.") for part in _LAYERS)
