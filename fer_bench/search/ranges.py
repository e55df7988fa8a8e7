"""What a search may give a field of a recipe: numbers between two, some values, yes or no."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InputError, brief

Kind = Literal["float", "int", "choice", "bool"]
#: Kind -> the words of its table, beside ``type``.
WORDS: dict[str, tuple[str, ...]] = {
    "float": ("low", "high", "log"),
    "int": ("low", "high", "step", "log"),
    "choice": ("choices",),
    "bool": (),
}
Value = str | float | int | bool
#: More values of one choice are no choice that anybody made.
MOST_CHOICES = 1000


@dataclass(frozen=True)
class Range:
    """The values that one field of a recipe may get.

    Attributes:
        name: the field, dotted where it is a part's: "learning_rate", "augmentation.flip", "options.C".
        kind: "float" and "int" from ``low`` to ``high``, both included; "choice" one of ``choices``; "bool".
        log: whether equal ratios are equally likely, not equal differences.
        step: of an "int", from ``low`` on.
    """

    name: str
    kind: Kind
    low: float = 0
    high: float = 0
    log: bool = False
    step: int = 1
    choices: tuple[Value, ...] = ()

    def told(self) -> dict[str, Any]:
        """The table of a space file that says this."""
        words = {"type": self.kind} | {word: getattr(self, word) for word in WORDS[self.kind]}
        if self.kind == "int" and self.step == 1:
            del words["step"]
        if not self.log:
            words.pop("log", None)
        return words | ({"choices": list(self.choices)} if self.choices and self.kind == "choice" else {})

    def holds(self, value: object) -> bool:
        """Whether a value is one of these."""
        if self.kind in ("choice", "bool"):
            known = self.choices if self.kind == "choice" else (False, True)
            return any(type(value) is type(one) and value == one for one in known)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.kind == "float" or (isinstance(value, int) and (value - int(self.low)) % self.step == 0)

    @property
    def values(self) -> tuple[Value, ...]:
        """Values that show of what type all are: the choices, or the two ends."""
        return {"choice": self.choices, "bool": (False, True)}.get(self.kind, (self.low, self.high))

    @property
    def words(self) -> str:
        """In a few words: "0.0001 to 0.01, by ratio"."""
        if self.kind == "bool":
            return "yes or no"
        if self.kind == "choice":
            return ", ".join(map(str, self.choices))
        step = f", in steps of {self.step}" if self.kind == "int" and self.step > 1 else ""
        return f"{self.low:g} to {self.high:g}{', by ratio' if self.log else ''}{step}"


def read_range(name: str, told: object, where: str) -> Range:
    """The range that a table says: ``{type = "float", low = 1e-4, high = 1e-2, log = true}``.

    Args:
        name: of the field, which is not looked at here.
        told: the table.
        where: what it stands in, for messages.

    Raises:
        InputError: it is no such table, lacks a word or has one too many, a value is of another type, or the range is
            empty.
    """
    place = f"{where}: {name}"
    if not isinstance(told, Mapping):
        raise InputError(f'{place} = {brief(told)}: a table is wanted, as {{type = "float", low = 0.1, high = 1.0}}')
    kind = told.get("type")
    if kind not in WORDS:
        raise InputError(f"{place}: type {brief(kind)} is none of {', '.join(WORDS)}")
    extra = [word for word in told if word not in ("type", *WORDS[kind])]
    if extra:
        known = ", ".join(WORDS[kind]) or "nothing else"
        raise InputError(f"{place}: {brief(extra[0])} says nothing of type {kind}, which has {known}")
    if kind == "choice":
        return Range(name, kind, choices=_choices(told, place))
    if kind == "bool":
        return Range(name, kind)
    return _between(name, kind, told, place)


def _choices(told: Mapping[str, object], place: str) -> tuple[Value, ...]:
    choices = told.get("choices")
    if not isinstance(choices, list | tuple) or not 1 <= len(choices) <= MOST_CHOICES:
        raise InputError(f"{place}: choices = {brief(choices)}: a list of 1 to {MOST_CHOICES:,} values is wanted")
    for value in choices:
        if not isinstance(value, str | bool | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError(f"{place}: {brief(value)} is no value of a choice: a text, a number, true or false")
    if len({(type(value), value) for value in choices}) < len(choices):
        raise InputError(f"{place}: choices = {brief(list(choices))} has a value twice")
    return tuple(choices)


def _between(name: str, kind: Kind, told: Mapping[str, object], place: str) -> Range:
    low, high = (_end(kind, told.get(word), f"{place}: {word}") for word in ("low", "high"))
    if low > high:
        raise InputError(f"{place}: low = {low} is above high = {high}, which leaves nothing between them")
    log, step = told.get("log", False), told.get("step", 1)
    if not isinstance(log, bool):
        raise InputError(f"{place}: log = {brief(log)}: true or false is wanted")
    if isinstance(step, bool) or not isinstance(step, int) or step < 1:
        raise InputError(f"{place}: step = {brief(step)}: a whole number from 1 on is wanted")
    if log and low <= 0:
        raise InputError(f"{place}: low = {low}: where log is true, it is above 0")
    if log and step > 1:
        raise InputError(f"{place}: log and step = {step} contradict each other; leave one of them out")
    return Range(name, kind, low, high, log, step)


def _end(kind: Kind, value: object, place: str) -> float:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if kind == "int" else float(value)
    if kind == "float" and isinstance(value, float) and math.isfinite(value):
        return value
    what = "whole number" if kind == "int" else "number"
    raise InputError(f"{place} = {brief(value)}: a {what} is wanted")
