"""Faces as arrays and tables: ``.npz`` files and the parquet files of Hugging Face data sets."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, brief
from ..files.npz import load_npz
from ..files.parquet import read_table
from .dataset import EMOTIONS, IMAGE_SIZE, USAGES
from .fer2013 import NO_FILES, STRICT, Faces, PixelError, Reading, parse_pixels
from .folders import MAX_IMAGE_BYTES, decode
from .names import Classes, emotion, subject_names, usage_code

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns of a parquet file that are read, preferred first.
IMAGE_COLUMNS = ("image", "bytes", "img", "pixels")
LABEL_COLUMNS = ("label", "emotion", "labels")
USAGE_COLUMNS = ("usage", "split")


def read_npz(path: Path, how: Reading = STRICT) -> Faces:
    """Reads ``images`` (N, 48, 48), ``labels`` (N,) and, if there, ``usage`` (N,) and ``classes`` (names in label order).

    Labels and usage may be names or numbers. Without ``classes``, label numbers are FER-2013's.

    Raises:
        InputError: a missing array, a wrong shape or type, a value out of range (with its row).
    """
    if how.listing:
        return NO_FILES
    arrays = load_npz(path)
    needed = ("images", "labels", *filter(None, [how.subject]))
    for name in needed:
        if name not in arrays:
            raise InputError(
                f"{path}: no array {name!r}, only {', '.join(arrays)[:120] or 'nothing'}; {' and '.join(needed)} are needed"
            )
    images, labels = arrays["images"], arrays["labels"]
    faces = (len(labels), IMAGE_SIZE * IMAGE_SIZE) if labels.ndim == 1 and len(labels) else ()
    if not faces or images.size != np.prod(faces) or images.shape[0] != len(labels):
        raise InputError(
            f"{path}: images {brief(images.shape)} with labels {brief(labels.shape)}; (N, 48, 48) and (N,), N > 0, are wanted"
        )
    images = images.reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    if images.dtype.kind not in "ui":
        raise InputError(f"{path}: images are {images.dtype}; whole numbers from 0 to 255 are wanted")
    if images.dtype != np.uint8:
        outside = np.flatnonzero(((images < 0) | (images > 255)).any(axis=(1, 2)))
        if len(outside):
            raise InputError(f"{path}, row {outside[0]}: a pixel is outside 0 to 255")
    names = [str(name) for name in np.ravel(arrays["classes"])] if "classes" in arrays else None
    numbers, classes = _labels(labels.tolist(), names, str(path), how.foreign)
    usages = arrays.get("usage")
    if usages is not None and usages.shape != numbers.shape:
        raise InputError(f"{path}: usage of shape {brief(usages.shape)} with {len(numbers)} labels")
    usage = None if usages is None else _codes(usages.tolist(), str(path))
    whom = arrays[how.subject] if how.subject else None
    if whom is not None and whom.shape != numbers.shape:
        raise InputError(f"{path}: {how.subject} of shape {whom.shape} with {len(numbers)} labels")
    subjects = None if whom is None else subject_names([str(value) for value in whom.tolist()], str(path))
    return Faces(images.astype(np.uint8, copy=False), numbers, usage, classes, subjects)


def read_parquet(paths: Sequence[Path], where: str, how: Reading = STRICT) -> Faces:
    """Reads the parquet files of one data set, in the order train, validation, test.

    Columns: ``image`` (bytes of an image file, or a struct with ``bytes``) or ``pixels`` (text); ``label`` or ``emotion``
    (number or name); ``usage`` or ``split``, if there, else the split is read from file names such as
    ``train-00000-of-00001.parquet`` or ``train/0000.parquet``. Label numbers follow the names that Hugging Face stored
    with the column, else FER-2013's.

    Raises:
        InputError: unreadable file, missing column, a bad value (with its row).
    """
    if how.listing:
        return NO_FILES
    splits = {path: _split_of(path) for path in paths}
    ordered = sorted(paths, key=lambda path: (-1 if splits[path] is None else splits[path], path))
    parts = [_read_parquet_file(path, splits[path], how) for path in ordered]
    if how.foreign:
        parts = _in_common_classes(parts)
    if len({part.classes for part in parts}) > 1 or len({part.usage is None for part in parts}) > 1:
        raise InputError(f"{where}: the parquet files differ in classes or in whether they say which split they are")
    usages = [part.usage for part in parts if part.usage is not None]
    faces = Faces(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate(usages) if usages else None,
        parts[0].classes,
        np.concatenate([part.subjects for part in parts if part.subjects is not None]) if how.subject else None,
    )
    if not len(faces.labels):
        raise InputError(f"{where}: no rows")
    return faces


def _in_common_classes(parts: Sequence[Faces]) -> list[Faces]:
    """The parts under the classes of all of them, since each has those that it happens to hold."""
    classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
    codes = [np.array([classes.index(name) for name in part.classes], np.int8) for part in parts]
    return [part._replace(labels=code[part.labels], classes=classes) for part, code in zip(parts, codes, strict=True)]


def _split_of(path: Path) -> int | None:
    """The usage that a file name (train-00000-of-00001.parquet) or its folder (train/0000.parquet) tells, or None."""
    word = re.split(r"[^A-Za-z]", path.stem)[0]
    return usage_code(word) if usage_code(word) is not None else usage_code(path.parent.name)


def _read_parquet_file(path: Path, split: int | None, how: Reading) -> Faces:
    where = str(path)
    asked = {how.subject.strip().lower()} if how.subject else set()
    table = read_table(path, {*IMAGE_COLUMNS, *LABEL_COLUMNS, *USAGE_COLUMNS, *asked})
    columns = {name.strip().lower(): name for name in table.column_names}
    image, label, usage = (
        next((columns[name] for name in names if name in columns), None)
        for names in (IMAGE_COLUMNS, LABEL_COLUMNS, USAGE_COLUMNS)
    )
    if image is None or label is None:
        missing = "image or pixels" if image is None else "label or emotion"
        raise InputError(f"{where}: no column {missing}, only {_shown(path)}")
    subject = columns.get(how.subject.strip().lower()) if how.subject else None
    if how.subject and subject is None:
        raise InputError(f"{where}: no column {how.subject!r}, only {_shown(path)}")
    codes = None if split is None else np.full(len(table), split, np.int8)
    if usage is not None:
        codes = _codes(table.column(usage).to_pylist(), where)
    names = _hugging_face_names(table.schema.metadata or {}, label)
    labels, classes = _labels(table.column(label).to_pylist(), names, where, how.foreign)
    subjects = (
        None
        if subject is None
        else subject_names(["" if value is None else str(value) for value in table.column(subject).to_pylist()], where)
    )
    return Faces(_images(table.column(image), where), labels, codes, classes, subjects)


def _shown(path: Path) -> str:
    """The columns of a parquet file, some of them where there are many."""
    from pyarrow import parquet

    names = parquet.read_schema(path).names
    return ", ".join(name[:20] for name in names[:12]) or "nothing"


def _images(column: pa.ChunkedArray, where: str) -> np.ndarray:
    """Image files as bytes or {"bytes": ...}, or texts of pixels -> (N, 48, 48) uint8."""
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            return parse_pixels(["" if text is None else text for text in column.to_pylist()]).reshape(
                -1, IMAGE_SIZE, IMAGE_SIZE
            )
        except PixelError as error:
            raise InputError(f"{where}, row {error.row}, column pixels: {error}") from None
    images = np.empty((len(column), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for row, scalar in enumerate(column):
        value = scalar.as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise InputError(
                f"{where}, row {row}: the image holds no bytes; save the data set with its images embedded"
            )
        if len(content) > MAX_IMAGE_BYTES:
            raise InputError(
                f"{where}, row {row}: an image of {len(content):,} bytes; {MAX_IMAGE_BYTES:,} are the limit"
            )
        images[row] = decode(content, f"{where}, row {row}")
    return images


def _labels(
    values: Sequence[Any], names: Sequence[str] | None, where: str, foreign: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Label numbers or names -> (N,) int8 and the class names that they index.

    ``names`` are those of the numbers, FER-2013's if None; its seven emotions in another order are put into its order.
    In foreign data, a name that is no emotion's, and a number without a name, are classes of their own.
    """
    own = [emotion(name) or (name.strip().lower() if foreign else "") for name in names or EMOTIONS]
    if "" in own or len(set(own)) < len(own):
        raise InputError(f"{where}: classes {brief(', '.join(names or ()), 120)} aren't all different known emotions")
    classes = Classes(EMOTIONS if set(own) == set(EMOTIONS) else own, foreign)
    labels = np.empty(len(values), np.int8)
    for row, value in enumerate(values):
        name = value
        if isinstance(value, int) and not isinstance(value, bool):
            name = own[value] if 0 <= value < len(own) else str(value)
        code = classes.code(name) if isinstance(name, str) else None
        if code is None:
            raise InputError(
                f"{where}, row {row}: label {brief(value)} is none of 0 to {len(own) - 1} or "
                f"{', '.join(classes.names)[:120]}"
            )
        labels[row] = code
    return labels, tuple(classes.names)


def _codes(values: Sequence[Any], where: str) -> np.ndarray:
    """Usages as names or as indices into ``USAGES`` -> (N,) int8."""
    codes = []
    for row, value in enumerate(values):
        code = usage_code(value) if isinstance(value, str) else value
        if not isinstance(code, int) or isinstance(code, bool) or code not in range(len(USAGES)):
            raise InputError(f"{where}, row {row}: usage {brief(value)} is unknown; {', '.join(USAGES)} are known")
        codes.append(code)
    return np.array(codes, np.int8)


def _hugging_face_names(metadata: dict[bytes, bytes], column: str) -> list[str] | None:
    """The class names that the ``datasets`` library stores in a parquet file's metadata, if it did."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
