"""The data: found, read, cached, brought under a label scheme."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..errors import InputError
from .dataset import EMOTIONS, SYNTHETIC

if TYPE_CHECKING:
    import numpy as np

    from .cache import FileState
    from .dataset import Dataset
    from .orders import Order

T = TypeVar("T")


def load_dataset(
    path: str | Path | None = None,
    *,
    scheme: str = "seven",
    merge: Sequence[str] = (),
    classes: str | None = None,
    cache: bool = True,
) -> Dataset:
    """The data to work on: ``path``, else ``FER_BENCH_DATA``, else what was downloaded, else the embedded synthetic
    set.

    Args:
        path: a file or folder of any form that ``data.reader.read`` knows, or "synthetic".
        scheme: "seven", or "six" (no fear); see ``data.schemes.apply_scheme``.
        merge: emotions to join into one, such as ("sadness+neutral",).
        classes: what label numbers mean: "raf-db", "affectnet", another name in ``data.orders.ORDERS``, or emotions in
            the order of their numbers, "surprise,fear,..."; None where the data says it, or has FER-2013's.
        cache: keep what was read as memory-mapped files, and use those if they are there.

    Returns:
        A Dataset whose ``source`` says in a few words what it is and why this one.

    Raises:
        InputError: nothing there, bad data (with its place), an unknown scheme, emotion or order, or label numbers that
            FER-2013's order does not fit where ``classes`` is None.

    >>> from fer_bench import load_dataset
    >>> data = load_dataset("synthetic", scheme="six")
    >>> data.name, data.images.shape, data.images.dtype
    ('synthetic-six', (826, 48, 48), dtype('uint8'))
    """
    from .orders import order_of
    from .schemes import apply_scheme

    order = order_of(classes) if classes else None
    found, why = find(path)
    if found is None:
        from .synthetic import synthetic

        return apply_scheme(synthetic(), scheme, merge)
    if not found.exists():
        from .reader import nothing_there

        raise nothing_there(found, why)
    dataset = _read_cached(found, order) if cache else _unchanged(found, _state(found), lambda: _read(found, order))
    note = ", ".join([f"{len(dataset):,} images", *([why] if why else [])])
    return apply_scheme(replace(dataset, source=f"{found.name} ({note})"), scheme, merge)


def load_foreign(path: str | Path, subject: str = "", classes: str | None = None) -> tuple[Dataset, np.ndarray | None]:
    """Data to evaluate a model on, of any form; emotions that FER-2013 lacks are classes of their own. Not cached.

    Args:
        path: a file or folder, or "synthetic".
        subject: the column of a table, or for image folders "folder", that names whom an image shows; "" for nobody.
        classes: what label numbers mean, as for ``load_dataset``.

    Returns:
        The data, and the subject of each row, (N,) str, or None.

    Raises:
        InputError: nothing there, bad data (with its place), no such column, an unknown order, or label numbers that
            FER-2013's order does not fit where ``classes`` is None.
    """
    from .orders import order_of
    from .reader import read_foreign
    from .synthetic import synthetic

    order = order_of(classes) if classes else None
    if str(path) != SYNTHETIC or Path(path).exists():
        found = Path(path).expanduser()
        dataset, subjects = _unchanged(found, _state(found), lambda: read_foreign(found, subject, order))
        return _checked(found, dataset), subjects
    if subject:
        raise InputError(f"--subject {subject}: the embedded set has no subjects")
    return synthetic(), None


def row_files(path: str | Path | None = None, classes: str | None = None) -> tuple[str, ...] | None:
    """The image file of each row of the data that ``load_dataset`` finds; None where the data is no folder of images.

    Each is a path below the folder, or in the archive, with "/" between its parts. Rows are those before a label scheme
    drops any.

    Raises:
        InputError: as ``load_dataset`` does.
    """
    from .orders import order_of
    from .reader import read_files

    found, _ = find(path)
    return None if found is None else read_files(found, order_of(classes) if classes else None)


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


def _read(path: Path, order: Order | None) -> Dataset:
    from .reader import read

    return _checked(path, read(path, order))


def _checked(path: Path, dataset: Dataset) -> Dataset:
    """The data. Raises InputError where its label numbers were read in FER-2013's order, and tell another."""
    from .orders import ASSUMED, order_by_counts

    if dataset.order != ASSUMED:
        return dataset
    counts = dataset.counts()
    found = order_by_counts(
        str(path), np.array([counts.get(name, 0) for name in EMOTIONS]), marked=dataset.usage is not None
    )
    return replace(dataset, order=found)


def _read_cached(path: Path, order: Order | None) -> Dataset:
    from .cache import key_of, load, store

    state = _state(path)
    key = key_of(path, state, order.text() if order else "")  # the same file under another order is other data
    dataset = load(key)
    if dataset is not None:
        return dataset
    dataset = _unchanged(path, state, lambda: _read(path, order))
    try:
        store(key, dataset)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "can't write to the cache (%s): the data will be read anew each time; FER_BENCH_CACHE names another folder",
            error,
        )
        return dataset
    return load(key) or dataset


def _state(path: Path) -> list[FileState]:
    from .cache import state_of

    try:
        return state_of(path)
    except OSError as error:
        raise InputError(f"{error.filename or path}: can't be read ({error.strerror})") from None


def _unchanged(path: Path, before: list[FileState], read: Callable[[], T]) -> T:
    """What ``read`` makes of the data at ``path``, whose files had the state ``before``.

    Raises:
        InputError: what ``read`` raises; where the files changed meanwhile, that, whatever ``read`` came to then.
    """
    refused = None
    try:
        found = read()
    except InputError as error:
        refused = error
    # Some network drives give a file another inode at each look.
    if [file._replace(inode=0) for file in _state(path)] != [file._replace(inode=0) for file in before]:
        raise InputError(f"{path}: changed while it was read; try again once it is written to its end")
    if refused is not None:
        raise refused
    return found
