"""What people type who meet the command line for the first time: each mistake ends in one line that says what to
type.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fer_bench.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER_BENCH_DATA", raising=False)
    (tmp_path / "faces").mkdir()
    (tmp_path / "fer2013.csv").touch()
    (tmp_path / "old-results").mkdir()
    return tmp_path


def cli(*words: str, **env: str) -> Result:
    return CliRunner().invoke(main, list(words), prog_name="fer-bench", env=env)


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("svm", "type: fer-bench run svm"),
        ("mlp:tuned --seeds 3", "type: fer-bench run mlp:tuned --seeds 3"),
        ("fer2013.csv svm", "type: fer-bench run svm --data fer2013.csv"),
        ("faces", "type: fer-bench run svm --data faces"),
        ("Holiday.JPG", "type: fer-bench predict Holiday.JPG"),
        ("rnu svm", "did you mean run?"),
        ("RUN svm", "did you mean run?"),
        ("help", "type: fer-bench --help"),
        ("version", "type: fer-bench --version"),
        ("--data fer2013.csv run svm", "type: fer-bench run svm --data fer2013.csv"),
        ("--seeds 3 --data x.csv run svm mlp", "type: fer-bench run svm mlp --seeds 3 --data x.csv"),
        ("-q run svm", "type: fer-bench run svm -q"),
        ("data fer2013.csv", "type: fer-bench data info --data fer2013.csv"),
        ("data inof", "did you mean info?"),
        ("data audit fer2013.csv", "type: --data fer2013.csv"),
        ("run", "name some runners, or --all"),
        ("run fer2013.csv svm", "type: fer-bench run svm --data fer2013.csv"),
        ("run svm other/data.npz", "type: fer-bench run svm --data other/data.npz"),
        ("run gone.zip", "type: fer-bench run svm --data gone.zip"),
        ("run svm --data nope.csv", "no such file or folder: nope.csv; give the path of a data set"),
        ("run svm --data", "as in: fer-bench run svm mlp"),
        ("run --data svm", "type: fer-bench run svm --data PATH"),
        ("run 9409bacb", "looks like a stored run"),
        ("list svm", "type: fer-bench info svm"),
        ("audit", "type: fer-bench data audit"),
        ("download", "type: fer-bench data download"),
        ("run svm -jobs 2", "type --jobs"),
        ("run svm --split kfold5 --data synthetic", "did you mean kfold-5"),
        ("compare svm mlp", "no results folder results"),
        ("run smv", "did you mean svm?"),
        ("run SVM", "did you mean svm"),
        ("run all", "type: fer-bench run --all"),
        ("run svm,mlp", "type: fer-bench run svm mlp"),
        ("run svm 3", "type: fer-bench run svm --seeds 3"),
        ("run svm official", "type: fer-bench run svm --split official"),
        ("run svm kfold-5", "type: fer-bench run svm --split kfold-5"),
        ("run mlp tuned", "type: fer-bench run mlp:tuned"),
        ("run svm seeds=3", "type: fer-bench run svm --seeds 3"),
        ("run stacked-cnn n=3", "type: fer-bench run 'stacked-cnn[n=3]'"),
        ("run stacked-cnn[n=3, filters=64]", "type: fer-bench run 'stacked-cnn[n=3,filters=64]'"),
        ("run stacked-cnn[n=3", "bracket is not closed; type: fer-bench run 'stacked-cnn[n=3]'"),
        ("run svm stacked-cnn[n=3", "type: fer-bench run svm 'stacked-cnn[n=3]'"),
        ("run svm, mlp", "type: fer-bench run svm mlp"),
        ("run run svm", "type: fer-bench run svm"),
        ("svm run", "type: fer-bench run svm"),
        ("mlp compare svm", "type: fer-bench compare mlp svm"),
        ("run svm --data synthetic --split kfold-5-5", "the 5 folds are kfold-5-0 to kfold-5-4"),
        ("run stacked-cnn[depth=3]", "no parameter 'depth'; it has"),
        ("run svm --sedes 3", "did you mean --seeds?"),
        ("run svm --SEEDS 3", "type --seeds"),
        ("run svm -seeds 3", "type --seeds"),
        ("run svm —seeds 3", "type --seeds"),
        ("run svm –seeds=3", "type --seeds=3"),
        ("run svm -- --seeds 3", "type: fer-bench run svm --seeds"),
        ("run svm --seeds three", "'three' is no whole number"),
        ("run svm --seeds 1 --seeds 2", "--seeds is given twice"),
        ("run svm --models --no-models", "--models is given twice"),
        ("run svm -q -v", "--quiet and --verbose contradict each other"),
        ("run mlp --recipe=Tuned", "did you mean tuned?"),
        ("run --all --recipe=Tuned", "did you mean tuned?"),
        ("run mlp --recipe tunde", "did you mean tuned?"),
        ("run svm:tuned", "no recipe 'tuned'; it has published"),
        ("run mlp:Tuned", "no recipe 'Tuned'; it has published, tuned"),
        ("run mlp:tuned --recipe published", "leave one of them out"),
        ("run mlp:tuned --recipe all", "leave one of them out"),
        ("run svm --data synthetic --split Official", "did you mean official?"),
        ("run svm --timeout nan", "at least 1, or 0 for no limit"),
        ("run svm --stall=-1", "at least 1, or 0 for no limit"),
        ("run svm --labels 6", "is not one of 'seven', 'six'"),
        ("compare svm", "as in: fer-bench compare svm"),
        ("compare svm mlp fer2013.csv", "type: --data fer2013.csv"),
        ("ensemble svm mlp", "as in: fer-bench ensemble svm"),
        ("report old-results", "type: --results old-results"),
        ("info", "as in: fer-bench info"),
        ("info mlp:published:tuned", "write NAME or NAME[parameter=value,...]"),
        ("evaluate svm CK+48", "as in: fer-bench evaluate"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_type(words: str, advice: str, folder: Path):
    done = cli(*words.split())
    assert done.exit_code == 2, done.output
    told = [line for line in done.stderr.splitlines() if not line.startswith("fer-bench: data:")]
    assert len(told) == 1, done.output
    assert advice in told[0]
    assert not done.stdout
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    "words",
    [
        "run LONG", "run svm --seeds LONG", "run svm --device LONG", "run svm --weights LONG", "run svm --LONG",
        "run svm --tta LONG", "run svm --plugin LONG", "run svm --data LONG", "info LONG", "compare LONG svm",
        "report --results LONG", "score LONG --data synthetic", "evaluate LONG --data synthetic", "LONG",
    ],
)  # fmt: skip
def test_a_value_of_thousands_of_letters_is_one_short_line(words: str, folder: Path):
    done = cli(*(word.replace("LONG", 5000 * "a") for word in words.split()))
    assert done.exit_code == 2, done.output[-2000:]
    told = done.stderr.splitlines()
    assert len(told) == 1
    assert len(told[0]) < 800
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("code", "exit_code"), [(errno.EACCES, 2), (errno.ELOOP, 2), (errno.EIO, 1), (errno.EMFILE, 1)]
)
def test_an_error_of_the_system_that_nobody_expected_is_one_line(
    code: int, exit_code: int, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "the/place")

    monkeypatch.setattr("fer_bench.api.registry.know_plugins", broken)
    done = cli("list")
    assert done.exit_code == exit_code
    assert done.stderr.splitlines() == [f"fer-bench: the/place: {os.strerror(code)}"]


def test_a_run_and_two_names_in_quotes_are_no_runner(folder: Path):
    (folder / "results" / "a").mkdir(parents=True)
    (folder / "results" / "a" / "record.json").touch()
    assert "looks like a stored run" in cli("run", "results/a").stderr
    assert "type: fer-bench run svm mlp" in cli("run", "svm mlp").stderr


@pytest.mark.parametrize(
    "words", ["run svm:published mlp:tuned", "run svm mlp --recipe published", "run mlp:tuned --recipe tuned"]
)
def test_recipes_behind_names_are_planned(words: str):
    done = cli(*words.split(), "--data", "synthetic", "--dry-run")
    assert done.exit_code == 0, done.output
    rows = [line.split()[:2] for line in done.stdout.splitlines()[2:-1]]
    named = [word.partition(":")[0] for word in words.split() if word.startswith(("svm", "mlp"))]
    assert rows == [[name, "tuned" if name == "mlp" and "tuned" in words else "published"] for name in named]


def test_a_name_and_a_recipe_make_the_same_job(folder: Path):
    """Nothing but the recipe stands behind the colon: key and spec are those of --recipe."""
    import json

    plans = [
        json.loads(cli("run", *words, "--data", "synthetic", "--dry-run", "--json").stdout)
        for words in (["stacked-cnn[n=1]:tuned"], ["stacked-cnn[ n = 1 ]", "--recipe", "tuned"])
    ]
    assert plans[0] == plans[1]


def test_no_limit_is_zero_for_both():
    from fer_bench.cli.values import SECONDS

    assert [SECONDS.convert(value, None, None) for value in ("0", "0.0", 0, "1", "2.5")] == [None, None, None, 1.0, 2.5]


def test_the_environment_is_shown_told_and_beaten_by_what_is_typed():
    plan = ("run", "svm", "--data", "synthetic", "--dry-run")
    done = cli(*plan, FER_BENCH_RUN_SEEDS="3")
    assert "3 of 3 jobs" in done.stdout
    assert [line for line in done.stderr.splitlines() if "environment" in line] == [
        "fer-bench: from the environment: FER_BENCH_RUN_SEEDS=3"
    ]
    assert "environment" not in cli(*plan, "--seeds", "1", FER_BENCH_RUN_SEEDS="3").stderr
    assert not cli(*plan, "-q", FER_BENCH_RUN_SEEDS="3").stderr
    assert "2 of 2 jobs" in cli(*plan, FER_BENCH_RUN_SPLITS="official notebook").stdout  # as earlier versions called it
    assert "2 of 2 jobs" in cli(*plan, FER_BENCH_RUN_SPLIT="official notebook").stdout


def test_a_variable_of_no_option_is_named():
    done = cli("list", "--json", FER_BENCH_LIST_JSN="1")
    assert done.stderr.splitlines() == [
        "fer-bench: warning: FER_BENCH_LIST_JSN sets nothing: fer-bench list has no such option; "
        "did you mean FER_BENCH_LIST_JSON?"
    ]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("FER_BENCH_RESULT", "FER_BENCH_RESULTS"),
        ("FER_BENCH_DATASET", "FER_BENCH_DATA"),
        ("FER_BENCH_PLUGIN", "FER_BENCH_LIST_PLUGIN"),
    ],
)
def test_a_variable_without_its_command_or_mistyped_is_named(typed: str, meant: str):
    assert cli("list", **{typed: "1"}).stderr == f"fer-bench: warning: {typed} sets nothing; did you mean {meant}?\n"


@pytest.mark.parametrize("name", ["DATA", "RESULTS", "CACHE", "TTA", "RUN_RESULTS", "RUN_SEEDS", "DATA_AUDIT_OUT"])
def test_a_variable_of_another_command_is_not_named(name: str):
    assert not cli("list", **{f"FER_BENCH_{name}": "1"}).stderr


def test_a_refusal_says_what_of_it_came_from_the_environment():
    done = cli("run", "mlp", "--data", "synthetic", FER_BENCH_RUN_RECIPE="tunde")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "fer-bench: --recipe tunde: no such recipe of mlp; did you mean tuned? (from the environment: FER_BENCH_RUN_RECIPE=tunde)"
    ]


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        ("--seeds three", {}, "Invalid value for '--seeds': 'three' is no whole number"),
        ("", {"FER_BENCH_RUN_SEEDS": "three"}, "Invalid value for FER_BENCH_RUN_SEEDS: 'three' is no whole number"),
    ],
)
def test_a_value_that_is_wrong_is_named_by_where_it_was_given(words: str, env: dict[str, str], said: str):
    done = cli("run", "svm", *words.split(), **env)
    assert done.exit_code == 2
    assert said in done.stderr


def test_who_asks_for_more_is_told_where_a_refusal_arose():
    assert "where it arose" in cli("run", "svm", "--data", "nope.csv", "-v").stderr
    assert "Traceback" not in cli("run", "svm", "--data", "nope.csv").stderr
