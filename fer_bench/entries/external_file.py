"""Predictions made elsewhere, as a file holds them: a table with a line for each image, or a run's predictions.npz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from ..data.orders import Order, order_of
from ..errors import InputError, brief
from ..files import inside
from ..files.npz import load_npz
from ..records.store import PREDICTIONS
from ..scores.probabilities import NoProbabilitiesError, distributions
from .external_columns import Columns
from .external_table import Places, read_frame


class Outside(NamedTuple):
    """Predictions in the order of their file, one entry an image.

    rows: (n,) int64, rows of the data set as the file counts them. probabilities: (n, C) float16 or float32. answers:
    whether the file had answers alone, which are then one-hot. truth: (n,) int64, indices into the classes, or None.
    names: what the entries call their images, where that is by files. truth_numbers: (n,) int64, what the file has for
    ``truth`` where that is numbers alone. answer_numbers: whether the answers were numbers. unread: columns that tell
    nothing here.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    answers: bool
    truth: np.ndarray | None
    places: Places
    names: tuple[str, ...] = ()
    truth_numbers: np.ndarray | None = None
    answer_numbers: bool = False
    unread: tuple[str, ...] = ()

    def image(self, entry: int) -> str:
        """ "row 32298", or "file 'test/angry/1.png'" """
        return f"file {brief(self.names[entry], 120)}" if self.names else f"row {self.rows[entry]}"


def read_outside(
    path: Path, classes: Sequence[str], files: Sequence[str] | None = None, order: Order | None = None
) -> Outside:
    """Reads a .csv (also .csv.gz), .parquet or .npz file of predictions, or the predictions.npz of a run's folder.

    A table has the column ``row`` or ``file``, and either a column of probabilities for each of ``classes`` under any
    name that data.names knows, or the column ``predicted`` with emotions by name or number. ``emotion`` or ``label`` is
    the truth. An .npz file has arrays ``rows``, ``probabilities`` and, if there, ``labels``, as runs write them.

    Args:
        path: of the file.
        classes: the emotions that are scored.
        files: the file of each row of the data, where that is a folder of images. Its rows are then counted as this
            program does, and nobody else: a file that names rows must have the truth as well, to check them by.
        order: what the numbers of emotions mean; FER-2013's where None.

    Raises:
        InputError: nothing there, unreadable, something missing, two statements that contradict each other, or a value
            that is no row, file, probability or emotion.
    """
    if path.is_dir():
        path /= PREDICTIONS
        inside.check(path.parent, path)
        if not path.exists():
            raise InputError(f"folder {path.parent} holds no {PREDICTIONS}; name a run's folder, or a file")
    if not path.is_file():
        raise InputError(f"{path}: not a plain file" if path.exists() else f"no such file: {path}")
    if path.suffix.lower() == ".npz":
        outside = _read_npz(path, classes)
    else:
        outside = _read_table(path, classes, files, order or order_of(None))
    if not len(outside.rows):
        raise InputError(f"{path}: no predictions in it")
    if outside.probabilities.shape != (len(outside.rows), len(classes)):
        raise InputError(
            f"{path}: probabilities of shape {brief(outside.probabilities.shape)} do not fit {len(outside.rows)} rows"
            f" and the {len(classes)} emotions {', '.join(classes)}"
        )
    truth = outside.truth
    if truth is not None and len(odd := np.flatnonzero((truth < 0) | (truth >= len(classes)))):
        raise InputError(f"{outside.places.at(odd[0])}: label {truth[odd[0]]} is none of 0 to {len(classes) - 1}")
    if files and truth is None and not outside.names and not _numbered(files):
        raise InputError(
            f"{path}: rows alone do not tell the images of a folder, which no two programs count alike; name each"
            f" image's file in a column 'file', as {brief(files[0], 120)}, or give the truth in a column 'emotion' to"
            " check them by"
        )
    return outside._replace(probabilities=_checked(outside, classes))


def _numbered(files: Sequence[str]) -> bool:
    """Whether each file is named after its row, as this program's own export names them."""
    stems = [PurePosixPath(file).stem for file in files]
    return all(stem.isascii() and stem.isdigit() and int(stem) == row for row, stem in enumerate(stems))


def _read_npz(path: Path, classes: Sequence[str]) -> Outside:
    arrays = load_npz(path)
    there = ", ".join(arrays)[:120]
    missing = [name for name in ("rows", "probabilities") if name not in arrays]
    if missing:
        raise InputError(f"{path}: no array {missing[0]!r}, only {there or 'nothing'}")
    rows, probabilities, labels = arrays["rows"], arrays["probabilities"], arrays.get("labels")
    for name, array, kinds in (("rows", rows, "iu"), ("labels", labels, "iu"), ("probabilities", probabilities, "f")):
        if array is not None and (
            array.dtype.kind not in kinds or (name != "probabilities" and array.shape != rows.shape)
        ):
            raise InputError(
                f"{path}: array {name!r} is {brief(array.dtype)} {brief(array.shape)}; see predictions.npz of a run"
            )
    if rows.ndim != 1:
        raise InputError(f"{path}: array 'rows' is {brief(rows.shape)}; one row number an image is wanted")
    if "classes" in arrays and (named := [str(name) for name in arrays["classes"].ravel()]) != list(classes):
        raise InputError(
            f"{path}: its array 'classes' says {brief(', '.join(named), 120)}; scored here are {', '.join(classes)}, in"
            " that order"
        )
    return Outside(
        rows.astype(np.int64),
        probabilities if probabilities.dtype == np.float16 else probabilities.astype(np.float32),
        False,
        None if labels is None else labels.astype(np.int64),
        Places(path, "entry", range(len(rows))),
    )


def _read_table(path: Path, classes: Sequence[str], files: Sequence[str] | None, order: Order) -> Outside:
    frame, places = read_frame(path)
    columns = Columns(frame, places, classes, order)
    rows, names = columns.images(files)
    truth = columns.truth()
    answers = columns.answers()
    probabilities = columns.probabilities(answers)
    unread = columns.unread(probabilities)
    if probabilities is None:
        assert answers is not None  # columns.probabilities would have asked for them
        probabilities = np.eye(len(classes), dtype=np.float16)[answers]
        return Outside(
            rows, probabilities, True, truth, places, names, columns.truth_numbers, columns.answer_numbers, unread
        )
    return Outside(
        rows, probabilities.astype(np.float32), False, truth, places, names, columns.truth_numbers, False, unread
    )


def _checked(outside: Outside, classes: Sequence[str]) -> np.ndarray:
    """The probabilities, mended where they are off by rounding; InputError where they are none."""
    try:
        return distributions(outside.probabilities, len(classes))
    except NoProbabilitiesError as error:
        where = outside.places.at(error.row)
        if error.column is not None:
            raise InputError(
                f"{where}, {classes[error.column]}: {error.value} is no probability: {error.complaint}"
            ) from None
        raise InputError(
            f"{where}: the probabilities sum to {error.value:.6g}, not to 1; {error.count:,} of {error.images:,} are"
            " like that (logits, or percent?)"
        ) from None
