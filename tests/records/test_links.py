"""A results folder that came from elsewhere: no link in it is followed, nothing that is no plain file is read or waited
for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner, Result
from made_records import keep, record

from fer_bench.cli import main
from fer_bench.engine.add_tta import add_tta
from fer_bench.engine.job import Job, Options
from fer_bench.engine.outcome import read, tail
from fer_bench.engine.stored_model import check_model, has_model
from fer_bench.errors import InputError
from fer_bench.files import inside
from fer_bench.hardware.device import Target
from fer_bench.records.evaluation import read_evaluations
from fer_bench.records.store import Store
from fer_bench.report import plots
from fer_bench.report.write import publish
from fer_bench.training.kept import forget, kept_epochs
from fer_bench.training.resume import count_attempt, goes_on_at

posix = pytest.mark.skipif(os.name == "nt", reason="no FIFOs, and links want rights")
pytestmark = posix
JOB = record("svm").job


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "clone")
    store.prepare()
    keep(store, record("svm", 0.44))
    return store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What somebody has beside the clone."""
    home = tmp_path / "home"
    for name in (
        "holiday.png",
        "leaderboard-of-mine.png",
        "report/thesis.txt",
        "locks/notes.txt",
        "evaluations/own.txt",
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"my {name}")
    return home


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def report(store: Store) -> Result:
    return CliRunner().invoke(main, ["report", "--results", str(store.root)])


def link(place: Path, target: Path) -> None:
    """Puts a link into a place, in which something may be."""
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


@pytest.mark.parametrize("name", ["plots", "sheets", ".work", ".work/locks", ".work/report", "README.md", ".gitignore"])
def test_a_report_goes_through_no_link(store: Store, home: Path, name: str):
    before = tree(home)
    link(store.root / name, home if name != "README.md" else home / "holiday.png")
    with pytest.raises(InputError) as refused:
        publish(store.root, {"README.md": b"ours", "plots/leaderboard-x.png": b"ours"})
    assert f"{store.root / name}: not a plain file or folder but a link" in str(refused.value)
    assert tree(home) == before
    assert (store.root / name).is_symlink()
    assert not (store.root / "README.md").is_file() or name == "README.md"


def test_a_report_into_a_foreign_folder_is_one_line(store: Store, home: Path):
    before = tree(home)
    for name in ("plots", ".work"):
        link(store.root / name, home)
    done = report(store)
    assert tree(home) == before
    assert done.exit_code == 2, done.output
    assert [line for line in done.stderr.splitlines() if "a link, and left out" in line]
    assert "not a plain file or folder but a link" in done.stderr
    assert "Traceback" not in done.output


def test_a_picture_of_somebody_else_stays(store: Store):
    (store.root / "plots").mkdir()
    for name in ("holiday.png", "leaderboard-of-mine.png", "notes.txt"):
        (store.root / "plots" / name).write_bytes(b"\x89PNG of mine")
    before = tree(store.root / "plots")
    publish(store.root, {"plots/leaderboard-x.png": plots.MARK})
    publish(store.root, {})
    assert tree(store.root / "plots") == before


def test_a_lock_that_is_a_link_empties_nothing(store: Store, home: Path):
    link(store.root / ".work/locks/report.lock", home / "holiday.png")
    with pytest.raises(InputError, match=r"report\.lock: not a plain file or folder but a link"):
        publish(store.root, {})
    assert (home / "holiday.png").read_text() == "my holiday.png"


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_linked_folder_of_records_is_named_and_left_out(store: Store, tmp_path: Path, depth: int):
    (folder,) = (run.folder for run in store.scan()[0])
    keep(store, record("mlp", 0.3, dataset="other"))
    place = Path(*folder.parts[: len(store.root.parts) + depth])
    shutil.copytree(place, tmp_path / "elsewhere")
    link(place, tmp_path / "elsewhere")
    before = tree(tmp_path / "elsewhere")
    runs, problems = store.scan()
    assert [run.record.job.runner for run in runs] == ["mlp"]
    assert problems == [f"{place}: a link, and left out"]
    with pytest.raises(InputError, match="a link, which is not followed"):
        store.find(JOB)
    with pytest.raises(InputError, match="a link, which is not followed"), store.claim(JOB):
        store.commit(record("svm", 0.5), None)
    assert tree(tmp_path / "elsewhere") == before


def test_a_folder_linked_to_itself_ends(store: Store):
    link(store.root / "loop", store.root)
    link(store.root / "fer2013/loop", store.root / "fer2013")
    runs, problems = store.scan()
    assert len(runs) == 1
    assert len(problems) == 2


def fifo(path: Path) -> None:
    os.mkfifo(path)


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("put", [fifo, zeros, folder])
def test_what_is_no_plain_file_is_named_and_the_rest_reported(store: Store, put: Callable[[Path], None]):
    names = ["record.json", "predictions.npz", "history.csv", "evaluations/x/evaluation.json"]
    keep(store, record("knn", 0.3))
    places = []
    for seed, name in enumerate(names, 1):
        at = keep(store, record("mlp", 0.3, seed=seed)) / name
        at.parent.mkdir(parents=True, exist_ok=True)
        at.unlink(missing_ok=True)
        put(at)
        places.append(str(at))
    done = report(store)
    assert done.exit_code == 1
    assert [place for place in places if place not in done.stderr] == []
    assert len(done.stderr.splitlines()) < 9
    assert "knn" in done.stdout
    assert (store.root / "README.md").exists()
    (store.root / ".gitignore").unlink()
    put(store.root / ".gitignore")
    with pytest.raises(InputError, match=r"\.gitignore: not a plain file"):
        store.prepare()


