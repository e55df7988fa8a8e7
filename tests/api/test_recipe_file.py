"""Recipes by hand: files that say what a recipe says, fields that are changed, and what is refused."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from fer_bench.api import registry
from fer_bench.api.recipe import Augmentation, EarlyStopping, Recipe, ReduceLR, Stage
from fer_bench.api.recipe_fields import from_fields, to_fields
from fer_bench.api.recipe_file import ByHand, RecipeFile, changed, read_recipe, to_toml
from fer_bench.errors import InputError

WHOLE = Recipe(
    image_size=72,
    channels=3,
    optimizer="sgd",
    learning_rate=0.03,
    batch=17,
    stages=(Stage(2, 0.1, 32, "head"), Stage(5, 0.01, 16)),
    augmentation=Augmentation(rotation=7.5, flip=True, cutmix=0.4),
    early_stopping=EarlyStopping("val_accuracy", 3, 0.001),
    reduce_lr=ReduceLR("val_loss", 0.5, 2, 1e-6),
    options=(("alpha", 1.5), ("nothing", None), ("word", "text")),
    ema=0.99,
    note='quotes " and \\ and\nlines',
)


def written(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_says_all_that_a_recipe_says(tmp_path):
    search = {"study": "first", "trials": 12, "value": 0.61}
    path = written(tmp_path, to_toml(RecipeFile("best", WHOLE, "mlp", search)))
    read = read_recipe(path)
    assert (read.recipe, read.name, read.runner, read.search) == (WHOLE, "best", "mlp", search)
    assert from_fields(to_fields(WHOLE), "record") == WHOLE


@pytest.mark.parametrize("name", list(registry.BUILTINS))
def test_every_recipe_of_ours_is_itself_again(name, tmp_path):
    """Whatever it is called as a file, it trains as ours does, under our recipe's name: the same job, the same key."""
    cls = registry.get(name)
    for own, recipe in cls.recipes.items():
        text = to_toml(RecipeFile("", recipe, name), only_options="epochs" not in cls.uses)
        found, origin = ByHand.of(written(tmp_path, text), ()).recipe(cls, next(iter(cls.recipes)))
        assert origin is None
        assert cls.recipes[str(found)].digest() == recipe.digest()
        assert "note" not in tomllib.loads(text)["recipe"] or own


def test_what_is_left_out_has_a_recipes_default(tmp_path):
    read = read_recipe(written(tmp_path, "[recipe]\nbatch = 7\n[recipe.augmentation]\nflip = true\n"))
    assert read.recipe == Recipe(batch=7, augmentation=Augmentation(flip=True))
    assert (read.name, read.runner) == ("mine", "")


def test_one_number_written_in_two_ways_is_one_recipe(tmp_path):
    mlp = registry.get("mlp")
    texts = ("rotation = 10\nshift = 0.1", "shift = 1e-1\nrotation = 10.0")
    made = [
        ByHand.of(written(tmp_path, f"[recipe.augmentation]\n{text}\n"), ()).recipe(mlp, "tuned")[0].recipe.digest()
        for text in texts
    ]
    assert made[0] == made[1]


def test_fields_are_changed_and_all_else_stays():
    found = changed(WHOLE, ["augmentation.flip=false", "optimizer=adamw", "options.alpha=2", "reduce_lr=none", "ema=0"])
    wanted = replace(
        WHOLE,
        augmentation=replace(WHOLE.augmentation, flip=False),
        optimizer="adamw",
        options=(("alpha", 2), ("nothing", None), ("word", "text")),
        reduce_lr=None,
        ema=0.0,
        note="",
    )
    assert found == wanted


