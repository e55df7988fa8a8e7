"""Studies: what a trial is given, what becomes of it, and who else may take part."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from fer_bench.api import registry
from fer_bench.api.recipe_file import read_recipe
from fer_bench.data.load import load_dataset
from fer_bench.engine import run
from fer_bench.engine.executors import Local
from fer_bench.engine.job import Options
from fer_bench.errors import InputError
from fer_bench.records.store import Store, read_record
from fer_bench.search.fields import with_values
from fer_bench.search.plan import Plan, plan_study
from fer_bench.search.studies import study_folder
from fer_bench.search.trials import Trials
from fer_bench.search.tune import tune

FER_BENCH = [sys.executable, "-c", "from fer_bench.cli import main; main()"]
PLUGIN = str(Path(__file__).with_name("searched.py"))


@pytest.fixture(scope="module", autouse=True)
def _dial() -> None:
    registry.know_plugins([PLUGIN])


def planned(data: Path, spec: str = "dial", **told: Any) -> Plan:
    """A study of the plugin's runner."""
    options = {name: told.pop(name) for name in ("epochs", "limit") if name in told}
    split = told.pop("split", "official")
    return plan_study(load_dataset(data), spec, split, Options(recipe="", plugins=(PLUGIN,), **options), **told)


def command(data: Path, results: Path, *words: str) -> list[str]:
    """The study as a command of its own."""
    base = [*FER_BENCH, "tune", "dial", "--plugin", PLUGIN, "--data", str(data)]
    return [*base, "--results", str(results), *words]


