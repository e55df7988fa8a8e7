"""Faces as the parquet files of Hugging Face data sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError, brief
from ..files.parquet import check_rows, column_names, read_table
from .arrays import codes_of, label_codes, usage_codes, usage_of
from .csv_text import plain_name
from .dataset import USAGES
from .fer2013 import STRICT, Faces, Reading
from .image_columns import IMAGE_COLUMNS, read_images
from .labels import LABEL_COLUMNS, USAGE_COLUMNS, Labels, is_beside
from .names import subject_names, unread_columns
from .parts import parts_of_files
from .pictures import one_depth
from .pixels import PIXELS

if TYPE_CHECKING:
    import pyarrow as pa


class _Columns(NamedTuple):
    """The columns of a file, by what they tell, as the table calls them."""

    images: list[str]
    labels: list[str]
    usages: list[str]
    beside: list[str]
    subject: str | None


def read_parquet(paths: Sequence[Path], root: Path, how: Reading = STRICT) -> Faces:
    """Reads the parquet files of one data set below ``root``, a folder, in the order train, validation, test.

    Columns: ``image`` (bytes of an image file, a struct with ``bytes``, or 48 x 48 numbers) or ``pixels`` (text);
    ``label`` or ``emotion`` (number or name); ``usage`` or ``split``, if there, else the split is read from the names
    of files and folders below ``root``, such as ``train-00000-of-00001.parquet`` or ``train/0000.parquet``. Label
    numbers follow the names that Hugging Face stored with the column, else ``how.order``, else FER-2013's.

    Raises:
        InputError: unreadable file, missing column, a bad value (with its row), two statements that contradict each
            other.
    """
    check_rows(paths, PIXELS)
    where = str(paths[0] if len(paths) == 1 else root)
    splits = dict(zip(paths, parts_of_files(paths, root), strict=True))
    ordered = sorted(paths, key=lambda path: (-1 if splits[path] is None else splits[path], path))
    parts = [_read_file(path, splits[path], how) for path in ordered]
    if len(paths) > 1:
        _check_splits(ordered, splits, parts)
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
        max(part.order for part in parts),
        tuple(dict.fromkeys(text for part in parts for text in part.left_out)),
        notes=one_depth([part.notes for part in parts], where),
    )
    if not len(faces.labels):
        raise InputError(f"{where}: no rows")
    return faces


def _in_common_classes(parts: Sequence[Faces]) -> list[Faces]:
    """The parts under the classes of all of them, since each has those that it happens to hold."""
    classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
    codes = [np.array([classes.index(name) for name in part.classes], np.int8) for part in parts]
    return [part._replace(labels=code[part.labels], classes=classes) for part, code in zip(parts, codes, strict=True)]


def _check_splits(paths: Sequence[Path], splits: Mapping[Path, int | None], parts: Sequence[Faces]) -> None:
    """Raises InputError for an image that a column calls one of training, and the names of its file one of a test, or
    so.
    """
    for path, part in zip(paths, parts, strict=True):
        split = splits[path]
        if split is None or part.usage is None or not ((part.usage == 0) != (split == 0)).any():
            continue
        row = int(((part.usage == 0) != (split == 0)).argmax())
        raise InputError(
            f"{path}, row {row}: its column says {USAGES[part.usage[row]]}, and the file's name or folder"
            f" {USAGES[split]}; rename it, or leave the column out"
        )


def _read_file(path: Path, split: int | None, how: Reading) -> Faces:
    where, subject = str(path), how.subject.strip().lower()
    wanted = {*IMAGE_COLUMNS, *LABEL_COLUMNS, *USAGE_COLUMNS, *filter(None, [subject])}
    table = read_table(path, lambda name: name in wanted or is_beside(name))
    columns = _columns(table, path, wanted, how.subject)
    usages = _usages(table, columns.usages, where)
    if usages is None and split is not None:
        usages = np.full(len(table), split, np.int8)
    labels, codes, silent = _labels(table, columns, where, how)
    whom = [] if columns.subject is None else table.column(columns.subject).to_pylist()
    subjects = ["" if value is None else str(value) for value in whom]
    images, notes = read_images(table, columns.images, where)
    return Faces(
        images,
        codes,
        usages,
        tuple(labels.classes.names),
        None if columns.subject is None else subject_names(subjects, where),
        labels.order,
        unread_columns(column_names(path), {*table.column_names} - {*silent}),
        notes,
    )


def _columns(table: pa.Table, path: Path, wanted: Collection[str], subject: str) -> _Columns:
    """Raises InputError where one is missing, or there twice."""
    columns: dict[str, str] = {}
    for name in table.column_names:
        plain = plain_name(name.strip().lower())
        if plain in columns and plain in wanted:
            raise InputError(f"{path}: columns {brief(columns[plain])} and {brief(name)}; leave one of them out")
        columns[plain] = name
    images, labels, usages = (
        [columns[name] for name in names if name in columns] for names in (IMAGE_COLUMNS, LABEL_COLUMNS, USAGE_COLUMNS)
    )
    whom = columns.get(subject.strip().lower()) if subject else None
    for lacking, name in (
        (not images, "image or pixels"),
        (not labels, "label or emotion"),
        (bool(subject) and whom is None, repr(subject)),
    ):
        if lacking:
            raise InputError(f"{path}: no column {name}, only {_shown(path)}")
    return _Columns(images, labels, usages, [name for plain, name in columns.items() if plain not in wanted], whom)


def _shown(path: Path) -> str:
    """The columns of a parquet file, some of them where there are many."""
    names = column_names(path)
    return ", ".join(name[:20] for name in names[:12]) or "nothing"


def _usages(table: pa.Table, columns: Sequence[str], where: str) -> np.ndarray | None:
    """(n,) int8, or None without such a column. Raises InputError for a bad one, or two that differ."""
    if not columns:
        return None
    first, *others = columns
    values = table.column(first).to_pylist()
    codes = usage_codes(values, where)
    for name in others:
        _check_same(values, table.column(name).to_pylist(), codes, usage_of, where, (first, name))
    return codes


def _labels(table: pa.Table, columns: _Columns, where: str, how: Reading) -> tuple[Labels, np.ndarray, Sequence[str]]:
    """The reader of the labels, the labels, (n,) int8, and the other columns called so that tell none.

    Raises InputError for a bad one, or two that differ.
    """
    metadata = table.schema.metadata or {}
    first, *others = columns.labels
    labels = Labels(where, how.order, how.foreign, _hugging_face_names(metadata, first))
    values = table.column(first).to_pylist()
    codes = label_codes(values, labels, where)
    silent = []
    for name in (*others, *columns.beside):
        stated, numbers = _hugging_face_names(metadata, name), name in others

        def code(value: object, stated: list[str] | None = stated, numbers: bool = numbers) -> int | None:
            if stated is not None and isinstance(value, int) and 0 <= value < len(stated):
                value = stated[value]
            return labels.beside(value, numbers)

        if not _check_same(values, table.column(name).to_pylist(), codes, code, where, (first, name)):
            silent.append(name)
    return labels, codes, silent


def _check_same(
    values: Sequence[object],
    others: Sequence[object],
    codes: np.ndarray,
    code_of: Callable[[object], int | None],
    where: str,
    names: tuple[str, str],
) -> bool:
    """Whether the other column says anything; what is no such value does not.

    Raises InputError for the first row in which it says something else.
    """
    theirs = codes_of(others, code_of)
    different = (theirs >= 0) & (theirs != codes)
    if different.any():
        row = int(different.argmax())
        raise InputError(
            f"{where}, row {row}: column {names[0]} has {brief(values[row])}, and column {names[1]}"
            f" {brief(others[row])}, which is something else; correct or leave out one, or say with --classes what"
            " numbers mean"
        )
    return bool((theirs >= 0).any())


def _hugging_face_names(metadata: dict[bytes, bytes], column: str) -> list[str] | None:
    """The class names that the ``datasets`` library stores in a parquet file's metadata, if it did."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
