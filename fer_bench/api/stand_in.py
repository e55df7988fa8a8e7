"""A plugin's runner where the plugin is not imported: it can be planned with and shown, and is trained in a worker.

A plugin is code, and whatever it changes in a process is changed for everybody there. The process that scores therefore
imports none: what it needs to know of a plugin's runners comes from a process that imports them (``plugin_process``),
as JSON, and ``StandIn`` is made of that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, brief
from .context import Context, FitSummary, Part
from .published import Published
from .recipe import Augmentation, EarlyStopping, NamedRecipe, Recipe, ReduceLR, Stage
from .runner import Runner, RunnerInfo

#: No description of runners is longer, and none takes so many seconds: importing TensorFlow takes half a minute at
#: worst.
MOST_BYTES, MOST_SECONDS = 16 << 20, 300.0
#: Where a runner is made as the base classes make it: nobody has to be asked what comes of its parameters.
_PLAIN = frozenset({"Runner.__init__", "KerasRunner.__init__"})


def describe(cls: type[Runner], origin: str) -> dict[str, Any]:
    """What a process that does not import a plugin's runner is told of it, as JSON can have it."""
    init = cls.__init__
    plain = init.__module__.startswith("fer_bench.") and init.__qualname__ in _PLAIN
    return {
        "name": cls.info.name,
        "path": f"{cls.__module__}:{cls.__qualname__}",
        "origin": origin,
        "plain": plain and json.loads(json.dumps(dict(cls.parameters), default=str)) == dict(cls.parameters),
        "info": asdict(cls.info),
        "recipes": {name: asdict(recipe) for name, recipe in cls.recipes.items()},
        "digests": {name: recipe.digest() for name, recipe in cls.recipes.items()},
        "parameters": dict(cls.parameters),
        "variants": [dict(variant) for variant in cls.variants],
        "space": {name: dict(told) for name, told in cls.space.items()},
        "uses": sorted(cls.uses),
        "keeps_epochs": bool(cls.keeps_epochs),
        "application": cls.application if isinstance(cls.application, str) else "",
    }


def stand_in(told: dict[str, Any], plugins: Sequence[str]) -> type[StandIn]:
    """The class that stands for the runner that ``describe`` has described.

    Args:
        told: what it said.
        plugins: modules and files that were imported there beside the installed plugins.

    Raises:
        KeyError, TypeError, ValueError: that is not what ``describe`` says.
    """
    info = told["info"]
    recipes = {name: recipe_of(fields, told["digests"][name]) for name, fields in told["recipes"].items()}
    if not recipes:
        raise ValueError("it has no recipe")
    return type(
        "StandIn",
        (StandIn,),
        {
            "path": str(told["path"]),
            "plugins": tuple(plugins),
            "plain": told["plain"] is True,
            "info": RunnerInfo(
                **info
                | {name: tuple(info[name]) for name in ("needs", "notes", "recipe_digests")}
                | {"published": tuple(published_of(figure) for figure in info["published"])}
            ),
            "recipes": recipes,
            "parameters": dict(told["parameters"]),
            "variants": tuple(dict(variant) for variant in told["variants"]),
            "space": dict(told["space"]),
            "uses": frozenset(told["uses"]),
            "keeps_epochs": told["keeps_epochs"] is True,
            "application": str(told["application"]),
        },
    )


def published_of(fields: dict[str, Any]) -> Published:
    """A published figure, from its fields as JSON has them."""
    return Published(**fields | {"emotion_f1": tuple(fields["emotion_f1"])})


