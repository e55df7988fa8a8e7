"""How ``fer-bench predict`` shows rows: bars on a terminal, plain lines in a pipe, JSON; and how far it has come."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import click

from ..errors import visible
from .say import QUIET, loudness, note

if TYPE_CHECKING:
    from ..inference.face import Box, Row

#: Letters of a bar, and eighths of one.
WIDTH = 16
_EIGHTHS = " ▏▎▍▌▋▊▉"
HEADER = ("file", "frame", "time", "face", "model", "emotion", "probability", "note")
#: Seconds between two looks at how far it is: on a terminal, and in lines elsewhere.
OFTEN, SELDOM = 0.25, 10.0


class Shown(Protocol):
    """What takes the rows of one picture after the other."""

    def show(self, rows: Sequence[Row]) -> None: ...

    def end(self) -> None:
        """Completes what was printed, also where the program is broken off."""
        ...


class Nothing:
    """For who wants rows in a file alone."""

    def show(self, rows: Sequence[Row]) -> None:
        pass

    def end(self) -> None:
        pass


class Json(Nothing):
    """An array, a row a line, which is closed whenever it ends."""

    def __init__(self) -> None:
        self.rows = 0

    def show(self, rows: Sequence[Row]) -> None:
        for row in rows:
            text = json.dumps(dataclasses.asdict(row), default=float)
            click.echo(f"{',' if self.rows else '['}\n {text}", nl=False)
            self.rows += 1

    def end(self) -> None:
        click.echo("\n]" if self.rows else "[]")


class Lines(Nothing):
    """A line a row, columns apart by tabs."""

    def __init__(self) -> None:
        self.begun = False

    def show(self, rows: Sequence[Row]) -> None:
        if not self.begun:
            click.echo("\t".join(HEADER))
            self.begun = True
        for row in rows:
            share = f"{row.probabilities[row.emotion]:.3f}" if row.emotion else ""
            frame, at = (row.frame, f"{row.time:.3f}") if row.time is not None else ("", "")
            place = _place(row.box) if row.emotion else ""
            cells = (row.source, frame, at, place, row.model, row.emotion, share, row.note)
            click.echo("\t".join(visible(str(cell)).replace("\t", " ") for cell in cells))


class Bars(Nothing):
    """For a terminal: all emotions of a picture's face, a column a model; of a video's frame a line for each face."""

    def show(self, rows: Sequence[Row]) -> None:
        from ..inference.predict import NO_FACE

        first = rows[0]
        if first.note not in ("", NO_FACE):  # what can't be read has been said on stderr, which is the same terminal
            return
        if first.frame is not None:
            self._frame(rows)
            return
        name = click.style(visible(first.source), bold=True)
        if not first.emotion:
            click.echo(f"{name}: {visible(first.note)}")
            return
        faces = _by_face(rows)
        click.echo(f"{name}: {len(faces)} face{'s' if len(faces) > 1 else ''}")
        for face in faces:
            self._face(face)

    def _face(self, rows: Sequence[Row]) -> None:
        emotions = list(dict.fromkeys(emotion for row in rows for emotion in row.probabilities))
        left = max(len(text) for text in (*emotions, _place(rows[0].box)))
        wide = [max(WIDTH + 6, len(row.model)) for row in rows]
        names = "  ".join(row.model.ljust(width) for row, width in zip(rows, wide, strict=True))
        click.echo(f"  {click.style(f'{_place(rows[0].box):<{left}}  {names}'.rstrip(), dim=True)}")
        for emotion in emotions:
            cells = [_cell(row, emotion, width) for row, width in zip(rows, wide, strict=True)]
            click.echo(f"  {emotion:<{left}}  {'  '.join(cells)}".rstrip())

    def _frame(self, rows: Sequence[Row]) -> None:
        minutes, seconds = divmod(rows[0].time or 0.0, 60)
        begin = f"{visible(rows[0].source)} {rows[0].frame:>6} {minutes:3.0f}:{seconds:05.2f}"
        if not rows[0].emotion:
            click.echo(f"{begin}  {visible(rows[0].note)}")
            return
        for face in _by_face(rows):
            names = len(face) > 1
            said = [f"{f'{row.model}: ' if names else ''}{row.emotion:<9} {_cell(row, row.emotion)}" for row in face]
            click.echo(f"{begin}  {_place(face[0].box):<20}  {'  '.join(said)}")


class Progress:
    """How many frames have been looked at, and how many a second, on stderr."""

    def __init__(self, shown: bool) -> None:
        """``shown``: whether rows are printed on the terminal, which tell it as well."""
        self.frames, self.start = 0, time.monotonic()
        self.last = self.start
        self.live = sys.stderr.isatty()
        self.silent = loudness() <= QUIET or (shown and sys.stdout.isatty())

    def looked(self) -> None:
        """Notes one more picture."""
        self.frames += 1
        now = time.monotonic()
        if self.silent or now - self.last < (OFTEN if self.live else SELDOM):
            return
        self.last = now
        if self.live:
            click.echo(f"\r{self._text()}\x1b[K", err=True, nl=False)
        else:
            note(self._text())

    def end(self) -> None:
        """Clears what is live, and says the sum where it took long."""
        if self.silent:
            return
        if self.live and self.last > self.start:
            click.echo("\r\x1b[K", err=True, nl=False)
        if self.last > self.start:
            note(self._text())

    def _text(self) -> str:
        seconds = time.monotonic() - self.start
        pictures = f"{self.frames:,} picture{'' if self.frames == 1 else 's'}"
        return f"{pictures} in {seconds:.0f} s, {self.frames / max(seconds, 1e-3):.1f} a second"


def shown_as(as_json: bool, in_file: bool) -> Shown:
    """How rows are printed: as JSON where asked for, not at all where a file takes them, else for who looks."""
    if as_json:
        return Json()
    if in_file:
        return Nothing()
    return Bars() if sys.stdout.isatty() else Lines()


def _by_face(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of one picture, those of a face together: every face has one from each model, in the same order."""
    models = len(dict.fromkeys(row.model for row in rows))
    return [list(rows[at : at + models]) for at in range(0, len(rows), models)]


def _place(box: Box | None) -> str:
    return "whole picture" if box is None else f"{box.left},{box.top} {box.width}x{box.height}"


def _cell(row: Row, emotion: str, width: int = WIDTH + 6) -> str:
    """A bar and its percentage, bold where it is the most probable one."""
    share = row.probabilities.get(emotion)
    if share is None:  # this model does not know it
        return " " * width
    text = f"{bar(share):<{WIDTH}} {100 * share:3.0f} %".ljust(width)
    return click.style(text, bold=True, fg="green") if emotion == row.emotion else text


def bar(share: float) -> str:
    """A share of one as blocks, to an eighth of a letter.

    >>> bar(0.5)
    '████████'
    """
    whole, rest = divmod(round(8 * WIDTH * share), 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")
