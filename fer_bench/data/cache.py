"""Data that was read once, kept as memory-mapped ``.npy`` files.

    <cache>/datasets/<place>-<state>/  images.npy labels.npy [usage.npy] meta.json sums.json

An entry is named by where the data lies and by the state of its files, so that no other data is taken for it. When the
data has changed, the new entry takes the old one's place. No worker is told of this folder, for labels are in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..files import cache
from .dataset import Dataset

_FORMAT = 2  # part of every key: raise it when a reader would read the same file differently
_ARRAYS = ("images", "labels", "usage")
#: What an entry holds of a dataset beside its arrays; a field that is added is kept, too, if JSON can hold it.
_FACTS = tuple(field.name for field in fields(Dataset) if field.name not in _ARRAYS)
#: Seconds within which a file can change twice and show the same time of change.
_TICK = 0.02


class FileState(NamedTuple):
    """What no change of a file leaves as it is: a program can keep its size and ``modified``, but not set
    ``changed``.
    """

    path: str
    size: int
    modified: int
    changed: int
    inode: int


def state_of(path: Path) -> list[FileState]:
    """The state of a file; of a folder, that of every file below it, whatever a reader makes of each.

    Where there is nothing, that is empty. Raises OSError where it can't be looked at.
    """
    found = []
    for file in _below(path) if path.is_dir() else [path] if path.exists() else []:
        about = file.stat() if file.exists() else file.lstat()  # a link that leads nowhere
        found.append(FileState(str(file), about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino))
    if time.time() - max((file.changed for file in found), default=0) / 1e9 < _TICK:
        time.sleep(_TICK)
    return found


def _below(folder: Path) -> list[Path]:
    """The files below a folder, sorted; what links to folders lead to is below it, too, but nothing is twice."""
    found: list[Path] = []
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        about = Path(root).stat()
        if (about.st_dev, about.st_ino) in seen:
            folders.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        found += [Path(root, name) for name in files]
    return sorted(found)


def key_of(path: Path, state: Sequence[FileState], said: str = "") -> str:
    """The name of the entry of the data at ``path``, whose files have this ``state``; ``said``: what else decides
    it.
    """
    # The name as it was given, too: readers name the data after it.
    where = repr((_FORMAT, _FACTS, str(path.absolute()), path.name, said))
    return f"{_sha256(where)[:16]}-{_sha256(repr(list(state)))[:32]}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def load(key: str) -> Dataset | None:
    """The dataset stored under ``key``, images memory-mapped read-only; None where there is none or it is damaged."""
    return cache.find(cache.cache_dir() / "datasets" / key, _build)


def _build(arrays: dict[str, np.ndarray], facts: Any) -> Dataset:
    """Raises ValueError, KeyError or TypeError where they make no dataset such as a reader makes."""
    if set(arrays) - set(_ARRAYS) or set(facts) != set(_FACTS):
        raise ValueError("it holds something else than a dataset")
    labels, usage = arrays["labels"], arrays.get("usage")
    if {array.dtype for array in (labels, usage) if array is not None} != {np.dtype(np.int8)} or not len(labels):
        raise ValueError("labels and usages must be int8, and some")
    given: dict[str, Any] = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in facts.items()}
    return Dataset(arrays["images"], np.array(labels), None if usage is None else np.array(usage), **given)


def store(key: str, dataset: Dataset) -> None:
    """Writes a dataset under ``key``, in place of a damaged entry, and of those of the data's earlier states.

    Raises OSError where the cache can't be written.
    """
    place = cache.cache_dir() / "datasets" / key
    arrays = {name: array for name in _ARRAYS if (array := getattr(dataset, name)) is not None}
    cache.keep(place, arrays, {name: getattr(dataset, name) for name in _FACTS}, _build)
    for earlier in place.parent.glob(f"{key.partition('-')[0]}-*"):
        if earlier != place:
            shutil.rmtree(earlier, ignore_errors=True)
