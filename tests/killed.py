"""A process whose children commit records and are killed on the way: before a call to the file system, or at some
moment.

``python killed.py RESULTS`` takes orders, a JSON object a line, and answers each with a line:

    {"generation": 3, "call": 17}       commit, killed before the 17th call; the answer is the exit code, 0 if there are
    fewer {"generation": 3, "seconds": 0.01}  commit, killed after so long
    {"hold": true}                      claim the job and keep it; the answer is the process id

``"exchange": false`` does as if the file system could not swap two folders.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from made_records import record

from fer_bench.files import durable
from fer_bench.records.record import RunRecord
from fer_bench.records.store import Store

JOB = record("svm").job
#: Audit events of calls that look at or change names and files.
CALLS = ("os.", "open", "shutil.", "ctypes.dlsym")


def of_generation(generation: int) -> RunRecord:
    """The record of the job that is committed again and again; its command tells which one it is."""
    return record("svm").model_copy(update={"command": f"generation {generation}"})


def commit(store: Store, generation: int) -> None:
    """As the engine does: files of the worker first, then the record, all under the claim."""
    with store.claim(JOB) as mine:
        assert mine
        work = store.work(JOB)
        out = work / "out"
        (out / "model").mkdir(parents=True)
        np.savez(out / "predictions.npz", generation=generation)
        for name in ("a", "b"):
            (out / "model" / name).write_text(str(generation))
        store.commit(of_generation(generation), out)
        store.clean(work)


def die_before(call: int) -> None:
    """Kills this process before its ``call``-th call from now, counted from 1."""
    count = 0

    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event.startswith(CALLS):
            count += 1
            if count == call:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def hold(store: Store) -> None:
    with store.claim(JOB) as mine:
        assert mine
        (store.work(JOB) / "file").write_text("half")
        print(os.getpid(), flush=True)
        time.sleep(600)


def main(root: Path) -> None:
    store = Store(root)
    commit(Store(root.with_name("warm")), 0)  # what is imported late is imported here
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                if not order.get("exchange", True):
                    durable.exchange = lambda one, other: False
                if order.get("hold"):
                    hold(store)
                if "call" in order:
                    die_before(order["call"])
                commit(store, order["generation"])
                os._exit(0)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
        if "hold" in order:
            continue
        if "seconds" in order:
            time.sleep(order["seconds"])
            os.kill(child, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
