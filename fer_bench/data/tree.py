"""The files of a folder or an archive, by name: what is true of a folder is true of a zip or tar file of it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import InputError, brief

#: Of one file that is read as a whole: no member of a face data set is larger; FER-2013's CSV is 301 MB.
MAX_FILE = 2 << 30
#: AffectNet, the largest set of faces that people train on, has 450,000 images.
MOST_FILES = 1_000_000
#: What macOS, Windows and network disks leave in folders, in lower case. Whatever begins with a dot is the same.
_BY_PRODUCTS = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir"}
_BY_PRODUCTS |= {"system volume information"}


@dataclass(frozen=True)
class Tree:
    """Plain files by name.

    Attributes:
        path: of the folder or archive.
        files: the path of each file below it, and its size unpacked, in the order in which reading is fast.
        hidden: by-products of a system and whatever begins with a dot, a folder of them as one.
    """

    path: Path
    files: dict[PurePosixPath, int]
    hidden: tuple[PurePosixPath, ...]
    _names: dict[PurePosixPath, str]
    _open: Callable[[str], IO[bytes]]

    def open(self, name: PurePosixPath, limit: int = MAX_FILE) -> IO[bytes]:
        """Opens a file for reading; InputError where it has more than ``limit`` bytes."""
        if self.files[name] > limit:
            raise InputError(
                f"{self.path}: {brief(name, 120)} unpacks to {self.files[name]:,} bytes; {limit:,} are the limit"
                if not self.on_disk
                else f"{self.path}: {brief(name, 120)} has {self.files[name]:,} bytes; {limit:,} are the limit"
            )
        return self._open(self._names[name])

    def unpack(self, name: PurePosixPath, folder: Path) -> Path:
        """Copies a file below ``folder``, under the name that it has here; InputError where it is too large."""
        place = folder.joinpath(*name.parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        with self.open(name) as stream, place.open("xb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        return place

    @property
    def on_disk(self) -> bool:
        """Whether it is a folder, whose files other libraries can open by their paths."""
        return self.path.is_dir()

    def place(self, name: PurePosixPath) -> Path:
        """The path of a file of a folder."""
        return self.path / self._names[name]


def make_tree(path: Path, files: Iterable[tuple[str, int]], opener: Callable[[str], IO[bytes]]) -> Tree:
    """A tree of ``files``, their names and sizes. A backslash divides folders, as in what Windows' own tools pack.

    Raises:
        InputError: two files of one name.
    """
    sizes: dict[PurePosixPath, int] = {}
    names: dict[PurePosixPath, str] = {}
    hidden: dict[PurePosixPath, None] = {}
    for name, size in files:
        place = PurePosixPath(name.replace("\\", "/"))
        first = next((n for n, part in enumerate(place.parts) if _is_hidden(part)), None)
        if first is not None:
            hidden[PurePosixPath(*place.parts[: first + 1])] = None
        elif place in names:
            raise InputError(f"{path}: {brief(place, 120)} is in it twice; one file of each name is wanted")
        else:
            sizes[place], names[place] = size, name
    return Tree(path, sizes, tuple(hidden), names, opener)


def folder_tree(folder: Path) -> Tree:
    """The files of a folder, links to files and to folders among them.

    Raises:
        InputError: something that is neither file nor folder, a link to nothing, a folder that is there twice by links.
        OSError: a folder that can't be read.
    """

    def sized() -> Iterator[tuple[str, int]]:
        for relative in walk(folder):
            path = folder / relative
            if _is_hidden(relative.name):
                yield str(relative), 0
                continue
            try:
                found = path.stat()
            except FileNotFoundError:
                raise InputError(f"{path}: a link to nothing; mend or remove it") from None
            if not stat.S_ISREG(found.st_mode):  # a pipe would be waited on for ever
                raise InputError(f"{path}: neither a plain file nor a folder; remove it")
            yield str(relative), found.st_size

    return make_tree(folder, sized(), lambda name: (folder / name).open("rb"))


def walk(folder: Path) -> Iterator[PurePosixPath]:
    """The files below ``folder`` as paths relative to it, sorted; of a hidden folder its own path alone.

    Raises:
        InputError: a folder that is reached a second time, by a link: its files would be counted twice, or for ever.
        OSError: a folder that can't be read.
    """
    seen: dict[tuple[int, int], str] = {}
    count = 0
    for root, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        found = Path(root).stat()
        other = seen.setdefault((found.st_dev, found.st_ino), root)
        if other is not root:
            raise InputError(f"{root}: the same folder as {other}, by a link; one of the two is wanted")
        relative = PurePosixPath(Path(root).relative_to(folder).as_posix())
        hidden = [name for name in folders if _is_hidden(name)]
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        yield from (relative / name for name in sorted([*files, *hidden]))
        count += len(files)
        if count > MOST_FILES:
            raise InputError(f"{folder}: more than {MOST_FILES:,} files; a folder of faces alone is wanted")


def _raise(error: OSError) -> None:
    raise error


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _BY_PRODUCTS


def counted(what: str, names: Collection[PurePosixPath], most: int = 5) -> str:
    """How many of ``what``, a word in the singular, and the first of their names: "3 tables: a.csv, b.csv, c.csv"."""
    shown = ", ".join(brief(str(name).replace("\n", " "), 60).strip("'\"") for name in sorted(names)[:most])
    return f"{len(names):,} {what}{'' if len(names) == 1 else 's'}: {shown}{', …' if len(names) > most else ''}"
