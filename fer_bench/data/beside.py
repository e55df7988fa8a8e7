"""Tables that lie beside image folders and say of the images what their folders say too, or something else."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from ..errors import InputError, brief
from .contents import columns
from .dataset import USAGES
from .labels import LABEL_COLUMNS, USAGE_COLUMNS, folder_word, is_beside, number_of
from .names import emotion, usage_code
from .orders import Order
from .tree import Tree

#: What is in the names of columns that name an image's file. Those of labels are as in a table of faces.
_FILES = re.compile(r"file|path|pth|im(age|g)|pic|photo|datei|bild|^name$")
_NUMBERED = (*LABEL_COLUMNS, "expression", "class", "target", "category")
_PARTS = (*USAGE_COLUMNS, "set", "subset", "partition")
#: A list of the files of a set is no larger.
_MOST_BYTES = 256 << 20


def check_beside(
    tree: Tree,
    tables: Sequence[PurePosixPath],
    told: Mapping[PurePosixPath, tuple[str, int | None]],
    order: Order | None,
) -> None:
    """Holds what tables say of images, one a row, against the images' folders, which have ``told`` emotions and parts.

    A row is compared where it names an image's file, and the emotion as a word, or as a number of which ``order`` says
    the meaning, or whether it is for training.

    Raises:
        InputError: the first row that contradicts a folder, with both.
    """
    by_name: dict[str, set[tuple[str, int | None]]] = {}
    for path, both in told.items():
        by_name.setdefault(path.name, set()).add(both)
    for table in tables:
        names = columns(tree, table)
        labels = [place for place, name in enumerate(names) if is_beside(name)]
        parts = [place for place, name in enumerate(names) if name in _PARTS]
        rest = [place for place, name in enumerate(names) if place not in labels and _FILES.search(name)]
        if not rest or not (labels or parts):
            continue
        with tree.open(table, _MOST_BYTES) as stream:
            content = stream.read()
        where = f"{tree.path}: {brief(table, 120)}"
        for line, row in _rows(content, where, max(rest[0], *labels, *parts)):
            path = PurePosixPath(row[rest[0]].replace("\\", "/"))
            alike = {told[path]} if path in told else by_name.get(path.name, set())
            emotions, usages = {name for name, _ in alike}, {usage for _, usage in alike}
            there = emotions.pop() if len(emotions) == 1 else emotion(folder_word(path.parent.name, order))
            usage = usages.pop() if len(usages) == 1 else None
            for place in labels:
                said = _emotion(row[place], names[place], order)
                if said and there and said not in there.split("+"):
                    raise _contradiction(where, line, path, said, there)
            for place in parts:
                part = usage_code(row[place])
                if part is not None and usage is not None and (part == 0) != (usage == 0):
                    raise _contradiction(where, line, path, f"of {USAGES[part]}", f"of {USAGES[usage]}")


def _emotion(text: str, column: str, order: Order | None) -> str | None:
    """What a cell says; numbers of an order that was given are labels in columns called so, and not those of scores."""
    if order is not None and column in _NUMBERED and (number := number_of(text)) is not None:
        return order.names.get(number)
    return emotion(text)


def _contradiction(where: str, line: int, path: PurePosixPath, said: str, there: str) -> InputError:
    return InputError(
        f"{where}, line {line}: {brief(str(path), 80)} is {said} there, and {there} by its folder; correct one of them,"
        " or take the table away to go by the folders"
    )


def _rows(content: bytes, where: str, last: int) -> Iterator[tuple[int, list[str]]]:
    """The rows that have a cell at place ``last``, and the number of the line on which each ends."""
    first, _, _ = content.partition(b"\n")
    rows = csv.reader(
        io.StringIO(content.decode("utf-8-sig", "replace"), newline=""),
        delimiter=max(",;\t", key=lambda mark: first.count(mark.encode())),
    )
    try:
        yield from ((rows.line_num, row) for row in rows if len(row) > last)
    except csv.Error as error:
        raise InputError(f"{where}, line {rows.line_num}: not readable as CSV ({error}); mend or remove it") from None
