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
    """What a plain file holds, its texts made ``visible``; no link leads to it from ``root``, the folder it is in if None.

    Raises:
        FileNotFoundError: no such file.
        InputError: it can't be read, is no JSON, or has NaN, numbers beyond all measure or dozens of levels in it.
    """
    try:
        content = inside.read(root or path.parent, path, MOST_BYTES)
        return _checked(json.loads(content.decode(), parse_constant=_no_number), DEEPEST)
    except FileNotFoundError:
        raise
    except RecursionError:
        raise InputError(f"{path}: nested more than {DEEPEST} levels deep") from None
    except (OSError, ValueError) as error:  # those of JSON, UTF-8, Python's longest integer and ours are ValueErrors
        raise InputError(f"{path}: not readable as JSON ({' '.join(str(error).split())[:120]})") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _checked(value: Any, levels: int) -> Any:
    if levels < 0:
        raise RecursionError
    if isinstance(value, dict):
        return {visible(key): _checked(inside, levels - 1) for key, inside in value.items()}
    if isinstance(value, list):
        return [_checked(inside, levels - 1) for inside in value]
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, int | float) and not (abs(value) < LARGEST_INTEGER):
        # A float of that size is none of a benchmark's, and an integer fits no array.
        raise ValueError(f"{str(value)[:20]} is beyond all measure")
    return value
