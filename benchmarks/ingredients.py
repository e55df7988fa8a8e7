"""python -m benchmarks.ingredients: what each ingredient of fer-net's recipe is worth on PublicTest, over seeds.

Leaves one ingredient out at a time, or adds one that the recipe lacks, trains on Training, and scores the last epoch on
PublicTest: nothing picks a checkpoint, and PrivateTest is never looked at. Writes each result to ingredients.json as it
    is
there and passes over what is there already, so it may be broken off; then the table to ingredients.md. Needs
FER_BENCH_DATA.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import click
import numpy as np
from tabulate import tabulate

from fer_bench import Dataset, load_dataset, make_split
from fer_bench.api.context import Context, Part
from fer_bench.errors import InputError
from fer_bench.files import durable
from fer_bench.runners.fer_net import FerNet

RESULTS = Path(__file__).resolve().parent / "ingredients.json"

PAGE = """\
# What each ingredient of fer-net is worth

Accuracy in percent on PublicTest after the last epoch, mean ± standard deviation over seeds, of recipe *{recipe}* with {width}
filters in the first stage, {epochs} epochs and {images:,} images of Training. One ingredient at a time is left out, or added
where the recipe lacks it; *worth* is the difference, seed by seed, *time* how many times as long the training takes with it.
Nothing picked a checkpoint, and PrivateTest was not looked at. With {seeds} seeds, differences below about two points are noise, and a
short training of a narrow net likes less regularisation than a long one of a wide net.

{table}

