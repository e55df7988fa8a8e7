"""Sweeps to which faults happen at random moments, what must hold after each, and the table of what became of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from fer_bench.api import registry
from fer_bench.board.build import boards
from fer_bench.data.load import load_dataset
from fer_bench.engine.job import Options, plan
from fer_bench.records.predictions import load_predictions
from fer_bench.records.store import PREDICTIONS, RECORD, Store
from fer_bench.scores.metrics import score

SHAKY = str(Path(__file__).with_name("shaky.py"))
#: Where in a run of shaky.py a fault may happen: in a step of the fit, while it predicts, while it saves.
MOMENTS = (*(f"step {step}" for step in range(5)), "predict", "save")
FER_BENCH = [sys.executable, "-c", "from fer_bench.cli import main; main()"]
#: Seconds, of quick runners; real ones have more.
TIMEOUT, STALL = 20, 5

#: What a runner does to itself: how, and the statuses that its record may have.
INSIDE = {
    "exception": ("raises RuntimeError", {"error"}),
    "memory-limit": ("allocates past RLIMIT_AS", {"oom"}),
    "segfault": ("SIGSEGV in native code", {"error"}),
    "abort": ("os.abort()", {"error"}),
    "sigkill": ("kill -9 of its own process", {"error"}),
    "sigterm": ("SIGTERM to its own process", {"interrupted"}),
    "os-exit": ("os._exit(0)", {"error"}),
    "sys-exit": ("sys.exit(3)", {"error"}),
    "hang": (f"busy for ever, ignores SIGTERM; --timeout {TIMEOUT}", {"timeout"}),
    "stall": (f"sleeps for ever; --stall {STALL}", {"timeout"}),
    "disk-full": ("a write past RLIMIT_FSIZE; nothing can be written afterwards", {"error"}),
    "rubbish": ("bytes that mean nothing, to stdout, stderr and progress.jsonl", {"ok"}),
    "forged-outcome": ("half an outcome.json of its own, then os._exit(0)", {"error"}),
    "orphans": ("children in sessions of their own, then os._exit(1)", {"error"}),
    "closed-files": ("closes all file descriptors", {"error"}),
    "not-a-number": ("predicts NaN", {"error"}),
    "bad-summary": ("says of its training what no record holds: 1e300", {"error"}),
    "pipe": ("leaves a named pipe among its files", {"error"}),
}
#: What happens to a sweep from outside, at a random moment.
OUTSIDE = {
    "kill fer-bench": "kill -9 of fer-bench",
    "Ctrl-C": "SIGINT to fer-bench",
    "SIGTERM": "SIGTERM to fer-bench",
    "hang-up": "SIGHUP to fer-bench",
    "kill worker": "kill -9 of a worker",
    "kill guard": "kill -9 of one of a worker's guards",
    "freeze guard": "SIGSTOP to one of a worker's guards",
    "freeze worker": "SIGSTOP to a worker; --stall ends it",
    "full disk": "no file of fer-bench, or of a worker it then starts, can grow (RLIMIT_FSIZE set from outside)",
    "broken pipe": "whoever reads its stderr goes away",
}
SIGNALS = {
    "kill fer-bench": signal.SIGKILL,
    "Ctrl-C": signal.SIGINT,
    "SIGTERM": signal.SIGTERM,
    "hang-up": signal.SIGHUP,
}


class Campaign:
    """Faults and what became of them, over sweeps of the same jobs on one data set.

    Attributes:
        outcomes: for each kind of fault, how often it ended how.
        runs: workers' runs that came to a record.
    """

    def __init__(
        self,
        data: Path,
        place: Path,
        names: Sequence[str],
        *,
        seeds: int,
        seed: int,
        timeout: float = TIMEOUT,
        stall: float = STALL,
    ) -> None:
        self.data, self.place, self.random = data, place, random.Random(seed)
        self.arguments = ["run", *names, "--seeds", str(seeds), "--epochs", "2", "--jobs", "2"]
        self.arguments += ["--plugin", SHAKY, "--timeout", str(timeout), "--stall", str(stall), "--rerun", "failed"]
        registry.load_plugins((SHAKY,))
        self.keys = [j.info.key for j in plan(load_dataset(data), names, options=Options(seeds=seeds, epochs=2))]
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self.runs = 0
        self.disturbed = False
        self.folder = place / "undisturbed"
        clock = time.monotonic()
        assert self.run() == 0
        self.usual = time.monotonic() - clock
        self.truth = self.figures()

    # a sweep and its faults

    def new_sweep(self) -> None:
        self.folder = self.place / f"sweep-{len(list(self.place.iterdir()))}"

    def inside(self, kinds: Sequence[str]) -> None:
        """A sweep in which a fault of each kind happens to a run of its own; the next one completes it."""
        self.new_sweep()
        victims = dict(zip(self.random.sample(self.keys, len(kinds)), kinds, strict=True))
        self.run(faults=victims)
        status = {run.record.job.key: run.record.status for run in Store(self.folder).scan()[0]}
        assert set(status) == set(self.keys)
        for key, found in status.items():
            kind = victims.get(key)
            if kind is None:
                assert found == "ok", f"a run to which nothing happened: {found}"
            else:
                assert found in INSIDE[kind][1], f"{kind}: {found}"
                self.outcomes[kind][found] += 1
        self.complete()

    def outside(self, kinds: Sequence[str]) -> None:
        """A sweep that is disturbed, and run again, by each kind in turn; a new one where it is done. Then it is
        completed.

        What came too late, after the end of the sweep, does not count, and comes again.
        """
        self.new_sweep()
        for kind in kinds:
            done = False
            while not done:
                if len(self.finished()) == len(self.keys):
                    self.complete()
                    self.new_sweep()
                code = self.run(disturbance=kind)
                done = self.disturbed
            ends = {130: "interrupted (130)", **{-sign: "killed" for sign in SIGNALS.values()}}
            self.outcomes[kind][ends.get(code, f"exit code {code}")] += 1
        self.complete()

    def complete(self) -> None:
        """The next, undisturbed, sweep does what is left, and the figures are those of one that never was disturbed."""
        assert self.run() == 0
        assert len(self.finished()) == len(self.keys)
        assert self.figures() == self.truth

    # one fer-bench process

    def run(self, faults: dict[str, str] | None = None, disturbance: str = "") -> int:
        """fer-bench to its end, and what must hold after it; returns its exit code."""
        before = self.finished()
        planned = self.place.parent / "planned"
        planned.mkdir(parents=True, exist_ok=True)
        for key, kind in (faults or {}).items():
            moments = {"not-a-number": ["predict"], "bad-summary": MOMENTS[:5]}.get(kind, MOMENTS)
            (planned / key).write_text(f"{kind} {self.random.choice(moments)}")
        variables = {
            "FER_BENCH_DATA": str(self.data),
            "FER_BENCH_RESULTS": str(self.folder),
            "FER_BENCH_TEST_FAULTS": str(planned),
            "FER_BENCH_TEST_CAMPAIGN": str(self.place),
        }
        process = subprocess.Popen(
            [*FER_BENCH, *self.arguments],
            env={**os.environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=listen,
        )
        if disturbance:
            left = 1 - len(before) / len(self.keys)
            time.sleep(self.random.uniform(0, self.usual * left))
            self.disturbed = disturb(process, disturbance)
        errors = b"" if disturbance == "broken pipe" else process.communicate(timeout=300)[1]
        code = process.wait(300)
        self.hold(before, code, errors.decode("utf-8", "replace"), disturbance)
        return code

    def hold(self, before: dict[str, str], code: int, errors: str, disturbance: str) -> None:
        """Nothing finished is lost or changed, nothing half is taken for done, no process is left, no traceback
        shown.
        """
        after = self.finished()
        assert before.items() <= after.items(), "a finished record is lost or changed"
        self.runs += len(Store(self.folder).scan()[0]) - len(before)
        deadline = time.monotonic() + 10
        while left := self.processes():
            assert time.monotonic() < deadline, f"left: {left}"
            time.sleep(0.1)
        # A signal may arrive before the command's main runs; from then on nobody sees a traceback.
        assert "Traceback" not in errors or (disturbance in SIGNALS and ", in main\n" not in errors), errors
        assert code in {0, 1, 130, *(-sign for sign in SIGNALS.values())}, errors

    def finished(self) -> dict[str, str]:
        """The digest of the files of each run that reads as done, by key; each has predictions that give its scores."""
        runs, problems = Store(self.folder).scan()
        assert not problems
        digests = {}
        for record, folder in runs:
            if record.status != "ok":
                assert record.failure.message
                continue
            saved = load_predictions(folder)
            again = score(saved.labels, saved.probabilities, record.job.classes, np.zeros(len(saved.rows), bool))
            assert (again.accuracy, again.log_loss) == (record.scores.accuracy, record.scores.log_loss)
            files = [(folder / name).read_bytes() for name in (RECORD, PREDICTIONS)]
            digests[record.job.key] = hashlib.sha256(b"".join(files)).hexdigest()
        return digests

    def figures(self) -> str:
        """The leaderboards without times, and every probability."""
        runs = sorted(Store(self.folder).scan()[0], key=lambda run: run.record.job.key)
        rows = [[row.label, row.status] for board in boards([run.record for run in runs]) for row in board.rows]
        scores = [run.record.scores.model_dump() for run in runs]
        probabilities = [load_predictions(run.folder).probabilities.tolist() for run in runs]
        return json.dumps([rows, scores, probabilities])

    def processes(self) -> list[str]:
        """What of this campaign's is still alive, whoever its parent is."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get("FER_BENCH_TEST_CAMPAIGN") == str(self.place)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return found


