"""``fer-bench runs``, ``show`` and ``rm``: every record is listed, shown whole, and removed whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from made_records import answers, keep, leftovers, record

from fer_bench.api import registry
from fer_bench.cli import main
from fer_bench.data.dataset import EMOTIONS
from fer_bench.records.evaluation import EVALUATION, EVALUATIONS, Evaluation
from fer_bench.records.record import Ensemble, Environment, Failure, Member
from fer_bench.records.store import Store
from fer_bench.scores.foreign import View
from fer_bench.scores.metrics import score

TODAY = {"runner_version": registry.get("mlp").info.version}


def evaluation(run) -> Evaluation:
    labels, probabilities = answers(0.3, 7)
    return Evaluation(
        command="fer-bench evaluate", started="2026-03-01T00:00:00Z", key=run.job.key, runner=run.job.runner,
        recipe=run.job.recipe, seed=0, trained_on="fer2013", trained_digest="d1", split="official", data="CK+48",
        data_digest="ck", images=200, scored=200, subjects=None, dropped={}, missing=[],
        whole=View(scores=score(labels, probabilities, EMOTIONS), over_images={"accuracy": (0.2, 0.4), "macro_f1": (0.2, 0.4)},
                   over_subjects=None), masked=None, environment=Environment(device="cpu"),
    )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """svm, whose model was evaluated elsewhere; mlp with two seeds and an older recipe; one failed; one of each kind."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "results")
    store.prepare()
    svm, mlp = record("svm", 0.5), record("mlp", 0.49, recipe="tuned", **TODAY)
    member = {"started": svm.started, "recipe": "published", "seed": 0, "weight": 0.5}
    both = record("both", 0.6, family="ensemble", recipe="ensemble")
    both.ensemble = Ensemble(
        members=[
            Member(key=svm.job.key, runner="svm", **member),
            Member(key=mlp.job.key, runner="mlp", **{**member, "recipe": "tuned", "started": mlp.started}),
        ],
        candidates=[svm.job.key, mlp.job.key],
        chosen=False,
        weights="equal",
    )
    failed = record("resnet50", status="error")
    failed.failure = Failure(message="broke in the middle", hint="look at line 3", log_tail=["line 2", "line 3"])
    made = [
        svm,
        mlp,
        record("mlp", 0.48, recipe="tuned", seed=1, **TODAY),
        record("mlp", 0.2, recipe_digest="older", **TODAY),
        failed,
    ]
    made += [both, record("theirs", 0.7, family="external", recipe="external"), record("svm", 0.4, split="notebook")]
    for run in made:
        keep(store, run)
    place = store.folder(svm.job) / EVALUATIONS / "CK+48-ck" / EVALUATION
    place.parent.mkdir(parents=True)
    place.write_text(evaluation(svm).model_dump_json())
    return store.root


