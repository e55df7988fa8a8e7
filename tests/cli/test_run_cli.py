"""``fer-bench run`` as a user types it: output, exit codes, bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_records import leftovers

from fer_bench.cli import main

FAULTY = str(Path(__file__).parents[1] / "engine" / "faulty.py")
PLUGIN = '''\
from fer_bench import SklearnRunner, register
from sklearn.linear_model import LogisticRegression


@register("logreg")
class LogReg(SklearnRunner):
    """Logistic regression on pixels."""
    def build(self):
        return LogisticRegression(max_iter=200)
'''


@pytest.fixture
def cli(tiny_npz, tmp_path):
    def cli(*arguments: str):
        return CliRunner().invoke(
            main, [*arguments], env={"FER_BENCH_DATA": str(tiny_npz), "FER_BENCH_RESULTS": str(tmp_path / "results")}
        )

    return cli


def test_a_runner_of_ten_lines_lands_on_the_leaderboard(cli, tmp_path):
    assert len(PLUGIN.splitlines()) <= 10
    (tmp_path / "own_logreg.py").write_text(PLUGIN)
    result = cli("run", "logreg", "--plugin", str(tmp_path / "own_logreg.py"))
    assert result.exit_code == 0, result.output
    board = result.stdout
    assert "logreg" in board
    assert "not run yet" in board  # the built-in runners keep their rows


def test_a_failure_is_a_row_with_its_reason_and_exit_code_1(cli):
    result = cli("run", "raises", "good", "--plugin", FAULTY)
    assert result.exit_code == 1
    assert "on fire" in result.stdout
    assert "1 of 2 runs failed: raises (error)" in result.stderr


def test_json_holds_the_records(cli):
    result = cli("run", "good", "--plugin", FAULTY, "--json")
    (record,) = json.loads(result.stdout)
    assert record["status"] == "ok"
    assert 0 <= record["scores"]["accuracy"] <= 1


def test_the_training_part_is_scored_where_that_is_asked_for(cli):
    for words, there in ((["--train-scores", "on"], True), ([], False)):
        result = cli("run", "good", "--plugin", FAULTY, "--json", "--force", *words)
        (record,) = json.loads(result.stdout)
        assert (record["train_scores"] is not None) == there
    assert cli("run", "good", "--plugin", FAULTY, "--train-scores", "yes").exit_code == 2


def test_dry_run_shows_the_plan_and_what_is_done(cli, tmp_path):
    result = cli("run", "good", "raises", "--seeds", "2", "--plugin", FAULTY, "--dry-run")
    assert "4 of 4 jobs to run" in result.stdout
    assert not (tmp_path / "results").exists()
    cli("run", "good", "--plugin", FAULTY)
    result = cli("run", "good", "raises", "--seeds", "2", "--plugin", FAULTY, "--dry-run")
    assert "3 of 4 jobs to run" in result.stdout


def test_a_record_that_cannot_be_read_blocks_its_own_job_only(cli, tmp_path):
    cli("run", "good", "noisy", "--plugin", FAULTY)
    (path,) = (tmp_path / "results").glob("*/*/good/*/record.json")
    path.write_text("half a rec")
    result = cli("run", "good", "noisy", "needy", "--plugin", FAULTY, "--force")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "is not run" in line]
    assert str(path) in line
    assert "1 of 3 runs failed: good (unreadable record)" in result.stderr
    assert "--rerun" not in result.stderr
    assert path.read_text() == "half a rec"
    assert list((tmp_path / "results").glob("*/*/needy/*/record.json"))
    plan = cli("run", "good", "--plugin", FAULTY, "--dry-run", "--json")
    assert [(job["status"], job["run"]) for job in json.loads(plan.stdout)] == [("unreadable", False)]
    assert "unreadable" in cli("run", "good", "--plugin", FAULTY, "--dry-run").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "--all"),
        (["run", "--all", "svm"], "leave it out"),
        (["runn", "svm"], "did you mean run"),
        (["run", "svm", "--limit", "0"], "--limit"),
        (["run", "svm", "--weights", "nowhere.h5"], "nowhere.h5"),
        (["run", "svmm"], "svm"),
        (["run", "svm", "--recipe", "publishd"], "published"),
        (["run", "svm[gamma=1]"], "gamma"),
        (["run", "svm", "--split", "oficial"], "official"),
        (["run", "svm", "--data", "no-such-file.csv"], "no-such-file.csv"),
        (["run", "svm", "--merge", "sadness+boredom"], "boredom"),
        (["run", "svm", "--plugin", "no_such_module.py"], "no_such_module.py"),
        (["run", "svm", "--device", "gpu:99"], "gpu"),
        (["run", "svm", "--device", "tpu"], "tpu"),
        (["run", "svm", "--fill", "no-such-folder"], "no-such-folder"),
        (["run", "svm", "--fill", "synthetic"], "fills nothing, because all classes"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(cli, arguments, words):
    result = cli(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert (
        len(
            [
                line
                for line in result.stderr.splitlines()
                if not line.startswith(("fer-bench: data:", "fer-bench: fill:"))
            ]
        )
        == 1
    )
    assert "Traceback" not in result.output


def test_a_results_folder_that_is_a_file(cli, tmp_path):
    (tmp_path / "results").write_text("")
    result = cli("run", "good", "--plugin", FAULTY)
    assert result.exit_code == 2
    assert "can't be written" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_worker_and_leaves_a_record(tiny_npz, tmp_path, sign):
    results = tmp_path / "results"
    command = [sys.executable, "-c", "from fer_bench.cli import main; main()", "run", "hangs", "--plugin", FAULTY]
    env = {**os.environ, "FER_BENCH_DATA": str(tiny_npz), "FER_BENCH_RESULTS": str(results)}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if list(results.glob(".work/*/task.json")):
            break
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    (path,) = results.glob("*/official/hangs/*/record.json")
    assert json.loads(path.read_text())["status"] == "interrupted"
    assert [name.partition("-")[0] for name in leftovers(results)] == ["resume"]


def test_six_labels_have_a_board_of_their_own(cli):
    cli("run", "good", "--plugin", FAULTY)
    result = cli("run", "good", "--plugin", FAULTY, "--labels", "six")
    assert result.exit_code == 0, result.output
    assert "tiny-six" in result.stdout
    assert not np.any([line.startswith("tiny ") for line in result.stdout.splitlines()])


def test_tensorboard_that_is_not_installed_is_said_before_anything_is_read_or_run(cli, tmp_path, monkeypatch):
    from fer_bench.engine import run
    from fer_bench.errors import InputError

    monkeypatch.setattr("fer_bench.training.tensorboard.importlib.util.find_spec", lambda name: None)
    result = cli("run", "mlp", "--tensorboard", "logs", "--data", "no-such-file")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "fer-bench: --tensorboard needs the package tensorboard, which is not installed: pip install "
        "'fer-bench[tensorboard]'"
    ]
    with pytest.raises(InputError, match="tensorboard"):
        run(["mlp"], data="no-such-file", tensorboard="logs", results=tmp_path / "results")
    assert not (tmp_path / "results").exists()
