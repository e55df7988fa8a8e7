"""The data: found, read, cached, brought under a label scheme."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .dataset import SYNTHETIC

if TYPE_CHECKING:
    import numpy as np

    from .dataset import Dataset


def load_dataset(
    path: str | Path | None = None, *, scheme: str = "seven", merge: Sequence[str] = (), cache: bool = True
) -> Dataset:
    """The data to work on: ``path``, else ``FER_BENCH_DATA``, else what was downloaded, else the embedded synthetic set.

    Args:
        path: a file or folder of any form that ``data.reader.read`` knows, or "synthetic".
        scheme: "seven", or "six" (no fear); see ``data.schemes.apply_scheme``.
        merge: emotions to join into one, such as ("sadness+neutral",).
        cache: keep what was read as memory-mapped files, and use those if they are there.

    Returns:
        A Dataset whose ``source`` says in a few words what it is and why this one.

    Raises:
        InputError: nothing there, bad data (with its place), an unknown scheme or emotion.

    >>> from fer_bench import load_dataset
    >>> data = load_dataset("synthetic", scheme="six")
    >>> data.name, data.images.shape, data.images.dtype
    ('synthetic-six', (826, 48, 48), dtype('uint8'))
    """
    from .schemes import apply_scheme

    found, why = find(path)
    if found is None:
        from .synthetic import synthetic

        return apply_scheme(synthetic(), scheme, merge)
    if not found.exists():
        raise InputError(f"no such file or folder: {found}{why and f' ({why})'}; give the path of a data set")
    dataset = _read_cached(found) if cache else _read(found)
    note = ", ".join([f"{len(dataset):,} images", *([why] if why else [])])
    return apply_scheme(replace(dataset, source=f"{found.name} ({note})"), scheme, merge)


def load_foreign(path: str | Path, subject: str = "") -> tuple[Dataset, np.ndarray | None]:
    """Data to evaluate a model on, of any form; emotions that FER-2013 lacks are classes of their own. Not cached.

    Args:
        path: a file or folder, or "synthetic".
        subject: the column of a table, or for image folders "folder", that names whom an image shows; "" for nobody.

    Returns:
        The data, and the subject of each row, (N,) str, or None.

    Raises:
        InputError: nothing there, bad data (with its place), no such column.
    """
    from .reader import read_foreign
    from .synthetic import synthetic

    if str(path) != SYNTHETIC or Path(path).exists():
        return read_foreign(Path(path).expanduser(), subject)
    if subject:
        raise InputError(f"--subject {subject}: the embedded set has no subjects")
    return synthetic(), None


def row_files(path: str | Path | None = None) -> tuple[str, ...] | None:
    """The image file of each row of the data that ``load_dataset`` finds; None where the data is no folder of images.

    Each is a path below the folder, or in the archive, with "/" between its parts. Rows are those before a label scheme
    drops any.

    Raises:
        InputError: as ``load_dataset`` does.
    """
    from .reader import read_files

    found, _ = find(path)
    return None if found is None else read_files(found)


def find(path: str | Path | None) -> tuple[Path | None, str]:
    """Where the data is, None for the embedded set, and why there."""
    variable = os.environ.get("FER_BENCH_DATA")
    path = path or variable
    if path is None or path == "":
        from .download import downloaded

        return downloaded(), "downloaded"
    if str(path) == SYNTHETIC and not Path(path).exists():
        return None, ""
    return Path(path).expanduser(), "from FER_BENCH_DATA" if str(path) == variable else ""


def _read(path: Path) -> Dataset:
    from .reader import read

    return read(path)


def _read_cached(path: Path) -> Dataset:
    from .cache import key_of, load, store

    try:
        key = key_of(path)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from None
    dataset = load(key)
    if dataset is not None:
        return dataset
    dataset = _read(path)
    try:
        store(key, dataset)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "can't write to the cache (%s): the data will be read anew each time; FER_BENCH_CACHE names another folder",
            error,
        )
        return dataset
    return load(key) or dataset
