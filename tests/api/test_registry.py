from __future__ import annotations

import numpy as np
import pytest

from fer_bench.api import registry
from fer_bench.api.published import Published
from fer_bench.api.runner import Runner, RunnerInfo
from fer_bench.errors import InputError

BUILTIN_NAMES = [
    "svm hog-svm lbp-svm bovw logistic-regression knn random-forest xgboost mlp custom-cnn stacked-cnn vgg-bottleneck vgg19-frozen vgg19-full",
    "mini-xception inception-v3 inception-v3-flatten resnet50 staged-cnn fer-net transfer",
]


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    monkeypatch.setattr(registry, "_plugins", {})
    monkeypatch.setattr(registry, "_origins", {})
    monkeypatch.setattr(registry, "_loaded", set())
    monkeypatch.setattr(registry, "_described", set())


class Uniform(Runner):
    """Every emotion alike.

    More words, which no table has room for.
    """

    info = RunnerInfo(family="classical")
    parameters = {"n": 2, "rate": 0.5, "deep": False, "kind": "plain"}

    def fit(self, train, validation, context):
        self.outputs = len(context.classes)

    def predict_proba(self, images):
        return np.full((len(images), self.outputs), 1 / self.outputs, np.float32)

    def save(self, directory):
        (directory / "outputs").write_text(str(self.outputs))

    def load(self, directory):
        self.outputs = int((directory / "outputs").read_text())


def subclass(**attributes):
    return type("Mine", (Uniform,), {"__doc__": "Mine.", "__module__": "someones.module", **attributes})


def test_every_builtin_is_there_and_knows_its_own_name():
    assert registry.names() == " ".join(BUILTIN_NAMES).split()
    for name in registry.names():
        info = registry.get(name).info
        assert info.name == name
        assert info.family in ("classical", "deep")
        assert info.summary
        assert info.source


def test_builtins_carry_a_published_recipe_first():
    for name in registry.names():
        recipes = list(registry.get(name).recipes)
        assert recipes[0] == "published" or "published" not in recipes


def test_registering_completes_the_info():
    cls = registry.register("mine")(subclass())
    assert registry.get("mine") is cls
    assert (cls.info.name, cls.info.summary, cls.info.family) == ("mine", "Mine", "classical")
    assert Uniform.info.name == ""
    assert registry.names()[-1] == "mine"


def test_plugins_follow_the_builtins_by_name():
    for name in ("zebra", "ant"):
        registry.register(name)(subclass(__qualname__=name))
    assert registry.names()[len(registry.BUILTINS) :] == ["ant", "zebra"]


def test_a_subclass_does_not_inherit_published_figures():
    base = subclass(
        info=RunnerInfo(published=(Published(0.9, None, "official", "as told"),), notes=("a bug",), version=3)
    )
    registry.register("base")(base)
    child = registry.register("child")(type("Child", (base,), {"__doc__": "A child."}))
    assert (child.info.published, child.info.notes, child.info.summary) == ((), (), "A child")
    assert child.info.version == 3
    assert base.info.published


def test_an_info_without_family_takes_the_base_class_s():
    assert registry.register("mine")(subclass(info=RunnerInfo(summary="x"))).info.family == "classical"


def test_two_classes_under_one_name_are_refused_and_both_named():
    registry.register("mine")(subclass())
    with pytest.raises(ValueError, match=r"'mine' is taken by someones.module:Mine; .*:Uniform"):
        registry.register("mine")(Uniform)
    with pytest.raises(ValueError, match=r"'svm' is taken by fer_bench.runners.svm:SVM"):
        registry.register("svm")(Uniform)


def test_a_class_defined_again_replaces_itself():
    """As when a notebook cell is run twice."""
    registry.register("mine")(subclass())
    second = registry.register("mine")(subclass())
    assert registry.get("mine") is second


@pytest.mark.parametrize("name", ["", "Mine", "-mine", "my runner", "a/b", "a[b]", "ünder"])
def test_malformed_names_are_refused(name):
    with pytest.raises(ValueError, match="lower-case"):
        registry.register(name)(Uniform)


def test_what_is_no_runner_or_not_finished_is_refused():
    with pytest.raises(TypeError, match="not a subclass"):
        registry.register("mine")(dict)
    with pytest.raises(TypeError, match="lacks load, predict_proba, save"):
        registry.register("mine")(type("Half", (Runner,), {"fit": lambda self, *_: None}))


@pytest.mark.parametrize(
    ("name", "meant"), [("smv", "svm"), ("vgg19", "vgg19-full"), ("XGBoost", "xgboost"), ("resnet", "resnet50")]
)
def test_an_unknown_name_suggests_the_nearest(name, meant):
    with pytest.raises(InputError, match=f"no runner '{name}': did you mean .*{meant}"):
        registry.get(name)


def test_a_name_like_no_other_points_at_plugins():
    with pytest.raises(InputError, match="--plugin"):
        registry.get("qqqqqqqq")


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("svm", ("svm", {}, "")),
        ("svm:tuned", ("svm", {}, "tuned")),
        ("stacked-cnn[n=2,m=3]", ("stacked-cnn", {"n": "2", "m": "3"}, "")),
        (" stacked-cnn[ n = 2 , filters = 32-64 ] ", ("stacked-cnn", {"n": "2", "filters": "32-64"}, "")),
        ("svm[C=1e-3]:tuned", ("svm", {"C": "1e-3"}, "tuned")),
        ("mine[at=10:30]", ("mine", {"at": "10:30"}, "")),
    ],
)
def test_a_spec_is_a_name_parameters_and_a_recipe(spec, parsed):
    assert registry.parse(spec) == parsed


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "svm[",
        "svm]",
        "svm[]",
        "svm[n]",
        "svm[n=]",
        "svm[=2]",
        "svm[n=1,n=2]",
        "svm[n=1,]",
        "svm[n=1]x",
        "a b",
        "svm:",
        ":tuned",
        "svm:a:b",
        "svm:tuned[n=1]",
    ],
)
def test_malformed_specs_are_refused(spec):
    with pytest.raises(InputError, match="runner"):
        registry.parse(spec)


def test_make_turns_text_into_the_parameters_types():
    registry.register("mine")(subclass())
    runner = registry.make("mine[n=3,rate=1,deep=yes,kind=odd]", "default")
    assert runner.params == {"n": 3, "rate": 1.0, "deep": True, "kind": "odd"}
    assert registry.make("mine").params == Uniform.parameters


@pytest.mark.parametrize(
    ("spec", "recipe", "words"),
    [
        ("mine[q=1]", "", "no parameter 'q'; it has n, rate"),
        ("mine[n=x]", "", "n=x: a number is wanted"),
        ("mine[deep=perhaps]", "", "true or false"),
        ("mine", "tuned", "no recipe 'tuned'; it has default"),
        ("mine[recipe=tuned]", "", "--recipe"),
        ("mine:tuned", "", "no recipe 'tuned'; it has default"),
        ("mine:tuned", "default", "says recipe tuned, and the recipe asked for is default"),
    ],
)
def test_make_says_what_is_wrong(spec, recipe, words):
    registry.register("mine")(subclass())
    with pytest.raises(InputError, match=words):
        registry.make(spec, recipe)


def test_all_runners_means_all_variants():
    specs = registry.specs()
    assert [spec for spec in specs if "[" in spec] == [
        "vgg-bottleneck[backbone=vgg16]",
        "vgg-bottleneck[backbone=vgg19]",
    ]
    ran = list(dict.fromkeys(registry.parse(spec)[0] for spec in specs))
    assert ran == [name for name in registry.names() if registry.get(name).variants]
    assert "transfer" not in ran