def recipe_of(fields: dict[str, Any], digest: str) -> Recipe:
    """A recipe, from its fields as JSON has them; ValueError where its digest is not the one that it should have."""
    early, reduce = fields["early_stopping"], fields["reduce_lr"]
    recipe = Recipe(
        **fields
        | {
            "stages": tuple(Stage(**stage) for stage in fields["stages"]),
            "augmentation": Augmentation(**fields["augmentation"]),
            "early_stopping": EarlyStopping(**early) if early else None,
            "reduce_lr": ReduceLR(**reduce) if reduce else None,
            "options": tuple((name, value) for name, value in fields["options"]),
        }
    )
    if recipe.digest() != digest:
        raise ValueError("a recipe of it is not the same as JSON")
    return recipe


class StandIn(Runner):
    """A runner of a plugin, by what its description says; the plugin's process is asked for what that leaves open."""

    path: ClassVar[str]
    plugins: ClassVar[tuple[str, ...]]
    plain: ClassVar[bool]

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        named, by_hand = (recipe.name, asdict(recipe.recipe)) if isinstance(recipe, NamedRecipe) else (recipe, None)
        self._asked = {"name": self.info.name, "recipe": named, "by_hand": by_hand, "params": params}
        if self.plain:
            super().__init__(recipe, **params)
            return
        told = self._ask("make")
        self.recipe_name, self.recipe = str(told["recipe_name"]), recipe_of(told["recipe"], told["digest"])
        self.params: dict[str, Any] = dict(told["params"])

    def count_parameters(self, classes: int = 7) -> dict[str, int] | None:
        """As the plugin's own runner counts them."""
        counts: dict[str, int] | None = self._ask("count", classes)["parameters"]
        return counts

    def count_macs(self, classes: int = 7) -> int | None:
        """As the plugin's own runner counts them."""
        macs: int | None = self._ask("count", classes)["macs"]
        return macs

    def _ask(self, what: str, classes: int = 7) -> dict[str, Any]:
        """What the plugin's own runner, made as this one is, says of itself."""
        made = self._asked | {"what": what, "classes": classes}
        key = json.dumps([self.plugins, made], sort_keys=True, default=str)
        if key not in _answers:
            _answers[key] = ask(self.plugins, made)
        return _answers[key]

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary | None:
        """Is not done here."""
        raise self._elsewhere()

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Is not done here."""
        raise self._elsewhere()

    def save(self, directory: Path) -> None:
        """Is not done here."""
        raise self._elsewhere()

    def load(self, directory: Path) -> None:
        """Is not done here."""
        raise self._elsewhere()

    def _elsewhere(self) -> RuntimeError:
        return RuntimeError(
            f"runner {self.info.name} is a plugin's, which this process has not imported:"
            " fer_bench.registry.load_plugins imports it"
        )


#: What plugins' own runners have said.
_answers: dict[str, dict[str, Any]] = {}


def ask(plugins: Sequence[str], made: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a process that imports the installed plugins, and ``plugins``, tells: see ``plugin_process``.

    Raises:
        InputError: one of ``plugins`` can't be used, ``made`` can't be made, or there is no answer that makes sense.
    """
    command = [sys.executable, "-P", "-m", "fer_bench.api.plugin_process"]
    request = json.dumps({"plugins": list(plugins), "made": made}, default=str)
    which = ", ".join(["the installed ones", *plugins])
    try:
        done = subprocess.run(
            command, input=request.encode(), stdout=subprocess.PIPE, timeout=MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"the process that imports the plugins ({which}) had not done so after {MOST_SECONDS:g} s; leave out the"
            " one that hangs, or uninstall it"
        ) from None
    if not done.stdout:
        raise InputError(
            f"the process that imports the plugins ({which}) ended with code {done.returncode}, which one of them does"
            " as it is imported, or its runner as it is made; leave that one out, or uninstall it"
        )
    try:
        told = json.loads(done.stdout[:MOST_BYTES])
    except (ValueError, RecursionError) as error:
        raise InputError(f"the process that imports the plugins said nothing that can be read ({error})") from None
    if not isinstance(told, dict):
        raise InputError(f"the process that imports the plugins said {brief(told)}")
    if "refused" in told:
        raise InputError(str(told["refused"]))
    return told
