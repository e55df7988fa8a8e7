"""Data that was read once, kept as memory-mapped ``.npy`` files; and the file of images that worker processes map.

    <cache>/datasets/<key>/  images.npy labels.npy [usage.npy] meta.json    <key>: of path, size and time of change
    <cache>/images/<digest>.npy                                             images of data that has no such entry

Images are in a file of their own, so that a process can be given them without the labels. Whatever is written becomes
visible by one rename: a killed process leaves nothing half-written, and two that write the same don't meet.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files.cache import cache_dir, scratch, write_array
from .dataset import Dataset

_FORMAT = 1  # part of every key: raise it when a reader would read the same file differently
_log = logging.getLogger(__name__)


def key_of(path: Path) -> str:
    """sha256 (hex) over the absolute path, size and time of change; for a folder, those of every file below it."""
    path = path.resolve()
    files = [path]
    if not path.is_file():
        from .folders import walk

        files = [path / relative for relative in walk(path)]
    sha = hashlib.sha256(f"{_FORMAT}\n{path}".encode(errors="surrogateescape"))
    for file in files:
        stat = file.stat()
        sha.update(f"\n{file}\t{stat.st_size}\t{stat.st_mtime_ns}".encode(errors="surrogateescape"))
    return sha.hexdigest()


def load(key: str) -> Dataset | None:
    """The dataset stored under ``key``, images memory-mapped read-only; None where there is none or it is damaged."""
    entry = cache_dir() / "datasets" / key
    if not entry.is_dir():
        return None
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        usage = np.load(entry / "usage.npy") if meta["usage"] else None
        labels = np.load(entry / "labels.npy")
        dataset = Dataset(
            np.load(entry / "images.npy", mmap_mode="r"),
            labels,
            usage,
            tuple(meta["classes"]),
            meta["name"],
            meta["source"],
            meta["digest"],
        )
        if len(labels) != meta["images"] or not 0 <= labels.min() <= labels.max() < len(dataset.classes):
            raise ValueError("labels don't fit the classes")
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        _log.warning("the cache entry %s is damaged (%s); reading the data again", entry, error)
        return None
    return dataset


def store(key: str, dataset: Dataset) -> None:
    """Writes a dataset under ``key``, in place of a damaged entry. Raises OSError where the cache can't be written."""
    root = cache_dir() / "datasets"
    with scratch(root) as folder:
        new = folder / "new"
        new.mkdir()
        np.save(new / "images.npy", dataset.images)
        np.save(new / "labels.npy", dataset.labels)
        if dataset.usage is not None:
            np.save(new / "usage.npy", dataset.usage)
        meta = {
            "images": len(dataset),
            "usage": dataset.usage is not None,
            "classes": dataset.classes,
            "name": dataset.name,
            "source": dataset.source,
            "digest": dataset.digest,
        }
        (new / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
        _publish(new, root / key, folder / "old")


def _publish(new: Path, entry: Path, old: Path) -> None:
    """Renames ``new`` to ``entry``; what was there, damaged or of another process, moves to ``old`` first."""
    try:
        new.rename(entry)
    except OSError:
        if load(entry.name) is not None:
            return
        if entry.exists():
            entry.rename(old)
        new.rename(entry)


def images_file(dataset: Dataset) -> Path:
    """Path of an ``.npy`` file that holds exactly ``dataset.images``, (N, 48, 48) uint8, and nothing else.

    That is the file the images are mapped from, if they are all of it, else one in the cache under the digest, written
    if it isn't there yet.

    Raises:
        InputError: the cache can't be written.
    """
    backing = _backing_file(dataset.images)
    if backing is not None:
        return backing
    target = cache_dir() / "images" / f"{dataset.digest}.npy"
    if _shape_of(target) == dataset.images.shape:
        return target
    try:
        write_array(target, dataset.images)
    except OSError as error:
        raise InputError(
            f"can't write to the cache {target.parent} ({error.strerror}); set FER_BENCH_CACHE to a folder that can be written"
        ) from None
    return target


def _backing_file(images: np.ndarray) -> Path | None:
    """The ``.npy`` file that ``images`` maps from its first byte to its last, in order, or None."""
    if not isinstance(images, np.memmap) or not isinstance(images.filename, str | Path):
        return None
    path = Path(images.filename)
    whole = images.flags.c_contiguous and _shape_of(path) == images.shape
    return path if whole else None


def _shape_of(path: Path) -> tuple[int, ...] | None:
    """The shape of a sound uint8 ``.npy`` file, or None."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return array.shape if array.dtype == np.uint8 else None
