"""The task that a Dask worker gets: an order, which it runs until nobody wants that any more."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed import Reschedule, Status, get_worker
from distributed.comm import get_address_host

from ..task import Report
from .parcel import Order
from .there import Told, run

#: Seconds between two events of one run that say how far it is.
PAUSE = 1.0
#: States of a task that its worker is at, and that somebody waits for.
_WANTED = ("executing", "long-running")


def run_order(order: Order) -> dict[str, Any]:
    """Runs an order on this worker; returns what ``there.run`` does, and the worker's address.

    Where the task is cancelled, the client or the scheduler is gone, or the worker is about to end, the run ends with
    everything that it started. A worker that is about to end gives the task back, for another one to do.
    """
    worker = get_worker()
    key, tasks = worker.get_current_task(), worker.state.tasks

    def given_up() -> bool:
        task = tasks.get(key)
        return task is None or task.state not in _WANTED or worker.status not in (Status.running, Status.paused)

    stop = Told(given_up)
    answer = run(order, get_address_host(worker.address), Path(worker.local_directory), _report(worker, order), stop)
    if stop.is_set() and "outcome" in answer and json.loads(answer["outcome"])["status"] == "interrupted":
        raise Reschedule
    return {**answer, "worker": worker.address}


def _report(worker: Any, order: Order) -> Report:
    """Sends the events of a run to whoever asked for it; of those that say how far it is, one a second."""
    last = 0.0

    def report(event: Mapping[str, Any]) -> None:
        nonlocal last
        now = time.monotonic()
        if "note" in event or "phase" in event or now - last >= PAUSE:
            last = now
            worker.log_event(order.topic, [order.number, json.dumps(dict(event), default=float)])

    return report
