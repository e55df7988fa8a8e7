from __future__ import annotations

import ast
import json
import tomllib

import pytest
from click.testing import CliRunner

from fer_bench.api import registry
from fer_bench.cli import main

# From the sources, as systems.md of the project's design has them: total and trainable.
PARAMETERS = {
    "mlp": (1_353_799, 1_353_799),
    "custom-cnn": (353_287, None),
    "vgg19-frozen": (20_524_327, 499_943),
    "vgg19-full": (20_027_975, 20_027_975),
    "mini-xception": (58_423, None),
}
# Sums over the layers' shapes: the mlp's weights without biases, and models that have none before they are fitted.
MACS = {
    "mlp": 48 * 48 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 16 + 16 * 7,
    "svm": None,
    "xgboost": None,
}


def invoke(*arguments, code=0):
    done = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(autouse=True)
def no_accelerator_settings_left(monkeypatch):
    """``info`` sets these for its own process."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def test_list_shows_every_runner_in_order():
    rows = json.loads(invoke("list", "--json").stdout)
    assert [row["name"] for row in rows][: len(registry.BUILTINS)] == list(registry.BUILTINS)
    assert all(
        row["origin"] == "built-in" and row["recipes"] and row["summary"] for row in rows[: len(registry.BUILTINS)]
    )
    lines = invoke("list").stdout.splitlines()
    assert lines[0].split() == ["runner", "family", "recipes", "summary", "source"]
    assert len(lines) == len(rows) + 4
    assert lines[-1] == "`run --all` leaves out transfer: run it by its name"
    assert [row["name"] for row in rows if not row["in_all"]] == ["transfer"]


@pytest.mark.parametrize("name", registry.BUILTINS)
def test_info_tells_all_of_every_runner(name):
    facts = json.loads(invoke("info", name, "--json").stdout)
    cls = registry.get(name)
    assert facts["name"] == name
    assert facts["recipes"].keys() == cls.recipes.keys()
    assert facts["notes"] == list(cls.info.notes)
    assert len(facts["published"]) == len(cls.info.published)
    if facts["family"] == "deep":
        assert facts["parameters"]["total"] >= facts["parameters"]["trainable"] > 0
    if name in MACS:
        assert facts["macs"] == MACS[name]
    if name in PARAMETERS:
        total, trainable = PARAMETERS[name]
        assert facts["parameters"]["total"] == total
        assert facts["parameters"]["trainable"] == trainable or trainable is None


def test_info_for_people():
    text = invoke("info", "svm").stdout
    assert "accuracy 0.4276, weighted F1 0.4043" in text
    assert "recipe published" in text
    assert "learning_rate" not in text
    assert "MACs" not in text
    assert "MACs        1,352,816 an image" in invoke("info", "mlp").stdout


def test_info_takes_parameters():
    smaller, larger = (json.loads(invoke("info", f"stacked-cnn[k={k}]", "--json").stdout) for k in (1, 3))
    assert smaller["settings"]["k"] == 1
    assert smaller["parameters"]["total"] < larger["parameters"]["total"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "smv"], "no runner 'smv': did you mean svm"),
        (["info", "svm[C"], "write NAME or NAME[parameter=value,...]"),
        (["info", "svm[depth=3]"], "no parameter 'depth'"),
        (["list", "--plugin", "no_such_file.py"], "--plugin no_such_file.py: no such file"),
        (["new-runner", "My Runner"], "use lower-case letters"),
        (["new-runner", "svm"], "exists already (built-in)"),
        (["new-runner", "mine", "--out", "no/such/folder"], "no such folder"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, words):
    done = invoke(*arguments, code=2)
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("kind", ["sklearn", "keras"])
@pytest.mark.parametrize("name", ["mine", "2d-net.v1"])
def test_new_runner_writes_a_package(tmp_path, kind, name):
    done = invoke("new-runner", name, "--kind", kind, "--out", str(tmp_path))
    folder = tmp_path / f"fer-bench-{name}"
    assert done.stdout.strip() == str(folder)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    module, _, cls = project["entry-points"]["fer_bench.runners"][name].partition(":")
    classes = [
        n.name
        for n in ast.parse((folder / "src" / module / "__init__.py").read_text()).body
        if isinstance(n, ast.ClassDef)
    ]
    assert classes == [cls]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_new_runner_leaves_an_existing_folder_alone(tmp_path):
    folder = tmp_path / "fer-bench-mine"
    folder.mkdir()
    done = invoke("new-runner", "mine", "--out", str(tmp_path), code=2)
    assert "exists already" in done.stderr
    assert list(folder.iterdir()) == []
