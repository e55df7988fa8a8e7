"""Files and folders inside one that may come from elsewhere: plain ones only, and no link on the way is followed.

The folder itself, ``root``, is the user's own word and may be a link. What is found in it, a clone or a shared disk, is
nobody's word: a link could point to anything, a FIFO never ends to be opened, and a device never ends to be read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import InputError

#: Windows has neither; there what ``check`` has seen a moment before is opened.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BY_DESCRIPTOR = bool(_NO_LINK) and os.open in os.supports_dir_fd
#: The reparse points of Windows that lead elsewhere; others are files that a cloud has not brought yet.
_LEADING = {getattr(stat, name, 0) for name in ("IO_REPARSE_TAG_SYMLINK", "IO_REPARSE_TAG_MOUNT_POINT")} - {0}
FILE, FOLDER, LINK = "a plain file", "a folder", "a link"


class Entries(NamedTuple):
    """What a folder holds, by name: folders, plain files, and whatever is neither."""

    folders: list[str]
    files: list[str]
    others: list[str]


def kind(path: Path) -> str:
    """FILE, FOLDER, LINK, other words for what is none of these, or "" where nothing is. Raises OSError."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    if stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) in _LEADING:
        return LINK
    if stat.S_ISREG(found.st_mode):
        return FILE
    return FOLDER if stat.S_ISDIR(found.st_mode) else "a FIFO, a socket or a device"


def check(root: Path, path: Path) -> str:
    """The kind of what is at ``path``, FILE, FOLDER or "", which stands in ``root`` or is to stand there.

    Raises InputError where that, or a folder on the way to it, is a link or anything else that is not plain.
    """
    place, found = root, FOLDER
    parts = path.relative_to(root).parts
    if ".." in parts or any("\0" in part for part in parts):
        raise InputError(f"{path}: leads out of {root}")
    for number, name in enumerate(parts, 1):
        place /= name
        try:
            found = kind(place)
        except OSError as error:
            raise InputError(f"{place}: can't be looked at ({error.strerror or error})") from None
        if not found:
            return ""
        if found not in (FILE, FOLDER):
            raise InputError(f"{place}: not a plain file or folder but {found}, which is not followed; take it away")
        if found == FILE and number < len(parts):
            raise InputError(f"{place}: a plain file where a folder is wanted; take it away")
    return found


def check_tree(root: Path, path: Path) -> None:
    """Raises InputError unless ``path``, in ``root``, is missing, or is plain with all that is below it."""
    if check(root, path) == FOLDER:
        for inner in walk(root, path):
            check(root, inner)


def walk(root: Path, folder: Path) -> Iterator[Path]:
    """All that is below a folder in ``root``; no link is followed. Raises InputError where a folder can't be read."""
    found = entries(root, folder)
    for name in (*found.files, *found.others):
        yield folder / name
    for name in found.folders:
        yield folder / name
        yield from walk(root, folder / name)


def entries(root: Path, folder: Path) -> Entries:
    """What a folder in ``root`` holds, in order; nothing where it is missing.

    Raises InputError where it is no plain folder, or can't be read.
    """
    found = Entries([], [], [])
    if not check(root, folder):
        return found
    try:
        with os.scandir(folder) as inside:
            names = sorted(entry.name for entry in inside)
        for name in names:
            of_name = kind(folder / name)
            if of_name:  # else another process has taken it away
                (found.files if of_name == FILE else found.folders if of_name == FOLDER else found.others).append(name)
    except (FileNotFoundError, NotADirectoryError) as error:
        if kind(folder) == FILE:
            raise InputError(f"{folder}: not a folder ({error.strerror})") from None
    except OSError as error:
        raise InputError(f"{folder}: can't be read ({error.strerror or error})") from None
    return found


def read(root: Path, path: Path, most: int) -> bytes:
    """The content of a plain file in ``root``.

    Raises:
        FileNotFoundError: no such file.
        InputError: it is no plain file, stands behind a link, or has more than ``most`` bytes.
        OSError: it can't be read.
    """
    with opened(root, path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise InputError(f"{path}: more than {most:,} bytes")
    return content


def digest(root: Path, path: Path, most: int) -> str | None:
    """The sha256 (hex) of a file, or None where there is none; else as ``read``."""
    try:
        return hashlib.sha256(read(root, path, most)).hexdigest()
    except FileNotFoundError:
        return None


def read_end(root: Path, path: Path, most: int) -> bytes:
    """The last bytes of a plain file in ``root``, ``most`` at most. Raises as ``read``."""
    with opened(root, path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most))
        return file.read(most)


def opened(root: Path, path: Path) -> BinaryIO:
    """A plain file in ``root``, open to be read. Raises as ``read``, but for its size."""
    found = check(root, path)
    if not found:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if found != FILE:
        raise InputError(f"{path}: not a plain file but {found}")
    file = os.fdopen(_descriptor(root, path), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it has been replaced since
        file.close()
        raise InputError(f"{path}: not a plain file")
    return file


def _descriptor(root: Path, path: Path) -> int:
    """A descriptor of a file, for reading, to which no link has led. Raises OSError."""
    flags = os.O_RDONLY | _NO_LINK | _NO_WAIT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    if not _BY_DESCRIPTOR:
        return os.open(path, flags)
    *folders, name = path.relative_to(root).parts
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def make(root: Path, folder: Path) -> Path:
    """Makes a folder in ``root``, with those above it, where it is missing. Raises InputError as ``check``, or
    OSError.
    """
    check(root, folder)
    folder.mkdir(parents=True, exist_ok=True)
    check(root, folder)
    return folder


def remove(root: Path, path: Path) -> None:
    """Takes away a file or a folder of this program's with all that it holds, as far as that can be; links are left.

    Raises InputError where a folder on the way to it is none.
    """
    check(root, path.parent)
    found = kind(path)
    if found == FOLDER:
        shutil.rmtree(path, ignore_errors=True)  # which follows no link below it
    elif found == FILE:
        path.unlink(missing_ok=True)
