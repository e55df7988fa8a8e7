"""``fer-bench list``, ``info`` and ``new-runner``: what can be run, and how to add to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from . import values
from .command import Command
from .options import JSON_OPTION, PLUGIN_OPTION, load_plugins
from .say import note

if TYPE_CHECKING:
    from ..api.runner import Runner


@click.command(cls=Command, epilog="Example: fer-bench list --json")
@PLUGIN_OPTION
@JSON_OPTION
def list_command(plugins: tuple[str, ...], as_json: bool) -> None:
    """Show all runners: name, family, recipes, what it is, and where it comes from."""
    import json

    from ..api import registry

    load_plugins(plugins)
    rows: list[dict[str, Any]] = []
    for name in registry.names():
        cls = registry.get(name)
        rows.append(
            {
                "name": name,
                "family": cls.info.family,
                "recipes": list(cls.recipes),
                "summary": cls.info.summary,
                "source": cls.info.source,
                "origin": registry.origin(name),
                "in_all": bool(cls.variants),
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    from tabulate import tabulate

    table = [
        [r["name"], r["family"], ", ".join(r["recipes"]), r["summary"], r["source"] or f"plugin: {r['origin']}"]
        for r in rows
    ]
    headers = ["runner", "family", "recipes", "summary", "source"]
    click.echo(tabulate(table, headers, maxcolwidths=fitting([headers, *table])))
    if apart := ", ".join(row["name"] for row in rows if not row["in_all"]):
        click.echo(f"\n`run --all` leaves out {apart}: run it by its name")


def fitting(rows: list[list[str]]) -> list[int | None] | None:
    """Column widths that fit a terminal, by wrapping the last two columns; None where lines may be of any length."""
    if not sys.stdout.isatty():
        return None
    import shutil

    fixed = sum(max(len(row[column]) for row in rows) + 2 for column in range(3))
    left = max(shutil.get_terminal_size().columns - fixed - 2, 40)
    return [None, None, None, left * 2 // 3, left - left * 2 // 3]


@click.command(cls=Command, epilog="Example: fer-bench info 'stacked-cnn[n=3]:tuned' --json")
@click.argument("name", type=values.RUNNER)
@click.option("--recipe", type=values.RECIPE, help="Of its recipes, show this one alone.")
@click.option("--toml", "as_toml", is_flag=True, help="Print the recipe as a file that `run --recipe FILE.toml` takes.")
@PLUGIN_OPTION
@JSON_OPTION
def info_command(name: str, recipe: str | None, as_toml: bool, plugins: tuple[str, ...], as_json: bool) -> None:
    """Show everything about one runner: source, published figures, recipes, parameters, notes.

    NAME may carry parameters and a recipe, as in 'stacked-cnn[n=3]:tuned'; of its recipes, that alone is shown then.
    """
    import json
    import os

    from ..api import registry

    # Building a model to count what is in it needs no GPU.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    load_plugins(plugins)
    asked, runner = registry.parse(name), registry.make(name, recipe or "")
    only = recipe or asked.recipe
    if as_toml:
        if as_json:
            raise InputError("--toml and --json are two forms of the answer: leave one of them out")
        click.echo(toml_of(runner), nl=False)
        return
    with silent_libraries():
        facts = describe(runner, only)
    click.echo(json.dumps(facts, indent=1) if as_json else as_text(facts))


@contextmanager
def silent_libraries() -> Iterator[None]:
    """Drops what C++ libraries write to stderr: TensorFlow greets there as it is loaded, whatever its log level."""
    import os

    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def toml_of(runner: Runner) -> str:
    """A runner's recipe as a file that can be changed; unchanged, it is that recipe."""
    from ..api.recipe_file import RecipeFile, to_toml

    name = runner.info.name
    head = f"# {runner.recipe_name} of {name}, to start from: fer-bench run {name} --recipe FILE.toml\n"
    file = RecipeFile("", runner.recipe, name)
    return head + to_toml(file, only_options="epochs" not in runner.uses)


