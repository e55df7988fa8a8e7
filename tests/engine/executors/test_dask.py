"""Jobs on a Dask cluster: what they compute, what travels there and back, and once."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from clusters import TRAVELS, Cluster, cluster, until
from made_records import leftovers

from fer_bench.api import registry
from fer_bench.cli import main
from fer_bench.data.load import load_dataset
from fer_bench.engine import Observer, survey, sweep
from fer_bench.engine.executors import Local, Words, make
from fer_bench.engine.executors.packing import Packer
from fer_bench.engine.job import Options, plan
from fer_bench.records.store import Store, StoredRun

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory):
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.go()
        yield made


@pytest.fixture
def unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers see no folder of who asks: nothing by which they could tell is shown to them."""
    monkeypatch.setattr(Packer, "token", property(lambda self: None, lambda self, token: None), raising=False)


def fer_bench(*words: str, results: Path, data: Path) -> Result:
    environment = {"FER_BENCH_DATA": str(data), "FER_BENCH_RESULTS": str(results)}
    return CliRunner().invoke(main, [*words], env=environment)


def run(*words: str, results: Path, data: Path) -> Result:
    return fer_bench("run", *words, "--plugin", TRAVELS, results=results, data=data)


def stored(results: Path) -> list[StoredRun]:
    runs, problems = Store(results).scan()
    assert not problems
    return runs


def computed(run: StoredRun) -> dict[str, object]:
    """All that a run has computed: its scores, its predictions, its history, its model; of files that say when they
    were made, that they are there.
    """
    files = sorted(path for path in run.folder.rglob("*") if path.is_file() and path.name != "record.json")
    found: dict[str, object] = {
        path.relative_to(run.folder).as_posix(): path.read_bytes() if path.suffix in (".npy", ".csv", ".h5") else b""
        for path in files
    }
    with np.load(run.folder / "predictions.npz") as arrays:
        found["predictions.npz"] = {name: arrays[name].tobytes() for name in arrays.files}
    kept = ("status", "job", "scores", "validation_scores", "train_scores")
    return found | {name: run.record.model_dump(mode="json")[name] for name in kept}


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("near", "near[step=4]", "--keep-epochs", "--train-scores", "on", "--tta", "flip"), 2),
        (("svm", "hog-svm", "--threads", "1"), 2),
    ],
)
def test_a_cluster_computes_what_this_machine_computes(
    two: Cluster, unshared, tiny_npz: Path, tmp_path: Path, words: tuple[str, ...], number: int
):
    here = run(*words, results=tmp_path / "here", data=tiny_npz)
    assert here.exit_code == 0, here.stderr
    there = run(*words, "--executor", "dask", "--scheduler", two.address, results=tmp_path / "there", data=tiny_npz)
    assert there.exit_code == 0, there.stderr
    one, other = stored(tmp_path / "here"), stored(tmp_path / "there")
    assert len(one) == len(other) == number
    for mine, theirs in zip(one, other, strict=True):
        assert computed(mine) == computed(theirs)
        assert mine.record.environment.executor == "local"
        assert theirs.record.environment.executor == "dask"
        assert (mine.record.environment.host, theirs.record.environment.host) == ("", socket.gethostname())
        assert theirs.record.environment.packages == mine.record.environment.packages
        assert theirs.record.cost.fit_seconds
        assert (theirs.folder / "model" / "epochs" / "epoch-002.weights.h5").exists() == ("--keep-epochs" in words)
    assert not leftovers(tmp_path / "there")


