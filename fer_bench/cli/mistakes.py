"""What to type instead: the mistakes of people who meet the command line for the first time."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from ..errors import InputError, did_you_mean

#: How files of data end.
DATA = (".csv", ".csv.gz", ".zip", ".tar", ".tar.gz", ".tgz", ".npz", ".parquet")
#: What a word processor makes of two hyphens.
DASHES = "‐‑‒–—―−"


def meant_option(word: str, names: Sequence[str]) -> str:
    """The option that somebody meant who wrote another dash, one hyphen, or capitals; "" where it is none of these."""
    if not word or word[0] not in f"-{DASHES}" or word in names:
        return ""
    plain = word.lstrip(f"-{DASHES}").lower()
    return next((name for name in names if len(plain) > 1 and name == f"--{plain}"), "")


def no_command(word: str, top: bool, path: str, there: Sequence[str], rest: Sequence[str]) -> str:
    """What to say of a word that stands where a command should."""
    first = f"no command {word!r}"
    if top and is_picture(word):
        return f"{first}, but a picture or a video; type: {path} predict {shlex.quote(word)}"
    if is_data(word):
        runner = next((spec for spec in rest if is_runner(spec)), "svm")
        command = f"run {shlex.quote(runner)}" if top else "info"
        return f"{first}, but data; type: {path} {command} --data {shlex.quote(word)}"
    if top and is_runner(word):
        command, *others = rest if rest and rest[0] in there else ("run", *rest)
        return f"{first}, but a runner; type: {path} {shlex.join([command, word, *others])}"
    if top and word in (below := _below_data()):
        return f"{first}; type: {path} data {shlex.join([word, *rest])}, one of {', '.join(below)}"
    if word in ("help", "version"):
        return f"{first}; type: {path} --{word}"
    return first + (did_you_mean(word, there) or f"; there are {', '.join(there)}")


def _below_data() -> list[str]:
    from .data import data_command

    return list(data_command.commands)


def extra(path: str, options: set[str], words: Sequence[str]) -> str:
    """What to say of words that a command has no place for."""
    word = words[0]
    first = f"{path} has no place for {shlex.join(words)}"
    fitting = [option for option in ("--data", "--results") if option in options and is_data(word)]
    if fitting and not Path(word).is_dir():
        return f"{first}; a file is given by an option, type: {fitting[0]} {shlex.quote(word)}"
    if fitting:
        said = [f"{option} {shlex.quote(word)}" for option in reversed(fitting)]
        return f"{first}; a folder is given by an option, type: {' or '.join(said)}"
    if path.endswith(" list") and is_runner(word):
        return f"{first}; type: {path.removesuffix('list')}info {shlex.quote(word)}"
    if word.startswith("-"):
        return f"{first}; options stand before --"
    if "[" in "".join(words) or "]" in "".join(words):
        return f"{first}; write what has brackets or spaces in quotes, as in 'stacked-cnn[n=2,m=3]'"
    return first


def example(command: click.Command) -> str:
    """ ", as in: ..." with the example of a command's help."""
    return f", as in: {shown}" if (shown := (command.epilog or "").removeprefix("Example: ")) else ""


def is_picture(word: str) -> bool:
    """Whether a word is a file, or a name, of what ``fer-bench predict`` looks at."""
    return bool(re.search(r"\.(jpe?g|png|bmp|gif|webp|tiff?|mp4|mov|avi|mkv|webm)$", word, re.IGNORECASE))


def is_data(word: str) -> bool:
    """Whether a word is a path, or looks like the name of a file of data."""
    return word.lower().endswith(DATA) or "/" in word or Path(word).exists()


def is_runner(word: str) -> bool:
    from ..api import registry

    try:
        return registry.parse(word).runner in registry.names()
    except InputError:
        return False


def check_runners(words: Sequence[str], options: Iterable[str]) -> None:
    """Raises InputError for the first word that names no runner, and says what to type if it looks like something
    else.
    """
    for word in words:
        if not is_runner(word) and (advice := _instead(word, words, options)):
            raise InputError(f"{word!r} is no runner{advice}")


