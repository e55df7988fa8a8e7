"""Which network a weights file is of, told without Keras, so that another's is refused before anything runs."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

from ..errors import InputError
from ..files.zips import check_zip
from .applications import APPLICATIONS
from .model_file import MEMBERS, MOST_BYTES, check_hdf5, unpacked_weights

_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


def check_weights(path: str | Path, application: str, who: str) -> None:
    """Raises InputError where a weights file is none, can't be read, or is of another network than ``application``.

    Args:
        path: a .keras or HDF5 file, whatever its name.
        application: what is wanted, by its name in keras.applications.
        who: wants it, in the message.
    """
    path = Path(path)
    found = networks(path)
    if found and application in APPLICATIONS and application not in found:
        raise InputError(
            f"--weights {path}: these are weights of {' or '.join(found)}, and {who} wants those of {application}; give"
            " such a file, or imagenet or random"
        )


def networks(path: Path) -> list[str]:
    """Those of keras.applications that a weights file can be of, with its top or without; none where it is of another.

    There may be two: ResNet50 and ResNet50V2 differ in the order of the same convolutions.

    Raises:
        InputError: no such file, no weights file, or one that can't be read.
    """
    form = suffix(path)
    try:
        count, numbers = _kernels(path, form)
    except InputError as error:
        raise InputError(f"--weights {error}") from None
    return [name for name, known in APPLICATIONS.items() if (known.kernels, known.numbers) == (count, numbers)]


def suffix(path: Path) -> str:
    """The suffix by which Keras knows a weights file: ".keras", ".weights.h5", or ".h5" for the form of Keras 2.

    What the file holds says it, not its name: the same weights are called .hdf5, .H5 or something else elsewhere.

    Raises:
        InputError: no such file, neither a .keras nor an HDF5 file, or one that can't be read.
    """
    if not path.is_file():
        raise InputError(f"--weights {path}: no such file; give auto, imagenet, random or a .keras, .h5 or .hdf5 file")
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_ZIP):
        return ".keras"
    if start != _HDF5:
        raise InputError(
            f"--weights {path}: neither a .keras nor an HDF5 file (.weights.h5, .h5, .hdf5), by what it holds"
        )
    import h5py

    try:
        with h5py.File(path, "r") as tree:
            return ".h5" if "layer_names" in tree.attrs or "model_weights" in tree else ".weights.h5"
    except (OSError, RuntimeError) as error:
        raise InputError(f"--weights {path}: not a readable HDF5 file ({' '.join(str(error).split())[:200]})") from None


def _kernels(path: Path, form: str) -> tuple[int, int]:
    """How many arrays of four dimensions a file holds beside an optimizer's, and how many numbers they have in all."""
    if form != ".keras":
        return _kernels_in(path, path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_zip(path, archive.infolist(), len(MEMBERS), MOST_BYTES)
            with unpacked_weights(archive) as weights:
                return _kernels_in(weights, path)
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable .keras file ({' '.join(str(error).split())[:200]})") from None


def _kernels_in(file: Path | IO[bytes], path: Path) -> tuple[int, int]:
    import h5py

    check_hdf5(file, path)
    shapes: list[tuple[int, ...]] = []

    def look(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 4 and not name.startswith("optimizer"):
            shapes.append(item.shape)

    with h5py.File(file, "r") as tree:
        tree.visititems(look)
    return len(shapes), sum(map(math.prod, shapes))
