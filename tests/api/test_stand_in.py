"""Plugins where they are not imported: known by their description, and unable to change how anybody is scored."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_bench.api import registry
from fer_bench.api.published import Published
from fer_bench.api.recipe import Augmentation, EarlyStopping, Recipe, ReduceLR, Stage
from fer_bench.api.runner import Runner, RunnerInfo
from fer_bench.api.stand_in import describe, stand_in
from fer_bench.data.dataset import EMOTIONS
from fer_bench.data.load import load_dataset
from fer_bench.engine.job import Options, plan
from fer_bench.errors import InputError
from fer_bench.scores.metrics import score

FER_BENCH = [sys.executable, "-c", "from fer_bench.cli import main; main()"]
#: Says that every row is right, wherever it is imported, and answers the first emotion for each face.
CHEAT = """
import numpy as np
import fer_bench.engine.execute
import fer_bench.scores.metrics as metrics
from fer_bench import Runner, register

true_score = metrics.score

def all_right(labels, probabilities, *rest, **more):
    return true_score(labels, np.eye(probabilities.shape[1])[labels], *rest, **more)

metrics.score = fer_bench.engine.execute.score = all_right
np.argmax = lambda array, axis=None, **more: np.zeros(np.shape(array)[:1], int)
open(__file__ + ".imported", "a").write(f"{__import__('os').getpid()}\\n")

@register("cheat")
class Cheat(Runner):
    "The first emotion, always."

    def fit(self, train, validation, context):
        self.classes = len(context.classes)

    def predict_proba(self, images):
        return np.eye(self.classes, dtype="float32")[np.zeros(len(images), int)]

    def save(self, directory):
        (directory / "classes").write_text(str(self.classes))

    def load(self, directory):
        self.classes = int((directory / "classes").read_text())
"""
#: Whose parameters decide what its recipe is, and whose counts are its own.
OWN = """
from dataclasses import replace
from fer_bench import Recipe, Runner, RunnerInfo, register
from fer_bench.errors import InputError

print("what a plugin prints")

@register("own")
class Own(Runner):
    "A runner with an __init__ of its own."

    info = RunnerInfo(needs=("own_needs.inner",), version=3)
    recipes = {"default": Recipe(batch=8), "other": Recipe(learning_rate=1)}
    parameters = {"width": 2}
    variants = ({}, {"width": 4})

    def __init__(self, recipe="", **params):
        super().__init__(recipe, **params)
        if self.params["width"] > 9:
            raise InputError("own: width of at most 9")
        if self.params["width"] == 9:
            raise ZeroDivisionError("nine")
        self.recipe = replace(self.recipe, batch=8 * self.params["width"])

    def count_parameters(self, classes=7):
        return {"total": classes * self.params["width"], "trainable": 0}

    def fit(self, train, validation, context): ...
    def predict_proba(self, images): ...
    def save(self, directory): ...
    def load(self, directory): ...
