"""Recipes by hand: in a TOML file, or with some fields of another one changed.

A file's ``[recipe]`` has the fields of a Recipe, with tables for augmentation, early_stopping, reduce_lr and options,
and an array of tables for stages; what it leaves out has the default of Recipe. ``without`` names options that are set
to nothing, a value that TOML does not have. ``runner`` says for which runner it is, ``name`` what it is called (else
as the file), and ``[search]`` what the study says that has found it.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, brief, did_you_mean
from .recipe import NamedRecipe, Recipe
from .recipe_fields import check_meaning, from_fields, in_order, known_as, meant, names, options_of, to_fields, typed
from .runner import Runner
from .spec import Spec

SUFFIX = ".toml"
#: No recipe is longer, in bytes.
MOST_BYTES = 1 << 20
_HEADINGS = ("runner", "name", "recipe", "search")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_NOTHING = ("none", "null")
#: Fields with fields of their own, and the one that does nothing.
_NOT_SET = ("stages", "options", "augmentation", "note")


@dataclass(frozen=True)
class RecipeFile:
    """A recipe with what its file says of it: its name, the runner it is for ("" for any), and the search that found
    it.
    """

    name: str
    recipe: Recipe
    runner: str = ""
    search: Mapping[str, Any] | None = None
    digest: str = ""


@dataclass(frozen=True)
class ByHand:
    """What a user asks of a recipe: a file instead of a runner's own, and fields that are to be changed."""

    file: RecipeFile | None = None
    path: str = ""
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, recipe: str, changes: Sequence[str]) -> ByHand:
        """Reads the file where ``recipe`` is one. Raises InputError where it can't be read."""
        file = read_recipe(recipe) if is_file(recipe) else None
        return cls(file, recipe if file else "", tuple(changes))

    @property
    def words(self) -> str:
        """As it was asked for."""
        return " ".join(([f"--recipe {self.path}"] if self.file else []) + [f"--set {one}" for one in self.changes])

    def wanted(self, recipe: str, spec: Spec) -> str:
        """The recipe of a runner's own from which to start, where ``recipe`` is asked for; of a file, none counts.

        Where the spec names one, too, the two stand as they are, for the registry to refuse.
        """
        return "published" if self.file and not spec.recipe else recipe

    def recipe(self, runner: type[Runner], base: str) -> tuple[str | NamedRecipe, dict[str, Any] | None]:
        """The recipe for a runner whose own of the name ``base`` is meant where there is no file.

        Returns it with where it comes from, as a record has that (``records.record.RecipeOrigin``). What trains like
        one of the runner's own is that one, and comes from nowhere else.

        Raises:
            InputError: the file is for another runner, takes the name of a recipe of the runner's, or says what means
                nothing to it; a change has no such field, or a value that it can't have.
        """
        if self.file is None and not self.changes:
            return base, None
        who, recipes = runner.info.name, runner.recipes
        start = self.file.recipe if self.file else recipes[base]
        name = self.file.name if self.file else base
        if self.file and self.file.runner not in ("", who):
            raise InputError(f"--recipe {self.path} is for runner {self.file.runner}, not {who}")
        recipe = typed(changed(start, self.changes, options_of(recipes)) if self.changes else start, recipes)
        own = known_as(recipe, recipes)
        if own:
            return own, None
        check_meaning(recipe, who, recipes, "epochs" in runner.uses, self.words)
        if self.changes:
            name = f"{name}+{in_order(recipe).digest()[:6]}"
        elif name in (*recipes, "all"):
            raise InputError(f"--recipe {self.path}: {who} has another recipe {name!r}; give this one another name")
        origin = {
            "base": "" if self.file else base,
            "file": Path(self.path).name if self.file else "",
            "file_digest": self.file.digest if self.file else "",
            "changes": list(self.changes),
            "search": dict(self.file.search) if self.file and self.file.search else None,
        }
        return NamedRecipe(name, in_order(recipe)), origin


def is_file(recipe: str) -> bool:
    """Whether a word that names a recipe is a file's path."""
    return recipe.endswith(SUFFIX)


def read_recipe(path: str | Path) -> RecipeFile:
    """The recipe in a TOML file.

    Raises:
        InputError: it can't be read, is no TOML, or says what no recipe says.
    """
    where = f"--recipe {path}"
    content = _content(Path(path), where)
    try:
        given = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: no TOML ({error})") from None
    for heading in given:
        if heading not in _HEADINGS:
            near = did_you_mean(heading, _HEADINGS) or f"; there are {', '.join(_HEADINGS)}"
            hint = " under [recipe]" if heading in names() else near
            raise InputError(f"{where}: {heading!r} does not stand here{hint}")
    recipe, search = given.get("recipe"), given.get("search")
    if not isinstance(recipe, Mapping):
        raise InputError(f"{where}: it has no [recipe]; fer-bench info NAME --recipe tuned --toml prints one")
    if search is not None and not isinstance(search, Mapping):
        raise InputError(f"{where}: [search] is {brief(search)}, and a table is wanted")
    name, runner = given.get("name", Path(path).name.removesuffix(SUFFIX)), given.get("runner", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{where}: name {brief(name)}: a recipe is called by letters, digits, '.', '_', '+' and '-', 100 at most;"
            ' say name = "..." in the file'
        )
    if not isinstance(runner, str):
        raise InputError(f"{where}: runner = {brief(runner)}: a runner's name is wanted")
    digest = hashlib.sha256(content).hexdigest()
    return RecipeFile(name, from_fields(_with_nothing(recipe, where), where), runner, search, digest)


