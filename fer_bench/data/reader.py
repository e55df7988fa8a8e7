"""From a path to a Dataset: looks at what lies there and picks the reader."""

from __future__ import annotations

import re
import tempfile
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import InputError
from .archives import ARCHIVE_SUFFIXES, open_archive
from .dataset import EMOTIONS, Dataset, own_name
from .fer2013 import NO_FILES, STRICT, Faces, Reading, read_csv
from .names import slug
from .orders import Order
from .tree import Tree, counted, folder_tree

#: Images in FER-2013, all usages together.
FER2013_IMAGES = 35_887


def read(path: Path, order: Order | None = None) -> Dataset:
    """Reads any of the forms that FER data is handed around in: CSV, archive, image folders, .npz, parquet.

    ``order`` says what label numbers mean; None where nobody said it.

    Raises:
        InputError: nothing there, an unknown form, or a mistake inside, in one line that says where.
    """
    return _dataset(path, _read(path, STRICT._replace(order=order)))


def read_foreign(path: Path, subject: str = "", order: Order | None = None) -> tuple[Dataset, np.ndarray | None]:
    """Reads data that a model is evaluated on: emotions that FER-2013 lacks are classes of their own.

    ``subject`` is the column, or for image folders "folder", that says whom an image shows; the second result names the
    subject of each row, (N,) str, or is None. ``order`` says what label numbers mean; None where nobody said it.

    Raises:
        InputError: as ``read`` does, or the subjects are not there.
    """
    faces = _read(path, Reading(foreign=True, subject=subject, order=order))
    if faces.subjects is not None and (faces.subjects == "").any():
        row = int((faces.subjects == "").argmax())
        raise InputError(f"{path}, row {row} (from 0): no subject in {subject!r}; each image needs one")
    return _dataset(path, faces), faces.subjects


def read_files(path: Path, order: Order | None = None) -> tuple[str, ...] | None:
    """The file that each row of a data set was read from, as its path below the folder or in the archive.

    None where the rows are those of a table, or of arrays. Nothing is decoded.

    Raises:
        InputError: as ``read`` does.
    """
    return _read(path, Reading(listing=True, order=order)).files


def _dataset(path: Path, faces: Faces) -> Dataset:
    if faces.images.max() <= 1:
        raise InputError(
            f"{path}: no pixel of any image is above 1: were they scaled to 0..1 and then made whole numbers? Whole"
            " numbers from 0 to 255 are wanted"
        )
    try:
        return Dataset(
            faces.images,
            faces.labels,
            faces.usage,
            faces.classes,
            name=_name(path, faces),
            source=path.name,
            order=faces.order,
            left_out=faces.left_out,
            notes=faces.notes,
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _read(path: Path, how: Reading) -> Faces:
    if not path.exists():
        raise nothing_there(path)
    try:
        return _read_tree(folder_tree(path), how) if path.is_dir() else _read_file(path, how)
    except OSError as error:
        raise InputError(f"{error.filename or path}: can't be read ({error.strerror or error})") from None


def nothing_there(path: Path, why: str = "") -> InputError:
    """That no data set lies at a path, which ``why`` says the origin of."""
    if re.match("[a-z]+:/", str(path)):  # a Path has lost one of the two slashes
        return InputError(f"{path} is an address; download the data set, and give the path of the file")
    return InputError(f"no such file or folder: {path}{why and f' ({why})'}; give the path of a data set")


def check_plain(path: Path) -> None:
    """Raises InputError for a pipe, which would be waited on for ever, a device or a link to nothing."""
    if not path.is_file():
        raise InputError(f"{path}: neither a plain file nor a folder")


def _read_file(path: Path, how: Reading) -> Faces:
    check_plain(path)
    name = path.name.lower()
    if how.listing and not name.endswith(ARCHIVE_SUFFIXES):
        return NO_FILES
    if name.endswith((".csv", ".tsv")):
        return read_csv(lambda: path.open("rb"), str(path), how)
    if name.endswith(ARCHIVE_SUFFIXES):
        with open_archive(path) as archive:
            return _read_tree(archive, how)
    if name.endswith(".npz"):
        from .arrays import read_npz

        return read_npz(path, how)
    if name.endswith(".parquet"):
        from .hugging_face import read_parquet

        return read_parquet([path], path.parent, how)
    forms = ", ".join((".csv", ".tsv", *ARCHIVE_SUFFIXES, ".npz", ".parquet"))
    raise InputError(f"{path}: of no known form; a folder or a file ending in {forms} is wanted")


def _read_tree(tree: Tree, how: Reading) -> Faces:
    """Reads the one data set that a folder or an archive holds; counts and names every file that is none of it."""
    from .contents import contents, face_tables, nothing_found

    found = contents(tree)
    tables = face_tables(tree, found)
    forms = {
        "table": tables,
        "parquet file": found.parquet,
        ".npz file": found.arrays,
        "image": found.sorted_images(),
    }
    there = {what: paths for what, paths in forms.items() if paths}
    if len(there) > 1 or len(tables) > 1 or len(found.arrays) > 1:
        several = "; ".join(counted(what, paths, 2) for what, paths in there.items())
        raise InputError(f"{tree.path}: more than one set of faces: {several}; give one of them")
    if how.listing and not found.images:
        return NO_FILES
    if tables:
        used = tables
        faces = read_csv(partial(tree.open, tables[0]), f"{tree.path}: {tables[0]}", how)
    elif found.parquet or found.arrays:
        used = found.parquet or found.arrays
        faces = _read_binary(tree, used, how)
    elif found.images:
        from .folders import read_images

        used = found.images
        faces = read_images(tree, found.images, found.tables, how)
    else:
        raise nothing_found(tree, found)
    return faces._replace(left_out=(*faces.left_out, *found.left_out(tree, used)))


def _read_binary(tree: Tree, names: list[PurePosixPath], how: Reading) -> Faces:
    """Reads parquet files, or one .npz file. Those of an archive are unpacked first: readers jump about in them."""
    if tree.on_disk:
        return _read_tables([tree.place(name) for name in names], tree.path, how)
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as work:
        folder = Path(work)
        try:
            return _read_tables([tree.unpack(name, folder) for name in names], folder, how)
        except InputError as error:
            raise InputError(str(error).replace(f"{work}/", f"{tree.path}: ").replace(work, str(tree.path))) from None


def _read_tables(paths: list[Path], folder: Path, how: Reading) -> Faces:
    from .arrays import read_npz
    from .hugging_face import read_parquet

    return read_npz(paths[0], how) if paths[0].suffix.lower() == ".npz" else read_parquet(paths, folder, how)


def _name(path: Path, faces: Faces) -> str:
    """ "fer2013" for what has FER-2013's classes and number of images, else made from the name of the file or
    folder.
    """
    if faces.classes == EMOTIONS and len(faces.labels) == FER2013_IMAGES:
        return "fer2013"
    stem = path.name
    for suffix in (".csv", ".tsv", *ARCHIVE_SUFFIXES, ".npz", ".parquet"):
        stem = stem.removesuffix(suffix)
    name = slug(stem)
    return f"fer2013-{len(faces.labels)}" if name == "fer2013" else own_name(name)
