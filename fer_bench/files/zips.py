"""What a zip file may ask for, told from its table of contents before anything is unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

from ..errors import InputError

#: From so many bytes on, a file that grows by more than this when it is unpacked is a bomb; FER-2013's grow threefold.
RATIO_FROM, MOST_RATIO = 256 << 20, 200


def check_zip(path: Path, members: Collection[zipfile.ZipInfo], most: int, most_bytes: int) -> None:
    """Raises InputError for more than ``most`` members, or more than ``most_bytes`` of all of them unpacked."""
    check_growth(path, len(members), sum(info.file_size for info in members), most, most_bytes)


def check_growth(path: Path, members: int, size: int, most: int, most_bytes: int) -> None:
    """The same by count and sum of sizes, whatever kind of archive it is."""
    if members > most:
        raise InputError(f"{path}: more than {most:,} members, {members:,} so far; unpack it and give the folder")
    packed = path.stat().st_size
    if size > most_bytes or (size > RATIO_FROM and size > MOST_RATIO * packed):
        raise InputError(
            f"{path}: {packed:,} bytes that unpack to {size:,} or more; {most_bytes:,} are the limit, and "
            f"{MOST_RATIO} times the file's size"
        )
