"""Runners by name, imported when asked for: the built-in ones, entry points, and what ``--plugin`` names."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TypeVar

from ..errors import InputError
from .ours import BUILTINS
from .plugins import _importer
from .recipe import NamedRecipe, Recipe
from .runner import Runner, RunnerInfo
from .spec import Spec, parse
from .stand_in import StandIn, ask, stand_in

GROUP = "fer_bench.runners"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

R = TypeVar("R", bound=type[Runner])
_plugins: dict[str, type[Runner]] = {}
_origins: dict[str, str] = {}
_loaded: set[str] = set()
#: Plugins of which this process has descriptions.
_described: set[str] = set()


def register(name: str) -> Callable[[R], R]:
    """A class decorator that makes a plugin's Runner known under ``name`` and completes its ``info``.

    >>> import sklearn.svm
    >>> from fer_bench import SklearnRunner, register
    >>> @register("my-svm")
    ... class MySVM(SklearnRunner):
    ...     "A linear support vector machine on pixels."
    ...
    ...     def build(self):
    ...         return sklearn.svm.LinearSVC()
    >>> MySVM.info.name, MySVM.info.summary
    ('my-svm', 'A linear support vector machine on pixels')

    The summary is the first line of the docstring where ``info`` has none, and the family is "plugin" where neither
    ``info`` nor a base class has one. Published figures and notes of a base class do not pass to a subclass without an
    ``info`` of its own.

    Args:
        name: lower-case letters, digits, ".", "_" and "-", the first one a letter or digit; no other runner's.

    Raises:
        ValueError: the name is malformed, or another class has it.
        TypeError: the class is no subclass of Runner, or has abstract methods left.
    """

    def decorate(cls: R) -> R:
        if not NAME.fullmatch(name):
            raise ValueError(f"runner name {name!r}: use lower-case letters, digits, '.', '_' and '-' only")
        if not (isinstance(cls, type) and issubclass(cls, Runner)):
            raise TypeError(f"{cls!r} is not a subclass of fer_bench.Runner, so it can't be the runner {name!r}")
        if inspect.isabstract(cls):
            raise TypeError(f"runner {name!r}: {_path(cls)} lacks {', '.join(sorted(cls.__abstractmethods__))}")
        holder = BUILTINS.get(name) or (_path(_plugins[name]) if name in _plugins else _path(cls))
        if name in BUILTINS or holder != _path(cls):
            raise ValueError(f"runner name {name!r} is taken by {holder}; {_path(cls)} needs another one")
        cls.info = _complete(cls, name)
        _plugins[name] = cls
        _origins.setdefault(name, cls.__module__)
        return cls

    return decorate


def _path(cls: type) -> str:
    return cls.path if issubclass(cls, StandIn) else f"{cls.__module__}:{cls.__qualname__}"


def _complete(cls: type[Runner], name: str) -> RunnerInfo:
    info = cls.info
    if "info" not in vars(cls):
        info = replace(info, summary="", source="", published=(), notes=())
    doc = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0].rstrip(".")
    return replace(info, name=name, summary=info.summary or doc, family=info.family or "plugin")


def names() -> list[str]:
    """The built-in runners in the order of the tables, then the plugins loaded so far, by name."""
    return [*BUILTINS, *sorted(_plugins)]


def specs() -> list[str]:
    """The specs that ``run --all`` runs: a runner's name, with parameters in brackets where it has several variants."""
    found = []
    for name in names():
        for variant in get(name).variants:
            inside = ",".join(f"{parameter}={value}" for parameter, value in variant.items())
            found.append(f"{name}[{inside}]" if inside else name)
    return found


def origin(name: str) -> str:
    """Where a runner comes from: "built-in", or the package, module or file that registered it."""
    return "built-in" if name in BUILTINS else _origins[name]


def get(name: str) -> type[Runner]:
    """The class of the runner called ``name``, imported now if it is a built-in one.

    Raises:
        InputError: no runner has that name; the message suggests similar ones.
    """
    if name in _plugins:
        return _plugins[name]
    if name not in BUILTINS:
        close = difflib.get_close_matches(name.lower(), names(), n=2, cutoff=0.5)
        meant = f"did you mean {' or '.join(close)}?" if close else "is its plugin installed, or given with --plugin?"
        raise InputError(f"no runner {name!r}: {meant} 'fer-bench list' shows all")
    module, _, attribute = BUILTINS[name].partition(":")
    cls: type[Runner] = getattr(importlib.import_module(module), attribute)
    return cls


def infos() -> list[RunnerInfo]:
    """The info of every runner, with the digests of its recipes as they are today; imports all runners."""
    return [
        replace(
            cls.info,
            recipe_digests=tuple((recipe, cls.recipes[recipe].digest()) for recipe in cls.recipes),
            in_all=bool(cls.variants),
        )
        for cls in map(get, names())
    ]


