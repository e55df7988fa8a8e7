"""benchmarks/ingredients.py: what is compared with what, from made-up accuracies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fer_bench.runners.fer_net import FerNet

# At the end, so that the package under test stays the installed one.
sys.path.append(str(Path(__file__).resolve().parents[2]))
ingredients = pytest.importorskip("benchmarks.ingredients")

BY_NAME = {ingredient.name: ingredient for ingredient in ingredients.INGREDIENTS}


def test_worth_is_with_less_without_seed_by_seed_whichever_the_recipe_has():
    base = FerNet("cpu", width=8)
    variants = {
        "mirroring": ingredients.changed(base, BY_NAME["mirroring"].without),
        "mixup": ingredients.changed(base, BY_NAME["mixup"].with_it),
    }
    accuracies = {"base": (0.50, 0.54), "mirroring": (0.49, 0.51), "mixup": (0.51, 0.52)}
    rows = [
        {
            **ingredients.identity(runner),
            "images": 100,
            "seed": seed,
            "accuracy": accuracies[name][seed],
            "seconds": seconds,
        }
        for name, runner, seconds in (("base", base, 20.0), *((n, r, 10.0) for n, r in variants.items()))
        for seed in (0, 1)
    ]
    # Of other images, or of a seed that was not asked for: not in the table.
    rows += [{**rows[0], "images": 50, "accuracy": 0.9}, {**rows[0], "seed": 2, "accuracy": 0.9}]
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in ingredients.table(base, rows, 100, 2).splitlines()[2:]
    ]
    assert lines == [
        ["mirroring", "left out", "52.0 ± 2.8", "50.0 ± 1.4", "+2.0 ± 1.4", "2.00 x"],
        ["mixup", "added", "51.5 ± 0.7", "52.0 ± 2.8", "-0.5 ± 2.1", "0.50 x"],
    ]


def test_each_ingredient_is_a_training_of_its_own():
    for recipe in ("cpu", "gpu"):
        base = FerNet(recipe)
        others = [
            ingredients.changed(base, one.without if ingredients.has(base, one) else one.with_it)
            for one in ingredients.INGREDIENTS
        ]
        different = {repr(ingredients.identity(runner)) for runner in (base, *others)}
        assert len(different) == len(ingredients.INGREDIENTS) + 1, recipe
