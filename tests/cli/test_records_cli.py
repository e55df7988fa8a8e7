"""What the commands that read records have in common: which board is meant, and what a record that can't be read
does.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_records import keep, record

from fer_bench.cli import main
from fer_bench.records.store import Store

SIX = ["anger", "disgust", "happiness", "neutral", "sadness", "surprise"]
PLUGIN = '''
from fer_bench import SklearnRunner, register


@register("brought")
class Brought(SklearnRunner):
    """Brought by a file."""

    def build(self):
        raise NotImplementedError
'''


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FER_BENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "results")
    store.prepare()
    six = {"dataset": "fer2013-six", "dataset_digest": "d6", "classes": SIX}
    for run in (record("svm", 0.5), record("mlp", 0.49), record("svm", 0.7, **six), record("mlp", 0.6, **six)):
        keep(store, run)
    return store.root


@pytest.fixture
def broken(root: Path) -> Path:
    path = root / "fer2013" / "official" / "knn" / "published-s0-00000000" / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    return path


def cli(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--results", str(root)], prog_name="fer-bench")


@pytest.mark.parametrize(
    ("options", "accuracy"),
    [([], 0.5), (["--labels", "seven"], 0.5), (["--labels", "six"], 0.7), (["--board", "fer2013-six"], 0.7),
     (["--dataset", "fer2013-six"], 0.7), (["--dataset=fer2013-six", "--labels", "six"], 0.7)],
)  # fmt: skip
def test_labels_choose_the_board(root: Path, options: list[str], accuracy: float):
    found = json.loads(cli(root, "compare", "svm", "mlp", "--json", *options).stdout)
    assert found["accuracy"]["a"]["value"] == accuracy
    made = cli(root, "ensemble", "svm", "mlp", "--name", "both", "--dry-run", "--json", *options)
    (record_,) = json.loads(made.stdout)
    assert len(record_["job"]["classes"]) == (6 if accuracy == 0.7 else 7)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--labels", "six", "--board", "fer2013"], "no runs on data set fer2013, split of any name, emotions anger"),
        (["--merge", "sadness+neutral"], "no runs on data set of any name"),
        (["--merge", "sadness+boredom"], "'boredom' is no emotion"),
        (["--board", "a", "--dataset", "b"], "--board is given twice"),
    ],
)
@pytest.mark.parametrize("command", [["compare", "svm", "mlp"], ["ensemble", "svm", "mlp", "--name", "x"],
                                     ["evaluate", "svm", "--data", "synthetic"]])  # fmt: skip
def test_a_board_that_is_not_there_is_refused(root: Path, command: list[str], options: list[str], words: str):
    done = cli(root, *command, *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_sheet_takes_the_labels_of_the_board(root: Path, tmp_path: Path, tiny_npz: Path):
    """--data is brought under the board's emotions; what is compared is the data, not how it was labelled."""
    done = cli(root, "compare", "svm", "mlp", "--labels", "six", "--sheet", "s.png", "--data", str(tiny_npz))
    assert done.exit_code == 2
    assert "is not the data set of these runs, fer2013-six" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["run", "svm", "--data", "synthetic", "--limit", "2"],
        ["report"],
        ["report", "--dry-run"],
        ["compare", "svm", "mlp"],
        ["ensemble", "svm", "mlp", "--name", "both"],
        ["ensemble", "svm", "mlp", "--name", "both", "--dry-run"],
        ["score", "answers.csv", "--name", "theirs", "--data", "data.npz"],
        ["doctor", "--data", "synthetic"],
    ],
    ids=" ".join,
)
def test_an_unreadable_record_is_told_the_same_way_everywhere(
    root: Path, broken: Path, command: list[str], tiny_npz: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fer_bench.cli.doctor.PROBES", {"tensorflow": "print(0)"})  # whose import takes seconds
    rows = "\n".join(f"{row},{row % 7}" for row in range(91, 119))
    Path("answers.csv").write_text(f"row,predicted\n{rows}\n")
    Path("data.npz").write_bytes(tiny_npz.read_bytes())
    done = cli(root, *command)
    assert done.exit_code == 1, done.output
    assert len([line for line in done.output.splitlines() if str(broken) in line]) == 1
    if command[0] != "doctor":
        assert done.stderr.count("fer-bench: warning: ") == 1
    assert done.stdout
    assert broken.read_text() == "{"


def test_evaluate_tells_an_unreadable_record_before_it_refuses(root: Path, broken: Path):
    done = cli(root, "evaluate", "svm", "--data", "synthetic")
    assert done.exit_code == 2  # made by hand, the run has no model
    assert f"warning: {broken}" in done.stderr


def test_nothing_is_written_by_a_dry_run(root: Path, tiny_npz: Path):
    def state() -> dict[str, float]:
        return {str(path): path.stat().st_mtime for path in root.parent.rglob("*") if ".work" not in path.parts}

    before = state()
    for command in (
        ["report", "--dry-run", "--json"],
        ["ensemble", "svm", "mlp", "--name", "both", "--dry-run"],
        ["run", "svm", "--data", "synthetic", "--dry-run"],
    ):
        done = cli(root, *command)
        assert done.exit_code == 0, done.output
        assert done.stdout
    for command in (
        ["data", "audit", "--dry-run", "--data", str(tiny_npz)],
        ["data", "export", "--dry-run", "--data", str(tiny_npz), "--out", "out"],
        ["new-runner", "mine", "--dry-run", "--json"],
    ):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        assert done.stdout
    assert state() == before


@pytest.mark.parametrize(
    "command",
    [["compare", "svm", "mlp"], ["ensemble", "svm", "mlp", "--name", "brought"], ["report", "--dry-run"],
     ["score", "x.csv", "--name", "brought"]],
)  # fmt: skip
def test_plugins_are_understood_wherever_records_are_read(root: Path, command: list[str]):
    Path("brings.py").write_text(PLUGIN)
    done = cli(root, *command, "--plugin", "brings.py")
    if "brought" in command:
        assert done.exit_code == 2
        assert "a runner's name" in done.stderr
    else:
        assert done.exit_code == 0, done.output
    assert "no such file" in cli(root, *command, "--plugin", "gone.py").stderr


def test_quiet_says_only_what_is_wrong(root: Path, broken: Path):
    done = cli(root, "report", "-q")
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["warning:"]
    assert np.isin(["svm", "mlp"], done.stdout.split()).all()
