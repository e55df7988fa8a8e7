"""How a system is named, wherever somebody names one: ``runner``, ``runner[parameter=value,...]``, and ``:recipe``
behind.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import InputError

_SPEC = re.compile(r"\s*([^\[\]=,:\s]+)\s*(?:\[([^\[\]]+)\])?\s*(?::\s*([^\[\]=,:\s]+)\s*)?")


class Spec(NamedTuple):
    """A system's name, taken apart; ``recipe`` is "" where the name says none."""

    runner: str
    params: dict[str, str]
    recipe: str = ""

    @property
    def model(self) -> str:
        """What is trained, without the recipe: ``runner`` or ``runner[parameter=value,...]``."""
        inside = ",".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.runner}[{inside}]" if inside else self.runner


def parse(text: str) -> Spec:
    """``"stacked-cnn[n=2,m=3]:tuned"`` -> ``Spec("stacked-cnn", {"n": "2", "m": "3"}, "tuned")``.

    Raises:
        InputError: ``text`` is not of this form, or gives a parameter twice.
    """
    match = _SPEC.fullmatch(text)
    if not match:
        raise InputError(
            f"runner {text!r}: write NAME or NAME[parameter=value,...], and :RECIPE behind it where wanted, as in "
            "stacked-cnn[n=2,m=3]:tuned"
        )
    params: dict[str, str] = {}
    for item in match[2].split(",") if match[2] else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key.isidentifier() and equals and value):
            raise InputError(f"runner {text!r}: {item.strip()!r} is not parameter=value")
        if key in params:
            raise InputError(f"runner {text!r}: parameter {key!r} is given twice")
        params[key] = value
    return Spec(match[1], params, match[3] or "")
