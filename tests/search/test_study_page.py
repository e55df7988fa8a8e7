"""The page of a study: made from its account alone, whatever stands in it, and without Optuna."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_records import keep, record

from fer_bench.records.store import Store
from fer_bench.report.write import write_report
from fer_bench.search.studies import StudyTold, found, read_account


def trial(number: int, **told: Any) -> dict[str, Any]:
    plain = {
        "number": number,
        "state": "complete",
        "value": 0.3 + number / 100,
        "params": {"learning_rate": 10.0**-number, "augmentation.flip": number % 2 == 0},
        "base": number == 1,
        "again": None,
        "started": "2026-11-26T12:00:00",
        "seconds": 61.4,
        "best_epoch": 2,
        "curve": {"1": 0.2, "2": 0.3 + number / 100},
        "failure": None,
    }
    return plain | told


@pytest.fixture
def account() -> dict[str, Any]:
    trials = [trial(number) for number in range(1, 6)]
    pruned = trial(6, state="pruned", value=None, curve={"1": 0.1, "2": 0.15})
    failed = trial(7, state="failed", value=None, curve={}, failure={"status": "oom", "message": "out of | memory"})
    gone = trial(8, state="gone", value=None)
    space = {
        "learning_rate": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
        "augmentation.flip": {"type": "bool"},
    }
    return {
        "version": 1,
        "name": "mlp",
        "statement": {"runner": "mlp", "recipe": "tuned", "space": space, "objective": "accuracy", "limit": 9, "seed": 0,
                      "data": "fer2013 (12ab)", "split": "official (34cd)"},
        "epochs": 2,
        "space_from": "the space of mlp",
        "searched": [
            {"name": "learning_rate", "type": "float", "range": "1e-05 to 0.1, by ratio", "log": True, "was": 0.001},
            {"name": "augmentation.flip", "type": "bool", "range": "yes or no", "log": False, "was": True},
        ],
        "storage": "journal",
        "sampler": {"name": "TPE, multivariate", "random_trials": 6},
        "pruner": {"name": "median", "trials_before": 4, "epochs_before": 1},
        "most": 7,
        "counts": {"complete": 5, "pruned": 1, "failed": 1, "running": 0, "waiting": 0},
        "train_images": 63,
        "validation_images": 60,
        "upwards": True,
        "best": trials[-1],
        "base": trials[0],
        "importance": {"learning_rate": 0.75, "augmentation.flip": 0.25},
        "trials": [*trials, pruned, failed, gone],
    }  # fmt: skip


@pytest.fixture
def results(tmp_path: Path, account: dict[str, Any]) -> Path:
    """A results folder with a run and a study."""
    root = tmp_path / "results"
    store = Store(root)
    store.prepare()
    keep(store, record("mlp"))
    (root / "studies" / "mlp").mkdir(parents=True)
    (root / "studies" / "mlp" / "study.json").write_text(json.dumps(account))
    return root


def write(root: Path) -> tuple[str, str, list[str]]:
    """The report's page, that of the study, and what could not be read."""
    written = write_report(root, Store(root).scan()[0])
    page = root / "studies" / "mlp" / "README.md"
    return (root / "README.md").read_text(), page.read_text() if page.exists() else "", written.problems


def test_a_study_has_a_page_that_the_report_leads_to(results: Path) -> None:
    readme, page, problems = write(results)
    assert problems == []
    assert "| [mlp](studies/mlp/README.md) | mlp | 2 epochs at most, 9 images an emotion | official | 7 |" in readme
    assert "validation accuracy 0.3500 | 0.3100 |" in readme
    assert "in 7 trials: 5 complete, 1 pruned, 1 failed" in page
    assert "| learning\\_rate | float | 1e-05 to 0.1, by ratio | 0.001 | 1e-05 |" in page
    best, *others = [line for line in page.splitlines() if line.startswith("| ") and "61 |" in line]
    assert best == "| 5 | complete | 0.3500 | 1e-05 | False | 61 |"
    assert "| 6 | pruned in epoch 2 | - |" in others[-2]
    assert "- trial 7: out of \\| memory" in page
    for kind in ("history", "importance", "slices"):
        picture = results / "plots" / f"study-mlp-{kind}.png"
        assert f"](../../plots/{picture.name})" in page
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_same_account_gives_the_same_bytes(results: Path) -> None:
    paths = [*(results / "plots" / f"study-mlp-{kind}.png" for kind in ("history", "importance", "slices"))]
    first = write(results), [path.read_bytes() for path in paths]
    assert (write(results), [path.read_bytes() for path in paths]) == first


def test_a_study_of_failures_alone_has_a_page_too(results: Path, account: dict[str, Any]) -> None:
    failed = account["trials"][6]
    account |= {"trials": [failed], "best": None, "base": None, "importance": None}
    (results / "studies" / "mlp" / "study.json").write_text(json.dumps(account))
    readme, page, problems = write(results)
    assert problems == []
    assert "validation accuracy - | - |" in readme
    assert "fer-bench run" not in page


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"trials": 3}, {"counts": {"complete": "many"}}, {"best": {"number": 1}}, {"more": 1}],
    ids=str,
)
def test_an_account_that_is_none_is_named_and_left_out(
    change: dict[str, Any], results: Path, account: dict[str, Any]
) -> None:
    (results / "studies" / "mlp" / "study.json").write_text(json.dumps(account | change))
    readme, _, problems = write(results)
    assert "Searches" not in readme
    assert len(problems) == 1
    assert "study.json: no account of a study" in problems[0]


def test_texts_of_an_account_stay_text(results: Path, account: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>|`![x](http://e)$\\alpha$"
    account["statement"] |= dict.fromkeys(("runner", "recipe", "objective", "data", "split", "seed"), evil)
    account["searched"][0] |= {"name": evil, "range": evil, "was": evil}
    account["trials"][0]["params"] = {evil: 0.1, "augmentation.flip": evil}
    account["importance"] = {evil: 1.0}
    (results / "studies" / "mlp" / "study.json").write_text(json.dumps(account))
    readme, page, problems = write(results)
    assert problems == []
    for text in (readme, page):
        outside_code = re.sub(r"(?<!\\)`[^`\n]*`", "", text)
        assert "<script" not in outside_code
        assert "![x](http" not in outside_code


def test_report_needs_no_optuna(results: Path) -> None:
    code = "import sys; sys.modules['optuna'] = None; from fer_bench.cli import main; main()"
    command = [sys.executable, "-c", code, "report", "--results", str(results), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (results / "studies" / "mlp" / "README.md").is_file()
    assert [path.name for path in found(results)] == ["mlp"]
    assert isinstance(read_account(found(results)[0]), StudyTold)


def test_tune_without_optuna_is_one_line() -> None:
    code = (
        "import sys, importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *rest: None if name == 'optuna' else find(name, *rest);"
        "from fer_bench.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "tune", "svm"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    said = "fer-bench: fer-bench tune needs the package optuna, which is not installed: pip install 'fer-bench[tune]'\n"
    assert done.stderr == said