def cli(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--results", str(root)], prog_name="fer-bench")


def listed(root: Path, *words: str) -> list[tuple[str, str, int, str, str]]:
    done = cli(root, "runs", *words, "--json")
    assert done.exit_code == 0, done.output
    return [tuple(e[name] for name in ("kind", "system", "seed", "status", "data")) for e in json.loads(done.stdout)]


def key(root: Path, system: str, seed: int = 0, split: str = "official") -> str:
    found = json.loads(cli(root, "runs", "--json").stdout)
    wanted = [e["key"] for e in found if (e["system"], e["seed"], e["split"]) == (system, seed, split)]
    return wanted[0]


def test_every_record_is_listed_in_a_stable_order(root: Path):
    assert listed(root) == [
        ("ensemble", "both:ensemble", 0, "ok", "fer2013"),
        ("run", "mlp:published", 0, "ok", "fer2013"),
        ("run", "mlp:tuned", 0, "ok", "fer2013"),
        ("run", "mlp:tuned", 1, "ok", "fer2013"),
        ("run", "resnet50:published", 0, "error", "fer2013"),
        ("run", "svm:published", 0, "ok", "fer2013"),
        ("evaluation", "svm:published", 0, "ok", "CK+48-ck"),
        ("external", "theirs:external", 0, "ok", "fer2013"),
        ("run", "svm:published", 0, "ok", "fer2013"),
    ]
    done = cli(root, "runs")
    lines = done.stdout.splitlines()
    assert len(lines) == 2 + 9
    assert "recipe changed" in next(line for line in lines if "mlp:published" in line)
    assert "broke in the middle" in next(line for line in lines if "resnet50" in line)
    assert "8 of 8 records" in done.stderr


@pytest.mark.parametrize(
    ("words", "count"),
    [(["svm"], 3), (["mlp:tuned"], 2), (["mlp", "svm"], 6), (["--status", "error"], 1), (["--split", "notebook"], 1),
     (["--status", "error", "--status", "timeout"], 1), (["svm", "--split", "official"], 2), (["mlp", "--status", "error"], 0)],
)  # fmt: skip
def test_a_list_can_be_narrowed(root: Path, words: list[str], count: int):
    assert len(listed(root, *words)) == count


def test_a_record_that_another_of_its_job_replaced_is_listed_too(root: Path):
    """Two records of one key, of which a leaderboard counts the later one."""
    store = Store(root)
    older = record("svm", 0.5, started="2025-01-01T00:00:00Z")
    (root / "fer2013" / "official" / "svm" / "kept-by-hand").mkdir()
    (root / "fer2013" / "official" / "svm" / "kept-by-hand" / "record.json").write_text(older.model_dump_json())
    found = json.loads(cli(root, "runs", "svm", "--split", "official", "--json").stdout)
    assert [(e["started"][:4], e["superseded"]) for e in found if e["kind"] == "run"] == [
        ("2025", True),
        ("2026", False),
    ]
    refused = cli(root, "rm", older.job.key[:8], "--yes")
    assert refused.exit_code == 2
    assert "name its folder" in refused.stderr
    assert cli(root, "rm", str(root / "fer2013" / "official" / "svm" / "kept-by-hand"), "--yes").exit_code == 0
    assert store.find(older.job) is not None


def test_an_unreadable_record_is_named(root: Path):
    path = root / "fer2013" / "official" / "knn" / "published-s0-00000000" / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    damaged = next(root.rglob(EVALUATION))
    damaged.write_text("{")
    done = cli(root, "runs")
    assert done.exit_code == 1
    assert str(path) in done.stderr
    assert str(damaged) in done.stderr
    assert len(done.stdout.splitlines()) == 2 + 8


def test_show_tells_everything(root: Path):
    done = cli(root, "show", "svm")
    assert done.exit_code == 0, done.output
    for words in ("svm:published, seed 0, on fer2013, split official: ok", "50.0 [43.1, 56.9]", "CK+48-ck: accuracy 30.0 %",
                  "predictions.npz", "1,234,567", "evaluations/"):  # fmt: skip
        assert words in done.stdout
    failed = cli(root, "show", "resnet50").stdout
    for words in ("broke in the middle", "hint: look at line 3", "    line 2\n    line 3"):
        assert words in failed
    assert "0.500  mlp:tuned, seed 0" in cli(root, "show", "both").stdout
    assert "stale: recipe changed" in cli(root, "show", key(root, "mlp:published")).stdout
    assert "split notebook" in cli(root, "show", "svm", "--split", "notebook").stdout


def test_show_prints_the_record_itself_as_json(root: Path):
    one = key(root, "svm:published")
    there = Store(root).folder(record("svm", 0.5).job) / "record.json"
    assert json.loads(cli(root, "show", one[:8], "--json").stdout) == json.loads(there.read_text())


@pytest.mark.parametrize(
    ("words", "told"),
    [(["show", "mlp:tuned"], "has 2 records; name one of them by its key"), (["show", "mlp"], "more than one system"),
     (["show", "mlq"], "did you mean mlp"), (["show", "nowhere/else"], "no folder of a record"),
     (["show", "svm", "--split", "kfold-5-0"], "no records on"), (["runs", "mlq"], "did you mean mlp"),
     (["rm"], "name records by their keys"), (["rm", "svm", "--yes"], "more than one system here"),
     (["rm", "mlp:tuned"], "there is no terminal to ask on"), (["rm", "0" * 8, "--yes"], "no run called")],
)  # fmt: skip
def test_what_is_not_clear_is_refused_in_a_line(root: Path, words: list[str], told: str):
    before = sorted(root.rglob("*"))
    done = cli(root, *words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert sorted(path for path in root.rglob("*") if ".work" not in path.parts) == [
        p for p in before if ".work" not in p.parts
    ]


def test_rm_takes_records_with_all_that_is_theirs(root: Path):
    store, run = Store(root), record("svm", 0.5)
    (store.resume(run.job) / "state").write_text("half a training")
    shown = cli(root, "rm", "svm", "--split", "official", "--dry-run", "--json")
    (told,) = json.loads(shown.stdout)
    assert told["key"] == run.job.key
    assert told["needed_by"] == [key(root, "both:ensemble")]
    assert store.find(run.job) is not None
    done = cli(root, "rm", "svm", "--split", "official", "--yes")
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("fer-bench: svm:published, key")  # the ensemble that needs it is told first
    assert "is a member of the ensemble both" in done.stderr
    assert not store.folder(run.job).exists()
    assert leftovers(root) == []
    assert len(listed(root)) == 7
    assert cli(root, "rm", "--status", "error", "--yes").exit_code == 0
    assert [status for *_, status, _ in listed(root)] == ["ok"] * 6
    assert "members changed" in cli(root, "runs", "both").stdout


def test_rm_leaves_all_where_another_process_is_at_one(root: Path):
    store, run = Store(root), record("mlp", 0.48, recipe="tuned", seed=1, **TODAY)
    before = listed(root)
    with store.claim(run.job) as mine:
        assert mine
        done = cli(root, "rm", "mlp:tuned", "--yes")
    assert done.exit_code == 2
    assert "another process is at mlp" in done.stderr
    assert listed(root) == before
    assert cli(root, "rm", "mlp:tuned", "--yes").exit_code == 0
    assert len(listed(root)) == len(before) - 2


@pytest.mark.skipif(os.name != "posix", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 1, 9), ("y\n", 0, 7)])
def test_rm_asks_on_a_terminal(root: Path, answer: str, code: int, left: int):
    import pty

    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    command = [
        sys.executable,
        "-c",
        "from fer_bench.cli import main; main()",
        "rm",
        "svm",
        "--split",
        "official",
        "--results",
        str(root),
    ]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False, timeout=60)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == code, done.stderr
    assert "Remove it?" in done.stderr
    assert len(listed(root)) == left


def test_a_seed_is_that_of_several(tmp_path: Path):
    def keys(*words: str) -> dict[int, str]:
        command = ["run", "svm", "--data", "synthetic", "--limit", "2", "--dry-run", "--json", *words]
        done = cli(tmp_path, *command)
        assert done.exit_code == 0, done.output
        return {job["seed"]: job["key"] for job in json.loads(done.stdout)}

    six = keys("--seeds", "6")
    assert keys("--seed", "5", "--seed", "2", "--seed", "5") == {seed: six[seed] for seed in (2, 5)}
    for words in (["--seeds", "3", "--seed", "5"], ["--seeds", "1", "--seed", "5"]):
        refused = cli(tmp_path, "run", "svm", *words)
        assert refused.exit_code == 2
        assert "leave one of them out" in refused.stderr
