"""What a folder or an archive holds, by kind, and which of it is the data set."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from ..errors import InputError, brief
from .archives import ARCHIVE_SUFFIXES
from .csv_text import LONGEST_LINE
from .decoding import begins_as_image, suffixes
from .fer2013 import CSV_NAMES
from .names import emotion, usage_code
from .parts import part_in
from .pixels import PIXELS
from .tree import Tree, counted

_LABELS = {"emotion", "label", "labels"}


#: What is none of the data, whatever it is: by-products of a system, and names that begin with a dot.
HIDDEN = "hidden or system file"


class Contents(NamedTuple):
    """The files of a tree by what their names say they are."""

    images: list[PurePosixPath]
    tables: list[PurePosixPath]
    parquet: list[PurePosixPath]
    arrays: list[PurePosixPath]
    archives: list[PurePosixPath]
    others: list[PurePosixPath]

    def sorted_images(self) -> list[PurePosixPath]:
        """The images that stand in folders of emotions or parts, in which no other data set would keep its pictures."""
        homes = {path.parent for path in self.images}
        known = {home for home in homes if _is_class_folder(home)}
        return [path for path in self.images if path.parent in known]

    def left_out(self, tree: Tree, used: Collection[PurePosixPath], most: int = 5) -> tuple[str, ...]:
        """One text for each kind of file that is there and none of those ``used``: how many, and ``most`` names."""
        kinds = {
            "image": self.images,
            "table": self.tables,
            "parquet file": self.parquet,
            ".npz file": self.arrays,
            "archive": self.archives,
            "other file": self.others,
            HIDDEN: tree.hidden,
        }
        taken = set(used)
        rest = {what: [path for path in paths if path not in taken] for what, paths in kinds.items()}
        return tuple(counted(what, paths, most) for what, paths in rest.items() if paths)


def _is_class_folder(folder: PurePosixPath) -> bool:
    """Whether a folder, or one around it, has the name of an emotion or of a part of a split."""
    return any(emotion(name) or part_in(name) is not None for name in folder.parts)


def contents(tree: Tree) -> Contents:
    """Sorts the files of a tree.

    Raises:
        InputError: what looks like an image of the set, by its name or its first bytes, and is of no kind that is read.
    """
    found = Contents([], [], [], [], [], [])
    images, unread = suffixes()
    unsure: list[PurePosixPath] = []
    for path in tree.files:
        suffix, name = path.suffix.lower(), path.name.lower()
        if suffix in images:
            found.images.append(path)
        elif suffix in (".csv", ".tsv"):
            found.tables.append(path)
        elif suffix == ".parquet":
            found.parquet.append(path)
        elif suffix == ".npz":
            found.arrays.append(path)
        elif name.endswith((*ARCHIVE_SUFFIXES, ".gz", ".tbz2", ".txz", ".zst", ".7z", ".rar")):
            found.archives.append(path)
        else:
            unsure.append(path)
    around = {path.parent.parent for path in found.images if path.parent.name}
    for path in unsure:
        among = path.parent.name and path.parent.parent in around  # beside folders of images
        if not (_is_class_folder(path.parent) or among):
            found.others.append(path)
        elif path.suffix.lower() in unread:
            raise InputError(
                f"{tree.path}: {brief(path, 120)} is an image of a kind that is not read; convert it to PNG or JPEG"
            )
        elif not _is_image(tree, path):
            found.others.append(path)
        elif not path.suffix:
            found.images.append(path)
        else:
            raise InputError(
                f"{tree.path}: {brief(path, 120)} holds an image, and its name does not say so; name it .png or .jpg, "
                "as it is, or remove it"
            )
    _check_packed(tree, found)
    return found


def _check_packed(tree: Tree, found: Contents) -> None:
    """Raises InputError for an archive that is a class or a part of image folders, and lies there packed alone."""
    folders = {parent for path in found.images for parent in path.parents}
    for path in found.archives:
        stem = path.name.split(".")[0]
        missing = path.with_name(stem) not in folders and (emotion(stem) or usage_code(stem) is not None)
        if missing and path.parent in folders:
            raise InputError(f"{tree.path}: {brief(path, 120)} lies packed among folders of images; unpack it there")


def _is_image(tree: Tree, path: PurePosixPath) -> bool:
    if not tree.files[path]:
        return False
    with tree.open(path) as stream:
        return begins_as_image(stream.read(16))


def face_tables(tree: Tree, found: Contents) -> list[PurePosixPath]:
    """The tables that hold faces: those with the name of Kaggle's, else those whose first line says so.

    One table without anything else that could be the data is taken for it, so that its reader says what it lacks.
    """
    for wanted in CSV_NAMES:
        known = [path for path in found.tables if path.name.lower() == wanted]
        if known:
            return known
    if len(found.tables) == 1 and not (found.images or found.parquet or found.arrays):
        return found.tables
    return [path for path in found.tables if _holds_faces(columns(tree, path))]


def columns(tree: Tree, path: PurePosixPath) -> list[str]:
    """The words of a table's first line, stripped and in lower case; none where that is no text."""
    with tree.open(path) as stream:
        line = stream.readline(LONGEST_LINE).decode("utf-8-sig", "replace")
    return [word.strip(" \"'\r\n").lower() for word in re.split("[,;\t]", line)]


def _holds_faces(names: Sequence[str]) -> bool:
    return bool(_LABELS.intersection(names)) and ("pixels" in names or len(names) > PIXELS)


def nothing_found(tree: Tree, found: Contents) -> InputError:
    """That a tree holds no faces, and what it does hold."""
    if found.archives:
        inside = brief(str(found.archives[0]), 120)
        return InputError(f"{tree.path}: no images and no CSV, but archive {inside} inside; unpack that and give it")
    there = "; ".join(text for text in found.left_out(tree, (), 1) if HIDDEN not in text) or "nothing"
    return InputError(
        f"{tree.path}: no images and no CSV of faces; it holds {there}; expected train/happy/1.png, happy/1.png or "
        "fer2013.csv inside"
    )
