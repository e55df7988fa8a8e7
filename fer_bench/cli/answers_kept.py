"""Everything that ``fer-bench predict`` makes of answers: what is printed, and the files that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from .answers_shown import Progress, shown_as
from .say import note, say

if TYPE_CHECKING:
    from ..inference.annotate import Annotated
    from ..inference.csv_file import CsvFile
    from ..inference.explain import Sheet
    from ..inference.model import Model
    from ..inference.predict import Answer


class Outputs:
    """Takes answers, and shows and writes them.

    Attributes:
        unread: how many sources could not be read.
    """

    def __init__(
        self,
        stack: ExitStack,
        models: Sequence[Model],
        names: Sequence[str],
        csv_path: str | None,
        annotate: str | None,
        explain: str | None,
        force: bool,
        as_json: bool,
    ) -> None:
        """Opens them; ``stack`` closes them, whatever happens."""
        self.models, self.names, self.unread = models, names, 0
        self.shown = shown_as(as_json, csv_path is not None)
        self.progress = Progress(shown=as_json or csv_path is None)
        self.csv: CsvFile | None = None
        self.annotated: Annotated | None = None
        self.sheet: Sheet | None = None
        self.explain = explain
        stack.callback(self.shown.end)
        stack.callback(self._say_files)
        if csv_path is not None:
            from ..inference.csv_file import CsvFile

            classes = dict.fromkeys(name for model in models for name in model.classes)
            self.csv = stack.enter_context(CsvFile(Path(csv_path), list(classes), force))
        if annotate is not None:
            from ..inference.annotate import Annotated

            self.annotated = stack.enter_context(Annotated(Path(annotate), models, names, force))
        if explain is not None:
            from ..inference.explain import Sheet

            self.sheet = Sheet(models, names)
            stack.callback(self._write_sheet)
        stack.callback(self.progress.end)

    def take(self, answer: Answer) -> None:
        """Shows and writes what is said of one picture."""
        from ..inference.face import Unreadable
        from ..inference.predict import rows_of

        rows = rows_of(answer, self.models, self.names)
        if isinstance(answer.picture, Unreadable):
            self.unread += 1
            say(f"{answer.picture.source}: {answer.picture.reason}")
        else:
            self.progress.looked()
        if self.annotated is not None:  # first, for it may refuse what it is given, and then nothing is written
            self.annotated.add(answer)
        if self.csv is not None:
            self.csv.write(rows)
        self.shown.show(rows)
        if self.sheet is not None:
            for title, place in _titles(answer):
                said = [one[place] for one in answer.probabilities]
                self.sheet.add(answer.faces[place], said, title)

    def _write_sheet(self) -> None:
        from ..files import durable

        assert self.sheet is not None
        assert self.explain is not None
        content = self.sheet.png()
        if content is None:
            note(f"{self.explain}: not written, for there is no face to explain")
            return
        durable.write(Path(self.explain), content)
        left = f"; {self.sheet.left_out:,} more faces are left out" if self.sheet.left_out else ""
        note(f"explained in {self.explain}{left}")

    def _say_files(self) -> None:
        if self.csv is not None and self.csv.rows:
            note(f"{self.csv.rows:,} row{'' if self.csv.rows == 1 else 's'} in {self.csv.path}")
        if self.annotated is not None and (paths := self.annotated.written):
            note(f"drawn: {paths[0]}{f' and {len(paths) - 1:,} more' if len(paths) > 1 else ''}")


def _titles(answer: Answer) -> Iterator[tuple[str, int]]:
    """What stands below each face on the sheet of explanations, and the face's place."""
    from ..inference.face import Unreadable

    if isinstance(answer.picture, Unreadable):
        return
    name = Path(answer.picture.source).name[-24:]
    frame = "" if answer.picture.frame is None else f", {answer.picture.frame}"
    for place in range(len(answer.faces)):
        yield f"{name}{frame}{f', face {place + 1}' if len(answer.faces) > 1 else ''}", place
