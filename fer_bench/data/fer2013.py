"""FER-2013 as CSV: Kaggle's ``fer2013.csv`` (emotion,pixels,Usage) and ``icml_face_data.csv`` (emotion, Usage,
pixels).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError
from .csv_text import Header, breaks_in_quotes, fail, malformed, missing, read_header
from .dataset import EMOTIONS, IMAGE_SIZE, USAGES
from .labels import LABEL_COLUMNS, USAGE_COLUMNS, Labels, is_beside
from .names import subject_names, unread_columns, usage_code
from .orders import Order
from .pixels import BLOCK, PIXELS, CellError, parse_pixels

if TYPE_CHECKING:
    import pyarrow as pa

#: Names of the CSV in Kaggle's downloads, preferred first.
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")


class Faces(NamedTuple):
    """What a reader returns: images (N, 48, 48) uint8, labels (N,) int8, usage (N,) int8 or None, class names.

    ``subjects`` (N,) names whom each image shows, where the reader was told where that stands. ``order`` says how label
    numbers were read; it, ``left_out`` and ``notes`` are those of ``Dataset``. ``files`` are the paths of the images
    below the data's folder, or in its archive; None where they are in no files of their own.
    """

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray | None
    classes: tuple[str, ...] = EMOTIONS
    subjects: np.ndarray | None = None
    order: str = ""
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None


#: What a reader of tables returns to whom asks for files alone.
NO_FILES = Faces(np.empty((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8), np.empty(0, np.int8), None)


class Reading(NamedTuple):
    """How data is read.

    With ``foreign``, emotions that FER-2013 lacks are classes of their own names; without, they are mistakes.
    ``subject`` is the column (of .npz: the array) that names each image's subject, or "folder", or "".
    ``order`` says what label numbers mean; None where nobody said it. With ``listing`` only ``Faces.files`` is wanted:
    nothing is decoded, and a table is not read.
    """

    foreign: bool = False
    subject: str = ""
    order: Order | None = None
    listing: bool = False


STRICT = Reading()


class _Columns(NamedTuple):
    """Columns by what they tell: the first of ``labels`` and of ``usages`` is read, the others are held against it."""

    labels: list[str]
    usages: list[str]
    beside: list[str]
    subject: str

    @property
    def read(self) -> set[str]:
        return {*self.labels, *self.usages, *self.beside, *filter(None, [self.subject]), "pixels"}


def read_csv(reopen: Callable[[], IO[bytes]], where: str, how: Reading = STRICT) -> Faces:
    """Reads a CSV with the columns emotion, pixels and, if there is one, Usage; any order, any case, spaces ignored.

    ``reopen`` opens the file from its beginning (again, where a mistake has to be located); ``where`` names it in
    messages. Pixels are 2,304 whole numbers from 0 to 255; emotions are words or numbers. Blocks of lines are split by
    pyarrow and turned into numbers by vector arithmetic, so memory stays near the size of the result. Where a cell has
    lines of its own, the file is read again in a slower way.

    Raises:
        InputError: for the first line that can't be read, with its number and column.
    """
    try:
        return _read(reopen, where, how, quoted=False)
    except InputError:
        if not breaks_in_quotes(reopen):
            raise
    return _read(reopen, where, how, quoted=True)


def _read(reopen: Callable[[], IO[bytes]], where: str, how: Reading, quoted: bool) -> Faces:
    import pyarrow as pa

    faces = bytearray()  # grows in place, where joining blocks would take the memory twice
    codes, usages = [np.empty(0, np.int8)], [np.empty(0, np.int8)]
    labels, subjects = Labels(where, how.order, how.foreign), []
    told: set[str] = set()
    with reopen() as stream:
        header = read_header(stream, where, (*LABEL_COLUMNS, *USAGE_COLUMNS, "pixels"))
        columns = _columns(header, how.subject.strip().lower())
        try:
            for block in _blocks(stream, header, columns, quoted):
                try:
                    codes.append(_label_codes(block, columns, labels, told))
                    if columns.usages:
                        usages.append(_usage_codes(block, columns.usages))
                    if columns.subject:
                        subjects += block[columns.subject].to_pylist()
                    faces += parse_pixels(block["pixels"]).data
                except CellError as error:
                    row = len(faces) // PIXELS + error.row
                    fail(reopen, header, quoted, where, row, error.column, str(error))
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(malformed(reopen, header, quoted, where, str(error))) from None

    if not faces:
        raise InputError(f"{where}: no rows below the header line; is the download complete?")
    return Faces(
        np.frombuffer(faces, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE),
        np.concatenate(codes),
        np.concatenate(usages) if columns.usages else None,
        tuple(labels.classes.names),
        subject_names(subjects, where) if columns.subject else None,
        labels.order,
        unread_columns(header.names, (columns.read - {*columns.beside}) | told),
    )


def _columns(header: Header, subject: str) -> _Columns:
    """Raises InputError where one is missing, or there twice."""
    label_columns = header.columns(LABEL_COLUMNS)
    needed = [label_columns[0] if label_columns else "emotion", "pixels", *filter(None, [subject])]
    for name in needed:
        if not header.columns([name]):
            raise missing(header, name, needed)
    known = {*LABEL_COLUMNS, *USAGE_COLUMNS, "pixels", subject}
    beside = [name for name in dict.fromkeys(header.names) if is_beside(name) and name not in known]
    return _Columns(label_columns, header.columns(USAGE_COLUMNS), beside, subject)


def _blocks(stream: IO[bytes], header: Header, columns: _Columns, quoted: bool) -> Iterator[dict[str, Any]]:
    """The columns, some lines at a time: pixels as a list of texts, the others, which repeat themselves, by
    dictionary.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [f"f{place}" for place in range(len(header.names))]  # a header may have the same name twice
    places = {names[header.place(name)]: name for name in sorted(columns.read)}
    coded = pa.dictionary(pa.int32(), pa.string())
    types = {place: pa.string() if name == "pixels" else coded for place, name in places.items()}
    for block in arrow_csv.open_csv(
        stream,
        arrow_csv.ReadOptions(column_names=names, block_size=BLOCK),
        arrow_csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=quoted),
        arrow_csv.ConvertOptions(column_types=types, include_columns=list(types)),
    ):
        found = {name: block.column(place) for place, name in places.items()}
        texts = found["pixels"].to_pylist()
        yield found | {"pixels": [" ".join(text.splitlines()) for text in texts] if quoted else texts}