class Watching(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def progressed(self, job, event) -> None:
        self.events.append((job.info.runner, dict(event)))


def test_data_goes_to_a_worker_once_and_progress_comes_back(two: Cluster, unshared, tmp_path: Path):
    rng = np.random.default_rng(11)
    labels = np.arange(140) % 7
    images = np.clip(30.0 + 30.0 * labels[:, None, None] + rng.normal(0, 25, (140, 48, 48)), 0, 255).astype(np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=labels, usage=np.repeat([0, 1, 2], [84, 28, 28]))
    registry.know_plugins((TRAVELS,))
    options, seen = Options(plugins=(TRAVELS,), seeds=3), Watching()
    jobs = plan(load_dataset(tmp_path / "own.npz"), ["near"], options=options)
    store = Store(tmp_path / "results")
    store.prepare()
    sent = []
    for rerun in ("none", "all"):
        with make(Words("dask", two.address)) as executor:
            assert executor.slots == 2
            records = sweep(survey(jobs, store, rerun), store, options, seen, executor=executor)
            sent.append(executor.place.sent)
        assert [record.status for record in records] == ["ok"] * 3
    assert len(sent[0]) == len({worker for worker, _ in sent[0]}) == 2
    assert len({digest for _, digest in sent[0]}) == 1
    assert sent[1] == []
    told = [event for _, event in seen.events]
    assert {"epoch": 1, "epochs": 2, "loss": 1.0} in told
    assert any(str(event.get("phase", "")).startswith("on ") for event in told)


def test_no_label_of_the_test_part_is_in_an_order(tiny_npz: Path, tmp_path: Path):
    """All that travels: three files of known content."""
    from fer_bench.engine.execute import Attempt, images_of, prepare
    from fer_bench.engine.job import training_rows
    from fer_bench.engine.place import Work
    from fer_bench.hardware.device import Target

    (job,) = plan(load_dataset(tiny_npz), ["svm"])
    work, target = tmp_path / "work", Target("auto", "auto")
    work.mkdir()
    prepare(Attempt(job, work, tmp_path / "resume-0123456789abcdef", Options(), target))
    packed = Packer().pack(Work(work, images_of(job), Options(), target, "fer_bench.engine.worker"))
    assert packed.fields["files"].keys() == {"task.json", "input.npz"}
    assert packed.fields["large"].keys() == {"images.npy"}
    assert "labels" not in packed.fields["files"]["task.json"].decode()
    (tmp_path / "input.npz").write_bytes(packed.fields["files"]["input.npz"])
    with np.load(tmp_path / "input.npz") as given:
        wanted = training_rows(job)
        assert given.files == [*wanted]
        assert not set(given["test_rows"]) & {*given["train_rows"], *given["val_rows"]}
        assert len(given["train_labels"]) + len(given["val_labels"]) == len(job.dataset) - len(job.split.test)
    (content,) = packed.contents.values()
    np.save(tmp_path / "images.npy", job.dataset.images)
    assert content.bytes() == (tmp_path / "images.npy").read_bytes()
    assert content.digest == hashlib.sha256(content.bytes()).hexdigest()


def test_weights_and_a_second_data_set_travel(two: Cluster, unshared, tiny_npz: Path, tmp_path: Path):
    weights = tmp_path / "mine" / "start.keras"
    weights.parent.mkdir()
    weights.write_bytes(bytes(range(256)) * 40_000)
    words = ("begins", "--weights", str(weights), "--fill", str(tiny_npz), "--balance", "oversample")
    rng = np.random.default_rng(3)
    keep = np.flatnonzero((np.arange(119) % 7 != 1) | (np.arange(119) > 20))
    with np.load(tiny_npz) as given:
        arrays = {name: given[name][keep] for name in given.files}
    arrays["images"] = rng.permuted(arrays["images"], axis=1)
    np.savez(tmp_path / "less.npz", **arrays)
    both = []
    for name, executor in (("here", ()), ("there", ("--executor", "dask", "--scheduler", two.address))):
        done = run(*words, *executor, results=tmp_path / name, data=tmp_path / "less.npz")
        assert done.exit_code == 0, done.stderr
        both += stored(tmp_path / name)
    here, there = both
    assert computed(here) == computed(there)
    assert there.record.training.init == "file:start.keras"
    assert there.record.training.extra["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert here.record.training.extra["folder"] == str(weights.parent)
    assert there.record.training.extra["folder"] != str(weights.parent)


def test_a_failure_there_is_a_record_here(two: Cluster, unshared, tiny_npz: Path, tmp_path: Path):
    words = ("--executor", "dask", "--scheduler", two.address)
    done = run("fails", "links", *words, results=tmp_path / "results", data=tiny_npz)
    assert done.exit_code == 1
    fails, links = (one.record for one in stored(tmp_path / "results"))
    assert fails.status == links.status == "error"
    assert fails.failure.message.startswith("RuntimeError: no fit in")
    assert "the last words" in fails.failure.log_tail
    assert fails.environment.executor == "dask"
    assert links.failure.message == "the run left 'link', which is neither a plain file nor a folder"


def test_stored_models_predict_on_a_cluster(two: Cluster, unshared, tiny_npz: Path, tmp_path: Path):
    results = tmp_path / "results"
    assert run("near", "--seeds", "2", results=results, data=tiny_npz).exit_code == 0
    words = ("--executor", "dask", "--scheduler", two.address)
    added = run("near", "--seeds", "2", "--tta", "flip", *words, results=results, data=tiny_npz)
    assert added.exit_code == 0, added.stderr
    for one in stored(results):
        assert one.record.environment.executor == "local"
        assert one.record.tta.environment.executor == "dask"
    rng = np.random.default_rng(5)
    other = {"images": rng.integers(0, 256, (35, 48, 48)).astype(np.uint8), "labels": np.arange(35) % 7}
    np.savez(tmp_path / "other.npz", **other)
    asked = ("evaluate", "near", "--data", str(tmp_path / "other.npz"), "--plugin", TRAVELS, "--json")
    here = fer_bench(*asked, results=results, data=tiny_npz)
    there = fer_bench(*asked, *words, results=results, data=tiny_npz)
    assert (here.exit_code, there.exit_code) == (0, 0), there.stderr
    mine, theirs = json.loads(here.stdout), json.loads(there.stdout)
    assert len(mine) == len(theirs) == 2
    assert [one["whole"] for one in mine] == [one["whole"] for one in theirs]
    assert {one["environment"]["executor"] for one in theirs} == {"dask"}


def test_a_worker_with_other_versions_gets_nothing(two: Cluster, tiny_npz: Path, tmp_path: Path, monkeypatch):
    from fer_bench.engine.executors import dask, dask_place, parcel

    words = ("near", "--executor", "dask", "--scheduler", two.address)
    others = {**parcel.versions(), "keras": "0.1"}
    with monkeypatch.context() as here:
        here.setattr(dask, "differing", lambda here, there: parcel.differing(others, there))
        at_once = run(*words, results=tmp_path / "results", data=tiny_npz)
    monkeypatch.setattr(dask_place, "versions", lambda: others)  # as of one that comes later
    later = run(*words, results=tmp_path / "results", data=tiny_npz)
    assert (at_once.exit_code, later.exit_code) == (2, 1), later.stderr
    for done in (at_once, later):
        assert "has other versions: keras 0.1 here, 3." in done.stderr.splitlines()[-1], done.stderr
    assert not stored(tmp_path / "results")


def test_who_wants_a_gpu_takes_one_that_a_worker_offers(tiny_npz: Path, tmp_path: Path):
    """The worker offers one that this machine need not have: where the job is sent is seen all the same."""
    with cluster(tmp_path / "cluster", 1) as made:
        made.go()
        made.add("--resources", "GPU=1")
        until(lambda: made.has(2))
        with make(Words("dask", made.address)) as executor:
            assert executor.slots == 1
            executor.device = "cpu"
            assert executor.slots == 2
        words = ("near", "--executor", "dask", "--scheduler", made.address)
        assert run(*words, "--seeds", "2", results=tmp_path / "results", data=tiny_npz).exit_code == 0
        carried = [made.root / f"cache-{number}" / "carried" for number in range(2)]
        assert [folder.exists() for folder in carried] == [False, True]


def test_workers_of_its_own_on_this_machine(tiny_npz: Path, tmp_path: Path):
    """The results folder is seen by both, and the training's state lies there; nothing of it is left."""
    done = run("near", "--seeds", "3", "--executor", "dask", "--jobs", "1", results=tmp_path / "own", data=tiny_npz)
    assert done.exit_code == 0, done.stderr
    assert {one.record.environment.executor for one in stored(tmp_path / "own")} == {"dask"}
    assert not leftovers(tmp_path / "own")


def test_this_machine_as_an_executor_has_the_jobs_that_it_is_given():
    assert Local(3).slots == 3
    assert make(Words()).slots == 1
