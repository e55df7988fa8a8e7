"""Image files as somebody names them, matched with those that a data set was read from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from ..errors import InputError, brief


class FileNameError(InputError):
    """A name that is no one file of the data; ``entry`` is its place in what was given."""

    def __init__(self, entry: int, message: str) -> None:
        super().__init__(message)
        self.entry = entry


def rows_of(names: Sequence[str], files: Sequence[str]) -> np.ndarray:
    """The row of the data that each name means, (n,) int64.

    A name is the path of a file below the data's folder, exactly; or what that path ends with, or a path that ends with
    it, where that is so for one file alone: "angry/im0.png" and "/home/me/fold/test/angry/im0.png" both mean
    "test/angry/im0.png". Upper and lower case differ; "\\\\" is read as "/".

    Args:
        names: as they were given.
        files: the file of each row, as its path below the data's folder.

    Raises:
        FileNameError: for the first name that is no file's, or several files'.
    """
    by_path = {file: row for row, file in enumerate(files)}
    by_ending: dict[str, list[int]] = defaultdict(list)
    for row, file in enumerate(files):
        for ending in _endings(file)[1:]:
            by_ending[ending].append(row)
    rows = np.empty(len(names), np.int64)
    for entry, name in enumerate(names):
        path = str(PurePosixPath(name.strip().replace("\\", "/")))  # without "./" and "//"
        if path in by_path:
            rows[entry] = by_path[path]
            continue
        found = by_ending.get(path) or [by_path[ending] for ending in _endings(path)[1:] if ending in by_path]
        if len(found) != 1:
            raise FileNameError(entry, _complaint(name, found, files))
        rows[entry] = found[0]
    return rows


def _endings(path: str) -> list[str]:
    """ "a/b/c" -> "a/b/c", "b/c", "c" """
    parts = path.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]


def _complaint(name: str, found: Sequence[int], files: Sequence[str]) -> str:
    if not found:
        return f"{brief(name, 120)} is no file of the data, whose first is {brief(files[0], 120)}"
    several = ", ".join(brief(files[row], 80) for row in found[:3])
    return (
        f"{brief(name, 120)} may be any of {len(found)} files of the data, {several}; give its path below the folder of"
        " the data"
    )
