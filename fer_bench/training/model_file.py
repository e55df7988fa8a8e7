"""Keras files of unknown origin, looked through before Keras makes anything of them.

What its configuration names is looked at in ``model_config``, what the model would take in ``model_size``, its weights
here.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import InputError
from ..files.zips import check_zip
from ..hardware.memory import limited
from .model_config import check_config

if TYPE_CHECKING:
    import keras

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
#: What Keras writes where no layer has files of its own, as vocabularies are.
MEMBERS = frozenset({CONFIG, WEIGHTS, "metadata.json"})
#: Registered by whom, where nobody else is named.
OURS = frozenset({"fer_bench"})
#: Weights of the largest model that is trained on faces take 0.6 GB (VGG19 with its top).
MOST_BYTES, MOST_CONFIG = 2 << 30, 32 << 20
#: Weights are hardly compressible.
_MOST_RATIO = 100


def load_model(path: Path, packages: Collection[str] = OURS) -> keras.Model:
    """The model in a ``.keras`` file, for inference; classes registered by ``packages`` may stand in it.

    Raises:
        InputError: no such file, no readable one, or one with anything in it that could run code, read other files or
            take absurd amounts of memory.
    """
    import keras

    from . import batch_norm, preprocess  # noqa: F401  register the layers of what we saved
    from .model_size import check_size

    with limited():
        config, stored = check_keras(path, packages)
        try:
            check_size(config, stored, path)
            return keras.models.load_model(path, compile=False, safe_mode=True)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            # Keras and h5py raise half a dozen types here, all meaning that the file can't be used.
            raise InputError(f"{path}: no model can be made of it ({_line(error)})") from error


def check_keras(path: Path, packages: Collection[str] = OURS) -> tuple[Any, int]:
    """The configuration in a ``.keras`` file, and how many numbers its weights are; makes nothing of it.

    Raises:
        InputError: there is something in the file that may not be loaded; see ``load_model``.
    """
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
            config = json.loads(archive.read(CONFIG))
            check_config(config, path, packages)
            with unpacked_weights(archive) as weights:
                return config, check_hdf5(weights, path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .keras file ({_line(error)})") from None


@contextmanager
def unpacked_weights(archive: zipfile.ZipFile) -> Iterator[IO[bytes]]:
    """The weights in a ``.keras`` file as a file of their own, on the disk while it is open.

    A member of a zip file can't be read backwards but by starting again, and need not fit the memory.
    """
    with tempfile.TemporaryFile() as file:
        with archive.open(WEIGHTS) as packed:
            shutil.copyfileobj(packed, file, 1 << 20)
        yield file


def check_hdf5(file: Path | IO[bytes], path: Path) -> int:
    """How many numbers of 32 bits an HDF5 file has room for; ``path`` is what it is called in the message.

    Raises:
        InputError: it refers to other files, or claims more numbers than are stored in it.
    """
    import h5py

    total = 0
    held: dict[int, int] = {}

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
        held[h5py.h5o.get_info(item.id).addr] = size  # once, however many names it has
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
    return sum(held.values()) // 4


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
