"""A recipe from plain values, as files and records have them: each field known, of its type, and within its range."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from functools import cache
from typing import Any

from ..errors import InputError, brief, did_you_mean
from .recipe import Augmentation, EarlyStopping, Recipe, ReduceLR, Stage

#: The parts of a recipe that have fields of their own.
PARTS: Mapping[str, type] = {"augmentation": Augmentation, "early_stopping": EarlyStopping, "reduce_lr": ReduceLR}
#: From, to (both allowed) of the numbers of a recipe, by their names in it.
_RANGES: Mapping[str, tuple[float, float]] = {
    "image_size": (1, 1024),
    "learning_rate": (1e-12, 1e6),
    "weight_decay": (0, 1e6),
    "warmup_epochs": (0, 1_000_000),
    "batch": (1, 1_000_000),
    "epochs": (1, 1_000_000),
    "label_smoothing": (0, 0.999999),
    "window": (0, 48),
    "ema": (0, 0.999999),
    "augmentation.rotation": (0, 180),
    "augmentation.shear": (0, 89),
    "augmentation.shift": (0, 1),
    "augmentation.zoom": (0, 0.99),
    "augmentation.crop": (0, 48),
    "augmentation.noise": (0, 10),
    "augmentation.blur": (0, 48),
    "augmentation.contrast": (0, 1),
    "augmentation.erase": (0, 1),
    "augmentation.mixup": (0, 1000),
    "augmentation.cutmix": (0, 1000),
    "early_stopping.patience": (0, 1_000_000),
    "early_stopping.min_delta": (0, 1e6),
    "reduce_lr.factor": (0, 0.999999),
    "reduce_lr.patience": (0, 1_000_000),
    "reduce_lr.min_lr": (0, 1e6),
    "stages.epochs": (1, 1_000_000),
    "stages.learning_rate": (1e-12, 1e6),
    "stages.batch": (1, 1_000_000),
}
#: What can pick a checkpoint, end a training or lower its learning rate: figures of the validation part, or of the
#: training part as it was trained on.
MONITORS = ("val_loss", "val_accuracy", "loss", "accuracy")


def names() -> list[str]:
    """Every field of a recipe by its name in it, such as "augmentation.flip"; but for what ``options`` and ``stages``
    have.
    """
    plain = [field.name for field in fields(Recipe)]
    return [*plain, *(f"{part}.{field.name}" for part, kind in PARTS.items() for field in fields(kind))]


def options_of(recipes: Mapping[str, Recipe]) -> list[str]:
    """The names of the options that a runner's recipes have, each once."""
    return list(dict.fromkeys(name for recipe in recipes.values() for name, _ in recipe.options))


def meant(name: str, known: Sequence[str]) -> str:
    """ "; did you mean augmentation.flip?" for "flip", which stands in a part of a recipe, or for what is nearly right;
    "" where nothing is near.
    """
    parts = [path for path in dict.fromkeys(known) if path.endswith(f".{name}")]
    return f"; did you mean {' or '.join(parts)}?" if parts else did_you_mean(name, known)


