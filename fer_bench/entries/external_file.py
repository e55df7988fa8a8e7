"""Predictions made elsewhere, as a file holds them: a table with a line for each image, or a run's predictions.npz."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..data.dataset import EMOTIONS
from ..data.fer2013 import LONGEST_LINE
from ..data.match import place_of
from ..data.names import emotion
from ..errors import InputError, brief
from ..files import inside
from ..files.npz import load_npz
from ..records.store import PREDICTIONS

if TYPE_CHECKING:
    import pandas as pd

#: How far from one the probabilities of an image may sum: what rounding to two or three digits does.
TOLERANCE = 0.05
#: Float64 has every whole number up to here.
_LARGEST_ROW = 2.0**53
_MOST_BYTES = 256 << 20


@dataclass(frozen=True)
class Places:
    """Where the entries of a file stand, for people."""

    path: Path
    unit: str
    numbers: Sequence[int]

    def within(self, entry: int) -> str:
        """ "line 12" """
        return f"{self.unit} {self.numbers[entry]}"

    def at(self, entry: int) -> str:
        """ "predictions.csv, line 12" """
        return f"{self.path}, {self.within(entry)}"


class Outside(NamedTuple):
    """Predictions in the order of their file, one entry an image.

    rows: (n,) int64, rows of the data set as the file counts them. probabilities: (n, C) float16 or float32. answers:
    whether the file had answers alone, which are then one-hot. truth: (n,) int64, indices into the classes, or None.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    answers: bool
    truth: np.ndarray | None
    places: Places


def read_outside(path: Path, classes: Sequence[str]) -> Outside:
    """Reads a .csv (also .csv.gz), .parquet or .npz file of predictions, or the predictions.npz of a run's folder.

    A table has the column ``row``, and either a column of probabilities for each of ``classes`` under any name that
    data.names knows, or the column ``predicted`` with emotions by name or FER-2013's number. ``emotion`` or ``label`` is
    the truth. An .npz file has arrays ``rows``, ``probabilities`` and, if there, ``labels``, as runs write them.

    Raises:
        InputError: nothing there, unreadable, something missing, or a value that is no row, probability or emotion.
    """
    if path.is_dir():
        path /= PREDICTIONS
        inside.check(path.parent, path)
        if not path.exists():
            raise InputError(f"folder {path.parent} holds no {PREDICTIONS}; name a run's folder, or a file")
    if not path.is_file():
        raise InputError(f"{path}: not a plain file" if path.exists() else f"no such file: {path}")
    outside = _read_npz(path) if path.suffix.lower() == ".npz" else _read_table(path, classes)
    if not len(outside.rows):
        raise InputError(f"{path}: no predictions in it")
    if outside.probabilities.shape != (len(outside.rows), len(classes)):
        raise InputError(
            f"{path}: probabilities of shape {brief(outside.probabilities.shape)} do not fit {len(outside.rows)} rows and the "
            f"{len(classes)} emotions {', '.join(classes)}"
        )
    _check_sums(outside, classes)
    truth = outside.truth
    if truth is not None and len(odd := np.flatnonzero((truth < 0) | (truth >= len(classes)))):
        raise InputError(f"{outside.places.at(odd[0])}: label {truth[odd[0]]} is none of 0 to {len(classes) - 1}")
    return outside


