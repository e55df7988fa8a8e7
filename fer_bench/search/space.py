"""Search spaces: which fields of a runner's recipe a study varies, and how far; a TOML file for each runner."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ..api import registry
from ..api.recipe import NamedRecipe, Recipe
from ..api.runner import Runner
from ..errors import InputError, brief
from ..files import inside
from .fields import check_field, value_of
from .ranges import Range, read_range

#: A space has some kilobytes, and no more fields than a recipe.
MOST_BYTES, MOST_RANGES = 1 << 20, 100
_KEYS = ("runner", "base", "space")


@dataclass(frozen=True)
class Space:
    """What a study varies of the recipe of a runner that is called ``base``: ``ranges``, in the order of their file.

    ``origin`` is the file, or what else says it, for people.
    """

    runner: str
    base: str
    recipe: Recipe
    ranges: tuple[Range, ...]
    origin: str

    def told(self) -> dict[str, dict[str, Any]]:
        """The ranges as tables by the names of their fields, as JSON can have them."""
        return {one.name: one.told() for one in self.ranges}

    @property
    def base_values(self) -> dict[str, Any] | None:
        """The values that the recipe has in the fields of the space; None where one of them is not in its range."""
        values = {one.name: value_of(self.recipe, one.name) for one in self.ranges}
        return values if all(one.holds(values[one.name]) for one in self.ranges) else None


def space_of(name: str, recipe: str | NamedRecipe = "", file: Path | None = None) -> Space:
    """The search space of a runner, each range held against the recipe that it changes.

    Args:
        name: of the runner.
        recipe: the recipe that is the base, or the name of one of the runner's own; "" for the one that the space
            names, else "tuned" where there is one, else the runner's first.
        file: a space of the user's own; None takes the one that comes with the runner.

    Raises:
        InputError: there is no such file, or no space of that runner; it can't be read, is of another runner, names
            another recipe than ``recipe`` (in a file of the user's own), or a range is none.
    """
    runner = registry.get(name)
    where, told = _told(name, runner, file)
    extra = [key for key in told if key not in _KEYS]
    if extra:
        raise InputError(f"{where}: {brief(extra[0])} is none of {', '.join(_KEYS)}")
    if told.get("runner", name) != name:
        raise InputError(f"{where} is a space of runner {brief(told['runner'])}, not of {name}")
    asked, named = recipe.name if isinstance(recipe, NamedRecipe) else recipe, told.get("base", "")
    if asked and named and file is not None and named != asked:
        raise InputError(f"{where} has base {brief(named)}, and recipe {asked} is asked for; leave one of them out")
    base = asked or named or ("tuned" if "tuned" in runner.recipes else next(iter(runner.recipes)))
    if not isinstance(recipe, NamedRecipe) and base not in runner.recipes:
        raise InputError(f"{where}: runner {name} has no recipe {brief(base)}; it has {', '.join(runner.recipes)}")
    varied = recipe.recipe if isinstance(recipe, NamedRecipe) else runner.recipes[base]
    ranges = tuple(read_range(*item, where) for item in _flat(told.get("space"), where))
    for one in ranges:
        check_field(one, runner, varied, where)
    return Space(name, base, varied, ranges, where)


def _told(name: str, runner: type[Runner], file: Path | None) -> tuple[str, Mapping[str, Any]]:
    """What says a runner's space, for messages, and its tables."""
    if file is not None:
        try:
            return str(file), _parsed(inside.read(file.parent, file, MOST_BYTES), str(file))
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"--space {file}: {reason}; give a TOML file, see `fer-bench tune --help`") from None
    if runner.space:
        return f"the space of plugin {name}", {"space": runner.space}
    built_in = resources.files(__package__) / "spaces" / f"{name}.toml"
    if not built_in.is_file():
        raise InputError(f"runner {name} brings no search space; write one and give it by --space FILE.toml")
    return f"the space of {name}", _parsed(built_in.read_bytes(), f"the space of {name}")


def _parsed(content: bytes, where: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # those of UTF-8 and of TOML are ValueErrors
        raise InputError(f"{where}: not readable as TOML ({brief(' '.join(str(error).split()), 120)})") from None


def _flat(told: object, where: str) -> list[tuple[str, object]]:
    """The ranges by dotted names, whether a name is written with dots, in quotes or as a table."""
    if not isinstance(told, Mapping) or not told:
        raise InputError(f"{where}: a table [space] with a range for each field is wanted")
    found = list(_walk(told, ""))
    names = [name for name, _ in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InputError(f"{where}: {twice} is there twice; leave one of them out")
    if len(found) > MOST_RANGES:
        raise InputError(f"{where}: {len(found)} ranges; {MOST_RANGES} at most are possible")
    return found


def _walk(told: Mapping[str, object], above: str) -> Iterator[tuple[str, object]]:
    for name, inner in told.items():
        if isinstance(inner, Mapping) and "type" not in inner and not above:
            yield from _walk(inner, f"{name}.")
        else:
            yield f"{above}{name}", inner
