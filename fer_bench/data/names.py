"""The names that releases of FER data give to emotions and usages, and what they mean here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from ..errors import InputError, brief
from .dataset import EMOTIONS, LONGEST_NAME, MOST_CLASSES, USAGES

_EMOTIONS = {name: name for name in EMOTIONS} | {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "neutrality": "neutral",
}
_USAGES = {name.lower(): code for code, name in enumerate(USAGES)} | {
    "train": 0,
    "validation": 1,
    "valid": 1,
    "val": 1,
    "dev": 1,
    "test": 2,
    "testing": 2,
}


def emotion(text: str) -> str | None:
    """The emotion that a word stands for ("Happy" is "happiness"), or None.

    Words joined by "+" are a merged class: "neutral+sad" is "sadness+neutral", parts in label order.
    """
    parts = [_EMOTIONS.get(part.strip().lower()) for part in text.split("+")]
    known = [part for part in parts if part]
    if len(known) < len(parts) or len(set(known)) < len(known):
        return None
    return "+".join(sorted(known, key=EMOTIONS.index))


class Classes:
    """The classes of a data set, as a reader meets their names: those given, and in foreign data any others.

    ``names`` are the classes; a code is an index into them.
    """

    def __init__(self, names: Iterable[str] = EMOTIONS, foreign: bool = False) -> None:
        self.names = list(names)
        self.foreign = foreign

    def code(self, text: str) -> int | None:
        """The code of the class that a word stands for; None where it stands for none.

        Foreign data has at most 100, of at most 200 characters each.
        """
        name = emotion(text) or text.strip().lower()
        new = self.foreign and name and name not in self.names
        if new and len(name) <= LONGEST_NAME and len(self.names) < MOST_CLASSES:
            self.names.append(name)
        return self.names.index(name) if name in self.names else None


def subject_names(names: Sequence[str], where: str) -> np.ndarray:
    """(N,) str. Raises InputError for a name that is none: each takes as much room as the longest of them."""
    check_names(names, where)
    return np.array(names, str)


def check_names(names: Sequence[str], where: str) -> None:
    """Raises InputError for the first that is too long for a name."""
    long = next((name for name in names if len(name) > LONGEST_NAME), None)
    if long is not None:
        raise InputError(f"{where}: a name of {len(long):,} characters, {brief(long)}; {LONGEST_NAME} are the limit")


def unread_columns(there: Iterable[str], read: Collection[str], what: str = "column") -> tuple[str, ...]:
    """A text that counts and names the columns of a table that are none of those ``read``; nothing where all are."""
    rest = [name for name in there if name not in read and name.strip()]
    shown = ", ".join(brief(name[:60]) for name in rest[:5])
    return (f"{len(rest)} {what}{'' if len(rest) == 1 else 's'}: {shown}{', …' * (len(rest) > 5)}",) if rest else ()


def usage_code(text: str) -> int | None:
    """Index into ``USAGES`` of a usage as releases write it ("PublicTest", "Public Test", "train", ...), or None."""
    return _USAGES.get(re.sub(r"[\s_-]", "", text).lower())


def merged_classes(classes: tuple[str, ...], merges: Iterable[str]) -> tuple[str, ...]:
    """``classes`` with each of ``merges`` ("sadness+neutral") in the place of its first part, its other parts gone."""
    for merged in merges:
        parts = merged.split("+")
        first = min(parts, key=classes.index)
        classes = tuple(merged if name == first else name for name in classes if name == first or name not in parts)
    return classes


def slug(text: str) -> str:
    """``text`` as a name for folders: lower case letters, digits and single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "data"
