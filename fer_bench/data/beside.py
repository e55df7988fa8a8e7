"""Tables that lie beside image folders and say of the images what their folders say too, or something else."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ..errors import InputError, brief
from .contents import columns
from .names import emotion
from .tree import Tree

#: The columns that name an image's file and its label, preferred first.
_FILES = (
    "pth",
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "image",
    "image_path",
    "img",
    "image name",
    "name",
)
_LABELS = ("label", "emotion", "expression", "class", "labels", "target", "category")
#: A list of the files of a set is no larger.
_MOST_BYTES = 256 << 20


def check_beside(tree: Tree, tables: Sequence[PurePosixPath], classes: Mapping[PurePosixPath, str]) -> None:
    """Holds what tables say of images, one a row, against the images' folders, whose emotions are ``classes``.

    A row is compared where it names an image's file, and the emotion as a word.

    Raises:
        InputError: the first row that contradicts a folder, with both.
    """
    by_name: dict[str, set[str]] = {}
    for path, name in classes.items():
        by_name.setdefault(path.name, set()).add(name)
    for table in tables:
        names = columns(tree, table)
        file, label = (
            next((names.index(name) for name in known if name in names), None) for known in (_FILES, _LABELS)
        )
        if file is None or label is None or table.suffix.lower() != ".csv":
            continue
        with tree.open(table, _MOST_BYTES) as stream:
            _check_rows(f"{tree.path}: {brief(table, 120)}", stream.read(), file, label, classes, by_name)


def _check_rows(
    where: str,
    content: bytes,
    file: int,
    label: int,
    classes: Mapping[PurePosixPath, str],
    by_name: Mapping[str, set[str]],
) -> None:
    first, _, _ = content.partition(b"\n")
    rows = csv.reader(
        io.StringIO(content.decode("utf-8-sig", "replace"), newline=""),
        delimiter=max(",;\t", key=lambda mark: first.count(mark.encode())),
    )
    try:
        for row in rows:
            said = emotion(row[label]) if max(file, label) < len(row) else None
            path = PurePosixPath(row[file].replace("\\", "/")) if said else PurePosixPath()
            alike = by_name.get(path.name, set())
            there = classes.get(path) or emotion(path.parent.name) or (next(iter(alike)) if len(alike) == 1 else said)
            if said != there:
                raise InputError(
                    f"{where}, line {rows.line_num}: {brief(str(path), 80)} is {said} there, and {there} by its folder; "
                    "correct one of them, or take the table away to go by the folders"
                )
    except csv.Error as error:
        raise InputError(f"{where}, line {rows.line_num}: not readable as CSV ({error}); mend or remove it") from None
