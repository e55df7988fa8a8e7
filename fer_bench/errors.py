"""The exceptions that are one line for the user: a mistake of theirs, a run that failed; and how a full disk is
known.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable

#: Control characters but line feed and tab, and those that turn the direction of a text: what they do to a terminal or
#: a page is not for a file to say.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


#: How Python holds a byte of a name that is no UTF-8, and other halves of characters.
_LONE = re.compile(r"[\ud800-\udfff]")


#: A word of so many letters is no message's own: it is quoted, and its ends tell what it was.
_LONG_WORD = re.compile(r"(\S{200})\S{200,}(\S{40})")


def encodable(text: str) -> str:
    """``text`` as JSON, files and terminals take it: a byte that is no UTF-8 (Python's "\\udcfc") is written
    "\\xfc".
    """
    return _LONE.sub(lambda half: f"\\x{ord(half[0]) & 0xFF:02x}" if "\udc80" <= half[0] <= "\udcff" else "�", text)


def visible(text: str) -> str:
    """``text``, ``encodable``, with a � for each character that can't be seen but does something."""
    return _INVISIBLE.sub("�", encodable(text))


def shortened(text: str) -> str:
    """``text`` with words of hundreds of letters cut in their middle; a path of some length stays whole."""
    return _LONG_WORD.sub(r"\1…\2", text)


def brief(value: object, most: int = 60) -> str:
    """``value`` as a message quotes it: no more than its first characters."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= most else f"{text[:most]}…"


class InputError(Exception):
    """Bad input from outside: the command line prints its message as one line and exits with code 2.

    The message says what is wrong, where (file, row, column, value) and what to do about it. It may quote the input: it
    is kept to one line, and to what can be seen.
    """

    def __init__(self, message: str) -> None:
        super().__init__(visible(message.replace("\n", " ").replace("\t", " ")))


class RunError(Exception):
    """Something that was run failed, through no mistake of the user: its message is one line, and the exit code 1."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message.replace("\n", " ").replace("\t", " ")))


#: No space on a device, no quota left, a file larger than its limit.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: How libraries that lose the number on the way say so: HDF5 with its text, ``ndarray.tofile`` with counts.
_FULL_WORDS = (os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG), "requested and")


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception says that nothing more can be written: no space, no quota, a limit on the size of files."""
    return isinstance(error, OSError) and (error.errno in _FULL or any(words in str(error) for words in _FULL_WORDS))


def did_you_mean(word: str, there: Iterable[str]) -> str:
    """ "; did you mean X?", or "" where nothing is near."""
    names = {name.lower(): name for name in there}
    close = difflib.get_close_matches(word.lower(), names, 1)
    return f"; did you mean {names[close[0]]}?" if close else ""
