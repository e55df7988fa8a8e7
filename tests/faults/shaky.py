"""A plugin: a quick runner to which one fault happens, once, where the folder FER_BENCH_TEST_FAULTS plans one for its
job.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from fer_bench import register
from fer_bench.api.context import FitSummary
from fer_bench.api.runner import Runner
from fer_bench.engine import measure

STEPS = 5


@register("shaky")
class Shaky(Runner):
    """Nearest centroids of a random projection: another model for each seed, and the same for the same."""

    def fit(self, train, validation, context):
        shorten_measurements()
        self.fault = Fault(context.key, Path(sys.argv[1]))
        rng = np.random.default_rng(context.seed("projection"))
        self.projection = rng.normal(size=(48 * 48, 16)).astype(np.float32) / 48
        for step in range(STEPS):
            self.fault.at(f"step {step}")
            context.report({"epoch": step + 1, "epochs": STEPS, "accuracy": step / STEPS})
            time.sleep(0.03)
        rows = self.project(train.images)
        self.centroids = np.stack([rows[train.labels == c].mean(0) for c in range(len(context.classes))])
        extra = self.fault.extra
        return FitSummary(init="random", checkpoint="last", epochs_run=STEPS, epochs_planned=STEPS, extra=extra)

    def predict_proba(self, images):
        self.fault.at("predict")
        distances = np.square(self.project(images)[:, None] - self.centroids).sum(-1)
        closeness = np.exp(distances.min(1, keepdims=True) - distances)
        closeness *= np.nan if self.fault.nan else 1
        return closeness / closeness.sum(1, keepdims=True)

    def project(self, images):
        return images.reshape(len(images), -1).astype(np.float32) / 255 @ self.projection

    def save(self, directory):
        np.savez(directory / "model.npz", projection=self.projection, centroids=self.centroids)
        self.fault.at("save")

    def load(self, directory):
        with np.load(directory / "model.npz") as saved:
            self.projection, self.centroids = saved["projection"], saved["centroids"]


def shorten_measurements() -> None:
    """Of latency and throughput, which are no part of what is tested."""
    measure.LATENCY_SECONDS = measure.THROUGHPUT_SECONDS = 0.05


class Fault:
    """What is planned for a job, as ``<key>``: "kind moment". It is taken, so that it happens once."""

    def __init__(self, key: str, work: Path) -> None:
        self.work, self.kind, self.moment, self.nan = work, "", "", False
        self.extra: dict[str, float] = {}
        plan = Path(os.environ["FER_BENCH_TEST_FAULTS"]) / key
        if plan.exists():
            self.kind, _, self.moment = plan.read_text().partition(" ")
            plan.rename(plan.with_suffix(".done"))

    def at(self, moment: str) -> None:
        if self.kind and moment == self.moment:
            kind, self.kind = self.kind, ""
            getattr(self, kind.replace("-", "_"))()

    def exception(self):
        raise RuntimeError("the model is on fire")

    def memory_limit(self):
        used = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20),) * 2)
        np.ones(256 << 20, np.uint8)

    def segfault(self):
        faulthandler._sigsegv()

    def abort(self):
        os.abort()

    def sigkill(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def sigterm(self):
        os.kill(os.getpid(), signal.SIGTERM)

    def os_exit(self):
        os._exit(0)

    def sys_exit(self):
        sys.exit(3)

    def hang(self):
        """Busy, and deaf to SIGTERM."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            sum(range(100_000))
            time.sleep(0.02)

    def stall(self):
        time.sleep(600)

    def disk_full(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        (self.work / "out" / "large").write_bytes(b"0" * 100)

    def rubbish(self):
        print("\x00\xff\x1b[2J" * 10_000)
        print('{"status": "ok"}', file=sys.stderr)
        with (self.work / "progress.jsonl").open("ab") as progress:
            progress.write(b'\xff{"epoch": \n[[[\n{"epoch": "one", "epochs": {}}\n' + b"x" * 200_000)

    def forged_outcome(self):
        (self.work / "outcome.json").write_text('{"status": "ok", "cost": {"fit_sec')
        os._exit(0)

    def orphans(self):
        for _ in range(2):
            if os.fork() == 0:
                subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
                os._exit(0)
        time.sleep(0.2)
        os._exit(1)

    def closed_files(self):
        os.closerange(0, 256)
        print("nobody hears it")

    def not_a_number(self):
        self.nan = True

    def bad_summary(self):
        self.extra = {"loss": 1e300}

    def pipe(self):
        os.mkfifo(self.work / "out" / "pipe")
