"""What can be made again, kept in the user's cache folder, where it becomes visible whole, by one rename.

    <place>/  NAME.npy ...  meta.json  sums.json    an entry: arrays, what is said of them, the checksum of each file

An entry is checked whole when it is opened. That finds damage, an edit by mistake, and what another user has put there;
it is no protection from somebody who writes as this user, who could write new sums, too.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import tempfile
import time
import tokenize
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError
from .json_file import read_json

T = TypeVar("T")

META, SUMS = "meta.json", "sums.json"
_STALE_SECONDS = 86_400.0
_SCRATCH = "tmp-"
#: Bytes that are summed up at a time: what these need stays in the processor's cache.
_BLOCK = 1 << 18
#: What an entry that does not fit raises on its way: numpy's reader of headers stumbles over any of these.
_UNFIT = (
    *(OSError, InputError, ValueError, KeyError, TypeError, AttributeError, EOFError),
    *(SyntaxError, tokenize.TokenError, MemoryError, RecursionError),
)
_log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """The folder of all that can be made again: ``FER_BENCH_CACHE``, else the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("FER_BENCH_CACHE") or user_cache_path("fer-bench", appauthor=False))


def workers_dir() -> Path:
    """The cache of workers: neither below it nor beside it are labels."""
    return (cache_dir() / "workers" / "shared").absolute()


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """An empty folder in ``root``, to make things in that a rename then puts in place; it is gone after the block.

    Removes those of processes that were killed long ago. Raises OSError where ``root`` can't be made or written.
    """
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{_SCRATCH}*"):
        with suppress(FileNotFoundError):  # another process is done with it
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=root, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def keep(
    place: Path,
    arrays: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    build: Callable[[dict[str, np.ndarray], Any], T],
) -> None:
    """Makes an entry of arrays and facts, which JSON can hold, for this user alone; a sound one that is there stays.

    ``build`` is as for ``find``. Raises OSError where the cache can't be written.
    """
    with scratch(place.parent) as folder:
        new = folder / "new"
        new.mkdir(mode=0o700)
        for name, array in arrays.items():
            np.save(new / f"{name}.npy", array)
        (new / META).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        sums = {path.name: [path.stat().st_size, _sum(path)] for path in new.iterdir()}
        (new / SUMS).write_text(json.dumps({"entry": place.name, "files": sums}, indent=2), encoding="utf-8")
        for path in new.iterdir():
            path.chmod(0o600)  # whatever the umask
        try:
            new.rename(place)
        except OSError:  # there is one, damaged or of a process that was faster
            try:
                _read(place, build)
            except _UNFIT:
                if os.path.lexists(place):
                    place.rename(folder / "old")
                new.rename(place)


def find(place: Path, build: Callable[[dict[str, np.ndarray], Any], T]) -> T | None:
    """What ``build`` makes of the arrays, memory-mapped read-only, and the facts of the entry at ``place``.

    None where there is no entry, or one that can't be used; that is said in a warning. Where what it holds does not
    fit, ``build`` raises ValueError, KeyError or TypeError.
    """
    if not os.path.lexists(place):
        return None
    try:
        return _read(place, build)
    except _UNFIT as error:
        _log.warning("the cache entry %s is damaged (%s) and is made again", place, " ".join(str(error).split())[:200])
        return None


def make_room(folder: Path, most: int) -> None:
    """Takes away entries of ``folder`` until they have ``most`` bytes at most, those whose time is longest ago first.

    The youngest stays, whatever its size. Who has opened an entry keeps what it was mapped to.
    """
    entries = []
    for place in folder.iterdir():
        with suppress(OSError):  # another process took it away
            if not place.name.startswith(_SCRATCH) and place.is_dir() and not place.is_symlink():
                entries.append((place.stat().st_mtime, place, sum(path.stat().st_size for path in place.iterdir())))
    entries.sort()
    total = sum(size for _, _, size in entries)
    with scratch(folder) as waste:
        for _, place, size in entries[:-1]:
            if total <= most:
                break
            with suppress(OSError):  # Windows leaves what is open where it is
                place.rename(waste / place.name)
                total -= size


def _read(place: Path, build: Callable[[dict[str, np.ndarray], Any], T]) -> T:
    _check_own(place, stat.S_ISDIR)
    _check_own(place / SUMS, stat.S_ISREG)
    written = read_json(place / SUMS)
    if written["entry"] != place.name:
        raise ValueError("it is another entry, renamed")
    arrays = {}
    for name, (size, checksum) in written["files"].items():
        path = place / Path(name).name
        _check_own(path, stat.S_ISREG)
        if path.stat().st_size != size or _sum(path) != checksum:
            raise ValueError(f"{name} was altered")
        if name != META:
            arrays[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
    return build(arrays, read_json(place / META))


def _check_own(path: Path, kind: Callable[[int], bool]) -> None:
    """Raises ValueError for what is no file or folder of that kind, is another user's, or may be written by others."""
    found = path.lstat()
    if not kind(found.st_mode):
        raise ValueError(f"{path.name} is a link, or of another kind than it should be")
    if os.name == "posix" and (found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022):
        raise ValueError(f"{path.name} belongs to another user, or others may write to it")


def _sum(path: Path) -> str:
    """CRC-32 of a file: fast enough for all images at each start, and sure to see a change of up to four bytes in a
    row.
    """
    crc, block = 0, memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            crc = zlib.crc32(block[:size], crc)
    return f"{crc:08x}"
