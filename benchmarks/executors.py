"""python -m benchmarks.executors: what a cluster gains, and where it stops. Writes executors.md.

Measures how much faster two Dask workers are than one, on the embedded set, and what a record costs who asks for it:
jobs whose runs take no time, here and over Dask. From that it computes, and simulates, up to how many workers that
is no bottleneck. Needs FER_BENCH_DATA for a set of full size; about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from unittest import mock

import numpy as np
import psutil
from tabulate import tabulate

from fer_bench.data.load import load_dataset
from fer_bench.engine import survey, sweep
from fer_bench.engine.executors import Executor, Words, make
from fer_bench.engine.executors.parcel import Order
from fer_bench.engine.job import Options, plan
from fer_bench.engine.outcome import Outcome
from fer_bench.engine.place import Done, Work
from fer_bench.engine.task import OUT, Report
from fer_bench.records.provenance import environment
from fer_bench.records.store import MODEL, PREDICTIONS, Store

PAGE = Path(__file__).with_name("executors.md")
RUNNERS = ("svm", "hog-svm", "xgboost", "mlp", "mini-xception", "custom-cnn")
#: Workers, and seconds that a training takes, for which it is computed what the client costs.
WORKERS, SECONDS = (10, 30, 100, 300, 1_000), (60.0, 600.0, 3_600.0)
#: Bytes a second of a network, of a model that comes back, and of the images of FER-2013.
NETWORK, MODEL_BYTES, IMAGES_BYTES = 125e6, 20e6, 35_887 * 48 * 48


@dataclass(frozen=True)
class Cost:
    """Seconds that a record costs: of the client's processor, of the scheduler's, and of the clock, one at a time."""

    client: float
    scheduler: float
    clock: float


def leave(folder: Path, rows: dict[str, int]) -> None:
    """What a run leaves that took no time: predictions, and a model of a few bytes."""
    (folder / OUT / MODEL).mkdir(parents=True)
    (folder / OUT / MODEL / "model").write_bytes(b"model")
    arrays: dict[str, Any] = {name: np.full((n, 7), 1 / 7, np.float16) for name, n in rows.items()}
    np.savez_compressed(folder / OUT / PREDICTIONS, **arrays)


def rows_of(content: bytes | Path) -> dict[str, int]:
    """How many rows each array of predictions has, from the worker's input."""
    with np.load(content) as given:
        return {"probabilities": len(given["test_rows"]), "val_probabilities": len(given["val_rows"])}


class AtOnce(Executor):
    """This machine, on which each run is over at once."""

    name = "local"
    slots = 1

    @property
    def place(self) -> AtOnce:  # type: ignore[override]
        return self

    def do(self, work: Work, report: Report, stop: Event) -> Done:
        for name, images in work.images.items():
            np.save(work.folder / name, images)
        leave(work.folder, rows_of(work.folder / "input.npz"))
        return Done(Outcome(status="ok"))


