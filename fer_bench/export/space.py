"""The report as a static Space of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..records.store import SHEETS
from ..report.write import README

#: What the Hub wants to know of a Space, before the report's own README.
HEADER = "---\ntitle: fer-bench\nemoji: 🙂\ncolorFrom: indigo\ncolorTo: gray\nsdk: static\npinned: false\n---\n\n"


def space_files(root: Path, written: Iterable[Path]) -> dict[str, Path | bytes]:
    """The files of a report, by their paths in the Space; those with faces of the data set stay here.

    Args:
        root: the results folder.
        written: the report's files in it.
    """
    names = {path.relative_to(root).as_posix(): path for path in written}
    files: dict[str, Path | bytes] = {name: path for name, path in names.items() if not name.startswith(f"{SHEETS}/")}
    files[README] = HEADER.encode() + names[README].read_bytes()
    return files
