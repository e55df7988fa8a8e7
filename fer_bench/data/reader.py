"""From a path to a Dataset: looks at what lies there and picks the reader."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import InputError
from .archives import ARCHIVE_SUFFIXES, Archive, open_archive
from .dataset import EMOTIONS, Dataset, own_name
from .fer2013 import CSV_NAMES, STRICT, Faces, Reading, read_csv
from .names import slug

#: Images in FER-2013, all usages together.
FER2013_IMAGES = 35_887


def read(path: Path) -> Dataset:
    """Reads any of the forms that FER data is handed around in: CSV, archive, image folders, .npz, parquet.

    Raises:
        InputError: nothing there, an unknown form, or a mistake inside, in one line that says where.
    """
    return _dataset(path, _read(path, STRICT))


def read_foreign(path: Path, subject: str = "") -> tuple[Dataset, np.ndarray | None]:
    """Reads data that a model is evaluated on: emotions that FER-2013 lacks are classes of their own.

    ``subject`` is the column, or for image folders "folder", that says whom an image shows; the second result names the
    subject of each row, (N,) str, or is None.

    Raises:
        InputError: as ``read`` does, or the subjects are not there.
    """
    faces = _read(path, Reading(foreign=True, subject=subject))
    if faces.subjects is not None and (faces.subjects == "").any():
        row = int((faces.subjects == "").argmax())
        raise InputError(f"{path}, row {row} (from 0): no subject in {subject!r}; each image needs one")
    return _dataset(path, faces), faces.subjects


def _dataset(path: Path, faces: Faces) -> Dataset:
    return Dataset(faces.images, faces.labels, faces.usage, faces.classes, name=_name(path, faces), source=path.name)


def _read(path: Path, how: Reading) -> Faces:
    if not path.exists():
        raise InputError(f"no such file or folder: {path}; give the path of a data set")
    try:
        return _read_folder(path, how) if path.is_dir() else _read_file(path, how)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from None


def check_plain(path: Path) -> None:
    """Raises InputError for a pipe, which would be waited on for ever, a device or a link to nothing."""
    if not path.is_file():
        raise InputError(f"{path}: neither a plain file nor a folder")


def _read_file(path: Path, how: Reading) -> Faces:
    check_plain(path)
    name = path.name.lower()
    if name.endswith(".csv"):
        return read_csv(lambda: path.open("rb"), str(path), how)
    if name.endswith(ARCHIVE_SUFFIXES):
        with open_archive(path) as archive:
            return _read_archive(archive, how)
    if name.endswith(".npz"):
        from .arrays import read_npz

        return read_npz(path, how)
    if name.endswith(".parquet"):
        from .arrays import read_parquet

        return read_parquet([path], str(path), how)
    forms = ", ".join((".csv", *ARCHIVE_SUFFIXES, ".npz", ".parquet"))
    raise InputError(f"{path}: of no known form; a folder or a file ending in {forms} is wanted")


def _read_archive(archive: Archive, how: Reading) -> Faces:
    from .folders import read_archived_folder

    tables = [name for name in archive.members if name.lower().endswith(".csv") and "__MACOSX" not in name]
    known = [name for wanted in CSV_NAMES for name in tables if PurePosixPath(name).name.lower() == wanted]
    if known or len(tables) == 1:
        table = (known or tables)[0]
        return read_csv(partial(archive.open, table), f"{archive.path}: {table}", how)
    return read_archived_folder(archive, how)


def _read_folder(folder: Path, how: Reading) -> Faces:
    from .folders import read_folder, walk

    files = sorted([*folder.iterdir(), *folder.glob("*/*.csv")], key=lambda path: (len(path.parts), path))
    table = next((path for wanted in CSV_NAMES for path in files if path.name.lower() == wanted), None)
    if table is not None:
        return _read_file(table, how)
    parquet = [folder / path for path in walk(folder) if path.suffix.lower() == ".parquet"]
    if parquet:
        from .arrays import read_parquet

        for path in parquet:
            check_plain(path)
        return read_parquet(parquet, str(folder), how)
    return read_folder(folder, how)


def _name(path: Path, faces: Faces) -> str:
    """ "fer2013" for what has FER-2013's classes and number of images, else made from the name of the file or folder."""
    if faces.classes == EMOTIONS and len(faces.labels) == FER2013_IMAGES:
        return "fer2013"
    stem = path.name
    for suffix in (".csv", *ARCHIVE_SUFFIXES, ".npz", ".parquet"):
        stem = stem.removesuffix(suffix)
    name = slug(stem)
    return f"fer2013-{len(faces.labels)}" if name == "fer2013" else own_name(name)
