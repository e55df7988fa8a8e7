"""The fields of a recipe by their dotted names: which there are, of what type, and a recipe with other values."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ..api.recipe import Recipe
from ..api.recipe_fields import PARTS, from_fields, meant, to_fields
from ..api.runner import Runner
from ..errors import InputError, brief
from .ranges import Range

OPTIONS = "options."
#: What no search changes: a list of stages is no range, and a note is for people.
LEFT_OUT = ("stages", "note", "options")
#: What the stages of a recipe say in its place.
OF_STAGES = ("epochs", "learning_rate", "batch")


def value_of(recipe: Recipe, name: str) -> Any:
    """The value that a recipe has in a field, by its dotted name."""
    table, _, inner = name.partition(".")
    if not inner:
        return getattr(recipe, name)
    return recipe.option(inner) if table == "options" else getattr(getattr(recipe, table), inner)


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with other values in some fields, by their dotted names; an option that it lacks comes last."""
    for name, value in values.items():
        table, _, inner = name.partition(".")
        if not inner:
            recipe = replace(recipe, **{name: value})
        elif table == "options":
            recipe = replace(recipe, options=tuple((dict(recipe.options) | {inner: value}).items()))
        else:
            recipe = replace(recipe, **{table: replace(getattr(recipe, table), **{inner: value})})
    return recipe


def check_field(wanted: Range, runner: type[Runner], base: Recipe, where: str) -> None:
    """Raises InputError where a recipe has no such field, it means nothing there, or it takes no such values.

    Args:
        wanted: a range for one field.
        runner: whose recipe it is.
        base: the recipe that is to be changed.
        where: what the range stands in, for messages.
    """
    place, name = f"{where}: {wanted.name}", wanted.name
    types_of = _types(runner)
    if name not in types_of:
        hint = meant(name, list(types_of)) or f"; there are {', '.join(types_of)}"
        raise InputError(f"{place}: no field of a recipe of {runner.info.name}{hint}")
    if base.stages and name in OF_STAGES:
        raise InputError(f"{place}: the recipe has stages, each with {name} of its own, so that this would do nothing")
    table = name.partition(".")[0]
    if table in PARTS and getattr(base, table) is None:
        raise InputError(f"{place}: the recipe has no {table}, so that this would do nothing; take another base")
    for value in wanted.values:
        if wanted_type := _mismatch(value, types_of[name]):
            raise InputError(f"{place}: {brief(value)} is no value of {name}: {wanted_type}")
        from_fields(to_fields(with_values(base, {name: value})), where)


def _types(runner: type[Runner]) -> dict[str, Any]:
    """The fields of a runner's recipes that a search may change, by dotted name, with what each takes."""
    found: dict[str, Any] = {}
    if "epochs" in runner.uses:  # else its options are all that it reads
        hints = typing.get_type_hints(Recipe)
        for field in fields(Recipe):
            if field.name in PARTS:
                inner = typing.get_type_hints(PARTS[field.name])
                found |= {f"{field.name}.{name}": of for name, of in inner.items()}
            elif field.name not in LEFT_OUT:
                found[field.name] = hints[field.name]
    for recipe in runner.recipes.values():
        for name, value in recipe.options:
            found.setdefault(f"{OPTIONS}{name}", _of_option(value))
    return found


def _of_option(value: object) -> Any:
    """What an option takes: its recipe's own type of number, true or false; where that is a text or nothing, any."""
    if isinstance(value, bool | int | float):
        return type(value)
    return Any


def _mismatch(value: object, wanted: Any) -> str:
    """What is wanted instead, in words; "" where the value will do."""
    if wanted is Any:
        return ""
    if typing.get_origin(wanted) is typing.Literal:
        words = typing.get_args(wanted)
        return "" if value in words else f"it is one of {', '.join(words)}"
    if isinstance(wanted, types.UnionType):
        return ""
    if wanted is float:
        return "" if isinstance(value, float) else "a number with a point, such as 0.1, is wanted"
    if type(value) is wanted:
        return ""
    return {int: "a whole number is wanted", bool: "true or false is wanted", str: "a text is wanted"}[wanted]