def test_a_foreign_state_is_neither_waited_for_nor_written_through(store: Store, home: Path):
    state = store.resume(JOB)
    for put in (fifo, zeros):
        put(state / "state.json")
        assert goes_on_at(state) is None
        with pytest.raises(InputError, match="not a plain file or folder"):
            store.resume(JOB)
        (state / "state.json").unlink()
        put(state / "attempts.json")
        assert count_attempt(state) == 0  # and there is a plain file now
        (state / "attempts.json").unlink()
    link(state / "epochs", home)
    (home / "epoch-001.weights.h5").write_text("mine")
    with pytest.raises(InputError, match=r"epochs: not a plain file or folder but a link"):
        store.resume(JOB)
    with pytest.raises(InputError, match="a link"):
        kept_epochs(state / "epochs")
    with pytest.raises(InputError, match="a link"):
        forget(state / "epochs", 0)
    assert (home / "epoch-001.weights.h5").read_text() == "mine"


@pytest.mark.parametrize("put", [fifo, zeros])
def test_what_a_worker_leaves_is_not_waited_for(tmp_path: Path, put: Callable[[Path], None]):
    put(tmp_path / "outcome.json")
    put(tmp_path / "log.txt")
    outcome = read(tmp_path / "outcome.json")
    assert outcome is not None
    assert (outcome.status, outcome.message.count("not a plain file")) == ("error", 1)
    assert tail(tmp_path / "log.txt") == []


def test_a_model_that_links_elsewhere_is_refused(store: Store, home: Path):
    run = store.scan()[0][0]
    link(run.folder / "model", home)
    assert has_model(run.folder)
    with pytest.raises(InputError, match="model: not a plain file or folder but a link"):
        check_model(run, "svm")
    (run.folder / "model").unlink()
    link(run.folder / "model/weights", home / "holiday.png")
    with pytest.raises(InputError, match="weights: not a plain file or folder but a link"):
        check_model(run, "svm")


def test_test_time_augmentation_copies_nothing_that_a_link_leads_to(store: Store, home: Path):
    run = store.scan()[0][0]
    (run.folder / "notes").symlink_to(home / "holiday.png")
    job = Job(JOB, "svm", None, None, tta="flip")  # type: ignore[arg-type]  # refused before either is looked at
    with pytest.raises(InputError, match="notes: not a plain file or folder but a link"):
        add_tta(job, store, Options(), Target("cpu", "tensorflow"), lambda _: None, Event())
    assert (run.folder / "notes").is_symlink()


def test_evaluations_are_read_and_written_through_no_link(store: Store, home: Path):
    run = store.scan()[0][0]
    link(run.folder / "evaluations", home)
    assert read_evaluations(run.folder)[0] == []
    assert "a link" in read_evaluations(run.folder)[1][0]
    fresh = store.work(JOB) / "out"
    fresh.mkdir()
    before = tree(home)
    with pytest.raises(InputError, match="a link"):
        store.publish(fresh, run.folder / "evaluations" / "ck-12345678")
    assert tree(home) == before


def test_scratch_of_dead_processes_is_cleared_without_following(store: Store, home: Path):
    before = tree(home)
    scratch = store.work(JOB)
    (scratch / "out").symlink_to(home)
    link(store.root / ".work" / f"{JOB.key[:16]}-{'0' * 8}", home)
    store.prepare()
    with store.claim(JOB):
        pass
    assert not scratch.exists()
    assert tree(home) == before


def test_the_folder_that_the_user_names_may_be_a_link(store: Store, tmp_path: Path):
    (tmp_path / "linked").symlink_to(store.root)
    linked = Store(tmp_path / "linked")
    linked.prepare()
    assert len(linked.scan()[0]) == 1
    with linked.claim(JOB):
        linked.commit(record("svm", 0.5), None)
    assert linked.scan()[1] == []


def test_a_gitignore_in_no_encoding_keeps_its_bytes(store: Store):
    (store.root / ".gitignore").write_bytes(b"caf\xe9\n")
    store.prepare()
    assert (store.root / ".gitignore").read_bytes().startswith(b"caf\xe9\nmodel/\n")


def test_without_descriptors_the_same_is_refused(store: Store, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inside, "_BY_DESCRIPTOR", False)
    monkeypatch.setattr(inside, "_NO_LINK", 0)
    run = store.scan()[0][0]
    assert run.record.status == "ok"
    link(run.folder / "record.json", home / "holiday.png")
    assert "a link" in store.scan()[1][0]


def test_a_record_that_stands_twice_counts_once(store: Store):
    (run,) = store.scan()[0]
    shutil.copytree(run.folder, store.root / "a-copy/official/svm" / run.folder.name)
    runs, problems = store.scan()
    assert [one.folder for one in runs] == [run.folder]
    assert len(problems) == 1
    assert "once more" in problems[0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_a_folder_that_may_not_be_read_is_named(store: Store):
    keep(store, record("mlp", 0.3))
    shut = store.folder(JOB).parent
    shut.chmod(0)
    runs, problems = store.scan()
    shut.chmod(0o700)
    assert len(runs) == 1
    assert problems == [f"{shut}: can't be read (Permission denied)"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_scratch_of_somebody_else_is_left_to_them(store: Store):
    scratch = store.work(JOB)
    (scratch / "old").mkdir()
    scratch.chmod(0)
    store.prepare()
    with store.claim(JOB) as mine:
        assert mine
    assert scratch.is_dir()
    scratch.chmod(0o700)


def test_all_of_a_tree_is_looked_at(tmp_path: Path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").symlink_to("/etc")
    with pytest.raises(InputError, match=r"a/b/c: not a plain file or folder"):
        inside.check_tree(tmp_path, tmp_path / "a")
    with pytest.raises(InputError, match="leads out of"):
        inside.check(tmp_path, tmp_path / "a" / ".." / "b")