def listen() -> None:
    """To the signals that a terminal sends, which a process in the background is born ignoring."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def disturb(process: subprocess.Popen[bytes], kind: str) -> bool:
    """Does it; False where fer-bench had ended before."""
    if kind in ("kill worker", "kill guard", "freeze worker", "freeze guard"):
        return disturb_worker(process, *kind.split())
    if process.poll() is not None:
        return False
    if kind in SIGNALS:
        process.send_signal(SIGNALS[kind])
    elif kind == "broken pipe":
        assert process.stderr is not None
        process.stderr.close()
    else:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    return True


def disturb_worker(process: subprocess.Popen[bytes], how: str, whom: str) -> bool:
    """Does it to the last worker, or guard, that there is, which may be an outer or an inner one; False where none
    came.
    """
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            for below in reversed(psutil.Process(process.pid).children(recursive=True)):
                words = " ".join(below.cmdline())
                if "fer_bench.engine.worker" in words and ("guard.py" in words) == (whom == "guard"):
                    below.suspend() if how == "freeze" else below.kill()
                    return True
        time.sleep(0.02)
    return False


def table(campaigns: Sequence[Campaign]) -> str:
    """What happened, how often, and how it ended, in Markdown."""
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for campaign in campaigns:
        for kind, counts in campaign.outcomes.items():
            outcomes[kind] += counts
    how = {kind: words for kind, (words, _) in INSIDE.items()} | OUTSIDE
    lines = ["| Fault | How | Injected | Outcomes |", "|---|---|---:|---|"]
    for kind, words in how.items():
        counts = outcomes[kind]
        ends = ", ".join(f"{end} {count}" for end, count in counts.most_common())
        lines.append(f"| {kind} | {words} | {counts.total()} | {ends} |")
    return "\n".join(lines) + "\n"