def _read_npz(path: Path) -> Outside:
    arrays = load_npz(path)
    there = ", ".join(arrays)[:120]
    missing = [name for name in ("rows", "probabilities") if name not in arrays]
    if missing:
        raise InputError(f"{path}: no array {missing[0]!r}, only {there or 'nothing'}")
    rows, probabilities, labels = arrays["rows"], arrays["probabilities"], arrays.get("labels")
    for name, array, kinds in (("rows", rows, "iu"), ("labels", labels, "iu"), ("probabilities", probabilities, "f")):
        if array is not None and (
            array.dtype.kind not in kinds or (name != "probabilities" and array.shape != rows.shape)
        ):
            raise InputError(
                f"{path}: array {name!r} is {brief(array.dtype)} {brief(array.shape)}; see predictions.npz of a run"
            )
    if rows.ndim != 1:
        raise InputError(f"{path}: array 'rows' is {brief(rows.shape)}; one row number an image is wanted")
    return Outside(
        rows.astype(np.int64),
        probabilities if probabilities.dtype == np.float16 else probabilities.astype(np.float32),
        False,
        None if labels is None else labels.astype(np.int64),
        Places(path, "entry", range(len(rows))),
    )


def _read_table(path: Path, classes: Sequence[str]) -> Outside:
    frame, places = _frame(path)
    columns = {str(name).strip().lower(): name for name in frame.columns}
    there = ", ".join(str(name)[:20] for name in frame.columns[:12])
    if len(columns) < len(frame.columns):
        raise InputError(f"{path}: two columns of the same name among {there}")
    if "row" not in columns:
        raise InputError(
            f"{path}: no column 'row', only {there}; it says which row of the data, from 0, a line is about"
        )
    rows = _rows(frame[columns["row"]], places)
    truth = next((columns[name] for name in ("emotion", "label") if name in columns), None)
    labels = None if truth is None else _emotions(frame[truth], classes, places)
    answers = _emotions(frame[columns["predicted"]], classes, places) if "predicted" in columns else None
    named = _named(path, frame, classes)
    if not named and answers is not None:
        return Outside(rows, np.eye(len(classes), dtype=np.float16)[answers], True, labels, places)
    missing = [name for name in classes if name not in named]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}, only {there}; a column of probabilities for each emotion is "
            "wanted, or one column 'predicted'"
        )
    probabilities = np.stack([_probabilities(frame[named[name]], places) for name in classes], axis=1)
    if answers is not None:
        best = probabilities.max(axis=1)
        if len(odd := np.flatnonzero(probabilities[np.arange(len(answers)), answers] < best)):
            entry = int(odd[0])
            leads = classes[int(probabilities[entry].argmax())]
            raise InputError(
                f"{places.at(entry)}: predicted is {classes[answers[entry]]}, but the largest probability is that of {leads}; "
                "leave the column out, or the probabilities"
            )
    return Outside(rows, probabilities.astype(np.float32), False, labels, places)


def _frame(path: Path) -> tuple[pd.DataFrame, Places]:
    """The table, of a CSV as text, and where each of its rows stands."""
    import pandas as pd

    from ..files.parquet import read_table

    if path.suffix.lower() == ".parquet":
        frame = read_table(path).to_pandas().reset_index(drop=True)
        return frame, Places(path, "entry", range(len(frame)))
    try:
        lines = pd.read_csv(
            io.BytesIO(_text(path)),
            header=None, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig",
        )  # fmt: skip
    except pd.errors.EmptyDataError:
        lines = pd.DataFrame()
    except ValueError as error:
        raise InputError(f"{path}: not readable as CSV ({' '.join(str(error).split())[:120]})") from None
    lines = lines[~(lines.isna() | (lines == "")).all(axis=1)]
    if lines.empty:
        raise InputError(f"{path}: empty; a first line such as row,{','.join(EMOTIONS)} is wanted")
    frame = lines.iloc[1:].set_axis(lines.iloc[0].astype(str), axis=1)
    return frame, Places(path, "line", (frame.index + 1).tolist())


def _text(path: Path) -> bytes:
    """The table as it stands in a .csv or .csv.gz file.

    Raises:
        InputError: it can't be read, or breaks a limit: predictions of a test part have some megabytes.
    """
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not readable as CSV ({' '.join(str(error).split())[:120]})") from None
    if len(text) > _MOST_BYTES:
        raise InputError(
            f"{path}: more than {_MOST_BYTES:,} bytes; predictions have a line for each image of the test part"
        )
    if len((text[: LONGEST_LINE + 1].splitlines() or [b""])[0]) > LONGEST_LINE:
        raise InputError(
            f"{path}: a first line of more than {LONGEST_LINE:,} bytes; one such as row,{','.join(EMOTIONS)} is wanted"
        )
    return text


