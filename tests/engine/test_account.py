"""Whatever a runner says, and whatever befalls a job here, is a record that reads back; its predictions are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import leftovers
from made_records import record as made

from fer_bench.api import registry
from fer_bench.data.load import load_dataset
from fer_bench.engine import run, survey, sweep
from fer_bench.engine.account import settled
from fer_bench.engine.job import Options, plan
from fer_bench.engine.job_info import check_recordable, info_of
from fer_bench.engine.left import with_sound_files
from fer_bench.engine.outcome import Outcome
from fer_bench.entries.external_file import read_outside
from fer_bench.errors import InputError
from fer_bench.records.form import content_of, record_of
from fer_bench.records.predictions import load_predictions
from fer_bench.records.record import Cost, Environment, Training
from fer_bench.records.store import Store

HERE = Path(__file__).parent
PLUGINS = (str(HERE / "talks.py"), str(HERE / "faulty.py"))

#: Everything that can stand in a runner's summary: JSON of any size, depth and half characters, and what is none.
TEXTS = st.text(st.characters(), max_size=5) | st.sampled_from(["\udcfc", "x" * 600, "a\nb", "\x1b[2J", "=1+1", ""])
NUMBERS = st.integers() | st.floats() | st.sampled_from([-1, 10**19, 1e300, -0.0])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3),
    max_leaves=8,
)


def of(model: type, kinds: dict[str, st.SearchStrategy]) -> st.SearchStrategy:
    """Objects of a model whose fields nobody has checked."""
    return st.fixed_dictionaries({}, optional=kinds).map(lambda fields: model.model_construct(**fields))


@settings(max_examples=100, deadline=None)
@given(
    training=of(Training, dict.fromkeys(Training.model_fields, ANYTHING)).map(
        lambda training: training.model_copy(update={"batch_divisor": 2})
    ),
    cost=of(Cost, dict.fromkeys(Cost.model_fields, ANYTHING)),
    environment=of(Environment, {"device": ANYTHING, "backend": ANYTHING, "threads": ANYTHING}),
    started=st.just("2026-01-01T00:00:00+00:00"),
    status=st.sampled_from(["ok", "error"]),
)
def test_any_summary_becomes_a_record_that_reads_back(training, cost, environment, started, status):
    said = made(status=status, started=started).model_copy(
        update={"training": training, "cost": cost, "environment": environment}
    )
    record = settled(said, Environment(device="cpu"))
    assert record_of(content_of(record)) == record
    assert record.job == said.job
    if record.status != status:
        assert record.status == "error"
        assert "can't be put on record" in record.failure.message
        assert "predictions are kept" in record.failure.hint
        assert record.training.batch_divisor == 2


NAMES = TEXTS | st.text("ab-_ü表/\\\n", max_size=250)
FIELDS = {
    "runner": NAMES, "params": st.dictionaries(TEXTS, ANYTHING, max_size=2), "runner_version": st.integers(), "family": TEXTS,
    "recipe": NAMES, "recipe_fields": st.dictionaries(TEXTS | st.just("stages"), ANYTHING, max_size=2), "dataset": NAMES,
    "split": NAMES, "test_images": st.integers(), "epochs": st.none() | st.integers(), "limit": st.none() | st.integers(),
    "weights": TEXTS, "classes": st.lists(TEXTS, max_size=3),
}  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(changes=st.fixed_dictionaries({}, optional=FIELDS), seed=st.integers(0, 999))
def test_a_job_is_refused_before_it_runs_or_its_record_reads_back(changes, seed):
    fields = made().job.model_dump(exclude={"key", "seed"}) | changes
    try:
        check_recordable("any", fields)
    except InputError:
        return
    planned = made(status="error", started="2026-01-01T00:00:00+00:00")
    record = settled(planned.model_copy(update={"job": info_of(fields, seed)}), Environment())
    assert record == record_of(content_of(record))
    assert record.job == info_of(fields, seed)
    assert record.failure == planned.failure  # nothing is wrong with it


def test_the_message_names_field_and_value():
    cost = Cost.model_construct(macs=-1)
    failure = settled(made().model_copy(update={"cost": cost}), Environment()).failure
    assert "cost.macs: -1, a negative figure" in failure.message
    training = Training.model_construct(extra={"loss": 1e300})
    failure = settled(made().model_copy(update={"training": training}), Environment()).failure
    assert "training.extra.loss: 1e+300 is beyond all measure" in failure.message


SAYINGS = ("bulky", "half", "history", "pipe")


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_finished_training_whose_summary_is_wrong_keeps_its_predictions(tiny_npz, tmp_path):
    """And the runs after it run."""
    names = [*(f"talks[what={what}]" for what in SAYINGS), "good"]
    *failed, good = run(names, data=tiny_npz, results=tmp_path / "results", plugins=PLUGINS, jobs=2)
    assert good.status == "ok"
    runs, problems = Store(tmp_path / "results").scan()
    assert not problems
    assert len(runs) == len(names)
    stored = {run.record.job.key: run for run in runs}
    classes = load_dataset(tiny_npz).classes
    for record, what in zip(failed, SAYINGS, strict=True):
        assert record.status == "error", what
        folder = stored[record.job.key].folder
        assert stored[record.job.key].record == record
        assert "predictions are kept" in record.failure.hint, what
        kept = load_predictions(folder)
        assert (kept.probabilities == load_predictions(stored[good.job.key].folder).probabilities).all()
        assert len(read_outside(folder, classes).rows) == 28  # what `fer-bench score` reads
        assert all(path.is_file() or path.is_dir() for path in folder.rglob("*"))
    assert not leftovers(tmp_path / "results")


@pytest.fixture
def steps(tiny_npz, tmp_path):
    """The job "good" on three splits, and the store that they go to."""
    registry.load_plugins(PLUGINS)
    store = Store(tmp_path / "results")
    store.prepare()
    jobs = plan(load_dataset(tiny_npz), ["good"], ["official", "notebook", "notebook-90-10"])
    return survey(jobs, store), store


def test_what_stands_in_a_jobs_place_is_a_failure_of_its_own_and_stays(steps):
    """A file where a folder belongs, and a record that became unreadable after the plan was made."""
    three, store = steps
    (store.root / "tiny").mkdir()
    (store.root / "tiny" / "official").write_text("a file where a folder belongs")
    place = store.folder(three[1].job.info)
    place.mkdir(parents=True)
    (place / "record.json").write_text("{")
    blocked, unreadable, other = sweep(three, store, Options(plugins=PLUGINS))
    assert [blocked.status, unreadable.status, other.status] == ["error", "error", "ok"]
    assert "official" in blocked.failure.message
    assert "record.json" in unreadable.failure.message
    assert (store.root / "tiny" / "official").read_text() == "a file where a folder belongs"
    assert (place / "record.json").read_text() == "{"


def test_a_link_in_a_jobs_resume_state_or_lock_is_its_own_failure(steps, tmp_path):
    three, store = steps
    state, lock = (step.job.info.key[:16] for step in three[:2])
    (tmp_path / "home").mkdir()
    (store.root / ".work" / f"resume-{state}").symlink_to(tmp_path / "home")
    (store.root / ".work" / "locks").mkdir(exist_ok=True)
    (store.root / ".work" / "locks" / f"{lock}.lock").symlink_to(tmp_path / "mine")
    *failed, other = sweep(three, store, Options(plugins=PLUGINS))
    assert [record.status for record in (*failed, other)] == ["error", "error", "ok"]
    assert all("a link, which is not followed" in record.failure.message for record in failed)
    assert [path.name for path in tmp_path.rglob("*") if path.parent.name == "home" or path.name == "mine"] == []


@pytest.mark.parametrize("name", ["history.csv", "model/training-images.npz"])
def test_a_folder_or_a_file_where_one_of_ours_belongs_is_the_runs_fault(tmp_path, name):
    out = tmp_path / "work" / "out"
    for make in (lambda path: path.mkdir(), lambda path: path.write_text("epoch\nmine")):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        make(out / name)
        outcome = with_sound_files(Outcome(status="ok"), out)
        assert outcome.status == "error"
        assert Path(name).name in outcome.message
        assert not (out / name).exists()


def test_what_can_not_be_put_into_its_place_is_not_trained(steps):
    (step, *_), store = steps
    store.check_place(step.job.info)
    store.folder(step.job.info).parent.parent.mkdir(parents=True)
    store.folder(step.job.info).parent.write_text("")
    with pytest.raises(NotADirectoryError, match="good"):
        store.check_place(step.job.info)


def test_a_results_folder_that_can_not_be_written_ends_the_sweep(steps):
    three, store = steps
    for path in (store.root / ".work").rglob("*"):
        path.unlink()
    store.root.joinpath(".work").rmdir()
    store.root.joinpath(".work").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        sweep(three, store, Options(plugins=PLUGINS))


@pytest.mark.skipif(os.name != "posix", reason="names are bytes")
def test_names_that_are_no_utf8_reach_the_record_as_text(tiny_npz, tmp_path, monkeypatch):
    raw = os.fsencode(tmp_path)
    data, results = (Path(os.fsdecode(raw + name)) for name in (b"/gesichter-\xfc.npz", b"/ergebnis-\xfc"))
    data.symlink_to(tiny_npz)
    monkeypatch.setattr("sys.argv", ["fer-bench", "run", "--data", str(data)])
    (record,) = run(["good"], data=data, results=results, plugins=PLUGINS)
    assert record.status == "ok"
    assert r"gesichter-\xfc.npz" in record.command
    ((stored,), problems) = Store(results).scan()
    assert not problems
    assert stored.record == record