def _label_codes(block: dict[str, Any], columns: _Columns, labels: Labels, told: set[str]) -> np.ndarray:
    """(n,) int8. CellError names the first label that is none, or that another column contradicts.

    The other columns that tell emotions are added to ``told``.
    """
    first, *others = columns.labels
    codes = _codes(block[first], first, labels.code, labels.complaint)
    for name in (*others, *columns.beside):
        theirs = _known(block[name], lambda text: labels.beside(text, name in LABEL_COLUMNS))  # noqa: B023  # used at once
        if (theirs >= 0).any():
            told.add(name)
        row = _contradiction(codes, theirs)
        if row is not None:
            own, other = (labels.classes.names[code] for code in (codes[row], theirs[row]))
            raise CellError(
                row,
                first,
                f"{_at(block, first, row)} is {own}, and column {name} has {_at(block, name, row)}, {other}; correct "
                "or leave out one, or say with --classes what numbers mean",
            )
    return codes


def _usage_codes(block: dict[str, Any], columns: Sequence[str]) -> np.ndarray:
    """(n,) int8. CellError names the first usage that is none, or that another column contradicts."""
    first, *others = columns
    title = "Usage" if first == "usage" else first
    codes = _codes(block[first], title, usage_code, lambda _: f"is unknown; {', '.join(USAGES)} are known")
    for name in others:
        row = _contradiction(codes, _known(block[name], usage_code))
        if row is not None:
            raise CellError(
                row, title, f"{_at(block, first, row)}, and column {name} has {_at(block, name, row)}; correct one"
            )
    return codes


def _contradiction(codes: np.ndarray, theirs: np.ndarray) -> int | None:
    """The first row where another column says something else; -1 is nothing."""
    different = (theirs >= 0) & (theirs != codes)
    return int(different.argmax()) if different.any() else None


def _at(block: dict[str, Any], name: str, row: int) -> str:
    return repr(block[name][row].as_py()[:40])


def _codes(
    column: pa.DictionaryArray, name: str, code_of: Callable[[str], int | None], complaint: Callable[[str], str]
) -> np.ndarray:
    """The code of each text, (n,) int8; CellError names the first text that has none."""
    codes = _known(column, code_of)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        text = column[row].as_py()
        raise CellError(row, name, f"{text[:40]!r} {complaint(text)}")
    return codes


def _known(column: pa.DictionaryArray, code_of: Callable[[str], int | None]) -> np.ndarray:
    """The code of each text, (n,) int8, -1 for one that has none."""
    codes = [code_of(text) for text in column.dictionary.to_pylist()]
    of_row = np.from_dlpack(column.indices)  # to_numpy() would import pandas
    return np.array([-1 if code is None else code for code in codes], np.int8)[of_row]