def recipes_of(spec: Spec, wanted: str, explicit: bool) -> list[str]:
    """The recipes of a runner that are meant: the one that its spec names, else what "all" or another name stands for.

    Without an explicit request for this runner, one that lacks the recipe takes its first one if "published" was asked
    for (it has no published source), and none otherwise.

    Raises:
        InputError: the spec names another recipe than is asked for of all runners ("published" is what nobody asked
            for), or the runner does not have it.
    """
    known = get(spec.runner).recipes
    if spec.recipe and wanted not in ("published", spec.recipe):
        raise InputError(
            f"{spec.model}:{spec.recipe} names a recipe, and --recipe {wanted} another; leave one of them out"
        )
    if spec.recipe not in ("", *known) or (explicit and not spec.recipe and wanted not in ("all", "published", *known)):
        raise InputError(f"runner {spec.model} has no recipe {spec.recipe or wanted!r}; it has {', '.join(known)}")
    if spec.recipe:
        return [spec.recipe]
    if wanted == "all":
        return list(known)
    if wanted in known:
        return [wanted]
    return [next(iter(known))] if wanted == "published" else []


def make(spec: str, recipe: str = "", by_hand: Recipe | None = None) -> Runner:
    """A new, untrained runner.

    Args:
        spec: ``name``, ``name[parameter=value,...]``, either with ``:recipe`` behind it.
        recipe: name of one of its recipes; "" for that of ``spec``, or the runner's first one.
        by_hand: a recipe that is none of the runner's own, and is called ``recipe``.

    Raises:
        InputError: the runner, recipe or parameter is unknown, a value has the wrong type, or two recipes are named.
    """
    name, params, named = parse(spec)
    if named and recipe and named != recipe:
        raise InputError(f"runner {spec!r} says recipe {named}, and the recipe asked for is {recipe}: leave one out")
    cls = get(name)
    if params.keys() & {"recipe", "self"}:
        raise InputError(
            f"runner {spec!r}: no parameter of that name; a recipe is chosen by {name}:RECIPE or --recipe, not in"
            " brackets"
        )
    return cls(NamedRecipe(recipe, by_hand) if by_hand else recipe or named, **params)


def load_plugins(extra: Sequence[str] = ()) -> list[str]:
    """Imports every entry point of the group ``fer_bench.runners``, then the plugins that ``extra`` names.

    An entry point names a Runner class, or a module that registers some. What was loaded before is not loaded again.

    Args:
        extra: names of modules, or paths of .py files.

    Returns:
        One line for each installed plugin that could not be used; none of its runners is registered.

    Raises:
        InputError: an item of ``extra`` is neither a file nor a module, or could not be used: somebody asked for it.
    """
    warnings = []
    for point in _installed():
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        if reason := _load(_label(point), package, partial(_use, point)):
            warnings.append(f"plugin {_label(point)} ({package}) is left out: {reason}")
    for item in extra:
        if reason := _load(item, item, _importer(item)):
            raise InputError(f"plugin {item}: {reason}")
    return warnings


def know_plugins(extra: Sequence[str] = ()) -> list[str]:
    """As ``load_plugins``, but imports no plugin here: a process that does describes their runners.

    What ``get`` then gives of them can be planned with and shown, but not trained. A runner that this process has
    registered, or loaded, itself stays what it is.

    Raises:
        InputError: as of ``load_plugins``; also where that process fails, or a plugin takes the name of another runner.
    """
    if {*map(_label, _installed()), *extra} <= _loaded | _described:
        return []
    told = ask(extra)
    try:
        known = {d["name"]: (stand_in(d, extra), str(d["origin"])) for d in told["runners"]}
        loaded, warnings = set(map(str, told["loaded"])), list(map(str, told["warnings"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"a plugin's runners can't be described ({type(error).__name__}: {error})") from None
    for name, (cls, where) in known.items():
        holder = BUILTINS.get(name) or _path(_plugins.get(name, cls))
        if not NAME.fullmatch(name) or holder != cls.path:
            raise InputError(
                f"plugin {where}: runner name {name!r} is taken by {holder}, or malformed; {cls.path} needs another"
            )
    for name, (cls, where) in known.items():
        if issubclass(_plugins.setdefault(name, cls), StandIn):
            _plugins[name], _origins[name] = cls, where
    _described.update(loaded)
    return warnings


def loaded() -> list[str]:
    """The plugins loaded so far: an entry point as "name = value", another as it was given."""
    return sorted(_loaded)


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))


def _label(point: EntryPoint) -> str:
    return f"{point.name} = {point.value}"


def _load(label: str, where: str, load: Callable[[], ModuleType | type[Runner]]) -> str:
    """Runs one plugin's ``load``; returns why it can't be used, "" where it can. A failure leaves nothing behind."""
    if label in _loaded:
        return ""
    before = dict(_plugins)
    try:
        found = load()
    except (Exception, SystemExit) as error:
        _plugins.clear()
        _plugins.update(before)
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    module = found.__name__ if isinstance(found, ModuleType) else found.__module__
    if not any(f"{cls.__module__}.".startswith(f"{module}.") for cls in _plugins.values()) and _plugins == before:
        return 'it registers no runner; decorate its class with @fer_bench.register("name")'
    _origins.update(dict.fromkeys(_plugins.keys() - before.keys(), where))
    _loaded.add(label)
    return ""


def _use(point: EntryPoint) -> ModuleType | type[Runner]:
    found = point.load()
    if isinstance(found, ModuleType) or found in _plugins.values():
        return found
    return register(point.name)(found)
