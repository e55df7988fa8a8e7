"""From pictures to answers: faces gathered over frames, asked in batches, given out in order; and as one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .face import Crop, Picture, Row, Unreadable
from .model import Model, open_model, told_apart

if TYPE_CHECKING:
    from .faces import FaceFinder

#: Faces that are asked about together, and pictures that wait for them at most.
BATCH = 32
#: Bytes of the pixels of pictures that wait: a video of any size is answered in a bounded memory.
MOST_HELD = 64 << 20
NO_FACE = "no face"


@dataclass(frozen=True)
class Answer:
    """All that is said of one picture.

    Attributes:
        picture: what was looked at, or could not be read.
        faces: those found in it.
        probabilities: for each model, (faces, its classes) float32.
    """

    picture: Picture | Unreadable
    faces: tuple[Crop, ...] = ()
    probabilities: tuple[np.ndarray, ...] = ()


def answers(
    pictures: Iterable[Picture | Unreadable], models: Sequence[Model], finder: FaceFinder, batch: int = BATCH
) -> Iterator[Answer]:
    """What models say of the faces in pictures, picture by picture, in order.

    Pictures are read as answers are taken; no more than ``batch`` of them, or of their faces, or ``MOST_HELD`` bytes,
    wait for an answer at a time.

    Args:
        pictures: images, frames, and what could not be read.
        models: each is asked about every face.
        finder: picture -> its faces.
        batch: 1 answers a camera's frame at once.

    Raises:
        InputError: a model can't be used on them.
        RunError: the process of a model is gone.
    """
    waiting: list[tuple[Picture | Unreadable, tuple[Crop, ...]]] = []
    faces = held = 0
    for picture in pictures:
        found = () if isinstance(picture, Unreadable) else tuple(finder(picture))
        waiting.append((picture, found))
        faces += len(found)
        held += 0 if isinstance(picture, Unreadable) else picture.pixels.nbytes
        if max(faces, len(waiting)) >= batch or held >= MOST_HELD:
            yield from _answered(waiting, models, batch)
            waiting, faces, held = [], 0, 0
    yield from _answered(waiting, models, batch)


def _answered(
    waiting: Sequence[tuple[Picture | Unreadable, tuple[Crop, ...]]], models: Sequence[Model], batch: int
) -> Iterator[Answer]:
    images = [face.image for _, found in waiting for face in found]
    parts = [np.stack(images[at : at + batch]) for at in range(0, len(images), batch)]  # a picture may have hundreds
    said = [np.concatenate([model(part) for part in parts]) for model in models] if parts else []
    at = 0
    for picture, found in waiting:
        yield Answer(picture, found, tuple(one[at : at + len(found)] for one in said) if found else ())
        at += len(found)


def rows_of(answer: Answer, models: Sequence[Model], names: Sequence[str] | None = None) -> list[Row]:
    """The rows of one picture: one for each face and model, or one that says why there are none.

    Args:
        answer: of ``models``, in their order.
        models: those that were asked.
        names: what the rows call them; their own names where None.
    """
    picture = answer.picture
    if isinstance(picture, Unreadable):
        return [Row(picture.source, "", note=picture.reason)]
    if not answer.faces:
        return [Row(picture.source, "", picture.frame, picture.time, note=NO_FACE)]
    rows = []
    for place, face in enumerate(answer.faces):
        for model, name, said in zip(models, names or told_apart(models), answer.probabilities, strict=True):
            of_class = dict(zip(model.classes, said[place].tolist(), strict=True))
            emotion = model.classes[int(said[place].argmax())]
            rows.append(Row(picture.source, name, picture.frame, picture.time, face.box, of_class, emotion))
    return rows


def rows(
    pictures: Iterable[Picture | Unreadable], models: Sequence[Model], finder: FaceFinder, batch: int = BATCH
) -> Iterator[Row]:
    """The rows of pictures, in order; arguments and errors as of ``answers``.

    One row for each face and model. A picture without a face, and a source that can't be read, is one row that says so.
    """
    names = told_apart(models)
    for answer in answers(pictures, models, finder, batch):
        yield from rows_of(answer, models, names)


def predict(
    images: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
    model: str | Model | None = None,
    faces: str = "auto",
    *,
    results: str | Path = "results",
) -> list[Row]:
    """Finds the faces in pictures, and says how probable each emotion is.

    Args:
        images: a picture, or several: paths of image files, of folders of them, or of videos, addresses (https://...);
            arrays (H, W) gray or (H, W, 3) RGB, uint8; or one array (N, 48, 48) uint8 of N faces.
        model: None for the model that comes with the package; the path of an exported ``.onnx`` file; a trained run as
            ``fer-bench evaluate`` names it, such as "mlp:tuned"; or what ``fer_bench.open_model`` returned, which is
            then loaded only once however often it is asked.
        faces: which faces count. "all", or "largest", of those that are found; "none": each picture is a face, and none
            is looked for; "auto": as "none" where a picture has 48 x 48 pixels, or is a face in which the detector
            finds none, else as "all".
        results: the results folder in which a run is looked for.

    Returns:
        A ``Row`` for each face, in the order of the pictures. A picture without a face, or one that can't be read, is a
        row too, whose ``note`` says so. A long video is better given to ``fer-bench predict``, which keeps no rows.

    Raises:
        InputError: no such file or folder, an array of another shape or type, no such model.
        RunError: the process of a run's model crashed.

    >>> import fer_bench
    >>> faces = fer_bench.load_dataset("synthetic").images[:2]  # (2, 48, 48) uint8
    >>> for row in fer_bench.predict(faces):
    ...     print(row.source, row.model, row.emotion, len(row.probabilities))
    image 0 fer-net:cpu sadness 7
    image 1 fer-net:cpu fear 7
    """
    finder = _finder(faces)
    pictures = _pictures(images)
    asked = open_model(model, results=results) if model is None or isinstance(model, str) else model
    try:
        return list(rows(pictures, [asked], finder))
    finally:
        if isinstance(model, str):
            asked.close()


@cache
def _finder(faces: str) -> FaceFinder:
    """What finds faces, made once for a program that asks about one picture after the other."""
    from .faces import FaceFinder

    return FaceFinder(faces)


def _pictures(
    images: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
) -> Iterator[Picture | Unreadable]:
    """What ``predict`` is given, as pictures; paths are checked at once and read as they are asked for."""
    from .sources import open_sources

    if not isinstance(images, str | Path | np.ndarray | Sequence) or isinstance(images, bytes):
        raise _unknown("images", images)
    if isinstance(images, np.ndarray) and images.ndim == 3 and images.shape[1:] == (48, 48):
        given: Sequence[str | Path | np.ndarray] = list(images)
    else:
        given = [images] if isinstance(images, str | Path | np.ndarray) else list(images)
    for at, one in enumerate(given):
        if not isinstance(one, str | Path | np.ndarray):
            raise _unknown(f"image {at}", one)
    opened = [
        iter([_of_array(one, at)]) if isinstance(one, np.ndarray) else open_sources([str(one)])
        for at, one in enumerate(given)
    ]
    return (picture for source in opened for picture in source)


def _unknown(what: str, given: object) -> InputError:
    hint = "; OpenCV's imread returns that for a file that it can't read" if given is None else ""
    return InputError(
        f"{what}: {type(given).__name__} is neither a path, an address, nor an array such as np.asarray(picture){hint}"
    )


def _of_array(pixels: np.ndarray, at: int) -> Picture:
    shape = pixels.shape
    right = pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] == 3)
    if pixels.dtype != np.uint8 or not right or not pixels.size:
        raise InputError(
            f"image {at}: an array {shape} of {pixels.dtype}; (H, W) gray or (H, W, 3) RGB, uint8, is wanted"
        )
    return Picture(f"image {at}", pixels)
