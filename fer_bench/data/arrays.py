"""Faces as arrays: ``.npz`` files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, brief
from ..files.npz import array_names, load_npz
from .dataset import IMAGE_SIZE, USAGES
from .fer2013 import STRICT, Faces, Reading
from .labels import Labels
from .names import MOST_CLASSES, subject_names, unread_columns, usage_code
from .scale import to_bytes


def read_npz(path: Path, how: Reading = STRICT) -> Faces:
    """Reads ``images`` (N, 48, 48), ``labels`` (N,) and, if there, ``usage`` (N,) and ``classes`` (names in label
    order).

    Images may be of any scale that ``scale.to_bytes`` can tell. Labels and usage may be names or numbers. Without
    ``classes``, label numbers are those of ``how.order``, else FER-2013's.

    Raises:
        InputError: a missing array, a wrong shape or type, a value out of range (with its row).
    """
    needed = ("images", "labels", *filter(None, [how.subject]))
    arrays = load_npz(path, (*needed, "usage", "classes"))
    for name in needed:
        if name not in arrays:
            there = ", ".join(array_names(path))[:120]
            raise InputError(f"{path}: no array {name!r}, only {there or 'nothing'}; {' and '.join(needed)} are needed")
    images, labels = arrays["images"], arrays["labels"]
    faces = (len(labels), IMAGE_SIZE * IMAGE_SIZE) if labels.ndim == 1 and len(labels) else ()
    if not faces or images.size != np.prod(faces) or images.shape[0] != len(labels):
        raise InputError(
            f"{path}: images {brief(images.shape)} with labels {brief(labels.shape)}; (N, 48, 48) and (N,), N > 0, are"
            " wanted"
        )
    for name in ("usage", how.subject):
        if name and name in arrays and arrays[name].shape != labels.shape:
            raise InputError(f"{path}: {name} of shape {brief(arrays[name].shape)} with {len(labels)} labels")
    names = arrays.get("classes")
    if names is not None and names.size > MOST_CLASSES:
        raise InputError(f"{path}: {names.size:,} classes; {MOST_CLASSES} are the limit")
    stated = None if names is None else [str(name) for name in np.ravel(names)]
    reader = Labels(str(path), how.order, how.foreign, stated)
    codes = label_codes(labels.tolist(), reader, str(path))
    usage = usage_codes(arrays["usage"].tolist(), str(path)) if "usage" in arrays else None
    subjects = subject_names([str(one) for one in arrays[how.subject].tolist()], str(path)) if how.subject else None
    unread = unread_columns(array_names(path), (*needed, "usage", "classes"), "array")
    faces_of, notes = to_bytes(images.reshape(-1, IMAGE_SIZE, IMAGE_SIZE), str(path))
    return Faces(faces_of, codes, usage, tuple(reader.classes.names), subjects, reader.order, unread, notes)


def label_codes(values: Sequence[Any], labels: Labels, where: str) -> np.ndarray:
    """Label numbers or names -> (n,) int8. Raises InputError for the first that is neither, with its row."""

    def refuse(row: int) -> InputError:
        return InputError(f"{where}, row {row}: label {brief(values[row])} {labels.complaint(values[row])}")

    return codes_of(values, labels.code, refuse)


def usage_codes(values: Sequence[Any], where: str) -> np.ndarray:
    """Usages as names or as indices into ``USAGES`` -> (n,) int8. Raises InputError for the first that is neither."""

    def refuse(row: int) -> InputError:
        known = ", ".join(USAGES)
        return InputError(f"{where}, row {row}: usage {brief(values[row])} is unknown; {known} are known")

    return codes_of(values, usage_of, refuse)


def usage_of(value: object) -> int | None:
    code = usage_code(value) if isinstance(value, str) else value
    return code if isinstance(code, int) and not isinstance(code, bool) and code in range(len(USAGES)) else None


def codes_of(
    values: Sequence[Any], code_of: Callable[[Any], int | None], refuse: Callable[[int], InputError] | None = None
) -> np.ndarray:
    """The code of each value, (n,) int8; for one without, -1, or the error that ``refuse`` makes of its row."""
    known: dict[tuple[type, Any], int | None] = {}  # True, 1 and 1.0 are one key of a dict
    codes = np.empty(len(values), np.int8)
    for row, value in enumerate(values):
        if isinstance(value, list | dict):
            code = None
        elif (key := (type(value), value)) in known:
            code = known[key]
        else:
            code = known[key] = code_of(value)
        if code is None and refuse is not None:
            raise refuse(row)
        codes[row] = -1 if code is None else code
    return codes
