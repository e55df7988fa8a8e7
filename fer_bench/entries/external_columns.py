"""The columns of a table of predictions: what each tells, and whether two that tell the same agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.file_names import FileNameError, rows_of
from ..data.match import place_of
from ..data.names import emotion
from ..data.orders import ASSUMED, ORDERS, Order
from ..errors import InputError, brief
from ..scores.probabilities import ROUNDING, TOLERANCE
from .external_table import Places

if TYPE_CHECKING:
    import pandas as pd

ROW, FILE, PREDICTED = "row", "file", "predicted"
#: Columns of the truth.
TRUTH = ("emotion", "label")
#: Float64 has every whole number up to here.
_LARGEST_ROW = 2.0**53
_NUMBER = re.compile(r"\s*([0-9]{1,3})(\.0*)?\s*")


class Columns:
    """The columns of one table.

    ``truth_numbers`` (n,) int64 and ``answer_numbers`` are set once truth and answers have been read: the truth as it
    stands there, where it is numbers alone, and whether the answers are.

    Raises:
        InputError: a column twice, or an emotion in two columns, or one that is not scored here.
    """

    def __init__(self, frame: pd.DataFrame, places: Places, classes: Sequence[str], order: Order) -> None:
        self.frame, self.places, self.classes, self.order = frame, places, classes, order
        self.truth_numbers: np.ndarray | None = None
        self.answer_numbers = False
        self._columns = {str(name).strip().lower(): name for name in frame.columns}
        self._there = ", ".join(str(name)[:20] for name in frame.columns[:12])
        if len(self._columns) < len(frame.columns):
            raise InputError(f"{places.path}: two columns of the same name among {self._there}")
        self._named = self._emotions_named()

    def images(self, files: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Which row of the data each line is about, (n,) int64, and what it calls that file, where it does."""
        if FILE not in self._columns:
            if ROW not in self._columns:
                raise InputError(
                    f"{self.places.path}: no column 'row', only {self._there}; it says which row of the data, from 0, a"
                    " line is about; of a folder of images, a column 'file' names the image"
                )
            return self._rows(), ()
        if files is None:
            raise InputError(
                f"{self.places.path}: column {FILE!r} names image files, and the data is no folder of images; a column "
                "'row' is wanted, with the row of the data, from 0"
            )
        names = tuple(str(value) for value in self.frame[self._columns[FILE]])
        try:
            rows = rows_of(names, files)
        except FileNameError as error:
            raise InputError(f"{self.places.at(error.entry)}, column {FILE}: {error}") from None
        if ROW in self._columns and len(differ := np.flatnonzero(self._rows() != rows)):
            entry = int(differ[0])
            raise InputError(
                f"{self.places.at(entry)}: row is {self._cell(ROW, entry)}, but file {brief(names[entry], 120)} is row "
                f"{rows[entry]} of the data; {len(differ):,} of {len(rows):,} differ: leave one of the columns out"
            )
        return rows, names

    def truth(self) -> np.ndarray | None:
        """(n,) int64, what the table says is true, or None. InputError where two columns of it contradict each
        other.
        """
        given = [name for name in TRUTH if name in self._columns]
        found = {name: self._labels(name) for name in given}
        for name in given[1:]:
            differ = np.flatnonzero(found[name] != found[given[0]])
            if len(differ):
                entry = int(differ[0])
                both = " and ".join(
                    f"{one} is {self._cell(one, entry)} ({self.classes[found[one][entry]]})" for one in (given[0], name)
                )
                raise InputError(f"{self.places.at(entry)}: {both}; {len(differ):,} of {len(self.frame):,} contradict")
        numbers = next((values for name in given if (values := self._numbers(name)) is not None), None)
        self.truth_numbers = numbers
        return found[given[0]] if given else None

    def answers(self) -> np.ndarray | None:
        """(n,) int64, the emotions that the table says it predicted, or None."""
        if PREDICTED not in self._columns:
            return None
        self.answer_numbers = self._numbers(PREDICTED) is not None
        return self._labels(PREDICTED)

    def probabilities(self, answers: np.ndarray | None) -> np.ndarray | None:
        """(n, C) float64, or None where there are answers alone. InputError where the answers contradict them."""
        if not self._named and answers is not None:
            return None
        missing = [name for name in self.classes if name not in self._named]
        if missing:
            raise InputError(
                f"{self.places.path}: no column {', '.join(missing)}, only {self._there}; a column of probabilities for"
                " each emotion is wanted, or one column 'predicted'"
            )
        values = np.stack([self._probabilities(self.frame[self._named[name]]) for name in self.classes], axis=1)
        if answers is None:
            return values
        odd = np.flatnonzero(values[np.arange(len(answers)), answers] < values.max(axis=1))
        if len(odd):
            entry = int(odd[0])
            leads = self.classes[int(values[entry].argmax())]
            raise InputError(
                f"{self.places.at(entry)}: predicted is {self.classes[answers[entry]]}, but the largest probability is"
                f" that of {leads}; leave the column out, or the probabilities"
            )
        return values

    def unread(self, probabilities: np.ndarray | None) -> tuple[str, ...]:
        """The columns that tell nothing here.

        Raises:
            InputError: one of them belongs to the probabilities: with it, they sum to one.
        """
        known = {ROW, FILE, PREDICTED, *TRUTH}
        others = [name for key, name in self._columns.items() if key not in known and name not in self._named.values()]
        if probabilities is None or not len(probabilities):
            return tuple(map(str, others))
        off = 1 - probabilities.sum(axis=1)
        for name in others:
            values = _as_numbers(self.frame[name])
            if ((values >= 0) & (values <= 1)).all() and np.abs(off - values).sum() < np.abs(off).sum():
                entry = int(values.argmax())
                raise InputError(
                    f"{self.places.path}: column {brief(str(name))} holds probabilities, too ({values[entry]:.6g} on"
                    f" {self.places.within(entry)}), and is none of the emotions scored here:"
                    f" {', '.join(self.classes)}; leave it out, and divide the others by their sum"
                )
        return tuple(map(str, others))

    def _emotions_named(self) -> dict[str, Any]:
        """Emotion -> the column of its probabilities."""
        named: dict[str, Any] = {}
        for column in self.frame.columns:
            name = emotion(str(column))
            if name in named:
                raise InputError(
                    f"{self.places.path}: columns {brief(named[name])} and {brief(column)} are both {name}; one is"
                    " wanted"
                )
            if name is not None:
                named[name] = column
        strange = [column for name, column in named.items() if name not in self.classes]
        if strange:
            raise InputError(
                f"{self.places.path}: column {brief(strange[0])} is none of the emotions scored here: "
                f"{', '.join(self.classes)}"
            )
        return named

    def _cell(self, name: str, entry: int) -> str:
        return brief(str(self.frame[self._columns[name]].iloc[entry]))

    def _rows(self) -> np.ndarray:
        column = self.frame[self._columns[ROW]]
        numbers = _as_numbers(column)
        whole = (numbers >= 0) & (numbers < _LARGEST_ROW) & (numbers == np.floor(numbers))
        self._refuse(~whole, column, "is no row; whole numbers from 0 are wanted")
        return numbers.astype(np.int64)

    def _probabilities(self, column: pd.Series) -> np.ndarray:
        numbers = _as_numbers(column)
        inside = (numbers >= -ROUNDING) & (numbers <= 1 + TOLERANCE)
        self._refuse(~inside, column, "is no probability; numbers from 0 to 1 are wanted")
        return numbers

    def _labels(self, name: str) -> np.ndarray:
        """(n,) int64, indices into the classes; see ``place_of``."""
        column = self.frame[self._columns[name]]
        texts = [str(value) for value in column]  # astype(str) leaves what is missing as it is
        of_text = {text: place_of(self._emotion(text), self.classes) for text in set(texts)}
        labels = np.array([of_text[text] for text in texts], np.int64)
        numbers = {int(found[1]) for text in of_text if (found := _NUMBER.fullmatch(text))}
        low, high = min(self.order.names), max(self.order.names)
        whose = "FER-2013's number" if self.order.name == ASSUMED else f"--classes {self.order.name}'s number"
        complaint = f"is none of {', '.join(self.classes)}, nor {whose} of one ({low} to {high})"
        fits = [one for one, names in ORDERS.items() if numbers <= names.keys()]
        if self.order.name == ASSUMED and fits and not numbers <= self.order.names.keys():
            complaint += f"; are the numbers those of {' or '.join(fits)}? Write the emotions' names"
        without = np.array([not text for text in texts], bool)
        self._refuse(without, column, "is no answer; each image needs one: of `predict`, give the CSV of --faces none")
        self._refuse(labels < 0, column, complaint)
        return labels

    def _emotion(self, text: str) -> str:
        """The emotion of a name or of a number ("3", or "3.0" as pandas may write it); "" for neither."""
        number = _NUMBER.fullmatch(text)
        return self.order.names.get(int(number[1]), "") if number and text.isascii() else emotion(text) or ""

    def _numbers(self, name: str) -> np.ndarray | None:
        """(n,) int64, a column of emotions where all are numbers; None where one is a word."""
        found = [_NUMBER.fullmatch(str(value)) for value in self.frame[self._columns[name]]]
        return None if None in found else np.array([int(one[1]) for one in found if one], np.int64)

    def _refuse(self, bad: np.ndarray, column: pd.Series, complaint: str) -> None:
        """Raises InputError for the first entry that is bad, if any is."""
        if bad.any():
            entry = int(bad.argmax())
            value = str(column.iloc[entry])[:40]
            others = f"; {bad.sum():,} of {len(bad):,} are like that" if bad.sum() > 1 else ""
            raise InputError(f"{self.places.at(entry)}, column {str(column.name)[:60]}: {value!r} {complaint}{others}")


def _as_numbers(column: pd.Series) -> np.ndarray:
    """(n,) float64, NaN for what is no number."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
