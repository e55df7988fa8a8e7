"""benchmarks/published_table.py: the queue, what of it is done, how long the rest takes; nothing is trained here but
once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from made_records import answers, record

from fer_bench.api import registry
from fer_bench.data.dataset import EMOTIONS
from fer_bench.records.record import JobInfo, RunRecord
from fer_bench.records.store import Store
from fer_bench.scores.metrics import score

# At the end, so that the package under test stays the installed one.
sys.path.append(str(Path(__file__).resolve().parents[2]))
table = pytest.importorskip("benchmarks.published_table")
board = pytest.importorskip("benchmarks.published_board")
estimates = pytest.importorskip("benchmarks.estimates")
queue = pytest.importorskip("benchmarks.published_queue")

#: What this version's command line may not have yet.
LATER = {"--keep-epochs", "--train-scores"}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(table.main, [*map(str, arguments)], catch_exceptions=False)


def listed(output: str) -> dict[str, tuple[str, str]]:
    """title -> (time left, state) of each line of a listing."""
    heading, _, *lines = output.splitlines()
    columns = [heading.index(name) for name in ("entry", "goal", "time left", "state")]
    rows = [line for line in lines if line[: columns[0]].strip().isdigit()]
    entry, goal, left, state = columns
    return {row[entry:goal].strip(): (row[left:state].strip(), row[state:].strip()) for row in rows}


def job(tiny_npz: Path, *arguments: str) -> JobInfo:
    planned = board.planned(["run", *arguments, "--data", str(tiny_npz)], board.load_dataset)
    return planned[0].info


def keep(results: Path, info: JobInfo, **changes: Any) -> None:
    """Stores a run of a job, made here unless the changes say otherwise."""
    made = record("mlp").model_copy(update={"job": info, **changes})
    if made.scores:
        labels, probabilities = answers(0.5, len(info.classes))
        scores = score(labels[: info.test_images], probabilities[: info.test_images], info.classes)
        made = made.model_copy(update={"scores": scores})
    here = made.environment.model_copy(update={"device": "cpu", "cpu": table_cpu(), "cores": estimates.host.cores()})
    store = Store(results)
    store.prepare()
    store.commit(made.model_copy(update={"environment": here}), None)


def table_cpu() -> str:
    return estimates.host.cpu_name()


# --- the queue
# -----------------------------------------------------------------------------------------------------------


def test_titles_tell_the_entries_apart():
    titles = [entry.title for entry in queue.QUEUE]
    assert len(titles) == len(set(titles))


def test_every_published_figure_has_its_entry():
    for info in registry.infos():
        for figure in info.published:
            if not figure.recipe:  # trained by somebody else, elsewhere
                continue
            own = [entry for entry in queue.QUEUE if registry.parse(entry.runner)[0] == info.name]
            fitting = [
                entry
                for entry in own
                if (entry.recipe, entry.split) == (figure.recipe, figure.our_split)
                and entry.labels == ("six" if figure.classes == 6 else "seven")
                and (figure.checkpoint != "test" or entry.checkpoint == "test")
            ]
            assert fitting, (info.name, figure)


@pytest.mark.parametrize("entry", queue.QUEUE, ids=lambda entry: entry.title)
def test_command_lines_are_valid(entry: Any):
    known = {option for parameter in board.run_command.params for option in parameter.opts}
    arguments = [word for word in entry.arguments({"vgg16": "a.h5"}) if word not in LATER - known]
    given = board.parsed(arguments)
    assert given["names"] == (entry.runner,)
    assert (given["recipe"], given["splits"], given["seeds"]) == (entry.recipe, (entry.split,), entry.seeds)
    assert (given["labels"], given["checkpoint"], given["tta"]) == (entry.labels, entry.checkpoint, entry.tta)
    assert given["weights"] == ("a.h5" if entry.weights == "vgg16" else "auto")
    registry.parse(entry.runner)


def test_the_lower_cap_on_epochs_holds():
    seven = queue.Entry("mini-xception", epochs=7)
    assert seven.arguments({})[-2:] == ["--epochs", "7"]
    assert seven.arguments({}, 2)[-2:] == ["--epochs", "2"]
    assert seven.arguments({}, 20)[-2:] == ["--epochs", "7"]


def test_an_unknown_option_is_a_usage_error():
    with pytest.raises(click.UsageError, match="No such option"):
        board.parsed(["run", "mlp", "--no-such-option"])


# --- the listing
# ---------------------------------------------------------------------------------------------------------


def test_dry_run_lists_every_entry_once_and_writes_nothing(tiny_npz: Path, tmp_path: Path):
    results = tmp_path / "results"
    done = invoke("--data", tiny_npz, "--results", results, "--dry-run")
    assert done.exit_code == 0
    rows = listed(done.output)
    assert list(rows) == [entry.title for entry in queue.QUEUE]
    assert {state.partition(":")[0] for _, state in rows.values()} <= {"left", "not known to this version"}
    assert rows["mlp tuned official"] == ("?", "left")
    assert "resnet50 published official: --weights auto" in done.output
    assert not results.exists()


def test_an_entry_is_done_by_its_key_seed_by_seed(tiny_npz: Path, tmp_path: Path):
    keep(tmp_path, job(tiny_npz, "mlp", "--recipe", "tuned"))
    rows = listed(invoke("--data", tiny_npz, "--results", tmp_path, "--only", "mlp", "--dry-run").output)
    assert rows["mlp tuned official"] == ("-", "done")
    assert rows["mlp tuned official, 3 seeds"][1] == "1 of 3 done; left"
    assert rows["mlp published official"] == ("?", "left")
    # A capped training is another job.
    rows = listed(invoke("--data", tiny_npz, "--results", tmp_path, "--only", "mlp", "--epochs", 2, "--dry-run").output)
    assert rows["mlp tuned official"][1] == "left"


def test_failed_unreadable_and_skipped_entries_say_so(tiny_npz: Path, tmp_path: Path):
    failed = record("mlp", status="error", message="loss is no number")
    keep(tmp_path, job(tiny_npz, "mlp"), status="error", scores=None, failure=failed.failure)
    spoilt = Store(tmp_path).folder(job(tiny_npz, "mlp", "--recipe", "tuned"))
    spoilt.mkdir(parents=True)
    (spoilt / "record.json").write_text("{")
    rows = listed(
        invoke("--data", tiny_npz, "--results", tmp_path, "--only", "official", "--skip", "CUSTOM*", "--dry-run").output
    )
    assert rows["mlp published official"] == ("?", "failed: loss is no number")
    assert rows["mlp tuned official"][1].startswith("unreadable: ")
    assert rows["custom-cnn tuned official"] == ("-", "skipped by --skip CUSTOM*")


def test_a_training_that_was_broken_off_says_where_it_goes_on_and_what_is_left(tiny_npz: Path, tmp_path: Path):
    info = job(tiny_npz, "mlp")
    store = Store(tmp_path)
    store.prepare()
    state = {"place": "epoch 4 of 10", "fit_seconds": 60.0}
    (store.resume(info) / "state.json").write_text(json.dumps(state))
    rows = listed(invoke("--data", tiny_npz, "--results", tmp_path, "--only", "mlp published", "--dry-run").output)
    # Three epochs in 60 s, and seven to go.
    assert rows["mlp published official"] == ("2 min", "interrupted at epoch 4 of 10")
    assert estimates.estimate(info, [], "any", estimates.begun(store.resume(info))) == 140.0


def test_a_pattern_that_fits_nothing_and_data_that_is_not_there_are_wrong_input(tiny_npz: Path, tmp_path: Path):
    assert invoke("--data", tiny_npz, "--only", "nobody").exit_code == 2
    assert invoke("--data", tmp_path / "none.csv", "--dry-run").exit_code == 2


@pytest.mark.parametrize(
    ("patterns", "found"),
    [(("bottleneck[backbone=vgg16]",), True), (("MLP*seeds",), True), (("mlp",), True), (("svm", "vgg19"), False)],
)
def test_patterns_are_parts_of_titles_or_as_a_shell_has_them(patterns: tuple[str, ...], found: bool):
    titles = ["vgg-bottleneck[backbone=vgg16] tuned official", "mlp tuned official, 3 seeds"]
    assert any(table.fits(title, patterns) for title in titles) is found


# --- estimates
# -----------------------------------------------------------------------------------------------------------


def past(images: int, ran: int, seconds: float, **changes: Any) -> RunRecord:
    fields = {"epochs": 10, "batch": 32}
    made = record("mini-xception", recipe_digest="r", recipe_fields=fields, **changes)
    info = made.job.model_copy(update={"train_images": images, "recipe_digest": "r"})
    training = made.training.model_copy(update={"epochs_run": ran, "stopped": "early" if ran < 10 else ""})
    return made.model_copy(update={"job": info, "training": training, "seconds": seconds})


def test_estimates_go_by_images_and_epochs():
    job = past(1000, 10, 0.0).job
    on_cpu = {"hardware": "cpu"}
    # Another seed of the same split: as long as that; of two, the mean.
    assert estimates.estimate(job, [past(1000, 10, 100.0)], **on_cpu) == 100.0
    assert estimates.estimate(job, [past(1000, 10, 100.0), past(1000, 10, 120.0)], **on_cpu) == 110.0
    # Another split: half the images, so twice as long; where the same split is there, it alone counts.
    other = past(500, 10, 100.0, split="notebook")
    assert estimates.estimate(job, [other], **on_cpu) == 200.0
    assert estimates.estimate(job, [other, past(1000, 10, 150.0)], **on_cpu) == 150.0
    # A cap of two epochs takes a fifth. One that stopped early after four is taken to do so again.
    capped = job.model_copy(update={"epochs": 2})
    assert estimates.estimate(capped, [past(1000, 10, 100.0)], **on_cpu) == 20.0
    assert estimates.estimate(job, [past(1000, 4, 100.0)], **on_cpu) == 100.0
    assert estimates.estimate(capped, [past(1000, 4, 100.0)], **on_cpu) == 50.0
    # A training that was taken up again took what its fit says.
    long = past(1000, 10, 5.0)
    assert long.cost.fit_seconds == 9.0
    assert estimates.estimate(job, [long], **on_cpu) == 9.0


def test_other_hardware_recipes_and_failures_tell_nothing():
    job = past(1000, 10, 0.0).job
    assert estimates.estimate(job, [past(1000, 10, 100.0)], "another GPU") is None
    assert estimates.estimate(job, [past(1000, 10, 100.0, recipe="tuned")], "cpu") is None
    failed = past(1000, 10, 100.0).model_copy(update={"status": "timeout"})
    assert estimates.estimate(job, [failed], "cpu") is None


def test_epochs_are_those_of_all_stages_under_the_cap():
    stages = {"epochs": 30, "stages": [{"epochs": 50}, {"epochs": 3}]}
    info = past(10, 10, 1.0).job.model_copy(update={"recipe_fields": stages})
    assert estimates.epochs(info) == 53
    assert estimates.epochs(info.model_copy(update={"epochs": 7})) == 10
    assert estimates.epochs(info.model_copy(update={"recipe_fields": {"options": []}})) == 1


def test_a_seed_that_two_entries_share_is_counted_once(tiny_npz: Path, tmp_path: Path):
    keep(tmp_path, job(tiny_npz, "mlp", "--recipe", "tuned", "--split", "notebook"), seconds=300.0)
    output = invoke("--data", tiny_npz, "--results", tmp_path, "--only", "mlp tuned", "--dry-run").output
    rows = listed(output)
    each = estimates.scaled(
        next(run.record for run in Store(tmp_path).scan()[0]), job(tiny_npz, "mlp", "--recipe", "tuned")
    )
    assert rows["mlp tuned official"][0] == board.duration(each)
    assert rows["mlp tuned official, 3 seeds"][0] == board.duration(2 * each)
    assert f"2 of 2 entries are left: {board.duration(3 * each)} by records of cpu, {table_cpu()}" in output


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (200, "3 min"), (7500, "2 h 05 min")])
def test_durations_read_well(seconds: float, text: str):
    assert board.duration(seconds) == text


# --- running
# -------------------------------------------------------------------------------------------------------------


def test_an_entry_runs_as_a_user_would_type_it_and_a_failed_one_stops_nothing(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two entries that train in a moment; the first ends at once."""
    monkeypatch.setattr(table, "stop_on_signals", lambda: None)
    bad = queue.Entry("hog-svm", "tuned", "official")
    good = queue.Entry("hog-svm", "tuned", "notebook")
    monkeypatch.setattr(table, "QUEUE", (bad, good))
    started, real = [], table.run

    def fail_first(arguments: list[str], seconds: float | None) -> int | None:
        started.append(arguments)
        return 1 if len(started) == 1 else real(arguments, seconds)

    monkeypatch.setattr(table, "run", fail_first)
    done = invoke("--data", tiny_npz, "--results", tmp_path, "--device", "cpu")
    assert done.exit_code == 1
    assert f"1 did not end well: {bad.title}" in done.stderr
    assert listed(done.stdout[done.stdout.rindex("    entry") :])[good.title] == ("-", "done")
    [run] = Store(tmp_path).scan()[0]
    assert run.record.command.startswith("fer-bench run hog-svm --recipe tuned --split notebook --data ")
    assert run.record.job.classes == list(EMOTIONS)
    # Given again, it does the rest, and has nothing to do then.

    def made(arguments: list[str], seconds: float | None) -> int:
        keep(tmp_path, job(tiny_npz, "hog-svm", "--recipe", "tuned"))
        started.append(arguments)
        return 0

    monkeypatch.setattr(table, "run", made)
    assert invoke("--data", tiny_npz, "--results", tmp_path, "--device", "cpu").exit_code == 0
    assert invoke("--data", tiny_npz, "--results", tmp_path, "--device", "cpu").exit_code == 0
    assert len(started) == 3


def test_what_runs_when_the_time_is_up_is_ended_and_is_no_failure(
    tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(table, "stop_on_signals", lambda: None)
    given = []
    monkeypatch.setattr(table, "run", lambda _, seconds: given.append(seconds))
    done = invoke("--data", tiny_npz, "--results", tmp_path, "--only", "mlp published", "--time-left", 100)
    assert done.exit_code == 1
    assert all(80 < seconds <= 100 - table.ENDING for seconds in given)
    assert "did not end well" not in done.stderr
    given.clear()
    done = invoke("--data", tiny_npz, "--results", tmp_path, "--only", "mlp published", "--time-left", 10)
    assert not given
    assert "the time is up" in done.stderr


@pytest.mark.parametrize("option", ["--timeout", "--time-left"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0.5"])
def test_what_is_no_number_of_seconds_is_refused(option: str, value: str):
    done = invoke(option, value, "--dry-run")
    assert done.exit_code == 2
    assert "is no number of seconds" in done.stderr
