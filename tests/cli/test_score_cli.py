"""``fer-bench score`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from fer_bench.cli import main

FAULTY = str(Path(__file__).parents[1] / "engine" / "faulty.py")


@pytest.fixture
def cli(tiny_npz, tmp_path):
    def cli(*arguments: str):
        env = {"FER_BENCH_DATA": str(tiny_npz), "FER_BENCH_RESULTS": str(tmp_path / "results")}
        return CliRunner().invoke(main, [*map(str, arguments)], env=env)

    return cli


@pytest.fixture
def answers(tmp_path) -> Path:
    """The tiny set's test part: right for 21 images of 28."""
    labels = np.arange(28) % 7
    path = tmp_path / "answers.csv"
    table = pd.DataFrame(
        {"row": np.arange(91, 119), "predicted": np.where(np.arange(28) < 21, labels, (labels + 1) % 7)}
    )
    table.to_csv(path, index=False)
    return path


def test_an_outside_system_stands_on_the_board(cli, answers):
    done = cli("score", answers, "--name", "their-net", "--note", "by hand")
    assert done.exit_code == 0, done.output
    assert "their-net" in done.stdout
    assert "75.0 [" in done.stdout
    assert "scored from predictions, not run here; by hand" in done.stdout
    report = cli("report")
    assert report.exit_code == 0, report.output
    assert "their-net" in report.stdout


def test_score_reproduces_what_a_run_reported(cli, tmp_path):
    (run,) = json.loads(cli("run", "good", "--plugin", FAULTY, "--json").stdout)
    (folder,) = (tmp_path / "results").glob("*/official/good/*")
    for given in (folder, folder / "predictions.npz"):
        done = cli("score", given, "--dry-run", "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == run["scores"]
    (external,) = json.loads(cli("score", folder, "--name", "copy", "--json").stdout)
    assert external["scores"] == run["scores"]
    assert external["job"]["train_images"] is None
    refused = cli("score", folder, "--name", "good")
    assert refused.exit_code == 2
    assert "runner's name" in refused.stderr


def test_a_dry_run_scores_and_keeps_nothing(cli, answers, tmp_path):
    done = cli("score", answers, "--dry-run")
    assert "28 images: accuracy 75.0 [" in done.stdout
    assert "log loss" not in done.stdout
    assert "confidence" not in done.stdout
    assert not (tmp_path / "results").exists()


def test_both_confidences_are_told_where_there_are_probabilities(cli, tmp_path):
    """Every image gets .6 for its emotion but those of anger, which get it for disgust and have .3 themselves."""
    labels = np.arange(28) % 7
    given = np.full((28, 7), 0.4 / 6)
    given[np.arange(28), labels] = 0.6
    given[labels == 0] = [0.3, 0.6, *[0.02] * 5]
    names = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    table = pd.DataFrame(given, columns=names).assign(row=np.arange(91, 119))
    table.to_csv(tmp_path / "sure.csv", index=False)
    done = cli("score", tmp_path / "sure.csv", "--dry-run")
    lines = {line.split()[0]: line.split()[-2:] for line in done.stdout.splitlines() if line}
    assert "confidence: predicted" in done.stdout
    assert lines["anger"] == ["60.0", "30.0"]
    assert lines["fear"] == ["60.0", "60.0"]


def test_the_same_predictions_again_change_nothing_and_others_are_refused(cli, answers, tmp_path):
    cli("score", answers, "--name", "their-net")
    assert cli("score", answers, "--name", "their-net").exit_code == 0
    table = pd.read_csv(answers).assign(predicted=0)
    table.to_csv(answers, index=False)
    refused = cli("score", answers, "--name", "their-net")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert cli("score", answers, "--name", "their-net", "--force").exit_code == 0
    assert len(list((tmp_path / "results").glob("*/official/their-net/*"))) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--name is wanted"),
        (["--name", "mlp"], "runner's name"),
        (["--name", "x", "--split", "kfold-5"], "kfold-5-0"),
        (["--name", "x", "--split", "notebook"], "split notebook"),
        (["--name", "x", "--data", "gone.csv"], "gone.csv"),
        (["--name", "x", "--labels", "six"], "is none of"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(cli, answers, arguments, words):
    done = cli("score", answers, *arguments)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert len([line for line in done.stderr.splitlines() if not line.startswith("fer-bench: data:")]) == 1
