"""What stands in a cell or an array of labels: a word or a number, and which class it stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InputError, brief
from .dataset import EMOTIONS
from .names import Classes, emotion
from .orders import ASSUMED, ORDERS, Order, order_of

#: Columns that say which emotion an image shows, under the names that tables have for it.
LABEL_COLUMNS = ("emotion", "label", "labels")
#: Columns that say to which part an image belongs.
USAGE_COLUMNS = ("usage", "split")
#: Other columns that may name the emotion, too ("emotion_name", "class"); not what a model says, or what was corrected.
_BESIDE = re.compile(r"^(?!.*(pred|old|orig|noisy)).*(emotion|label|class|expression|target|category)")
_WHOLE = re.compile(r"(0|[1-9][0-9]{0,2})(\.0*)?")


def number_of(value: object) -> int | None:
    """3 of 3, 3.0, "3" and "3.0", as pandas writes what had a gap; None of anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if 0 <= value < 1000 and value == int(value) else None
    found = _WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(found[1]) if found else None


def folder_number(name: str) -> int | None:
    """The same of a folder's name, which may have zeros before it, to be sorted by: "03"."""
    return number_of(name.lstrip("0") or name[:1])


def is_beside(column: str) -> bool:
    """Whether a column of this name, in lower case, may have the emotion in words beside the column that is read."""
    return bool(_BESIDE.search(column))


def folder_word(name: str, order: Order | None) -> str:
    """What a folder is called; where it is called a number and an ``order`` was given, the emotion that it means
    there.
    """
    number = folder_number(name)
    return name if number is None or order is None else order.names.get(number, name)


def _renumbered(order: Order, names: Sequence[int], given: bool, where: str) -> Order:
    """What the places of ``names`` mean, which a data set has for its numbers and which are numbers themselves.

    So stores Hugging Face what stood in folders 1 to 7: as 0 to 6.

    Raises:
        InputError: nobody gave the order, or a number is none of its.
    """
    strange = [number for number in names if number not in order.names]
    if not given or strange:
        shown = ", ".join(map(str, names[:12]))
        what = f"; {strange[0]} is none of --classes {order.name[:80]}" if given else ""
        raise InputError(
            f"{where}: the names of its classes are numbers, {shown}, which mean nothing by themselves{what}; give "
            "--classes raf-db, affectnet, ... or the emotions in the order of those numbers"
        )
    return Order(order.name, {place: order.names[number] for place, number in enumerate(names)})


class Labels:
    """Turns labels into indices into ``classes``, and remembers whether numbers were among them.

    ``stated`` are the names that the data has for its numbers, in their order. Without, they mean what ``order`` says,
    or where that is None, what they mean in FER-2013. Foreign data has classes of other names, but none named by a
    number.

    Raises:
        InputError: the stated names are no different emotions, or contradict the order that was given.
    """

    def __init__(
        self, where: str, order: Order | None = None, foreign: bool = False, stated: Sequence[str] | None = None
    ) -> None:
        self._order = order or order_of(None)
        self._stated = stated is not None
        self._numbered = False
        if stated is not None and not stated:
            raise InputError(f"{where}: its list of classes is empty; leave it out, or name the classes in it")
        start: Sequence[str] = EMOTIONS
        if stated and all(number_of(name) is not None for name in stated):
            self._order = _renumbered(self._order, [number_of(name) or 0 for name in stated], order is not None, where)
        elif stated is not None:
            own = [emotion(name) or (name.strip().lower() if foreign else "") for name in stated]
            if "" in own or len(set(own)) < len(own):
                strange = next((name for name, known in zip(stated, own, strict=True) if not known), "")
                raise InputError(
                    f"{where}: classes {brief(', '.join(stated), 120)} aren't all different known emotions"
                    + (f": {brief(strange)} is none" if strange else "")
                )
            for number, name in enumerate(own):
                if order and order.names.get(number, name) != name:
                    raise InputError(
                        f"{where}: names its numbers itself, {number} {name}; --classes says {number} "
                        f"{order.names[number]}: leave it out, or correct it"
                    )
            self._order = Order("", dict(enumerate(own)))
            start = EMOTIONS if set(own) == set(EMOTIONS) else own
        self.classes = Classes(start, foreign)

    @property
    def order(self) -> str:
        """How numbers were read, as ``Dataset.order`` has it: "" where there were none, or the data names them."""
        return self._order.name if self._numbered else ""

    def code(self, value: object) -> int | None:
        """Of the class that a label stands for; None where it stands for none, and ``complaint`` says why."""
        number = number_of(value)
        if number is not None:
            name = self._order.names.get(number)
            self._numbered = True
            return None if name is None else self.classes.code(name)
        word = self._word(value)
        return None if word is None else self.classes.code(word)

    def beside(self, value: object, numbers: bool) -> int | None:
        """The same for a label in another column, which makes no new class; None for what is no emotion of this
        data.
        """
        number, word = number_of(value), self._word(value)
        name = None if word is None else emotion(word)
        if number is not None:
            name = self._order.names.get(number) if numbers else None
        return self.classes.names.index(name) if name in self.classes.names else None

    def complaint(self, value: object) -> str:
        """Why a value that has no code is no label."""
        number = number_of(value)
        if number is None:
            return f"is no label; known are {', '.join(self.classes.names)[:120]}, and numbers from {self._range()}"
        if number in self._order.names:
            return f"is no label here: {self._order.names[number]} is none of {', '.join(self.classes.names)[:120]}"
        if self._stated or self._order.name != ASSUMED:
            return f"is no label; numbers from {self._range()} are known"
        others = ", ".join(name for name in ORDERS if name != "fer2013")
        return (
            f"is no label; FER-2013's numbers go from {self._range()}: say what the numbers mean with --classes"
            f" {others}, or with the emotions in their order"
        )

    def _range(self) -> str:
        return f"{min(self._order.names)} to {max(self._order.names)}"

    def _word(self, value: object) -> str | None:
        """A label that is a text; of foreign data, whose classes have any names, not one that looks like a number."""
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if not isinstance(text, str):
            return None
        return None if re.fullmatch(r"\s*[-+]?[0-9.]+(e[-+]?[0-9]+)?\s*|\s*(nan|null)\s*", text.lower()) else text
