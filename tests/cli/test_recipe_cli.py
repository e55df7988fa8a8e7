"""``--recipe FILE.toml``, ``--set`` and ``info --toml``: a recipe by hand from the file to the record and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from made_records import leftovers

from fer_bench.cli import main
from fer_bench.records.store import Store

#: A runner whose answers its recipe decides, when it is trained and when it is loaded.
PLUGIN = """
import numpy as np
from fer_bench import Recipe, Runner, register

@register("sharp")
class Sharp(Runner):
    "Shares of the emotions, sharpened by an option."
    uses = frozenset()
    recipes = {"tuned": Recipe(options=(("power", 1.0),))}

    def fit(self, train, validation, context):
        self.shares = np.bincount(train.labels, minlength=len(context.classes)) + 1.0 + np.arange(len(context.classes))

    def predict_proba(self, images):
        rows = np.tile(self.shares ** self.recipe.option("power"), (len(images), 1))
        return (rows / rows.sum(1, keepdims=True)).astype("float32")

    def save(self, directory):
        np.save(directory / "shares.npy", self.shares)

    def load(self, directory):
        self.shares = np.load(directory / "shares.npy")
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "sharp.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def invoke(plugin, tiny_npz, tmp_path):
    def invoke(command: str, *words: object, data: object = tiny_npz) -> Result:
        given = ["--data", data] if data else []
        where = ["--results", tmp_path / "results"] if command != "info" else []
        words = (command, *words, *given, *where, "--plugin", plugin)
        return CliRunner().invoke(main, [*map(str, words)])

    return invoke


def test_a_file_is_trained_put_on_record_and_evaluated(invoke, tmp_path, tiny_npz):
    """The model's answers are those of the recipe in the record, in a process that never saw the file."""
    printed = invoke("info", "sharp", "--toml", data=None)
    assert printed.exit_code == 0, printed.output
    file = tmp_path / "steep.toml"
    file.write_text(printed.stdout.replace("power = 1.0", "power = 4.0") + "\n[search]\nstudy = 'a'\ntrials = 12\n")
    done = invoke("run", "sharp", "--recipe", file, "--json")
    assert done.exit_code == 0, done.output
    (made,) = json.loads(done.stdout)
    assert (made["job"]["recipe"], made["job"]["recipe_fields"]["options"]) == ("steep", [["power", 4.0]])
    assert made["job"]["recipe_origin"]["file"] == "steep.toml"
    assert made["job"]["recipe_origin"]["search"] == {"study": "a", "trials": 12}
    file.unlink()
    board = invoke("report", data=None).stdout
    assert "recipe by hand: steep.toml, found by a search of 12 trials on validation" in board
    assert "stale" not in board
    told = invoke("evaluate", "sharp:steep", "--json", data="synthetic")
    assert told.exit_code == 0, told.output
    plain = invoke("run", "sharp", "--json")
    assert plain.exit_code == 0, plain.output
    (steep, flat) = (
        run.record.scores.log_loss
        for run in sorted(Store(tmp_path / "results").scan()[0], key=lambda run: run.record.job.recipe)
    )
    assert steep > flat  # it is surer of what it does not know
    assert json.loads(told.stdout)[0]["whole"]["scores"]["log_loss"] == pytest.approx(steep, rel=0.1)


def test_a_file_that_says_what_ours_says_is_our_job(invoke, tmp_path):
    (tmp_path / "own.toml").write_text(invoke("info", "sharp", "--toml", data=None).stdout)
    plain = json.loads(invoke("run", "sharp", "--dry-run", "--json").stdout)
    done = invoke("run", "sharp", "--recipe", tmp_path / "own.toml", "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == plain
    assert "that is sharp's own recipe tuned" in done.stderr


def test_changes_are_part_of_the_key_and_on_record(invoke):
    keys = set()
    for changes in ([], ["--set", "options.power=2"], ["--set", "options.power=3"], ["--set", "options.power=3.0"]):
        (job,) = json.loads(invoke("run", "sharp", *changes, "--dry-run", "--json").stdout)
        keys.add(job["key"])
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "options.powr=2"], "did you mean power?"),
        (["--set", "learning_rate=2"], "not trained in epochs"),
        (["--set", "power=2"], "did you mean options.power?"),
        (["--recipe", "nothing.toml"], "No such file"),
        (["--recipe", "nothing"], "no such recipe"),
        (["--all", "--recipe", "nothing.toml"], "instead of --all"),
    ],
)
def test_one_line_and_nothing_begun(invoke, tmp_path, words, told):
    done = invoke("run", *([] if "--all" in words else ["sharp"]), *words, data="there-is-none.csv")
    assert done.exit_code == 2
    assert told in done.stderr.splitlines()[-1]
    assert not (tmp_path / "results").exists() or not leftovers(tmp_path / "results")