Written by `{command}`, which trains what ingredients.json lacks.
"""

Row = dict[str, Any]


class Ingredient(NamedTuple):
    """Fields of the recipe, of its augmentation or parameters of the runner: without the ingredient, and with it."""

    name: str
    without: dict[str, Any]
    with_it: dict[str, Any]


INGREDIENTS = (
    Ingredient("random window of 44 pixels", {"image_size": 48, "window": 0}, {"image_size": 44, "window": 44}),
    Ingredient(
        "rotation, shear, zoom",
        {"rotation": 0.0, "shear": 0.0, "zoom": 0.0},
        {"rotation": 12.0, "shear": 8.0, "zoom": 0.12},
    ),
    Ingredient("mirroring", {"flip": False}, {"flip": True}),
    Ingredient("erasing", {"erase": 0.0}, {"erase": 0.1}),
    Ingredient("mixup", {"mixup": 0.0}, {"mixup": 0.2}),
    Ingredient("CutMix", {"cutmix": 0.0}, {"cutmix": 1.0}),
    Ingredient("label smoothing", {"label_smoothing": 0.0}, {"label_smoothing": 0.1}),
    Ingredient("cosine schedule", {"schedule": "constant"}, {"schedule": "cosine"}),
    Ingredient("weight decay", {"weight_decay": 0.0}, {"weight_decay": 5e-4}),
    Ingredient("average of the weights", {"ema": 0.0}, {"ema": 0.998}),
    Ingredient("dropout before the last layer", {"dropout": 0.0}, {"dropout": 0.4}),
    Ingredient("dropout after the stages", {"stage_dropout": 0.0}, {"stage_dropout": 0.05}),
    Ingredient("squeeze-and-excitation", {"se": False}, {"se": True}),
    Ingredient("ResNet18 for VGG", {"arch": "vgg"}, {"arch": "resnet"}),
    Ingredient(
        "AdamW for SGD",
        {"optimizer": "sgd", "learning_rate": 0.08, "weight_decay": 5e-4},
        {"optimizer": "adamw", "learning_rate": 4e-3, "weight_decay": 0.05},
    ),
    Ingredient("bfloat16", {"precision": "float32"}, {"precision": "mixed_bfloat16"}),
)


def changed(runner: FerNet, changes: dict[str, Any]) -> FerNet:
    """Another runner like ``runner`` but for ``changes``."""
    recipe, params = runner.recipe, dict(runner.params)
    for name, value in changes.items():
        if name in params:
            params[name] = value
        elif hasattr(recipe.augmentation, name):
            recipe = replace(recipe, augmentation=replace(recipe.augmentation, **{name: value}))
        elif hasattr(recipe, name):
            recipe = replace(recipe, **{name: value})
        else:
            recipe = replace(recipe, options=tuple((dict(recipe.options) | {name: value}).items()))
    other = FerNet(runner.recipe_name, **params)
    other.recipe = recipe
    return other


def has(runner: FerNet, ingredient: Ingredient) -> bool:
    """Whether the recipe has it: leaving it out would change something; what replaces another counts where it
    stands.
    """
    return identity(changed(runner, ingredient.without)) != identity(runner)


def identity(runner: FerNet) -> Row:
    return {"recipe": runner.recipe.digest()[:8], "params": runner.params}


def train(runner: FerNet, dataset: Dataset, images: int, seed: int, device: str) -> Row:
    """The accuracy on PublicTest after the last epoch, and what it took."""
    import keras

    runner = changed(runner, {})  # so that no trained model is kept

    split = make_split(dataset, "official")
    rows = np.random.default_rng(0).permutation(split.train)[:images]
    start = time.perf_counter()
    runner.fit(
        Part(dataset.images[rows], dataset.labels[rows]),
        None,
        Context(dataset.classes, key=f"ingredients-{seed}", device=device),
    )
    seconds = time.perf_counter() - start
    guesses = runner.predict_proba(dataset.images[split.validation]).argmax(axis=1)
    keras.backend.clear_session()
    accuracy = float((guesses == dataset.labels[split.validation]).mean())
    return {"accuracy": accuracy, "seconds": round(seconds, 1)}


def table(base: FerNet, rows: list[Row], images: int, seeds: int) -> str:
    """Markdown; an ingredient of which no seed is there yet has no line."""

    def of(runner: FerNet) -> dict[int, Row]:
        own = {**identity(runner), "images": images}
        return {row["seed"]: row for row in rows if row["seed"] < seeds and own.items() <= row.items()}

    with_all, lines = of(base), []
    for ingredient in INGREDIENTS:
        there = has(base, ingredient)
        other = of(changed(base, ingredient.without if there else ingredient.with_it))
        pair = (with_all, other) if there else (other, with_all)
        both = sorted(with_all.keys() & other.keys())
        if both:
            first, second = ([one[seed]["accuracy"] for seed in both] for one in pair)
            worth = [a - b for a, b in zip(first, second, strict=True)]
            long, short = (mean(one[seed]["seconds"] for seed in both) for one in pair)
            lines.append(
                [
                    ingredient.name,
                    "left out" if there else "added",
                    *map(figure, (first, second)),
                    figure(worth, "+"),
                    f"{long / short:.2f} x",
                ]
            )
    header = ("ingredient", "is", "with", "without", "worth", "time")
    return tabulate(lines, header, "pipe", colalign=("left", "left", *["right"] * 4), disable_numparse=True)


def figure(values: list[float], sign: str = "") -> str:
    """Mean and standard deviation over seeds, in percent."""
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):{sign}.1f}{spread}"


@click.command(epilog="Example: python -m benchmarks.ingredients --epochs 20 --width 16 --images 10000 --seeds 2")
@click.option("--recipe", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="Of each training. [default: the recipe's]")
@click.option("--width", type=click.IntRange(0), default=0, help="Filters of the first stage. [default: the recipe's]")
@click.option("--images", type=click.IntRange(1), default=28_709, show_default=True, help="Of Training, at most.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or gpu:N.")
@click.option(
    "--results", type=click.Path(path_type=Path), default=RESULTS, help="JSON. [default: ingredients.json here]"
)
def main(recipe: str, epochs: int | None, width: int, images: int, seeds: int, device: str, results: Path) -> None:
    """What each ingredient of fer-net's recipe is worth on PublicTest."""
    from fer_bench.hardware.device import choose, process_variables

    if not os.environ.get("FER_BENCH_DATA"):
        sys.exit("FER_BENCH_DATA is not set: accuracy needs the real FER-2013")
    try:
        target = choose(device)
        os.environ |= process_variables(target)
        dataset = load_dataset()
    except InputError as error:
        sys.exit(str(error))
    base = FerNet(recipe, width=width)
    base.recipe = replace(base.recipe, epochs=epochs or base.recipe.epochs)
    variants = {"as it is": base}
    for ingredient in INGREDIENTS:
        there = has(base, ingredient)
        name = f"{'without' if there else 'with'} {ingredient.name}"
        variants[name] = changed(base, ingredient.without if there else ingredient.with_it)
    rows: list[Row] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    for seed in range(seeds):
        for name, runner in variants.items():
            own = {**identity(runner), "images": images, "seed": seed}
            if any(own.items() <= row.items() for row in rows):
                continue
            rows.append({"what": name, **own, **train(runner, dataset, images, seed, target.device)})
            durable.write(results, json.dumps(rows, indent=1).encode(), results.parent)
            click.echo(f"seed {seed}, {name}: {rows[-1]['accuracy']:.4f} in {rows[-1]['seconds']} s", err=True)
    page = PAGE.format(
        recipe=recipe,
        width=base.params["width"] or base.recipe.option("width"),
        epochs=base.recipe.epochs,
        images=images,
        seeds=seeds,
        table=table(base, rows, images, seeds),
        command=shlex.join(["python", "-m", "benchmarks.ingredients", *sys.argv[1:]]),
    )
    durable.write(results.with_suffix(".md"), page.encode(), results.parent)
    click.echo(page)


if __name__ == "__main__":
    main()