def _instead(word: str, words: Sequence[str], options: Iterable[str]) -> str:
    from ..data.splits import NAMES

    others = [shlex.quote(other) for other in words if is_runner(other)] or ["svm"]
    so_far = f"fer-bench run {' '.join(others)}"
    name, equals, value = word.partition("=")
    if (Path(word) / "record.json").exists() or (re.fullmatch(r"[0-9a-f]{6,64}", word) and not word.isdigit()):
        return ", but looks like a stored run; compare, ensemble, evaluate and score take those, and run takes runners"
    if len(word.split()) > 1 and "[" not in word:
        return f"; each runner is a word of its own, type: fer-bench run {word}"
    if word.count("[") > word.count("]") and word == words[-1]:
        return (
            ": its bracket is not closed; type:"
            f" {so_far if len(others) > 1 or is_runner(words[0]) else 'fer-bench run'} {shlex.quote(f'{word}]')}"
        )
    if word.count("[") != word.count("]"):
        return f": write what has brackets in quotes and without spaces; type: fer-bench run {_joined(words)}"
    if word.startswith("-") or word[:1] in DASHES:
        return f": an option has two hyphens, and stands before --; type: {so_far} --{word.lstrip(f'-{DASHES}')} ..."
    if is_data(word):
        return f", but data; type: {so_far} --data {shlex.quote(word)}"
    if word.lower() == "all":
        return "; type: fer-bench run --all"
    if word.lower() in NAMES or re.fullmatch(r"kfold-\d+(-\d+)?", word.lower()):
        return f", but a split; type: {so_far} --split {word.lower()}"
    if word.lower() in recipes([]):
        having = [other for other in words if is_runner(other) and word.lower() in recipes([other])]
        return f", but a recipe; type: fer-bench run {' '.join(f'{one}:{word.lower()}' for one in having or ['NAME'])}"
    if equals and f"--{name}" in options:
        return f"; type: {so_far} --{name} {value}"
    if equals and value:
        return f"; parameters stand in brackets, type: fer-bench run '{_unquoted(others[0])}[{word}]'"
    if "," in word:
        apart = [name for one in words for name in (one.split(",") if "[" not in one else [one]) if name]
        return f"; put spaces between runners, type: fer-bench run {shlex.join(apart)}"
    if word == "run":
        return f", but the command, which is there already; type: {so_far}"
    if word.isdigit():
        return f"; the number of seeds is an option, type: {so_far} --seeds {word}"
    return ""


def _joined(words: Sequence[str]) -> str:
    """The words of a command line, those put together that belong to one pair of brackets."""
    text = re.sub(r"\[[^\]]*", lambda match: re.sub(r"\s*,?\s+", ",", match[0].replace(", ", ",")), " ".join(words))
    return " ".join(shlex.quote(word) for word in text.split())


def _unquoted(word: str) -> str:
    return shlex.split(word)[0].partition("[")[0]


def recipes(specs: Sequence[str]) -> list[str]:
    """The recipes of these runners, of all where none is given, each once."""
    from ..api import registry

    names = [registry.parse(spec).runner for spec in specs] or registry.names()
    return list(dict.fromkeys(recipe for name in names for recipe in registry.get(name).recipes))


def check_recipe(recipe: str, specs: Sequence[str]) -> None:
    """Raises InputError where none of these runners has the recipe; "published" and "all" are understood by all."""
    from ..api.recipe_file import SUFFIX, is_file

    there = [*recipes(specs), "published", "all"]
    if recipe not in there and not is_file(recipe):
        if Path(recipe).is_file() or Path(recipe + SUFFIX).is_file():
            raise InputError(f"--recipe {recipe}: a recipe's file ends in {SUFFIX}")
        hint = did_you_mean(recipe, there) or f"; there are {', '.join(dict.fromkeys(there))}"
        raise InputError(f"--recipe {recipe}: no such recipe of {', '.join(specs) or 'any runner'}{hint}")