def start(data: Path, results: Path, *words: str, gate: Path | None = None) -> subprocess.Popen[str]:
    surroundings = os.environ | ({"FER_BENCH_TEST_GATE": str(gate)} if gate else {})
    return subprocess.Popen(
        command(data, results, *words), env=surroundings, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def told_of(account: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What a study found, but for when."""
    return [(one["number"], one["state"], one["value"], one["params"], one["curve"]) for one in account["trials"]]


def test_nothing_of_test_reaches_a_trial_to_the_last_byte(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another test part, of other images, labels and number: each worker gets the same bytes, each trial its value."""
    with np.load(tiny_npz) as held:
        arrays = dict(held)
    data, results = tmp_path / "faces.npz", tmp_path / "results"
    kept, test = arrays["usage"] != "PrivateTest", np.flatnonzero(arrays["usage"] == "PrivateTest")[:14]
    rng = np.random.default_rng(3)
    other = {name: np.concatenate([array[kept], array[test]]) for name, array in arrays.items()}
    other["images"][kept.sum() :] = rng.integers(0, 256, (len(test), 48, 48))
    other["labels"][kept.sum() :] = rng.permutation(other["labels"][kept.sum() :])
    given: list[dict[str, bytes]] = []
    found = []
    for version, content in enumerate((arrays, other)):
        np.savez(data, **content)
        monkeypatch.setenv("FER_BENCH_TEST_GIVEN", str(tmp_path / f"given-{version}"))
        account, _ = tune(planned(data), results, trials=3)
        found.append(told_of(account))
        results.rename(tmp_path / f"results-{version}")
        workers = sorted((tmp_path / f"given-{version}").iterdir())
        files = [(worker.name.split("-")[0], path) for worker in workers for path in sorted(worker.iterdir())]
        given.append({f"{key}/{path.name}": path.read_bytes() for key, path in files if path.is_file()})
    assert len({name.split("/")[0] for name in given[0]}) == 3
    assert given[0] == given[1]
    assert found[0] == found[1]
    worker = next((tmp_path / "given-0").iterdir())
    with np.load(worker / "input.npz") as told:
        assert len(told["test_rows"]) == 0
        assert sorted([*told["train_rows"], *told["val_rows"]]) == list(range(91))
    images = np.load(worker / "images.npy")
    assert len(images) == 91
    tests = {image.tobytes() for image in arrays["images"][~kept]}
    assert not tests & {image.tobytes() for image in images}


def test_a_study_finds_a_better_recipe_and_writes_it_whole(tiny_npz: Path, tmp_path: Path) -> None:
    plan = planned(tiny_npz)
    account, interrupted = tune(plan, tmp_path / "results", trials=5)
    assert not interrupted
    assert account["counts"] == {"complete": 5, "pruned": 0, "running": 0, "failed": 0, "waiting": 0}
    base, best = account["base"], account["best"]
    assert (base["number"], base["params"]) == (0, {"options.level": 0.6, "batch": 32})
    assert best["value"] == max(one["value"] for one in account["trials"]) > base["value"]
    folder = study_folder(tmp_path / "results", "dial")
    assert json.loads((folder / "study.json").read_text()) == account
    file = read_recipe(folder / "best.toml")
    assert file.recipe.digest() == with_values(registry.get("dial").recipes["tuned"], best["params"]).digest()
    assert (file.name, file.runner) == ("best", "dial")
    wanted = {
        "study": "dial",
        "sampler": "TPE, multivariate",
        "seed": 0,
        "trials": 5,
        "trials_pruned": 0,
        "chosen_on": "validation",
        "value": best["value"],
        "base_value": base["value"],
        "data_digest": load_dataset(tiny_npz).digest,
    }
    assert {name: file.search[name] for name in wanted} == wanted
    (record,) = run(
        ["dial"], data=tiny_npz, results=tmp_path / "results", recipe=str(folder / "best.toml"), plugins=(PLUGIN,)
    )
    assert record.validation_scores.accuracy == best["value"]
    assert record.job.recipe_origin.search == file.search
    runs, problems = Store(tmp_path / "results").scan()
    assert [one.record.job.recipe for one in runs] == ["best"]
    assert problems == []
    trial = next((folder / "trials").rglob("record.json")).parent
    shutil.copytree(trial, runs[0].folder.with_name(trial.name))  # where somebody puts one among the runs
    runs, problems = Store(tmp_path / "results").scan()
    assert len(runs) == 1
    assert "a trial of a search, which has no test part" in problems[0]


def test_a_study_can_begin_where_another_one_ended(tiny_npz: Path, tmp_path: Path) -> None:
    recipe, results = tmp_path / "mine.toml", tmp_path / "results"
    recipe.write_text(
        'runner = "dial"\n[recipe]\nepochs = 2\nbatch = 16\n[recipe.options]\nlevel = 0.65\nthen = "ends"\n'
    )
    options = Options(recipe=str(recipe), plugins=(PLUGIN,))
    account, _ = tune(plan_study(load_dataset(tiny_npz), "dial", "official", options), results, trials=2)
    assert account["base"]["params"] == {"options.level": 0.65, "batch": 16}
    assert account["statement"]["recipe"].startswith("mine (")
    assert account["epochs"] == 2


def test_a_study_that_is_taken_up_does_the_rest_as_one_that_was_not(tiny_npz: Path, tmp_path: Path) -> None:
    for trials in (1, 3):
        parts, _ = tune(planned(tiny_npz), tmp_path / "parts", trials=trials)
    whole, _ = tune(planned(tiny_npz), tmp_path / "whole", trials=3)
    assert told_of(parts) == told_of(whole)
    seeded = Trials(planned(tiny_npz, seed=1), str(tmp_path / "other.log"), tmp_path / "other")
    seeded.take(9)
    assert seeded.take(9).values != whole["trials"][1]["params"]


def test_tasks_of_a_cluster_find_what_this_machine_does(tiny_npz: Path, tmp_path: Path) -> None:
    from fer_bench.engine.executors.slurm import Slurm

    here, _ = tune(planned(tiny_npz), tmp_path / "here", trials=2)
    with Slurm(cluster="local") as executor:
        there, _ = tune(planned(tiny_npz), tmp_path / "there", trials=2, executor=executor, jobs=2)
    assert told_of(there) == told_of(here)
    (one, other) = (tmp_path / "there" / "studies" / "dial" / "trials").rglob("record.json")
    assert {read_record(path).environment.executor for path in (one, other)} == {"slurm"}


def test_a_killed_study_goes_on_with_the_same_values(tiny_npz: Path, tmp_path: Path) -> None:
    results, gate = tmp_path / "results", tmp_path / "gate"
    process = start(tiny_npz, results, "--trials", "3", gate=gate)
    assert process.stderr is not None
    for line in process.stderr:
        if "[trial 0]" in line:
            break
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(workers, timeout=60)
    gate.touch()
    account, _ = tune(planned(tiny_npz), results, trials=3)
    states = [(one["number"], one["state"], one["again"]) for one in account["trials"]]
    assert states == [(0, "gone", None), (1, "complete", 0), (2, "complete", None), (3, "complete", None)]
    assert account["trials"][1]["params"] == account["trials"][0]["params"]
    assert account["base"]["number"] == 1
    assert account["counts"]["complete"] == 3


def test_an_interrupted_study_says_so_and_gives_its_trial_back(tiny_npz: Path, tmp_path: Path) -> None:
    results, gate = tmp_path / "results", tmp_path / "gate"
    process = start(tiny_npz, results, "--trials", "3", gate=gate)
    assert process.stderr is not None
    for line in process.stderr:
        if "[trial 0]" in line:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "fer-bench: interrupted; the same command goes on"
    account = json.loads((study_folder(results, "dial") / "study.json").read_text())
    assert [one["state"] for one in account["trials"]] == ["gone", "waiting"]


def test_two_at_once_share_the_trials_and_none_is_done_twice(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, given = tmp_path / "results", tmp_path / "given"
    monkeypatch.setenv("FER_BENCH_TEST_GIVEN", str(given))
    both = [start(tiny_npz, results, "--trials", "4", "--json") for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    accounts = [json.loads(out) for out, _ in said]
    assert told_of(accounts[0]) == told_of(accounts[1])
    assert accounts[0]["counts"]["complete"] == 4
    trials = accounts[0]["trials"]
    assert len(trials) == len({json.dumps(one["params"]) for one in trials}) == len(list(given.iterdir())) == 4


def test_a_pruned_trial_is_ended_and_leaves_no_run(tiny_npz: Path, tmp_path: Path) -> None:
    """Its training would never end; four others that did were better from their first epoch on."""
    import optuna

    plan = planned(tiny_npz, "dial:patient")
    folder = study_folder(tmp_path / "results", plan.name)
    trials = Trials(plan, str(folder / "journal.log"), folder)
    levels = {"options.level": optuna.distributions.FloatDistribution(0.0, 1.0)}
    sizes = {"batch": optuna.distributions.CategoricalDistribution((16, 32))}
    base = trials.take(9)
    trials.complete(base, 0.9)
    for level in (0.6, 0.65, 0.7, 0.75):
        values = {"options.level": level, "batch": 16}
        curve = {1: 0.99, 2: 0.99, 3: 1.0}
        trial = optuna.create_trial(value=1.0, params=values, distributions=levels | sizes, intermediate_values=curve)
        trials.study.add_trial(trial)
    trials.study.enqueue_trial({"options.level": 0.1, "batch": 16})
    account, _ = tune(plan, tmp_path / "results", trials=6)
    pruned = account["trials"][-1]
    assert (pruned["state"], pruned["value"], list(pruned["curve"])) == ("pruned", None, ["1"])
    assert account["counts"]["pruned"] == 1
    assert Store(tmp_path / "results").scan() == ([], [])
    assert Store(folder / "trials").scan() == ([], [])
    assert not list((folder / "trials" / ".work").glob("resume-*"))
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(one.info["cmdline"] or ())]


def test_trials_that_fail_are_trials_and_all_of_them_one_line(tiny_npz: Path, tmp_path: Path) -> None:
    process = start(tiny_npz, tmp_path / "results", "--trials", "2", "--recipe", "broken")
    _, said = process.communicate()
    assert process.returncode == 1
    assert said.splitlines()[-1] == "fer-bench: all 2 trials failed, the first: ValueError: the dial came off"
    folder = study_folder(tmp_path / "results", "dial")
    account = json.loads((folder / "study.json").read_text())
    assert account["counts"]["failed"] == 2
    assert account["trials"][1]["failure"]["message"] == "ValueError: the dial came off"
    assert not (folder / "best.toml").exists()


def test_some_that_fail_do_not_end_it(tiny_npz: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text("[space]\noptions.then = {type = 'choice', choices = ['ends', 'fails']}\n")
    account, _ = tune(planned(tiny_npz, space=space), tmp_path / "results", trials=6, executor=Local(2))
    assert account["counts"]["failed"] > 0
    assert account["counts"]["complete"] + account["counts"]["failed"] == 6
    assert account["best"]["params"] == {"options.then": "ends"}
    # Equal recipes are one job, trained once.
    assert len(list((study_folder(tmp_path / "results", "dial") / "trials").rglob("record.json"))) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 2}, "epochs None, and 2 is asked for"),
        ({"limit": 3}, "limit None, and 3 is asked for"),
        ({"seed": 1}, "seed 0, and 1 is asked for"),
        ({"objective": "log-loss"}, "objective 'accuracy', and 'log-loss' is asked for"),
        ({"split": "holdout-20"}, "split 'official"),
        ({"spec": "dial:patient", "name": "dial"}, "recipe 'tuned"),
    ],
)
def test_a_study_is_taken_up_only_with_what_it_was_begun_with(
    change: dict[str, Any], said: str, tiny_npz: Path, tmp_path: Path
) -> None:
    Trials(planned(tiny_npz), str(tmp_path / "journal.log"), tmp_path)
    with pytest.raises(InputError) as refused:
        Trials(planned(tiny_npz, **change), str(tmp_path / "journal.log"), tmp_path)
    assert said in str(refused.value)
    assert "study dial" in str(refused.value)


