"""``fer-bench tune`` as a command: what it says before it runs, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_bench.cli import main


def tune(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["tune", *words], prog_name="fer-bench")
    return done.exit_code, done.stdout, done.stderr


def test_a_dry_run_says_what_would_be_searched_and_writes_nothing(tmp_path: Path) -> None:
    results = tmp_path / "results"
    code, out, _ = tune("svm", "--data", "synthetic", "--limit", "9", "--dry-run", "--results", str(results))
    assert code == 0
    assert "options.C      0.1 to 100, by ratio   1.0" in out
    assert f"20 trials of svm in {results / 'studies' / 'svm'}, by accuracy on 63 validation images" in out
    code, out, _ = tune("svm", "--data", "synthetic", "--dry-run", "--json", "--results", str(results), "--trials", "3")
    told = json.loads(out)
    assert (told["name"], told["trials"], told["statement"]["seed"]) == ("svm", 3, 0)
    assert not results.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no runner 'nothing'"),
        (["svm:tuned"], "no recipe 'tuned'; it has published"),
        (["mlp:tuned", "--recipe", "published"], "names a recipe, and --recipe published another"),
        (["mlp", "--recipe", "none.toml"], "--recipe none.toml: No such file"),
        (["mlp:tuned", "--recipe", "none.toml"], "--recipe none.toml"),
        (["svm", "--space", "none.toml"], "--space none.toml: No such file"),
        (["svm", "--study", "../x"], "--study '../x'"),
        (["svm", "--split", "kfold-3"], "name a fold, such as kfold-3-0"),
        (["svm", "--split", "notebook-90-10"], "no validation part"),
        (["svm", "--scheduler", "tcp://x:1"], "is a Dask scheduler, and --executor local uses none"),
        (["svm", "--trials", "0"], "'--trials'"),
        (["svm", "--seed", "-1"], "'--seed'"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    code, out, err = tune(*words, "--data", "synthetic", "--results", str(tmp_path / "results"))
    assert code == 2
    assert said in err.splitlines()[-1]
    assert out == ""
    assert not (tmp_path / "results").exists()


def test_a_storage_in_no_folder_leaves_no_study(tmp_path: Path) -> None:
    storage = tmp_path / "none" / "journal.log"
    results = str(tmp_path / "results")
    code, _, err = tune("svm", "--data", "synthetic", "--storage", str(storage), "--results", results)
    assert code == 2
    assert err.splitlines()[-1].startswith(f"fer-bench: --storage {storage} can't be written")
    assert not list(Path(results).rglob("study.json"))
