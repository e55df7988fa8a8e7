"""Zip and tar files read in place, but for binary tables: those go to a folder of their own while they are read.

What an archive claims is held against limits before it is read: members, bytes and how far it was compressed. One that
has links, devices, or names that lead out of a folder is none of faces, and refused as a whole.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from ..errors import InputError
from ..files.zips import check_growth, check_zip
from .tree import MOST_FILES, Tree, make_tree

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
#: Of all members, unpacked.
MOST_BYTES = 64 << 30
#: What tarfile may read at once: an image as a whole, or a header, of which no real one comes near.
_LARGEST_READ = 64 << 20
_COMPRESSED: dict[bytes, Callable[[Path], IO[bytes]]] = {
    b"\x1f\x8b": gzip.open,  # type: ignore[dict-item]  # binary unless told otherwise, as the next two
    b"BZh": bz2.open,  # type: ignore[dict-item]
    b"\xfd7zXZ\x00": lzma.open,  # type: ignore[dict-item]
}


@contextmanager
def open_archive(path: Path) -> Iterator[Tree]:
    """Opens a zip or tar file.

    Raises:
        InputError: it breaks a limit, has members that are no plain files or lead out of a folder, or, then or while it
            is read, shows to be damaged.
    """
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                yield _zip(path, archive)
        else:
            with _plain(path) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar:
                yield _tar(path, tar)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # a plain file error, such as a missing permission
            raise
        reason = str(error).partition("\n")[0].rstrip(":")[:160]
        raise InputError(
            f"{path}: the archive is damaged or incomplete, or the file is none ({reason}); download it again"
        ) from None


def _zip(path: Path, archive: zipfile.ZipFile) -> Tree:
    files = [member for member in archive.infolist() if not member.filename.endswith(("/", "\\"))]
    check_zip(path, files, MOST_FILES, MOST_BYTES)
    for member in files:
        _check_name(path, member.filename)
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise _special(path, member.filename)

    def unzip(name: str) -> IO[bytes]:
        try:
            return archive.open(name)
        except (RuntimeError, NotImplementedError) as error:  # a password, an unknown compression
            raise InputError(f"{path}: {error}; unpack it and give the folder") from None

    return make_tree(path, [(member.filename, member.file_size) for member in files], unzip)


def _tar(path: Path, tar: tarfile.TarFile) -> Tree:
    members: dict[str, tarfile.TarInfo] = {}
    sizes: list[tuple[str, int]] = []
    total = 0
    for member in tar:  # checked one by one, as the next one's header stands behind this one's contents
        _check_name(path, member.name)
        if member.isdir():
            continue
        if not member.isfile() or member.issparse():
            raise _special(path, member.name)
        members[member.name] = member
        sizes.append((member.name, member.size))
        total += member.size
        check_growth(path, len(sizes), total, MOST_FILES, MOST_BYTES)

    def extract(name: str) -> IO[bytes]:
        stream = tar.extractfile(members[name])
        assert stream is not None  # a plain file has contents
        return stream

    return make_tree(path, sizes, extract)


def _special(path: Path, name: str) -> InputError:
    return InputError(f"{path}: member {name[:120]!r} is a link, a device or sparse; plain files are wanted")


def _check_name(path: Path, name: str) -> None:
    """Raises InputError for no name, or one that would lead out of the folder that it is unpacked in, on any system."""
    unix, windows = PurePosixPath(name), PureWindowsPath(name)
    if not name or unix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        raise InputError(
            f"{path}: member {name[:120]!r} leads out of the archive's folder; such an archive is not read"
        )


def _plain(path: Path) -> IO[bytes]:
    """The tar file, uncompressed as it is read."""
    with path.open("rb") as file:
        start = file.read(6)
    opener = next((opener for magic, opener in _COMPRESSED.items() if start.startswith(magic)), None)
    return opener(path) if opener else path.open("rb")


class _Bounded(io.RawIOBase):
    """A stream for tarfile that refuses to be read in pieces of absurd size.

    tarfile takes a long name or a pax header into memory whole, and its size is what the archive says.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
