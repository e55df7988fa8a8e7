"""Keras files of unknown origin, looked through before Keras makes anything of them.

A ``.keras`` file names the classes that Keras builds a model from, and Keras' safe mode refuses little beside a Lambda:
other layers hold code as well (a SavedModel, a Torch module) or read files that the model names (vocabularies). Here the
classes that may stand in a file are those that compute on numbers, and those that fer_bench, or the runner's own package,
has registered.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import InputError
from ..files.zips import check_zip

if TYPE_CHECKING:
    import keras

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
#: What Keras writes where no layer has files of its own, as vocabularies are.
MEMBERS = frozenset({CONFIG, WEIGHTS, "metadata.json"})
#: Registered by whom, where nobody else is named.
OURS = frozenset({"fer_bench"})
#: Weights of the largest model that is trained on faces take 0.6 GB (VGG19 with its top).
MOST_BYTES, MOST_CONFIG = 2 << 30, 32 << 20
#: No layer is wider, no kernel larger.
LARGEST_NUMBER = 1 << 20
_NO_SIZES = frozenset({"seed", "shared_object_id"})
#: Weights are hardly compressible.
_MOST_RATIO = 100

_MODELS = frozenset({"Functional", "Sequential", "Model"})
_CLASSES = {
    "keras": _MODELS | {"DTypePolicy"},
    "keras.models": _MODELS,
    "keras.src.models.functional": _MODELS,
    "keras.src.models.sequential": _MODELS,
    "keras.src.models.model": _MODELS,
    "keras.dtype_policies": {"DTypePolicy"},
}
#: All of these are of numbers alone.
_MODULES = ("keras.initializers", "keras.regularizers", "keras.constraints", "keras.activations")
_OPERATIONS = "keras.src.ops."
#: Parts of keras.src.layers whose classes compute on numbers alone; "core", which has Lambda and the like, is not among them.
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
#: How Keras writes values, not objects.
_VALUES = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"})


def load_model(path: Path, packages: Collection[str] = OURS) -> keras.Model:
    """The model in a ``.keras`` file, for inference; classes registered by ``packages`` may stand in it.

    Raises:
        InputError: no such file, no readable one, or one with anything in it that could run code, read other files or
            take absurd amounts of memory.
    """
    import keras

    from . import batch_norm, preprocess  # noqa: F401  register the layers of what we saved

    check_keras(path, packages)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras and h5py raise half a dozen types here, all meaning that the file can't be used.
        raise InputError(f"{path}: no model can be made of it ({_line(error)})") from error


def check_keras(path: Path, packages: Collection[str] = OURS) -> None:
    """Raises InputError unless all that a ``.keras`` file holds may be loaded; see ``load_model``."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info.filename for info in archive.infolist()]
            strange = next((name for name in members if name not in MEMBERS), None)
            if strange is not None or sorted(set(members)) != sorted(members):
                raise InputError(
                    f"{path}: holds {(strange or members[0])[:60]!r}, which no model needs, or anything twice"
                )
            check_zip(path, archive.infolist(), len(MEMBERS), MOST_BYTES)
            if archive.getinfo(CONFIG).file_size > MOST_CONFIG:
                raise InputError(f"{path}: a {CONFIG} of more than {MOST_CONFIG:,} bytes")
            check_config(json.loads(archive.read(CONFIG)), path, packages)
            # A member of a zip file can't be read backwards but by starting again.
            check_hdf5(io.BytesIO(archive.read(WEIGHTS)), path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .keras file ({_line(error)})") from None


def check_config(config: Any, path: Path, packages: Collection[str] = OURS) -> None:
    """Raises InputError for the first class, function or number in a model's configuration that may not be there."""
    for found in _parts(config):
        if isinstance(found, dict) and "class_name" in found:
            reason = _refusal(found, packages)
            if reason:
                raise InputError(f"{path}: its configuration has {reason}; such a model is not loaded")


def _parts(config: Any) -> Iterator[Any]:
    """Every object and value in a configuration; numbers beyond all measure are refused on the way."""
    todo = [config]
    while todo:
        part = todo.pop()
        yield part
        if isinstance(part, dict):
            todo += [value for key, value in part.items() if key not in _NO_SIZES]
        elif isinstance(part, list):
            todo += part
        elif isinstance(part, int | float) and abs(part) > LARGEST_NUMBER:
            raise ValueError(f"{part:.3g} is no size of a model for faces")


def _refusal(found: dict[str, Any], packages: Collection[str]) -> str:
    """Why an object may not be built, "" where it may."""
    import keras

    name, module, registered = found["class_name"], found.get("module"), found.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str | None) or not isinstance(registered, str | None):
        return "names that are no text"
    if name in _VALUES:
        return ""
    called = f"{module or '?'}.{name}"[:80]
    own = [keras.saving.get_registered_object(word) for word in {name, registered, _function(found)} if word]
    own = [one for one in own if one is not None]
    if own:
        strangers = [one for one in own if one.__module__.partition(".")[0] not in packages]
        return f"{called}, registered by another package" if strangers else ""
    if name == "function":
        plain = module == "builtins" and hasattr(keras.activations, str(found.get("config")))
        return (
            "" if plain or module == "keras.activations" else f"function {str(found.get('config'))[:60]!r} of {module}"
        )
    allowed = (
        name in _CLASSES.get(module or "", ())
        or module in _MODULES
        or (module or "").startswith(_OPERATIONS)
        or (module == "keras.layers" and _computes(getattr(keras.layers, name, None), name))
    )
    if not allowed:
        return f"{called}, which could run code or is none of Keras' layers"
    return "" if registered in (None, name) else f"{called} under the name {registered[:60]!r}"


def _function(found: dict[str, Any]) -> str:
    config = found.get("config")
    return config if isinstance(config, str) else ""


def _computes(layer: Any, name: str) -> bool:
    """Whether a class of keras.layers computes on numbers and nothing else."""
    home = getattr(layer, "__module__", "").removeprefix("keras.src.layers.")
    return (home.startswith("core.") and name in _CORE_LAYERS) or any(
        home.startswith(f"{part}.") or home == part for part in _LAYERS
    )


def check_hdf5(file: Path | IO[bytes], path: Path) -> None:
    """Raises InputError for an HDF5 file that refers to other files, or claims more numbers than are stored in it.

    ``path`` is what it is called in the message.
    """
    import h5py

    total = 0

    def fault(name: str, link: Any) -> str | None:
        """What is wrong with one entry. A word ends the walk, which an exception would not survive."""
        nonlocal total
        if not isinstance(link, h5py.HardLink):
            return "is a link to somewhere else"
        item = tree[name]
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual:
            return "lies in other files"
        if item.dtype.kind not in "biufV" or item.dtype.names:
            return f"is {str(item.dtype)[:60]}; numbers are wanted"
        size = math.prod(item.shape or ()) * item.dtype.itemsize
        total += size
        if size > _MOST_RATIO * item.id.get_storage_size() or total > MOST_BYTES:
            return f"claims the shape {str(item.shape)[:60]}, which it does not hold or nobody needs"
        return None

    def look(name: str, link: Any) -> str | None:
        wrong = fault(name, link)
        return wrong and f"{name[:60]!r} in it {wrong}"

    try:
        with h5py.File(file, "r") as tree:
            found = tree.visititems_links(look)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise InputError(f"{path}: not a readable HDF5 file ({_line(error)})") from None
    if found:
        raise InputError(f"{path}: {found}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
