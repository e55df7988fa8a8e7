"""Third-party runners: real packages, installed where entry points are found, seen by a fer-bench of its own
process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fer_bench.api import registry
from fer_bench.cli.scaffold import create
from fer_bench.errors import InputError

EXAMPLE = Path(__file__).parents[1] / "plugin_package"
FER_BENCH = [sys.executable, "-c", "from fer_bench.cli import main; main()"]
GOOD = """
from fer_bench import SklearnRunner, register

@register("from-file")
class FromFile(SklearnRunner):
    def build(self):
        from sklearn.dummy import DummyClassifier
        return DummyClassifier()
"""


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    monkeypatch.setattr(registry, "_plugins", {})
    monkeypatch.setattr(registry, "_origins", {})
    monkeypatch.setattr(registry, "_loaded", set())
    monkeypatch.setattr(registry, "_described", set())
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def install(package: Path, target: Path) -> dict[str, str]:
    """Installs a package into a folder of its own; returns the environment in which it is found."""
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", *isolation, "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(package)], check=True, timeout=300)
    path = os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture(scope="module")
def with_example(tmp_path_factory):
    return install(EXAMPLE, tmp_path_factory.mktemp("site"))


def fer_bench(*arguments, env, cwd=None, code=0):
    done = subprocess.run([*FER_BENCH, *arguments], env=env, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done


def broken_distribution(folder: Path, body: str, entry: str = "broken = broken_plugin:Runner") -> None:
    """A distribution with one entry point, as pip would leave it in ``folder``."""
    (folder / "broken_plugin.py").write_text(body)
    info = folder / "broken_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fer_bench.runners]\n{entry}\n")


def test_the_example_is_ten_lines_at_most():
    lines = (EXAMPLE / "fer_bench_example" / "__init__.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 10


def test_an_installed_package_is_listed(with_example):
    rows = json.loads(fer_bench("list", "--json", env=with_example).stdout)
    assert len(rows) == len(registry.BUILTINS) + 1
    assert rows[-1] == {
        "name": "nearest-centroid",
        "family": "classical",
        "recipes": ["default"],
        "summary": "The closest mean face of an emotion",
        "source": "",
        "origin": "fer-bench-example 0.3.0",
        "in_all": True,
    }
    assert "plugin: fer-bench-example 0.3.0" in fer_bench("list", env=with_example).stdout


def test_an_installed_package_runs_and_stands_on_the_leaderboard(with_example, tmp_path):
    command = "run nearest-centroid svm --limit 20 --results results"
    done = fer_bench(*command.split(), env=with_example, cwd=tmp_path)
    records = [json.loads(path.read_text()) for path in (tmp_path / "results").rglob("record.json")]
    assert {record["job"]["runner"]: record["status"] for record in records} == {"nearest-centroid": "ok", "svm": "ok"}
    scores = next(record["scores"] for record in records if record["job"]["runner"] == "nearest-centroid")
    row = next(line for line in done.stdout.splitlines() if "nearest-centroid" in line)
    assert f"{100 * scores['accuracy']:.1f}" in row or f"{scores['accuracy']:.3f}" in row


def test_a_file_outside_any_package_is_a_plugin(tmp_path):
    file = tmp_path / "my_runner.py"
    file.write_text(GOOD)
    assert registry.load_plugins([str(file)]) == []
    assert registry.load_plugins([str(file)]) == []
    assert registry.get("from-file").info.family == "classical"
    assert registry.origin("from-file") == str(file)


def test_a_module_is_a_plugin(tmp_path, monkeypatch):
    (tmp_path / "someones").mkdir()
    (tmp_path / "someones" / "__init__.py").touch()
    (tmp_path / "someones" / "runners.py").write_text(GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.load_plugins(["someones.runners"]) == []
    assert "from-file" in registry.names()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import no_such_package_anywhere", "ModuleNotFoundError: No module named 'no_such_package_anywhere'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyError('two\\nlines')", "KeyError"),
        (GOOD + "1 / 0", "ZeroDivisionError: division by zero"),
        (GOOD.replace("from-file", "svm"), "ValueError: runner name 'svm' is taken by fer_bench.runners.svm:SVM"),
        ("x = 1", "it registers no runner"),
    ],
)
def test_a_broken_plugin_that_was_asked_for_is_refused_and_leaves_nothing(tmp_path, body, reason):
    bad = tmp_path / "bad.py"
    bad.write_text(body)
    with pytest.raises(InputError) as refused:
        registry.load_plugins([str(bad)])
    assert "\n" not in str(refused.value)
    assert f"plugin {bad}: " in str(refused.value)
    assert reason in str(refused.value)
    assert registry.names()[len(registry.BUILTINS) :] == []


@pytest.mark.parametrize(
    ("body", "entry", "reason"),
    [
        (
            "import no_such_package_anywhere",
            "broken = broken_plugin:Runner",
            "No module named 'no_such_package_anywhere'",
        ),
        ("", "broken = broken_plugin:Runner", "AttributeError: module 'broken_plugin' has no attribute 'Runner'"),
        ("class Runner: pass", "broken = broken_plugin:Runner", "not a subclass of fer_bench.Runner"),
        ("Runner = 3", "broken = broken_plugin:Runner", "3 is not a subclass of fer_bench.Runner"),
        (GOOD, "Bad_Näme = broken_plugin:SklearnRunner", "use lower-case letters"),
        ("x = 1", "broken = broken_plugin", "it registers no runner"),
    ],
)
def test_a_broken_entry_point_costs_one_warning(tmp_path, monkeypatch, body, entry, reason):
    broken_distribution(tmp_path, body, entry)
    monkeypatch.syspath_prepend(tmp_path)
    (warning,) = registry.load_plugins()
    assert f"plugin {entry} (broken-plugin 1.0) is left out" in warning
    assert reason in warning
    assert registry.names()[len(registry.BUILTINS) :] == []


def test_an_entry_point_may_name_a_module(tmp_path, monkeypatch):
    broken_distribution(tmp_path, GOOD, "any = broken_plugin")
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.load_plugins() == []
    assert registry.origin("from-file") == "broken-plugin 1.0"


def test_a_broken_entry_point_does_not_stop_a_command(tmp_path):
    broken_distribution(tmp_path, "import no_such_package_anywhere")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = fer_bench("list", env={**os.environ, "PYTHONPATH": path})
    assert "svm" in done.stdout
    assert done.stderr.count("\n") == 1
    assert "no_such_package_anywhere" in done.stderr


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("no_such_file.py", "no such file"),
        ("folder/no_such_module", "no such file"),
        ("no_such_module_anywhere", "no such module; is it installed"),
        ("json.no_such_module", "no such module"),
        ("lies_here", "write lies_here.py"),
    ],
)
def test_a_plugin_that_is_not_there_is_a_usage_error(tmp_path, monkeypatch, plugin, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lies_here.py").write_text(GOOD)
    with pytest.raises(InputError, match=words):
        registry.load_plugins([plugin])


def test_two_plugin_files_of_one_name_are_told_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(GOOD.replace("from-file", f"from-{folder}"))
    with pytest.raises(InputError, match="rename one"):
        registry.load_plugins([str(tmp_path / "a" / "mine.py"), str(tmp_path / "b" / "mine.py")])
    assert registry.names()[len(registry.BUILTINS) :] == ["from-a"]


@pytest.mark.parametrize("kind", ["sklearn", "keras"])
def test_a_new_runner_installs_and_passes_its_own_test(tmp_path, kind):
    package = create(f"my-{kind}.v2", kind, tmp_path)
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["fer_bench.runners"].keys() == {f"my-{kind}.v2"}
    env = install(package, tmp_path / "site")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package / "tests")]
    done = subprocess.run(command, env=env, cwd=package, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