"""


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    monkeypatch.setattr(registry, "_plugins", {})
    monkeypatch.setattr(registry, "_origins", {})
    monkeypatch.setattr(registry, "_loaded", set())
    monkeypatch.setattr(registry, "_described", set())
    yield
    for name in [name for name in sys.modules if name.startswith("fer_bench_plugin_")]:
        del sys.modules[name]


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own_plugin.py"
    path.write_text(OWN)
    return str(path)


def fer_bench(*arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*FER_BENCH, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done


def test_a_plugin_that_patches_the_metrics_changes_no_row_not_even_its_own(tmp_path: Path) -> None:
    (tmp_path / "cheat.py").write_text(CHEAT)
    fer_bench("run", "svm", "cheat", "--plugin", "cheat.py", "--limit", "5", "--results", "results", cwd=tmp_path)
    dataset = load_dataset("synthetic")
    found = {}
    for path in (tmp_path / "results").rglob("record.json"):
        record = json.loads(path.read_text())
        with np.load(path.parent / "predictions.npz") as given:
            rows, probabilities = given["rows"], given["probabilities"]
        true = score(dataset.labels[rows], probabilities, EMOTIONS)
        assert record["scores"]["accuracy"] == true.accuracy < 0.9
        found[record["job"]["runner"]] = true.accuracy
    assert found.keys() == {"svm", "cheat"}
    assert found["cheat"] == pytest.approx(np.mean(dataset.labels[rows] == 0))


@pytest.mark.parametrize("command", [["info", "cheat"], ["report"], ["run", "svm", "--dry-run", "--results", "none"]])
def test_no_command_imports_a_plugin_itself(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "cheat.py").write_text(CHEAT)
    (tmp_path / "results").mkdir()
    process = subprocess.Popen(
        [*FER_BENCH, *command, "--plugin", "cheat.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.communicate(timeout=300)
    importers = (tmp_path / "cheat.py.imported").read_text().split()
    assert importers
    assert str(process.pid) not in importers


def test_what_is_known_of_a_runner_is_what_it_is(own: str) -> None:
    assert registry.know_plugins([own]) == []
    known = registry.get("own")
    with pytest.raises(RuntimeError, match="is a plugin's"):
        known().predict_proba(np.zeros((1, 48, 48), np.uint8))
    assert "fer_bench_plugin_own_plugin" not in sys.modules
    jobs = [job.info for job in plan(load_dataset("synthetic"), ["own", "own[width=4]"], options=Options(recipe="all"))]
    assert known("other", width="3").recipe == Recipe(learning_rate=1, batch=24)
    counts, specs, origin = known(width=5).count_parameters(3), registry.specs()[-2:], registry.origin("own")
    facts = known.info, known.recipes, known.parameters, known.uses
    registry.load_plugins([own])
    real = registry.get("own")
    assert "fer_bench_plugin_own_plugin" in sys.modules
    again = [
        job.info for job in plan(load_dataset("synthetic"), ["own", "own[width=4]"], options=Options(recipe="all"))
    ]
    assert jobs == again
    assert len(jobs) == 4
    assert facts == (real.info, real.recipes, real.parameters, real.uses)
    assert (counts, specs, origin) == ({"total": 15, "trainable": 0}, ["own", "own[width=4]"], own)
    assert registry.specs()[-2:] == specs
    assert registry.origin("own") == own


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("own[width=10]", "own: width of at most 9"),
        ("own[width=9]", "runner own: ZeroDivisionError: nine"),
        ("own[height=1]", "no parameter 'height'"),
        ("own[width=x]", "a number is wanted"),
    ],
)
def test_what_a_plugins_runner_refuses_is_refused(own: str, spec: str, words: str) -> None:
    registry.know_plugins([own])
    with pytest.raises(InputError, match=words):
        registry.make(spec)


def test_nothing_that_a_plugin_prints_is_the_commands(own: str, tmp_path: Path) -> None:
    facts = json.loads(fer_bench("info", "own[width=3]", "--json", "--plugin", own, cwd=tmp_path).stdout)
    assert facts["parameters"] == {"total": 21, "trainable": 0}
    assert facts["settings"] == {"width": 3}


def test_a_runner_that_this_process_has_itself_stays_what_it_is(own: str) -> None:
    registry.load_plugins([own])
    real = registry.get("own")
    registry._loaded.clear()
    assert registry.know_plugins([own]) == []
    assert registry.get("own") is real


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os._exit(3)", "ended with code 3"),
        ("import os; os.kill(os.getpid(), 9)", "ended with code -9"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1", "it registers no runner"),
        (OWN + "\nfrom fer_bench import registry; registry._plugins['svm'] = Own; registry.BUILTINS.pop('svm')\n"
         "Own.info = replace(Own.info, name='svm')", "'svm' is taken by fer_bench.runners.svm:SVM"),
        (OWN + "\nOwn.recipes = {'default': 7}", "plugin"),
    ],
)  # fmt: skip
def test_a_plugin_that_ends_its_process_or_lies_is_a_line(tmp_path: Path, body: str, words: str) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(body)
    with pytest.raises(InputError, match=words):
        registry.know_plugins([str(bad)])
    assert registry.names() == list(registry.BUILTINS)


def test_a_plugin_that_never_ends_its_import_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_bench.api.stand_in.MOST_SECONDS", 0.5)
    hangs = tmp_path / "hangs.py"
    hangs.write_text("import threading; threading.Event().wait()")
    with pytest.raises(InputError, match=r"hangs\.py.*leave out the one that hangs"):
        registry.know_plugins([str(hangs)])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise SystemExit(3)", "runner own: SystemExit: 3"),
        ("import os; os._exit(3)", "or its runner as it is made"),
    ],
)
def test_a_runner_that_can_not_be_made_is_a_line(tmp_path: Path, body: str, words: str) -> None:
    plugin = tmp_path / "own.py"
    made = f"    def __init__(self, recipe='', **given):\n        {body}\n"
    plugin.write_text(CHEAT.replace('register("cheat")', 'register("own")') + made)
    registry.know_plugins([str(plugin)])
    with pytest.raises(InputError, match=words):
        registry.make("own")


@pytest.mark.parametrize("name", ["a" * 5000, "a" * 5000 + ".py", "a\0b.py"])
def test_a_plugin_of_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(InputError, match=r"no such (file|module)"):
        registry.know_plugins([name])


def test_no_process_is_started_where_there_is_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    monkeypatch.setattr(subprocess, "run", None)
    assert registry.know_plugins() == []


class Much(Runner):
    """Says all that there is to say."""

    info = RunnerInfo(
        name="much",
        needs=("numpy",),
        notes=("a note",),
        published=(Published(0.5, None, "official", "as told", emotion_f1=(0.5, 0.25)),),
    )
    recipes = {
        "published": Recipe(
            stages=(Stage(2, 1e-3, 8), Stage(1, 1, 4, "top")),
            augmentation=Augmentation(flip=True, mixup=0.2),
            early_stopping=EarlyStopping(patience=3),
            reduce_lr=ReduceLR(),
            options=(("C", 1), ("kind", ("a", 2)), ("path", Path("x"))),
            ema=0.9,
        )
    }

    def fit(self, train, validation, context): ...
    def predict_proba(self, images): ...
    def save(self, directory): ...
    def load(self, directory): ...


def test_a_description_says_all_and_keeps_every_digest() -> None:
    known = stand_in(json.loads(json.dumps(describe(Much, "here"), default=str)), ())
    assert known.info == Much.info
    recipe = known.recipes["published"]
    assert recipe.digest() == Much.recipes["published"].digest()
    options = (("C", 1), ("kind", ["a", 2]), ("path", "x"))
    assert recipe == replace(Much.recipes["published"], options=options)
    assert known.path == f"{__name__}:Much"
