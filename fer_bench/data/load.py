"""The data: found, read, cached, brought under a label scheme."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .dataset import EMOTIONS, SYNTHETIC

if TYPE_CHECKING:
    from .dataset import Dataset
    from .orders import Order


def load_dataset(
    path: str | Path | None = None,
    *,
    scheme: str = "seven",
    merge: Sequence[str] = (),
    classes: str | None = None,
    cache: bool = True,
) -> Dataset:
    """The data to work on: ``path``, else ``FER_BENCH_DATA``, else what was downloaded, else the embedded synthetic set.

    Args:
        path: a file or folder of any form that ``data.reader.read`` knows, or "synthetic".
        scheme: "seven", or "six" (no fear); see ``data.schemes.apply_scheme``.
        merge: emotions to join into one, such as ("sadness+neutral",).
        classes: what label numbers mean: "raf-db", "affectnet", another name in ``data.orders.ORDERS``, or emotions in the
            order of their numbers, "surprise,fear,..."; None where the data says it, or has FER-2013's.
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
        raise InputError(f"no such file or folder: {found}{why and f' ({why})'}; give the path of a data set")
    dataset = _read_cached(found, order) if cache else _read(found, order)
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
        path = Path(path).expanduser()
        dataset, subjects = read_foreign(path, subject, order)
        return _checked(path, dataset), subjects
    if subject:
        raise InputError(f"--subject {subject}: the embedded set has no subjects")
    return synthetic(), None


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

    try:
        key = key_of(path)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from None
    if order is not None:  # the same file under another order is other data
        key = hashlib.sha256(order.text().encode()).hexdigest()[:8] + key
    dataset = load(key)
    if dataset is not None:
        return dataset
    dataset = _read(path, order)
    try:
        store(key, dataset)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "can't write to the cache (%s): the data will be read anew each time; FER_BENCH_CACHE names another folder",
            error,
        )
        return dataset
    return load(key) or dataset
