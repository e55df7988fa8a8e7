"""Rows as a CSV file that grows line by line, and is whole whenever the program ends."""

from __future__ import annotations

import csv
import errno
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import InputError, encodable
from ..files.cells import plain_cell
from .face import Row

#: Before the probabilities and behind them. To ``score``, ``predicted`` is the answer and ``emotion`` the truth.
FIRST = ("file", "frame", "time", "left", "top", "width", "height", "detector score")
LAST = ("predicted", "model", "note")


class CsvFile:
    """A file with a line for each row: where the face is, the probability of each emotion, and the most probable one.

    Lines are written whole, as they come, so that the file can be followed. It is made with the first of them: where
    nothing was read, nothing is replaced.
    """

    def __init__(self, path: Path, classes: Sequence[str], force: bool = False) -> None:
        """Raises InputError where the file is there, unless ``force`` replaces it, or its folder is not.

        Args:
            path: of the file.
            classes: the emotions of all models, each a column.
            force: whether a file that is there is replaced.
        """
        check_place(path, force)
        self.path, self.classes, self.force = path, tuple(classes), force
        self.rows = 0
        self._file: io.FileIO | None = None

    def write(self, rows: Iterable[Row]) -> None:
        """Adds a line for each row. Raises OSError where that can't be done; no line is then left half written."""
        lines = [self._cells(row) for row in rows]
        if self._file is None:
            self._file = self._opened()
            self._append([[*FIRST, *map(plain_cell, self.classes), *LAST]])
        self._append(lines)
        self.rows += len(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def _opened(self) -> io.FileIO:
        if self.force:
            self.path.unlink(missing_ok=True)  # who reads the old one, or has a link to it, keeps it
        return io.FileIO(self.path, "x")

    def _append(self, lines: Sequence[Sequence[str]]) -> None:
        assert self._file is not None
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        content = text.getvalue().encode()
        before = self._file.tell()
        written = self._file.write(content)  # one call of the system, which no signal cuts in two
        if written != len(content):
            self._file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def _cells(self, row: Row) -> list[str]:
        box = row.box
        place = [None] * 5 if box is None else [box.left, box.top, box.width, box.height, box.score]
        numbers = [row.frame, row.time, *place]
        said = [row.probabilities.get(name) for name in self.classes]
        return [
            plain_cell(encodable(row.source)),
            *("" if number is None else _text(number) for number in (*numbers, *said)),
            plain_cell(row.emotion),
            plain_cell(row.model),
            plain_cell(encodable(row.note)),
        ]


def check_place(path: Path, force: bool) -> None:
    """Raises InputError where a file can't be made: it is there and not to be replaced, or its folder is not there."""
    if str(path) == "-":
        raise InputError("-: name a file; without --csv, rows go to stdout")
    if path.is_dir():
        raise InputError(f"{path}: a folder; name a file")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a plain file; name another")
    if path.exists() and not force:
        raise InputError(f"{path}: is there already; --force replaces it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: no folder {path.parent}; make it first")


def _text(number: float) -> str:
    """Nine digits tell every float32 from all others."""
    return str(number) if isinstance(number, int) else f"{number:.9g}"
