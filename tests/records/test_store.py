"""The store: whole or not at all whatever kills it, one process a job, and what it can't read stays as it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed import JOB, commit, of_generation
from made_records import keep, leftovers, record

from fer_bench.errors import InputError
from fer_bench.files import durable
from fer_bench.records.predictions import load_predictions
from fer_bench.records.store import Store, read_record

KILLED = -signal.SIGKILL if os.name == "posix" else None
posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
Order = Callable[..., int]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """In memory where the system has such a place: hundreds of commits wait there for no disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        made = Store(Path(folder) / "results")
        made.prepare()
        yield made


@pytest.fixture
def order(store: Store) -> Iterator[Order]:
    """Gives an order to a process of killed.py and returns its answer."""
    command = [sys.executable, str(Path(__file__).parents[1] / "killed.py"), str(store.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def order(**words: Any) -> int:
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield order
        process.stdin.close()


def found(store: Store) -> int | None:
    """Which generation of the job stands there, all its files being of the same one; None where there is none."""
    runs, problems = store.scan()
    assert not problems
    if not runs:
        return None
    (run,) = runs
    generation = int(run.record.command.removeprefix("generation "))
    assert run.record.model_copy(update={"predictions_digest": None}) == of_generation(generation)
    with np.load(run.folder / "predictions.npz") as file:
        assert file["generation"] == generation
    assert {path.name: path.read_text() for path in (run.folder / "model").iterdir()} == dict.fromkeys(
        ("a", "b"), str(generation)
    )
    assert not {path.name for path in run.folder.iterdir()} - {"record.json", "predictions.npz", "model"}
    return generation


@posix
@pytest.mark.parametrize("exchange", [True, False])
def test_a_kill_before_any_call_leaves_the_old_record_or_the_new_one(store: Store, order: Order, exchange: bool):
    generation, gaps = 0, 0
    assert order(generation=0) == 0
    last = 0
    for first in (False, True) if exchange else (False,):  # a commit that replaces a record, and the first of a job
        for call in range(1, 1000):
            if first:
                with store.claim(JOB):
                    if last is not None:
                        store.remove(store.folder(JOB), JOB)
                last = None
            generation += 1
            code = order(generation=generation, call=call, exchange=exchange)
            assert code in (0, KILLED)
            between = found(store)
            with store.claim(JOB) as mine:
                assert mine
            after = found(store)
            assert after in (last, generation)
            gaps += between != after
            assert between == after or (between is None and not exchange and not first)
            assert not leftovers(store.root)
            last = after
            if code == 0:
                assert after == generation
                break
        assert call > 20
    assert gaps > 0 or exchange  # the kill between the two renames was among them


@posix
def test_a_kill_at_any_moment_leaves_a_whole_record_or_none(store: Store, order: Order):
    rng = np.random.default_rng(5)
    assert order(generation=0) == 0  # once the process is there
    start = time.perf_counter()
    assert order(generation=0) == 0
    longest = 1.2 * (time.perf_counter() - start)
    last, killed = 0, 0
    for generation in range(1, 121):
        code = order(generation=generation, seconds=float(rng.uniform(0, longest)), exchange=bool(generation % 2))
        killed += code == KILLED
        store.prepare()
        after = found(store)
        assert after in (last, generation)
        assert not leftovers(store.root)
        last = after
    assert killed > 20


@posix
def test_a_job_is_one_processes_and_free_again_when_that_dies(store: Store, order: Order):
    assert not store.claimed(JOB)
    holder = order(hold=True)
    assert store.claimed(JOB)
    with store.claim(JOB) as mine:
        assert not mine
    with store.claim(record("mlp").job) as mine:
        assert mine
    store.prepare()
    (scratch,) = leftovers(store.root)  # a living process's: stays
    assert (store.root / ".work" / scratch / "file").read_text() == "half"
    os.kill(holder, signal.SIGKILL)
    with store.claim(JOB, wait=True) as mine:
        assert mine
    assert not store.claimed(JOB)
    assert not leftovers(store.root)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there may be a moment without")
def test_who_reads_while_records_are_replaced_always_finds_one(store: Store):
    commit(store, 0)
    over = threading.Event()

    def replace() -> None:
        for generation in range(1, 40):
            commit(store, generation)
        over.set()

    thread = threading.Thread(target=replace)
    thread.start()
    seen = set()
    while not over.is_set():
        runs, problems = store.scan()
        assert not problems
        seen.add(runs[0].record.command)
    thread.join()
    assert len(seen) > 1


def test_everything_is_on_the_disk_before_its_name_is(store: Store, monkeypatch: pytest.MonkeyPatch):
    """Calls in their order: each file and folder of a record is synced before the rename, the names above after it."""
    calls: list[tuple[str, int]] = []
    fsync, rename = os.fsync, os.rename

    def spy_fsync(descriptor: int) -> None:
        fsync(descriptor)
        calls.append(("fsync", os.fstat(descriptor).st_ino))

    def spy_rename(source: Any, target: Any) -> None:
        inode = Path(source).stat().st_ino
        rename(source, target)
        calls.append(("rename", inode))

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "rename", spy_rename)
    commit(store, 1)
    folder = store.folder(JOB)
    inside = [folder, *folder.rglob("*")]
    assert len(inside) == 6
    at = calls.index(("rename", folder.stat().st_ino), calls.index(("fsync", folder.stat().st_ino)))
    assert {("fsync", path.stat().st_ino) for path in inside} <= set(calls[:at])
    above = [path for path in folder.parents if path.is_relative_to(store.root)]
    assert len(above) == 4
    assert {("fsync", path.stat().st_ino) for path in above} <= set(calls[at:])


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "page"
    durable.write(path, b"old", tmp_path)
    with pytest.raises(FileNotFoundError):
        durable.write(path, b"new", tmp_path / "nowhere")
    assert path.read_bytes() == b"old"
    durable.write(path, b"new", tmp_path)
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["page"]


def test_what_a_dead_process_was_replacing_is_put_back_only_into_the_results_folder(store: Store, tmp_path: Path):
    scratch = store.work(JOB)
    (scratch / "old").mkdir()
    (scratch / "place").write_text(str(tmp_path / "elsewhere"))
    for words in (
        str(tmp_path / "elsewhere"),
        "../elsewhere",
        "elsewhere",
        "a/b/c/../../../../../elsewhere",
        "a/b/c/\0",
        "",
    ):
        (scratch / "place").write_text(words)
        with pytest.raises(InputError, match=r"does not say where|leads out of|can't be looked at"):
            store.prepare()
        assert not (tmp_path / "elsewhere").exists()
        assert (scratch / "old").is_dir()
    (scratch / "place").unlink()
    store.prepare()
    assert not leftovers(store.root)


def test_reports_are_written_one_after_another(store: Store):
    waited = threading.Event()

    def second() -> None:
        with store.alone("report") as scratch:
            assert not list(scratch.iterdir())
            waited.set()

    with store.alone("report") as scratch:
        (scratch / "half").touch()
        thread = threading.Thread(target=second)
        thread.start()
        assert not waited.wait(0.5)
    thread.join(20)
    assert waited.is_set()
    assert not leftovers(store.root)


def test_a_record_of_another_job_is_not_replaced(store: Store):
    folder = keep(store, record("svm"))
    other = JOB.model_copy(update={"key": JOB.key[:8] + "f" * 56})
    assert store.folder(other) == folder
    with pytest.raises(InputError, match="another job"):
        store.find(other)


def test_a_folder_without_locks_is_one_clear_line(store: Store):
    (store.root / ".work" / "locks").write_text("no folder")
    with pytest.raises(InputError, match="a plain file where a folder is wanted"), store.claim(JOB):
        pass


@posix
def test_what_is_no_plain_file_is_refused_and_not_waited_for(store: Store):
    folder = keep(store, record("svm"))
    for name, reader in (
        ("predictions.npz", load_predictions),
        ("record.json", lambda _: read_record(folder / "record.json")),
    ):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        with pytest.raises(InputError, match="not a plain file"):
            reader(folder)


def test_a_run_that_went_well_has_scores(store: Store):
    path = keep(store, record("svm")) / "record.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "scores": None}))
    with pytest.raises(InputError, match=r"status ok without scores.*; move it away and run again"):
        read_record(path)
    path.write_text(path.read_text()[:100])
    with pytest.raises(InputError, match=r"not readable as JSON.*; move it away and run again"):
        read_record(path)
