"""JSON files of unknown origin: bounded in size, depth and numbers, and with nothing invisible in their texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError, visible
from . import inside

#: A record has some kilobytes.
MOST_BYTES = 16 << 20
DEEPEST, LARGEST_INTEGER = 40, 2**63


def read_json(path: Path, root: Path | None = None) -> Any:
    """What a plain file holds, its texts made ``visible``; no link leads to it from ``root``, the folder it is in if
    None.

    Raises:
        FileNotFoundError: no such file.
        InputError: it can't be read, or not by ``parse_json``.
    """
    content = read_content(path, root)
    try:
        return parse_json(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_content(path: Path, root: Path | None = None) -> bytes:
    """The bytes of a plain file, ``MOST_BYTES`` at most; no link leads to it from ``root``, the folder it is in if
    None.

    Raises:
        FileNotFoundError: no such file.
        InputError: it can't be read.
    """
    try:
        return inside.read(root or path.parent, path, MOST_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from None


def parse_json(content: bytes) -> Any:
    """What JSON says, its texts made ``visible``.

    Raises InputError where it is too long, is no JSON, or has NaN, numbers beyond all measure or dozens of levels in
    it.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"more than {MOST_BYTES:,} bytes")
    try:
        return _checked(json.loads(content.decode(), parse_constant=_no_number), DEEPEST)
    except RecursionError:
        raise InputError(f"nested more than {DEEPEST} levels deep") from None
    except ValueError as error:  # those of JSON, UTF-8, Python's longest integer and ours are ValueErrors
        raise InputError(f"not readable as JSON ({' '.join(str(error).split())[:120]})") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _checked(value: Any, levels: int, place: str = "") -> Any:
    if levels < 0:
        raise RecursionError
    if isinstance(value, dict):
        return {visible(key): _checked(inside, levels - 1, f"{place}.{key}") for key, inside in value.items()}
    if isinstance(value, list):
        return [_checked(inside, levels - 1, place) for inside in value]
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, int | float) and not (abs(value) < LARGEST_INTEGER):
        # A float of that size is none of a benchmark's, and an integer fits no array.
        where = f"{place[1:61]}: " if place else ""
        raise ValueError(f"{where}{str(value)[:20]} is beyond all measure")
    return value