def test_other_data_and_another_space_are_refused(tiny_npz: Path, tmp_path: Path) -> None:
    Trials(planned(tiny_npz), str(tmp_path / "journal.log"), tmp_path)
    with np.load(tiny_npz) as held:
        arrays = dict(held)
    arrays["images"][0, 0, 0] ^= 1
    np.savez(tmp_path / tiny_npz.name, **arrays)
    with pytest.raises(InputError, match="data 'tiny"):
        Trials(planned(tmp_path / tiny_npz.name), str(tmp_path / "journal.log"), tmp_path)
    space = tmp_path / "space.toml"
    space.write_text("[space]\noptions.level = {type = 'float', low = 0.0, high = 0.5}\n")
    with pytest.raises(InputError, match="begun with another space"):
        Trials(planned(tiny_npz, space=space), str(tmp_path / "journal.log"), tmp_path)


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("folder", "is a folder"),
        ("file/journal.log", "can't be written"),
        ("none/journal.log", "can't be written"),
        ("file", "no journal of Optuna"),
        ("sqlite:////proc/none/study.db", "no database that can be used"),
        ("postgresql://me:secret@127.0.0.1:9/none", "no database that can be used"),
        ("nonsense://x", "no database that can be used"),
    ],
)
def test_a_storage_that_can_not_be_used_is_one_line(storage: str, said: str, tiny_npz: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a,b\n1,2\n")
    place = storage if "://" in storage else str(tmp_path / storage)
    with pytest.raises(InputError, match="--storage") as refused:
        Trials(planned(tiny_npz), place, tmp_path / "study")
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)
    assert (tmp_path / "file").read_text() == "a,b\n1,2\n"


