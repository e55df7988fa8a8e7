"""A data set as folders of pictures, ``<part>/<emotion>/<row>.png``, which ``load_dataset`` reads back unchanged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ..errors import InputError
from .dataset import Dataset

#: Folder of each usage, in the order of ``USAGES``.
PARTS = ("train", "validation", "test")
Format = Literal["png", "jpg"]


def export(
    dataset: Dataset, folder: Path, *, format: Format = "png", progress: Callable[[int], None] = lambda done: None
) -> None:
    """Writes every image to ``folder``, which appears when all are written and not before.

    A set without usages has no ``<part>`` level. PNG keeps every pixel; JPEG, at quality 95, changes them. The file's
    name is the row number, so that the order of rows survives too.

    Args:
        folder: must be new or empty; its parent folders are made.
        progress: called with 1 for each image written.

    Raises:
        InputError: the folder is in use, or can't be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already and not an empty folder; name another one or remove it")
    folder = folder.resolve()
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        try:
            _write(dataset, partial, format, progress)
            if folder.exists():
                folder.rmdir()
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{folder}: can't be written ({error.strerror or error}); name another folder") from None


def _write(dataset: Dataset, folder: Path, format: Format, progress: Callable[[int], None]) -> None:
    from PIL import Image

    made: set[Path] = set()
    for row, (image, label) in enumerate(zip(dataset.images, dataset.labels, strict=True)):
        part = PARTS[dataset.usage[row]] if dataset.usage is not None else ""
        place = folder / part / dataset.classes[label]
        if place not in made:
            place.mkdir(parents=True)
            made.add(place)
        Image.fromarray(image).save(place / f"{row:06d}.{format}", quality=95)
        progress(1)