def to_fields(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe as JSON has them; ``options`` by their names."""
    told: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return told | {"options": dict(told["options"])}


def from_fields(given: Mapping[str, Any], where: str) -> Recipe:
    """The recipe of these fields, with the defaults of ``Recipe`` for those that are missing.

    Args:
        given: as ``to_fields`` gives them; ``options`` may also be a list of pairs, as records have them.
        where: what a message begins with.

    Raises:
        InputError: a field is not known, or has a value of another type or out of its range.
    """
    _check_names(given, where)
    options = given.get("options", {})
    whole = {**given, "options": sorted(options.items()) if isinstance(options, Mapping) else options}
    try:
        text = json.dumps(whole, allow_nan=False)
    except (TypeError, ValueError):
        wrong = next(name for name, value in given.items() if not _is_json(value))
        raise InputError(f"{where}: {wrong}: {brief(given[wrong])} is no value of a recipe") from None
    from pydantic import ValidationError

    try:
        recipe: Recipe = _adapter().validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where}: {name} = {brief(first['input'])}: {first['msg'].lower()}") from None
    for name, value, problem in _problems(recipe):
        raise InputError(f"{where}: {name} = {brief(value)}: {problem}")
    return recipe


def in_order(recipe: Recipe) -> Recipe:
    """The recipe with its options in the order of their names: two that differ in nothing else train alike."""
    return replace(recipe, options=tuple(sorted(recipe.options)), note="")


def typed(recipe: Recipe, recipes: Mapping[str, Recipe]) -> Recipe:
    """The recipe, with whole numbers of options as fractions where a runner's own recipes have a fraction: 3 and 3.0
    are one setting.
    """
    fractions = {name for own in recipes.values() for name, value in own.options if isinstance(value, float)}
    options = (
        (name, float(value) if type(value) is int and name in fractions else value) for name, value in recipe.options
    )
    return replace(recipe, options=tuple(options))


def known_as(recipe: Recipe, recipes: Mapping[str, Recipe]) -> str:
    """The name under which a runner's ``recipes`` have one that trains alike; "" where none does."""
    return next((name for name, own in recipes.items() if in_order(own) == in_order(recipe)), "")


def check_meaning(recipe: Recipe, runner: str, recipes: Mapping[str, Recipe], epochs: bool, where: str) -> None:
    """Raises InputError where a recipe says something that means nothing to a runner.

    Args:
        recipe: what is to be trained by.
        runner: its name, and ``recipes`` its own.
        epochs: whether it trains in epochs.
        where: what a message begins with.
    """
    known = options_of(recipes)
    for name in dict(recipe.options):
        if name not in known:
            there = f"; it has {', '.join(known)}" if known else "; it has none"
            raise InputError(f"{where}: {runner} has no option {name!r}{did_you_mean(name, known) or there}")
    if epochs:
        return
    own = next(iter(recipes.values()))
    for field in fields(Recipe):
        value = getattr(recipe, field.name)
        if field.name not in ("options", "note") and value not in (getattr(own, field.name), field.default):
            raise InputError(
                f"{where}: {field.name} = {brief(value)}: {runner} is not trained in epochs, and of a recipe takes only"
                f" the options ({', '.join(known) or 'it has none'})"
            )


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Recipe)


def _check_names(given: Mapping[str, Any], where: str) -> None:
    """Raises InputError for a name that no field of a recipe has."""
    kinds: list[tuple[str, Any, type]] = [("", given, Recipe)]
    kinds += [(f"{name}.", given[name], kind) for name, kind in PARTS.items() if isinstance(given.get(name), Mapping)]
    stages = given.get("stages")
    kinds += [("stages.", stage, Stage) for stage in (stages if isinstance(stages, list | tuple) else ())]
    for prefix, values, kind in kinds:
        known = [field.name for field in fields(kind)]
        for name in values if isinstance(values, Mapping) else ():
            if name not in known:
                near = meant(name, [*known, *([] if prefix else names())]) or f"; there are {', '.join(known)}"
                raise InputError(f"{where}: a recipe has no field {prefix + name!r}{near}")


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _values(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """The values of a recipe, each with its name in it."""
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        if is_dataclass(value):
            yield from ((f"{field.name}.{inner.name}", getattr(value, inner.name)) for inner in fields(value))
        elif field.name == "stages":
            yield from (
                (f"stages.{inner.name}", getattr(stage, inner.name)) for stage in value for inner in fields(stage)
            )
        else:
            yield field.name, value


def _problems(recipe: Recipe) -> Iterator[tuple[str, Any, str]]:
    """What of a recipe can't be trained by: name, value, and what is wrong with it."""
    for name, value in _values(recipe):
        low, high = _RANGES.get(name, (-math.inf, math.inf))
        if name in _RANGES and not low <= value <= high:
            yield name, value, f"from {low:g} to {high:g} is possible"
    if recipe.channels not in (1, 3):
        yield "channels", recipe.channels, "1 or 3 is possible"
    watched = {"monitor": recipe.monitor}
    watched |= {
        f"{part}.monitor": getattr(recipe, part).monitor for part in PARTS if hasattr(getattr(recipe, part), "monitor")
    }
    for name, value in watched.items():
        if value not in MONITORS:
            yield name, value, f"one of {', '.join(MONITORS)} is wanted{did_you_mean(value, MONITORS)}"
    if recipe.schedule == "cosine" and recipe.reduce_lr is not None:
        yield "schedule", recipe.schedule, "a cosine schedule and reduce_lr rule each other out; leave one of them out"
