"""``.npz`` files of unknown origin: nothing is unpickled, and no array is made that the file does not hold."""

from __future__ import annotations

import io
import math
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import InputError
from .zips import check_zip

#: Bytes that the arrays of a file may take; FER-2013 takes 83 MB.
MOST_BYTES = 2 << 30
#: Members beyond this are no set of arrays that anything here writes.
MOST_ARRAYS = 100
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

#: What numpy lets through, beside ValueError, of the parser that it reads a header with.
_NO_HEADER = (SyntaxError, tokenize.TokenError, RecursionError, MemoryError, TypeError)


def load_npz(
    path: Path,
    names: Collection[str] | None = None,
    content: bytes | BinaryIO | None = None,
    most: int = MOST_BYTES,
    most_arrays: int = MOST_ARRAYS,
) -> dict[str, np.ndarray]:
    """The arrays of a file, or those of ``names`` that are there. Numbers and texts only.

    ``content`` is what was read of the file, or the file itself, where it was read or opened already; ``most`` the
    bytes that all of its arrays may take, and ``most_arrays`` their number.

    Each header is held against what is stored before memory is asked for: it takes 100 bytes to claim 10**12 numbers.

    Raises:
        FileNotFoundError: no such file.
        InputError: anything else that keeps it from being read.
    """
    try:
        if content is None and not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path}: not a plain file")
        file = io.BytesIO(content) if isinstance(content, bytes) else content or path
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            check_zip(path, archive.infolist(), most_arrays, most)
            if len(members) < len(archive.infolist()):
                raise InputError(f"{path}: two arrays of the same name among {', '.join(members)[:120]}")
            wanted = [name for name in members if names is None or name in names]
            return {name: _array(archive, members[name], f"{path}: array {name!r}") for name in wanted}
    except FileNotFoundError:
        raise
    except InputError:
        raise
    except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: not readable as .npz ({reason})") from None


def array_names(path: Path) -> list[str]:
    """The names of the arrays of a file that ``load_npz`` reads."""
    with zipfile.ZipFile(path) as archive:
        return [info.filename.removesuffix(".npy") for info in archive.infolist()]


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> np.ndarray:
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise InputError(f"{where} is of the .npy format {version[0]}.{version[1]}; 1.0 and 2.0 are known")
        try:
            shape, fortran, dtype = _HEADERS[version](member)
        except _NO_HEADER as error:
            raise InputError(f"{where} has a header that can't be understood ({type(error).__name__})") from None
        if dtype.kind not in "biufUS":
            raise InputError(f"{where} is {str(dtype)[:60]}; numbers or texts are wanted")
        size, stored = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
        if size != stored or min(shape, default=0) < 0:
            raise InputError(f"{where} claims a shape of {str(shape)[:60]}, {size:,} bytes, and holds {stored:,}")
        values = np.frombuffer(member.read(), dtype) if size else np.empty(0, dtype)
    return values.reshape(shape, order="F" if fortran else "C")