def _named(path: Path, frame: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Emotion -> the column of its probabilities."""
    named: dict[str, Any] = {}
    for column in frame.columns:
        name = emotion(str(column))
        if name in named:
            raise InputError(f"{path}: columns {brief(named[name])} and {brief(column)} are both {name}; one is wanted")
        if name is not None:
            named[name] = column
    strange = [column for name, column in named.items() if name not in classes]
    if strange:
        raise InputError(
            f"{path}: column {brief(strange[0])} is none of the emotions scored here: {', '.join(classes)}"
        )
    return named


def _numbers(column: pd.Series) -> np.ndarray:
    """(n,) float64, NaN for what is no number."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _rows(column: pd.Series, places: Places) -> np.ndarray:
    numbers = _numbers(column)
    whole = (numbers >= 0) & (numbers < _LARGEST_ROW) & (numbers == np.floor(numbers))
    _refuse(~whole, column, places, "is no row; whole numbers from 0 are wanted")
    return numbers.astype(np.int64)


def _probabilities(column: pd.Series, places: Places) -> np.ndarray:
    numbers = _numbers(column)
    inside = (numbers >= 0) & (numbers <= 1 + TOLERANCE)
    _refuse(~inside, column, places, "is no probability; numbers from 0 to 1 are wanted")
    return numbers


def _emotions(column: pd.Series, classes: Sequence[str], places: Places) -> np.ndarray:
    """(n,) int64, indices into ``classes``; see ``place_of``."""
    texts = [str(value) for value in column]  # astype(str) leaves what is missing as it is
    of_text = {text: place_of(_emotion(text), classes) for text in set(texts)}
    labels = np.array([of_text[text] for text in texts], np.int64)
    last = len(EMOTIONS) - 1
    _refuse(labels < 0, column, places, f"is none of {', '.join(classes)}, nor FER-2013's number of one (0 to {last})")
    return labels


def _emotion(text: str) -> str:
    """The emotion of a name or of one of FER-2013's numbers ("3", or "3.0" as pandas may write it); "" for neither."""
    number = text.strip().removesuffix(".0")
    if number.isascii() and number.isdigit() and int(number) < len(EMOTIONS):
        return EMOTIONS[int(number)]
    return emotion(text) or ""


def _refuse(bad: np.ndarray, column: pd.Series, places: Places, complaint: str) -> None:
    """Raises InputError for the first entry that is bad, if any is."""
    if bad.any():
        entry = int(bad.argmax())
        value = str(column.iloc[entry])[:40]
        others = f"; {bad.sum():,} of {len(bad):,} are like that" if bad.sum() > 1 else ""
        raise InputError(f"{places.at(entry)}, column {str(column.name)[:60]}: {value!r} {complaint}{others}")


def _check_sums(outside: Outside, classes: Sequence[str]) -> None:
    values = outside.probabilities.astype(np.float64)
    for wrong, complaint in ((~np.isfinite(values), "no number"), (values < 0, "negative")):
        if wrong.any():
            entry, place = np.argwhere(wrong)[0]
            raise InputError(
                f"{outside.places.at(int(entry))}, {classes[place]}: {values[entry, place]} is no probability: {complaint}"
            )
    sums = values.sum(axis=1)
    far = np.flatnonzero(np.abs(sums - 1) > TOLERANCE)
    if len(far):
        raise InputError(
            f"{outside.places.at(int(far[0]))}: the probabilities sum to {sums[far[0]]:.6g}, not to 1; {len(far):,} of "
            f"{len(sums):,} are like that (logits, or percent?)"
        )