def test_a_journal_that_a_power_cut_left_with_half_a_line_goes_on(tiny_npz: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    trials = Trials(planned(tiny_npz), str(journal), tmp_path)
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[:40])
    again = Trials(planned(tiny_npz), str(journal), tmp_path)
    assert journal.read_bytes().startswith(whole)
    assert all("op_code" in json.loads(line) for line in journal.read_bytes().splitlines())
    assert again.take(9).is_base
    assert len(trials.all()) == 1


def test_a_database_holds_a_study_too(tiny_npz: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    account, _ = tune(planned(tiny_npz), tmp_path / "results", trials=2, storage=url)
    again, _ = tune(planned(tiny_npz), tmp_path / "results", trials=3, storage=url)
    assert told_of(again)[:2] == told_of(account)
    assert not (study_folder(tmp_path / "results", "dial") / "journal.log").exists()


def test_with_a_database_the_folder_need_not_be_shared(tiny_npz: Path, tmp_path: Path) -> None:
    """What runs in another folder can't be told from what died there, and is left to that folder's next process."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    here, there = (Trials(planned(tiny_npz), url, tmp_path / name) for name in ("here", "there"))
    with here.signed():
        first, second = here.take(3), there.take(3)
        assert (first.number, second.number) == (0, 1)
        assert first.is_base
        assert not second.is_base
        assert not there.others_at_work()
        assert there.take(2) is None
    again = Trials(planned(tiny_npz), url, tmp_path / "there").take(3)
    assert (again.number, again.values == second.values) == (2, False)
    there.give_back(second)
    once_more = there.take(4)
    assert once_more.values == second.values


def test_a_split_without_validation_can_not_be_searched_on(tiny_npz: Path) -> None:
    with pytest.raises(InputError, match="no validation part, by which a search could choose"):
        planned(tiny_npz, split="notebook-90-10")
    with pytest.raises(InputError, match="name a fold"):
        planned(tiny_npz, split="kfold-4")


def test_no_more_trials_begin_when_the_time_is_over(tiny_npz: Path, tmp_path: Path) -> None:
    account, interrupted = tune(planned(tiny_npz), tmp_path / "results", trials=50, seconds=1e-3)
    assert sum(account["counts"].values()) <= 1
    assert not interrupted


def test_the_log_loss_is_searched_downwards(tiny_npz: Path, tmp_path: Path) -> None:
    account, _ = tune(planned(tiny_npz, objective="log-loss"), tmp_path / "results", trials=3)
    values = [one["value"] for one in account["trials"]]
    assert account["best"]["value"] == min(values) < max(values)
    curve = account["best"]["curve"]
    assert set(curve) == {"1", "2", "3"}
    assert all(0 <= error <= 1 for error in curve.values())


def test_a_trial_outside_the_ranges_is_the_recipe_as_it_is(tiny_npz: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text("[space]\noptions.level = {type = 'float', low = 0.7, high = 0.9}\n")
    plan = planned(tiny_npz, space=space)
    account, _ = tune(plan, tmp_path / "results", trials=3)
    assert account["trials"][0]["params"] == {}
    assert account["trials"][0]["base"]
    assert [set(one["params"]) for one in account["trials"][1:]] == [{"options.level"}] * 2
    assert plan.job(plan.base).info.recipe_fields["options"] == [["level", 0.6], ["then", "ends"]]


def test_a_recipe_that_differs_in_nothing_is_the_same_job(tiny_npz: Path) -> None:
    plan = planned(tiny_npz)
    assert plan.job(plan.base).info == plan.job(replace(plan.base, note="other words")).info
    assert plan.job(plan.base).info.test_images == 0


def test_nothing_is_left_waiting(tiny_npz: Path, tmp_path: Path) -> None:
    """The locks that say who lives are gone with who they are of."""
    tune(planned(tiny_npz), tmp_path / "results", trials=1)
    folder = study_folder(tmp_path / "results", "dial")
    assert [path.name for path in (folder / "locks").iterdir()] == ["study.lock"]
