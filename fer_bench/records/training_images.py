"""Which images a model has seen while it was trained, by hashes of their pixels: a file in the folder of the model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..files.npz import load_npz

#: In a run's model folder, so that it goes where the model goes, and git leaves it alone as it does the model.
TRAINING_IMAGES = "training-images.npz"


class TrainingImages(NamedTuple):
    """Hashes as ``image_hashes`` makes them, each once.

    ``trained`` are the images that the model was fitted to, ``watched`` those of the part that could pick its epoch.
    """

    trained: np.ndarray
    watched: np.ndarray


def image_hashes(images: np.ndarray) -> np.ndarray:
    """(N, 48, 48) uint8 -> (N,) uint64. Equal pixels have equal hashes; of a million images, no others have in
    practice.
    """
    digests = b"".join(hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(digests, "<u8")


def write_training_images(model: Path, images: TrainingImages) -> None:
    """Writes the hashes into a model's folder."""
    np.savez(model / TRAINING_IMAGES, **images._asdict())  # type: ignore[arg-type]  # its own keywords are no arrays


def read_training_images(model: Path) -> TrainingImages | None:
    """Those of a model's folder; None where it has none. Raises InputError where the file can't be read."""
    path = model / TRAINING_IMAGES
    try:
        saved = load_npz(path, TrainingImages._fields)
    except FileNotFoundError:
        return None
    arrays = [saved.get(name) for name in TrainingImages._fields]
    found = [array for array in arrays if array is not None and array.ndim == 1 and array.dtype == np.uint64]
    if len(found) < len(arrays):
        raise InputError(f"{path}: not the hashes of the images that a model was trained on; train it again")
    return TrainingImages(*found)