def answer_at_once(order: Order) -> dict[str, Any]:
    """In place of ``run_order``: what a worker answers to a run that took no time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "input.npz").write_bytes(order.files["input.npz"])
        leave(folder, rows_of(folder / "input.npz"))
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / OUT).rglob("*.*")}
        files[f"{OUT}/{MODEL}/model"] = b"model"
    told = {"outcome": Outcome(status="ok").to_json(), "environment": environment().model_dump_json()}
    return {**told, "folder": name, "files": files, "worker": ""}


@contextmanager
def cluster(root: Path, workers: int) -> Iterator[tuple[str, list[psutil.Process]]]:
    """A scheduler and workers of one thread, each a process; its address, and the processes, the scheduler first."""
    file, processes = root / "scheduler.json", []
    words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    try:
        with (root / "dask.log").open("wb") as log:
            for number in range(workers + 1):
                command = [sys.executable, "-m", "dask", *words]
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
                while not file.exists():
                    time.sleep(0.1)
                words = ["worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
                words += ["--local-directory", str(root / f"worker-{number}")]
        yield json.loads(file.read_text())["address"], [psutil.Process(process.pid) for process in processes]
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def cost(executor: Executor, dataset: Any, records: int, root: Path, scheduler: psutil.Process | None = None) -> Cost:
    """What a record costs, on average over so many, less what the first one costs."""
    options = Options(seeds=records + 1, recipe="published", train_scores="off", device="cpu")
    jobs = plan(dataset, ["svm"], options=options)
    store = Store(root)
    store.prepare()
    sweep(survey(jobs[:1], store), store, options, executor=executor)
    steps = survey(jobs[1:], store)
    used, began, clock = _used(scheduler), time.process_time(), time.perf_counter()
    done = sweep(steps, store, options, executor=executor)
    spent = (time.process_time() - began, _used(scheduler) - used, time.perf_counter() - clock)
    assert [record.status for record in done] == ["ok"] * records, done[0].failure
    return Cost(*(seconds / records for seconds in spent))


def _used(process: psutil.Process | None) -> float:
    return 0.0 if process is None else sum(process.cpu_times()[:2])


def costs(records: int) -> dict[str, Cost]:
    """The cost of a record, by the set and the executor."""
    from fer_bench.engine.executors import dask_place

    found = {}
    sets = {"embedded": load_dataset("synthetic")}
    if os.environ.get("FER_BENCH_DATA"):
        sets["FER-2013"] = load_dataset()
    for name, dataset in sets.items():
        with tempfile.TemporaryDirectory() as root:
            found[f"{name}, local"] = cost(AtOnce(), dataset, records, Path(root) / "results")
            with (
                mock.patch.object(dask_place, "run_order", answer_at_once),
                cluster(Path(root), 1) as (address, (scheduler, *_)),
                make(Words("dask", address)) as executor,
            ):
                while not executor.slots:
                    time.sleep(0.1)
                found[f"{name}, dask"] = cost(executor, dataset, records, Path(root) / "over", scheduler)
        print(found, file=sys.stderr)
    return found


def speed_up(runners: tuple[str, ...]) -> list[tuple[int, float]]:
    """Workers, and seconds that they took for the runners on the embedded set; one after the other in one run."""
    found = []
    for workers in (1, 2):
        with (
            tempfile.TemporaryDirectory() as root,
            cluster(Path(root), workers) as (address, _),
            make(Words("dask", address)) as executor,
        ):
            while executor.slots < workers:
                time.sleep(0.1)
            options = Options(threads=1, device="cpu")
            jobs = plan(load_dataset("synthetic"), list(runners), options=options)
            store = Store(Path(root) / "results")
            store.prepare()
            clock = time.perf_counter()
            done = sweep(survey(jobs, store), store, options, executor=executor)
            found.append((workers, time.perf_counter() - clock))
            assert all(record.status == "ok" for record in done), [record.failure for record in done]
    return found


def simulated(workers: int, seconds: float, client: float, jobs_each: int = 10) -> float:
    """The share of their time that workers compute, where the client serves one of them at a time.

    Each job takes ``seconds``, give or take a fifth, and before the next one ``client`` seconds of the client.
    """
    rng = np.random.default_rng(0)
    ready, free, busy, end = [(0.0, number) for number in range(workers)], 0.0, 0.0, 0.0
    for _ in range(workers * jobs_each):
        at, number = heapq.heappop(ready)
        free = max(at, free) + client
        lasts = seconds * rng.uniform(0.8, 1.2)
        busy, end = busy + lasts, max(end, free + lasts)
        heapq.heappush(ready, (free + lasts, number))
    return busy / (end * workers)


def page(sped: list[tuple[int, float]], runners: tuple[str, ...], found: dict[str, Cost], records: int) -> str:
    """The page, in Markdown."""
    name, worst = max(found.items(), key=lambda pair: pair[1].client)
    busy = os.getloadavg()[0]
    one = sped[0][1]
    gain = [(workers, f"{seconds:.0f}", f"{one / seconds:.2f}") for workers, seconds in sped]
    each = [(name, *(f"{1e3 * value:.0f}" for value in (c.client, c.scheduler, c.clock))) for name, c in found.items()]
    limits = [
        (
            f"{seconds / 60:.0f} min",
            f"{seconds / worst.client:,.0f}",
            *(f"{100 * simulated(workers, seconds, worst.client):.1f} %" for workers in WORKERS),
        )
        for seconds in SECONDS
    ]
    back = [(f"{s / 60:.0f} min", f"{s * NETWORK / MODEL_BYTES:,.0f}") for s in SECONDS]
    return TEXT.format(
        cores=os.cpu_count(),
        load=f"{busy:.0f}",
        runners=", ".join(runners),
        gain=tabulate(gain, ["Workers of one thread", "Seconds", "Times as fast"], "github", disable_numparse=True),
        records=records,
        each=tabulate(each, ["Set, executor", "Client", "Scheduler", "Clock"], "github", disable_numparse=True),
        name=name,
        cost=f"{1e3 * worst.client:.0f}",
        limits=tabulate(
            limits, ["A job takes", "T / c", *(f"{n:,} workers" for n in WORKERS)], "github", disable_numparse=True
        ),
        images=f"{IMAGES_BYTES / 1e6:.0f}",
        each_machine=f"{IMAGES_BYTES / NETWORK:.1f}",
        thousand=f"{1000 * IMAGES_BYTES / NETWORK / 60:.0f}",
        back=tabulate(back, ["A job takes", "Workers"], "github", disable_numparse=True),
        command=shlex.join(["python", "-m", "benchmarks.executors", *sys.argv[1:]]),
    )


TEXT = """# What a cluster gains, and where it stops