def to_toml(file: RecipeFile, *, only_options: bool = False) -> str:
    """The text of a file that ``read_recipe`` reads as ``file``; a name that is "" is left to be the file's own.

    ``only_options``: of a recipe for a runner that is not trained in epochs, to which the rest means nothing.
    """
    import tomli_w

    fields = to_fields(file.recipe)
    options: dict[str, Any] = fields.pop("options")
    nothing = [name for name, value in options.items() if value is None]
    plain = {} if only_options else {name: value for name, value in fields.items() if value is not None}
    for name in ("note", "stages"):
        if not plain.get(name):
            plain.pop(name, None)
    plain |= {"without": nothing} if nothing else {}
    set_to = {name: value for name, value in options.items() if value is not None}
    plain |= {"options": set_to} if set_to else {}
    heads = {"runner": file.runner, "name": file.name}
    whole: dict[str, Any] = {name: value for name, value in heads.items() if value} | {"recipe": plain}
    return tomli_w.dumps(whole | ({"search": dict(file.search)} if file.search else {}))


def changed(recipe: Recipe, changes: Sequence[str], options: Sequence[str] = ()) -> Recipe:
    """A recipe with some fields changed.

    Args:
        recipe: the one to start from.
        changes: each "field=value"; a part's field is written "augmentation.flip", a value as in TOML or plain text
            ("adam"), and "none" takes away early_stopping and reduce_lr, or sets an option to nothing.
        options: names of options that it may get beside those that it has.

    Raises:
        InputError: a change is not of this form, its field is not known or given twice, or it can't have the value.
    """
    fields = to_fields(recipe)
    told: set[str] = set()
    for change in changes:
        name, equals, text = (part.strip() for part in change.partition("="))
        where = f"--set {change}"
        if not equals or not name or not text:
            raise InputError(f"{where}: write FIELD=VALUE, as in learning_rate=3e-4 or augmentation.flip=false")
        if name in told:
            raise InputError(f"{where}: {name} is set twice")
        told.add(name)
        _set(fields, name, _value(text), where, [*dict(recipe.options), *options])
        from_fields(fields, where)
    return replace(from_fields(fields, f"--set {' '.join(changes)}"), note="")


def can_be_set(options: Sequence[str]) -> list[str]:
    """The names of all fields that ``changed`` sets, of a recipe with these options."""
    return [
        *(name for name in names() if name not in _NOT_SET),
        *(f"options.{name}" for name in dict.fromkeys(options)),
    ]


def _set(fields: dict[str, Any], name: str, value: Any, where: str, options: Sequence[str]) -> None:
    """Sets one field by its name in the recipe."""
    part, dot, inner = name.partition(".")
    known = can_be_set(options)
    if name not in known and not (part == "options" and inner):
        near = meant(name, known) or "; fer-bench info NAME --toml shows all"
        raise InputError(f"{where}: that is no field that can be set{near}")
    if fields["stages"] and name in ("epochs", "learning_rate", "batch"):
        raise InputError(f"{where}: this recipe has stages with {name} of their own; write them in a file (--toml)")
    if not dot:
        fields[name] = value
        return
    if fields.get(part) is None:
        raise InputError(f"{where}: this recipe has no {part}; write one in a file (fer-bench info NAME --toml)")
    fields[part] = {**fields[part], inner: value}


def _value(text: str) -> Any:
    """A value as TOML has it; what is none there is text, or nothing."""
    if text.lower() in _NOTHING:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError, KeyError):
        return text
    return value if isinstance(value, bool | int | float | str | list) else text


def _with_nothing(recipe: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of a file's recipe, with the options that ``without`` names set to nothing."""
    fields = dict(recipe)
    nothing, options = fields.pop("without", []), fields.get("options", {})
    if not (isinstance(nothing, list) and all(isinstance(name, str) for name in nothing)):
        raise InputError(f"{where}: without = {brief(nothing)}: a list of options' names is wanted")
    if not isinstance(options, Mapping):
        raise InputError(f"{where}: options = {brief(options)}: a table is wanted")
    both = next((name for name in nothing if name in options), None)
    if both is not None:
        raise InputError(f"{where}: options.{both} has a value, and 'without' says that it has none")
    return fields | {"options": {**options, **dict.fromkeys(nothing)}}


def _content(path: Path, where: str) -> bytes:
    if path.exists() and not path.is_file():
        raise InputError(f"{where}: that is no file")
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"{where}: more than {MOST_BYTES:,} bytes, which no recipe has")
    return content