def describe(runner: Runner, only: str = "") -> dict[str, Any]:
    """All that is known of a runner, ready for JSON; of its recipes all, or one of that name ``only``.

    ``parameters`` and ``macs`` (of one image) are counts, None where they mean nothing; ``settings`` what a user may
    set.
    """
    from dataclasses import asdict

    from ..api import registry

    info = asdict(runner.info)
    del info["recipe_digests"], info["in_all"]  # each recipe below says its own; the other only registry.infos knows
    return {
        "name": info.pop("name"),
        "origin": registry.origin(runner.info.name),
        "parameters": runner.count_parameters(),
        "macs": runner.count_macs(),
        "settings": runner.params,
        "in_all": bool(runner.variants),
        **info,
        "recipes": {
            name: {**asdict(recipe), "options": dict(recipe.options), "digest": recipe.digest()}
            for name, recipe in runner.recipes.items()
            if only in ("", name)
        },
    }


def as_text(facts: dict[str, Any]) -> str:
    """The facts of ``describe`` for people: recipes show only what differs from a recipe's defaults."""
    from dataclasses import asdict

    from ..api.recipe import Recipe

    lines = [f"{facts['name']}: {facts['summary']}", ""]
    counts = facts["parameters"]
    plain = {
        "family": facts["family"],
        "source": facts["source"],
        "origin": facts["origin"],
        "needs": ", ".join(facts["needs"]),
        "version": facts["version"],
        "parameters": counts and f"{counts['total']:,}, trainable {counts['trainable']:,}",
        "MACs": facts["macs"] and f"{facts['macs']:,} an image",
        "settings": facts["settings"] and f"{facts['name']}[{_pairs(facts['settings'], ',')}]",
    }
    lines += [f"{label:<12}{value}" for label, value in plain.items() if value]
    for figure in facts["published"]:
        binary = "binary " if figure["metric"] == "binary" else ""
        scores = [figure["accuracy"] and f"{binary}accuracy {figure['accuracy']:.4g}"]
        scores.append(figure["weighted_f1"] and f"weighted F1 {figure['weighted_f1']:.4g}")
        lines += ["", f"published: {', '.join(filter(None, scores))} ({figure['split']}; {figure['protocol']})"]
        lines += [f"  but: {figure['trap']}"] if figure["trap"] else []
    defaults = asdict(Recipe())
    always = ("image_size", "optimizer", "learning_rate", "batch", "epochs") if facts["family"] == "deep" else ()
    for name, recipe in facts["recipes"].items():
        lines += ["", f"recipe {name}"]
        replaced = ("learning_rate", "batch", "epochs") if recipe["stages"] else ()
        for field, value in recipe.items():
            told = field in defaults and value and value != defaults[field]
            if field not in replaced and (told or field in always):
                lines.append(f"  {field:<18}{_readable(field, value)}")
    lines += ["", *(f"note: {note}" for note in facts["notes"])] if facts["notes"] else []
    return "\n".join(lines)


def _readable(field: str, value: Any) -> str:
    if field == "stages":
        return "; ".join(_pairs(stage) for stage in value)
    return _pairs({k: v for k, v in value.items() if v}) if isinstance(value, dict) else str(value)


def _pairs(values: dict[str, Any], separator: str = ", ") -> str:
    return separator.join(f"{name}={value}" for name, value in values.items())


@click.command(cls=Command, epilog="Example: fer-bench new-runner my-runner --kind keras")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["sklearn", "keras"]),
    default="sklearn",
    show_default=True,
    help="What the runner is built with.",
)
@click.option(
    "--out",
    type=values.FOLDER,
    default=".",
    show_default=True,
    metavar="DIR",
    help="Folder in which the package is made.",
)
@PLUGIN_OPTION
@click.option("--dry-run", is_flag=True, help="Check the name and the folder, and write nothing.")
@JSON_OPTION
def new_runner_command(name: str, kind: str, out: str, plugins: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Write a package with a runner of your own, ready to install: DIR/fer-bench-NAME."""
    import json

    from .scaffold import create

    load_plugins(plugins)
    folder = create(name, kind, Path(out), dry_run=dry_run)
    click.echo(json.dumps({"name": name, "folder": str(folder), "written": not dry_run}) if as_json else folder)
    if not dry_run:
        note(f"next: cd {folder} && pip install -e '.[test]' && pytest && fer-bench run {name}")
