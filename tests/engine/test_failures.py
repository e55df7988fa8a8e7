"""What can go wrong in a run, done to it for real: each is a record that says so, and nothing of the run is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fer_bench import Recipe
from fer_bench.api import registry
from fer_bench.board.build import boards
from fer_bench.board.row import Row
from fer_bench.engine import run
from fer_bench.engine.outcome import Outcome, ended, is_out_of_memory, raised, read, tail
from fer_bench.errors import InputError
from fer_bench.records.store import Store

FAULTY = str(Path(__file__).with_name("faulty.py"))
FER_BENCH = [sys.executable, "-c", "from fer_bench.cli import main; main()"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def go(tiny_npz, tmp_path):
    def go(*names, **options):
        return run(names, data=tiny_npz, results=tmp_path / "results", plugins=(FAULTY,), **options)

    return go


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


#: runner, status, what its message says, what its hint says
FAULTS = [
    ("leaves", "error", "sys.exit(3)", "return, or raise"),
    ("exits", "error", "code 0 without an outcome", "os._exit"),
    ("segfaults", "error", "crashed (signal 11, SIGSEGV)", "native code"),
    ("aborts", "oom", "signal 6, SIGABRT", "--limit"),
    ("terminated", "interrupted", "signal 15, SIGTERM", "same command"),
    ("fills-disk", "error", "disk is full", "free some space"),
    ("bloats", "oom", "out of memory", "half the batch"),
    ("forges", "error", "not valid (training:", "log_tail"),
    ("forges-well", "error", "no readable predictions", "log_tail"),
    ("raises", "error", "RuntimeError: the model is on fire", "log_tail"),
    ("greedy", "oom", "out of memory", ""),
    ("diverges", "error", "NaN", ""),
    ("wrong-shape", "error", "shape (28, 6), wanted (28, 7)", ""),
    ("negative", "error", "output 6 is -0.25, negative; 28 of 28", ""),
    ("needy", "skipped", "no_such_module_anywhere", ""),
    ("endless", "error", "Circular reference", ""),
]


def test_each_fault_has_its_status_and_a_hint_and_the_others_go_on(go, tmp_path):
    *failed, good = go(*(name for name, *_ in FAULTS), "good", jobs=2)
    assert good.status == "ok"
    for record, (name, status, message, hint) in zip(failed, FAULTS, strict=True):
        assert (record.job.runner, record.status) == (name, status), record.failure
        assert message in record.failure.message
        assert hint in record.failure.hint
        assert record.scores is None
    runs, problems = Store(tmp_path / "results").scan()
    assert not problems
    assert sorted(run.record.status for run in runs) == sorted(["ok", *(status for _, status, *_ in FAULTS)])
    log = next(record for record in failed if record.job.runner == "segfaults").failure.log_tail
    assert any("in fit" in line for line in log)  # the Python stack of a crash in native code


def test_a_killed_worker_is_told_from_one_that_the_kernel_killed(go):
    (record,) = go("killed")
    if Path("/proc/vmstat").exists():
        assert record.status == "error"
        assert "killed from outside (signal 9, SIGKILL)" in record.failure.message
    log = Path("no-such-log")
    assert ended(-9, log, oom_kills=1).status == "oom"
    assert "probably" in ended(-9, log, oom_kills=None).message


@pytest.fixture
def cgroup(tmp_path):
    """A control group with 192 MiB of memory."""
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        folder = root / f"fer-bench-test-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / limit).write_text(str(192 << 20))
        except OSError:
            if folder.is_dir():
                folder.rmdir()
            continue
        yield folder
        folder.rmdir()
        return
    pytest.skip("no control group of memory can be made here")


def test_out_of_memory_by_the_kernels_hand(go, cgroup, monkeypatch):
    monkeypatch.setenv("FER_BENCH_TEST_CGROUP", str(cgroup))
    (record,) = go("in-cgroup")
    assert record.status == "oom"
    assert "the kernel killed the worker" in record.failure.message


def test_strange_runners_that_do_their_work_are_nobodys_end(go):
    """Rubbish among the progress, a thread that never ends, files that are closed."""
    scribbles, lingers, closes, good = go("scribbles", "lingers", "closes", "good", jobs=2)
    assert good.status == scribbles.status == lingers.status == "ok"
    assert closes.status == "error"
    assert closes.failure.message


def test_what_a_worker_started_ends_with_it(go, tmp_path, monkeypatch):
    (tmp_path / "children").mkdir()
    monkeypatch.setenv("FER_BENCH_TEST_CHILDREN", str(tmp_path / "children"))
    (record,) = go("leaves-children")
    assert record.status == "ok"
    pids = [int(path.read_text()) for path in (tmp_path / "children").iterdir()]
    assert len(pids) == 3
    assert not [pid for pid in pids if alive(pid)]


def test_a_time_limit_holds_within_ten_seconds_for_all_of_a_worker(go, tmp_path, monkeypatch):
    """Although the worker ignores SIGTERM, and one of its children has left its session."""
    (tmp_path / "children").mkdir()
    monkeypatch.setenv("FER_BENCH_TEST_CHILDREN", str(tmp_path / "children"))
    monkeypatch.setenv("FER_BENCH_TEST_HANG", "1")
    (record,) = go("leaves-children", timeout=8.0)
    assert record.status == "timeout"
    assert 8 < record.seconds < 18
    pids = [int(path.read_text()) for path in (tmp_path / "children").iterdir()]
    assert len(pids) == 3
    assert not [pid for pid in pids if alive(pid)]


def test_a_worker_that_stands_still_is_ended(go):
    (record,) = go("sleeps", stall=4.0)
    assert record.status == "timeout"
    assert "neither reported progress nor used the processor" in record.failure.message
    assert record.seconds < 60


def test_a_killed_fer_bench_takes_its_worker_with_it(tiny_npz, tmp_path):
    process, below = with_children(tiny_npz, tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not [p for p in below if alive(p.pid)], seconds=10)


@pytest.mark.parametrize("which", ["outer", "inner"])
def test_a_killed_guard_leaves_nothing_of_its_worker(tiny_npz, tmp_path, which):
    """Not even a child in a session of its own whose parent is gone."""
    process, below = with_children(tiny_npz, tmp_path)
    (below[0] if which == "outer" else below[1]).kill()
    assert process.wait(60) == 1
    assert not [p for p in below if alive(p.pid)]


def test_a_stopped_guard_leaves_nothing_of_its_worker(tiny_npz, tmp_path):
    """One of them, the other, or both: at a time, as each waits for what does not answer."""
    cases = {name: with_children(tiny_npz, tmp_path / name) for name in ("outer", "inner", "both")}
    for name, (process, below) in cases.items():
        for place in {"outer": (0,), "inner": (1,), "both": (0, 1)}[name]:
            below[place].suspend()
        process.terminate()
    for process, below in cases.values():
        assert process.wait(60) == 130
        assert not [p for p in below if alive(p.pid)]


def with_children(tiny_npz: Path, tmp_path: Path) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """fer-bench with a run that hangs, and all that is below it: two guards, outer one first, worker, its children."""
    if sys.platform != "linux":
        pytest.skip("orphans are adopted on Linux alone")
    (tmp_path / "children").mkdir(parents=True)
    command = [*FER_BENCH, "run", "leaves-children", "--plugin", FAULTY]
    variables = {
        "FER_BENCH_DATA": str(tiny_npz),
        "FER_BENCH_RESULTS": str(tmp_path / "results"),
        "FER_BENCH_TEST_CHILDREN": str(tmp_path / "children"),
        "FER_BENCH_TEST_HANG": "1",
    }
    process = subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.DEVNULL)
    wait_for(lambda: len([p for p in (tmp_path / "children").iterdir() if p.read_text()]) == 3)
    (outer,) = psutil.Process(process.pid).children()
    (inner,) = (p for p in outer.children() if "guard.py" in " ".join(p.cmdline()))
    rest = [p for p in outer.children(recursive=True) if p != inner and p.status() != psutil.STATUS_ZOMBIE]
    assert len(rest) == 4
    return process, [outer, inner, *rest]


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_out_of_memory_is_tried_again_with_half_the_batch(go):
    (record,) = go("large-batch", retries=2)
    assert record.status == "ok"
    assert record.training.batch_divisor == 4
    assert [attempt.partition(":")[0] for attempt in record.attempts] == ["oom", "oom"]
    (board,) = boards([record])
    assert "batch 32/16 instead of 128/64 after running out of memory" in board.rows[0].note()


def test_the_batch_of_what_has_none_is_left_alone():
    assert "batch" in registry.get("mini-xception").uses
    assert not {"batch"} & (registry.get("svm").uses | registry.get("xgboost").uses)
    recipe = registry.get("staged-cnn").recipes["published"]
    assert [stage.batch for stage in recipe.with_smaller_batches(4).plan()] == [16, 8, 32, 256]
    assert Recipe(batch=3).with_smaller_batches(4).batch == 1
    assert recipe.with_smaller_batches(1) == recipe


def test_retries_come_to_an_end(go):
    (record,) = go("large-batch", retries=1)
    assert record.status == "oom"
    assert len(record.attempts) == 1
    assert Row("large-batch", "classical", failed=(record,)).note().startswith("oom: out of memory")


def test_what_was_killed_is_tried_again_as_it_was(go, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_BENCH_TEST_MARKER", str(tmp_path / "marker"))
    (record,) = go("second-time", retries=1)
    assert record.status == "ok"
    assert record.training.batch_divisor == 1
    assert len(record.attempts) == 1
    assert "SIGKILL" in record.attempts[0]


def test_exceptions_and_wrong_input_are_not_tried_again(go):
    (record,) = go("raises", retries=3)
    assert record.attempts == []
    assert not raised(InputError("wrong")).transient


def test_frameworks_that_run_out_of_memory_are_understood():
    """By what they really raise."""
    import tensorflow as tf

    with pytest.raises(tf.errors.ResourceExhaustedError) as on_tensorflow:
        tf.zeros((1 << 22, 1 << 20)) + 1
    assert raised(on_tensorflow.value).status == "oom"
    jax = pytest.importorskip("jax")
    with pytest.raises(Exception, match="memory") as on_jax:
        jax.numpy.zeros((1 << 22, 1 << 20)) + 1
    assert raised(on_jax.value).status == "oom"
    assert not is_out_of_memory(KeyError("out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))


def test_an_outcome_is_read_or_is_an_error(tmp_path):
    path = tmp_path / "outcome.json"
    assert read(path) is None
    for text in ("", "{", "[]", '{"status": "fine"}', '{"status": "ok", "cost": {"macs": "x"}}', "[" * 100_000):
        path.write_text(text)
        assert read(path).status == "error"
    path.write_text('{"status": "ok", "cost": {"fit_seconds": NaN}}')
    assert read(path).status == "ok"


def test_a_forged_message_is_one_line_of_bounded_length(tmp_path):
    (tmp_path / "outcome.json").write_text(
        '{"status": "error", "message": "' + "a\\n" * 100_000 + '", "hint": "\\u001b[2J"}'
    )
    failure = read(tmp_path / "outcome.json").failure(tmp_path / "log.txt")
    assert len(failure.message) <= 500
    assert "\n" not in failure.message
    assert failure.hint == "\ufffd[2J"


def test_the_tail_of_a_log_is_short_and_harmless(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes(b"\x1b[2J\xff" + b"x" * 5_000_000 + b"\nlast\x07 line\n")
    first, last = tail(log)
    assert len(first) <= 500
    assert last == "last\ufffd line"
    assert Outcome(status="error", message="m").failure(log).log_tail == [first, last]
