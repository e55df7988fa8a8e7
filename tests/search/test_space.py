"""Search spaces: what they say is held against the recipe that they change, before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fer_bench.api import registry
from fer_bench.errors import InputError
from fer_bench.search.fields import value_of, with_values
from fer_bench.search.space import space_of

SPACES = Path(__file__).parents[2] / "fer_bench" / "search" / "spaces"


@pytest.mark.parametrize("path", sorted(SPACES.glob("*.toml")), ids=lambda path: path.stem)
def test_each_space_fits_its_runner_and_both_ends_make_recipes(path: Path) -> None:
    space = space_of(path.stem)
    base = registry.get(path.stem).recipes[space.base]
    for end in (0, -1):
        values = {one.name: one.values[end] for one in space.ranges}
        changed = with_values(base, values)
        assert {name: value_of(changed, name) for name in values} == values
        assert replace(space, recipe=changed).base_values == values
        assert changed.digest() != base.digest()


def test_each_runner_with_something_to_search_has_a_space() -> None:
    assert {path.stem for path in SPACES.glob("*.toml")} >= {*registry.BUILTINS}


def test_dots_quotes_and_tables_are_one(tmp_path: Path) -> None:
    spellings = (
        "[space]\naugmentation.flip = {type = 'bool'}\n",
        "[space]\n'augmentation.flip' = {type = 'bool'}\n",
        "[space.augmentation]\nflip = {type = 'bool'}\n",
        "[space.augmentation.flip]\ntype = 'bool'\n",
    )
    found = []
    for text in spellings:
        (tmp_path / "space.toml").write_text(text)
        found.append(space_of("mlp", file=tmp_path / "space.toml").ranges)
    assert [one.name for one in found[0]] == ["augmentation.flip"]
    assert all(ranges == found[0] for ranges in found)


@pytest.mark.parametrize(
    ("runner", "text", "said"),
    [
        ("mlp", "learnin_rate = {type = 'float', low = 0.1, high = 1.0}", "did you mean learning_rate"),
        ("mlp", "augmentation.flop = {type = 'bool'}", "did you mean augmentation.flip"),
        ("mlp", "options.C = {type = 'float', low = 0.1, high = 1.0}", "no field of a recipe of mlp"),
        ("svm", "learning_rate = {type = 'float', low = 0.1, high = 1.0}", "there are options.C, options.gamma"),
        ("svm", "options.c = {type = 'float', low = 0.1, high = 1.0}", "did you mean options.C"),
        ("mlp", "learning_rate = {type = 'float', low = 1.0, high = 0.1}", "low = 1.0 is above high = 0.1"),
        ("mlp", "learning_rate = {type = 'float', low = 0.0, high = 0.1, log = true}", "above 0"),
        ("mlp", "learning_rate = {type = 'float', low = 'a', high = 0.1}", "low = 'a'"),
        ("mlp", "learning_rate = {type = 'float', low = nan, high = 0.1}", "low = nan"),
        ("mlp", "learning_rate = {type = 'float', high = 0.1}", "low = None"),
        ("mlp", "learning_rate = {type = 'int', low = 1, high = 2}", "a number with a point"),
        ("mlp", "batch = {type = 'float', low = 1.0, high = 2.0}", "a whole number is wanted"),
        ("mlp", "batch = {type = 'int', low = 1.5, high = 2}", "low = 1.5"),
        ("mlp", "batch = {type = 'int', low = 1, high = 64, step = 0}", "step = 0"),
        ("mlp", "batch = {type = 'int', low = 1, high = 64, step = 2, log = true}", "contradict each other"),
        ("mlp", "batch = {type = 'choice', choices = []}", "choices = []"),
        ("mlp", "batch = {type = 'choice', choices = [8, 8]}", "twice"),
        ("mlp", "batch = {type = 'choice', choices = [8, '9']}", "'9' is no value of batch"),
        ("mlp", "batch = {type = 'choice', choices = [8, [9]]}", "no value of a choice"),
        ("mlp", "optimizer = {type = 'choice', choices = ['adam', 'adamax']}", "it is one of adam, sgd"),
        ("mlp", "augmentation.flip = {type = 'choice', choices = [0, 1]}", "true or false is wanted"),
        ("mlp", "batch = {type = 'integer', low = 1, high = 2}", "type 'integer' is none of float, int"),
        ("mlp", "batch = {type = 'int', low = 1, hi = 2}", "'hi' says nothing of type int"),
        ("mlp", "batch = 64", "a table is wanted"),
        ("mlp", "early_stopping.patience = {type = 'int', low = 1, high = 2}", "the recipe has no early_stopping"),
        ("mlp", "'augmentation.flip' = {type = 'bool'}\naugmentation.flip = {type = 'bool'}", "is there twice"),
        ("mlp", "", "a table [space]"),
        ("mlp", "batch = ", "not readable as TOML"),
        ("mlp", "stages = {type = 'bool'}", "no field of a recipe"),
    ],
)
def test_a_bad_space_is_one_line(runner: str, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(f"[space]\n{text}\n")
    with pytest.raises(InputError) as refused:
        space_of(runner, file=path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "recipe", "said"),
    [
        ("runner = 'svm'", "", "a space of runner 'svm', not of mlp"),
        ("base = 'tunde'", "", "no recipe 'tunde'; it has published, tuned"),
        ("base = 'tuned'", "published", "base 'tuned', and recipe published is asked for"),
        ("sampler = 'tpe'", "", "'sampler' is none of runner, base, space"),
    ],
)
def test_a_space_that_contradicts_what_is_asked_for(text: str, recipe: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(f"{text}\n[space]\nbatch = {{type = 'choice', choices = [64]}}\n")
    with pytest.raises(InputError, match=r"space\.toml") as refused:
        space_of("mlp", recipe, path)
    assert said in str(refused.value)


def test_what_stages_say_is_not_searched(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text("base = 'published'\n[space]\nbatch = {type = 'choice', choices = [32, 64]}\n")
    with pytest.raises(InputError, match="has stages, each with batch of its own"):
        space_of("staged-cnn", file=path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--space .*No such file"):
        space_of("mlp", file=tmp_path / "none.toml")
    with pytest.raises(InputError):
        space_of("mlp", file=tmp_path)