def test_a_changed_recipe_has_a_name_that_tells_it_apart():
    mlp = registry.get("mlp")
    names = {
        ByHand.of("tuned", changes).recipe(mlp, "tuned")[0].name
        for changes in (("batch=7",), ("batch=8",), ("batch=7", "ema=0.9"))
    }
    assert len(names) == 3
    assert all(name.startswith("tuned+") for name in names)
    again, origin = ByHand.of("tuned", (f"batch={mlp.recipes['tuned'].batch}",)).recipe(mlp, "tuned")
    assert (again, origin) == ("tuned", None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("learning_rat=3", "did you mean learning_rate?"),
        ("flip=true", "did you mean augmentation.flip?"),
        ("C=3", "did you mean options.C?"),
        ("learning_rate=fast", "'fast'"),
        ("learning_rate=-1", "from 1e-12"),
        ("learning_rate=nan", "nan"),
        ("learning_rate=inf", "inf"),
        ("batch=1.5", "batch = 1.5"),
        ("batch=0", "from 1"),
        ("batch=true", "batch = True"),
        ("channels=2", "1 or 3"),
        ("optimizer=sdg", "'sgd'"),
        ("monitor=test_accuracy", "val_accuracy"),
        ("augmentation.zoom=1", "augmentation.zoom"),
        ("batch", "FIELD=VALUE"),
        ("batch=", "FIELD=VALUE"),
        ("stages=[]", "no field that can be set"),
        ("epochs=3", "stages"),
    ],
)
def test_a_change_that_can_not_be_is_refused(change, told):
    recipe = WHOLE if change == "epochs=3" else replace(WHOLE, stages=())
    with pytest.raises(InputError) as refused:
        changed(recipe, [change], ["C"])
    assert change in str(refused.value)
    assert told in str(refused.value)


def test_one_field_is_not_set_twice():
    with pytest.raises(InputError, match="batch is set twice"):
        changed(Recipe(), ["batch=7", "batch=8"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning_rate = 3", "under [recipe]"),
        ("[recipes]\nbatch = 3", "did you mean recipe?"),
        ("[recipe]\nbatch = 'many'", "batch = 'many'"),
        ("[recipe]\nbatchs = 3", "did you mean batch?"),
        ("[recipe.augmentation]\nflop = true", "did you mean flip?"),
        ("[[recipe.stages]]\nepochs = 3", "stages.0.learning_rate"),
        ("[recipe]\nstages = 3", "stages = 3"),
        ("[recipe]\nearly_stopping = 3", "early_stopping"),
        ("[recipe]\nlearning_rate = nan", "nan"),
        ("[recipe]\nlearning_rate = 2020-01-01", "learning_rate"),
        ("[recipe]\nwithout = ['a']\n[recipe.options]\na = 1", "options.a has a value"),
        ("[recipe]\nschedule = 'cosine'\n[recipe.reduce_lr]", "rule each other out"),
        ("[recipe", "no TOML"),
        ("runner = 'mlp'", "no [recipe]"),
        ("name = 'a b'\n[recipe]", "name 'a b'"),
        ("name = '../up'\n[recipe]", "name '../up'"),
        ("runner = 3\n[recipe]", "runner = 3"),
        ("search = 3\n[recipe]", "[search] is 3"),
        ("\x00", "no TOML"),
    ],
)
def test_a_file_that_is_none_is_refused(text, told, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as refused:
        read_recipe(path)
    assert path in str(refused.value)
    assert told in str(refused.value)


def test_what_means_nothing_to_a_runner_is_refused(tmp_path):
    svm, mlp = registry.get("svm"), registry.get("mlp")
    for text, cls, told in (
        ("[recipe]\nlearning_rate = 0.1\n", svm, "not trained in epochs"),
        ("[recipe.options]\nCc = 3\n", svm, "did you mean C?"),
        ("runner = 'svm'\n[recipe.options]\nC = 3\n", mlp, "for runner svm, not mlp"),
        ("name = 'tuned'\n[recipe]\nbatch = 7\n", mlp, "another recipe 'tuned'"),
        ("name = 'all'\n[recipe]\nbatch = 7\n", mlp, "another recipe 'all'"),
    ):
        with pytest.raises(InputError) as refused:
            ByHand.of(written(tmp_path, text), ()).recipe(cls, next(iter(cls.recipes)))
        assert told in str(refused.value)


def test_no_file_a_folder_and_a_long_one_are_refused(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    for path in (str(tmp_path / "nothing.toml"), str(tmp_path / "folder.toml"), written(tmp_path, "#" * (2 << 20))):
        with pytest.raises(InputError, match=r"\.toml"):
            read_recipe(path)