Made by `{command}` on {cores} cores, which other programs used as well: the load was {load} at the
end. Compare what stands in one table; the seconds themselves would be others on a quiet machine.

## One worker and two

`{runners}` on the embedded set, over Dask, `--threads 1`. A job is a process that begins with
importing its library, and the last job of the larger half leaves the other worker idle: two can't be quite twice as
fast.

{gain}

## What a record costs who asks

Milliseconds a record, over {records} records of `svm` whose runs take no time but leave predictions and a model of a
few bytes: claim the job, write its task, pack and send it, unpack what comes back, score it, note which images it was
trained on, and store all of it durably. *Client* and *Scheduler* are times of their processors; *Clock* is what one at
a time takes.

{each}

## Where it stops

The client is one Python process, in which one thread computes at a time: with c seconds of its processor for a record,
it serves T / c workers whose jobs take T seconds, and no more, however many there are. With the dearest of the above,
{name}, c is {cost} ms. The other columns are simulated: the share of their time that so many workers
compute, where the client serves one at a time and jobs take T, give or take a fifth. (All of them begin at once and do
ten jobs each; that the last ones end late is in the shares.)

{limits}

The network is another limit. The images of FER-2013 are {images} MB, and go to each machine once: {each_machine} s at a
gigabit a second, {thousand} minutes for a thousand machines one after the other, in which the first ones compute
already. A model of 20 MB that comes back through the scheduler bounds how many workers a gigabit serves; `--no-models`
removes that:

{back}

Where a column above falls, several clients may share the work: several commands may share one results folder, and each
does what no other one does.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=50, help="Records of which the cost is a mean.")
    parser.add_argument("--runners", nargs="+", default=list(RUNNERS), help="Runners that one and two workers train.")
    given = parser.parse_args()
    runners = tuple(given.runners)
    sped = speed_up(runners)
    print(sped, file=sys.stderr)
    PAGE.write_text(page(sped, runners, costs(given.records), given.records), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
