"""Zip and tar files read in place: nothing is ever unpacked to disk, so no member can land outside."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import IO

from ..errors import InputError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
#: No member of a face data set is larger; FER-2013's CSV is 301 MB.
MAX_MEMBER = 2 << 30


@dataclass(frozen=True)
class Archive:
    """An open archive: ``members`` maps the name of each plain file to its size, in the order of the archive."""

    path: Path
    members: dict[str, int]
    _open: Callable[[str], IO[bytes]]

    def open(self, name: str, limit: int = MAX_MEMBER) -> IO[bytes]:
        """Opens a member for reading; InputError where it unpacks to more than ``limit`` bytes."""
        if self.members[name] > limit:
            raise InputError(f"{self.path}: member {name} unpacks to {self.members[name]:,} bytes, more than {limit:,}")
        return self._open(name)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Opens a zip or tar file; whatever shows it to be damaged, then or while it is read, becomes an InputError."""
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                sizes = {member.filename: member.file_size for member in archive.infolist() if not member.is_dir()}

                def unzip(name: str) -> IO[bytes]:
                    try:
                        return archive.open(name)
                    except (RuntimeError, NotImplementedError) as error:  # a password, an unknown compression
                        raise InputError(f"{path}: {error}; unpack it and give the folder") from None

                yield Archive(path, sizes, unzip)
        else:
            with tarfile.open(path) as tar:
                members = {member.name: member for member in tar if member.isfile()}

                def extract(name: str) -> IO[bytes]:
                    stream = tar.extractfile(members[name])
                    assert stream is not None  # a plain file has contents
                    return stream

                yield Archive(path, {name: member.size for name, member in members.items()}, extract)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # a plain file error, such as a missing permission
            raise
        reason = str(error).partition("\n")[0].rstrip(":")
        raise InputError(f"{path}: the archive is damaged or incomplete ({reason}); download it again") from None
