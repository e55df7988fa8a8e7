"""From a path to a Dataset: looks at what lies there and picks the reader."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from ..errors import InputError
from .archives import ARCHIVE_SUFFIXES, Archive, open_archive
from .dataset import EMOTIONS, Dataset
from .fer2013 import CSV_NAMES, Faces, read_csv
from .names import slug

#: Images in FER-2013, all usages together.
FER2013_IMAGES = 35_887


def read(path: Path) -> Dataset:
    """Reads any of the forms that FER data is handed around in: CSV, archive, image folders, .npz, parquet.

    Raises:
        InputError: nothing there, an unknown form, or a mistake inside, in one line that says where.
    """
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    try:
        faces = _read_folder(path) if path.is_dir() else _read_file(path)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from None
    return Dataset(*faces, name=_name(path, faces), source=path.name)


def _read_file(path: Path) -> Faces:
    name = path.name.lower()
    if name.endswith(".csv"):
        return read_csv(lambda: path.open("rb"), str(path))
    if name.endswith(ARCHIVE_SUFFIXES):
        with open_archive(path) as archive:
            return _read_archive(archive)
    if name.endswith(".npz"):
        from .arrays import read_npz

        return read_npz(path)
    if name.endswith(".parquet"):
        from .arrays import read_parquet

        return read_parquet([path], str(path))
    forms = ", ".join((".csv", *ARCHIVE_SUFFIXES, ".npz", ".parquet"))
    raise InputError(f"{path}: of no known form; a folder or a file ending in {forms} is wanted")


def _read_archive(archive: Archive) -> Faces:
    from .folders import read_archived_folder

    tables = [name for name in archive.members if name.lower().endswith(".csv") and "__MACOSX" not in name]
    known = [name for wanted in CSV_NAMES for name in tables if PurePosixPath(name).name.lower() == wanted]
    if known or len(tables) == 1:
        table = (known or tables)[0]
        return read_csv(partial(archive.open, table), f"{archive.path}: {table}")
    return read_archived_folder(archive)


def _read_folder(folder: Path) -> Faces:
    from .folders import read_folder, walk

    files = sorted([*folder.iterdir(), *folder.glob("*/*.csv")], key=lambda path: (len(path.parts), path))
    table = next((path for wanted in CSV_NAMES for path in files if path.name.lower() == wanted), None)
    if table is not None:
        return _read_file(table)
    parquet = [folder / path for path in walk(folder) if path.suffix.lower() == ".parquet"]
    if parquet:
        from .arrays import read_parquet

        return read_parquet(parquet, str(folder))
    return read_folder(folder)


def _name(path: Path, faces: Faces) -> str:
    """ "fer2013" for what has FER-2013's classes and number of images, else made from the name of the file or folder."""
    if faces.classes == EMOTIONS and len(faces.labels) == FER2013_IMAGES:
        return "fer2013"
    stem = path.name
    for suffix in (".csv", *ARCHIVE_SUFFIXES, ".npz", ".parquet"):
        stem = stem.removesuffix(suffix)
    name = slug(stem)
    return f"fer2013-{len(faces.labels)}" if name == "fer2013" else name
