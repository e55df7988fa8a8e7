"""``fer-bench ensemble``, and ``--tta`` of run and compare, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_bench.cli import main

FAULTY = str(Path(__file__).parents[1] / "engine" / "faulty.py")


@pytest.fixture(scope="module")
def cli(tiny_npz, tmp_path_factory):
    """Two runs with flips; what the tests add stays."""
    root = tmp_path_factory.mktemp("ensembles") / "results"

    def cli(*arguments: str, **more: str):
        env = {"FER_BENCH_DATA": str(tiny_npz), "FER_BENCH_RESULTS": str(root), "FER_BENCH_TTA": "flip", **more}
        return CliRunner().invoke(main, [*map(str, arguments)], env=env)

    done = cli("run", "good", "hog-svm", "--plugin", FAULTY)
    assert done.exit_code == 0, done.output
    assert " flip " in done.stdout
    return cli


def test_an_ensemble_stands_on_the_board_once(cli):
    made = cli("ensemble", "good", "hog-svm", "--name", "both", "--tta", "--weights", "validation")
    assert made.exit_code == 0, made.output
    assert "validation accuracy" in made.stdout
    assert "both" in made.stdout.partition("Accuracy")[2]
    (record,) = json.loads(cli("ensemble", "good", "hog-svm", "--name", "equal", "--json").stdout)
    assert [member["weight"] for member in record["ensemble"]["members"]] == [0.5, 0.5]
    assert record["scores"]["images_unseen"] == 28
    again = cli("ensemble", "hog-svm", "good", "--name", "equal", "--json")
    assert "on the board already" in again.stderr
    assert json.loads(again.stdout) == [record]
    other = ("ensemble", "good", "hog-svm", "--name", "equal", "--weights", "validation")
    replaced = cli(*other)
    assert replaced.exit_code == 2
    assert "another ensemble" in replaced.stderr
    assert cli(*other, "--force").exit_code == 0
    report = cli("report")
    assert report.exit_code == 0, report.output
    refused = cli("evaluate", "both", "--data", "nowhere")
    assert refused.exit_code == 2
    assert "an ensemble, which has no model of its own" in refused.stderr


def test_predictions_with_views_are_compared(cli):
    found = json.loads(cli("compare", "good", "hog-svm", "--tta", "--json").stdout)
    assert (found["a"], found["b"]) == ("good (default) with flip", "hog-svm (tuned) with flip")
    plain = json.loads(cli("compare", "good", "hog-svm", "--json").stdout)
    assert (plain["a"], plain["b"]) == ("good (default)", "hog-svm (tuned)")
    assert cli("ensemble", "good", "hog-svm", "--name", "plain").exit_code == 0
    lacking = cli("compare", "good", "plain", "--tta")
    assert lacking.exit_code == 2
    assert "--with-tta: plain (ensemble) has no predictions with test-time augmentation" in lacking.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good", "nobody", "--name", "x"], "no run called 'nobody'"),
        (["good", "--name", "x"], "good is one run, which is no ensemble; name two or more"),
        (["good", "--name", "svm"], "a runner's name; take another, such as svm-ensemble"),
        (["good", "--name", "Both Of Them"], "use lower-case letters"),
        (["good", "good", "--name", "x"], "good (default, seed 0) is named twice"),
        (["good"], "Missing option '--name'"),
        (["--name", "x"], "Missing argument 'RUNS...'"),
        (["good", "--name", "x", "--results", "nowhere"], "no results folder nowhere"),
    ],
)
def test_wrong_input_is_one_line(cli, arguments, message):
    done = cli("ensemble", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    if "Usage:" not in done.stderr:
        assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize(
    ("arguments", "env", "why"),
    [
        (["--data", "synthetic"], {}, "the same command with --data, which names tiny, adds it"),
        ([], {"FER_BENCH_DATA": ""}, "the same command with --data, which names tiny, adds it"),
    ],
)
def test_without_the_data_of_the_runs_accuracy_on_unseen_images_is_added_later(cli, arguments, env, why):
    call = ["ensemble", "good", "hog-svm", "--name", "blind", "--json", "--tta", "--force"]
    done = cli(*call, *arguments, **env)
    assert "no accuracy on unseen images: " in done.stderr
    assert why in done.stderr
    (blind,) = json.loads(done.stdout)
    assert blind["scores"]["accuracy_unseen"] is None
    (seeing,) = json.loads(cli(*call[:-1]).stdout)
    assert seeing["job"]["key"] == blind["job"]["key"]
    assert seeing["scores"]["images_unseen"] == 28


def test_the_plan_says_what_is_only_predicted(cli):
    plan = cli("run", "good", "--plugin", FAULTY, "--dry-run", FER_BENCH_TTA="ten-crop")
    assert plan.stdout.splitlines()[2].split()[-1] == "predict"
    assert cli("run", "good", "--plugin", FAULTY, "--dry-run").stdout.splitlines()[2].split()[-1] == "-"
    assert cli("run", "good", "--tta", "random").exit_code == 2


def test_the_plan_says_what_is_trained_again_for_want_of_a_model(cli, tmp_path):
    call, apart = ("run", "good", "--plugin", FAULTY), {"FER_BENCH_RESULTS": str(tmp_path)}
    assert cli(*call, "--no-models", **apart, FER_BENCH_TTA="none").exit_code == 0
    plan = cli(*call, "--dry-run", **apart)
    assert plan.stdout.splitlines()[2].endswith("  train again")
