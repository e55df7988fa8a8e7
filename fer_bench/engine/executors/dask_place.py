"""The machines of a Dask cluster as a place: each process of an attempt is a task of one of its workers."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Lock
from typing import Any

from distributed import CancelledError, Client, Future, KilledWorker
from distributed.comm import get_address_host

from ...errors import InputError
from ..outcome import MEMORY_HINT, STOPPED, Outcome, one_line
from ..place import Done, Gone, Work
from ..process import event_of
from ..task import Report
from . import carried
from .dask_task import run_order
from .packing import Packer, unpacked
from .parcel import Content, Order, versions

#: Seconds between two looks whether a run is still wanted, and the scheduler still there.
PAUSE = 0.5
#: Workers that may in turn lack the data of one job: as many as come and go while it waits.
MOST_SENT = 1_000
GPU = "GPU"


class DaskPlace:
    """Runs processes on the workers of a Dask cluster, which takes what a worker does elsewhere where that one dies.

    Args:
        client: connected to its scheduler.
        address: of that, as the user knows it.

    Attributes:
        sent: which file, by its digest, was sent to which worker, by its address.
    """

    name = "dask"

    def __init__(self, client: Client, address: str) -> None:
        self.client, self.address, self.packer = client, address, Packer()
        self.sent: list[tuple[str, str]] = []
        self.workers: Mapping[str, Any] = {}
        self._topic, self._numbers = f"fer-bench-{uuid.uuid4().hex}", count()
        self._reports: dict[int, Report] = {}
        self._reporting, self._sending = Lock(), defaultdict[str, Lock](Lock)
        client.subscribe_topic(self._topic, self._heard)

    def look(self) -> None:
        """Asks the scheduler for its workers. Raises Gone where it does not answer."""
        try:
            self.workers = self.client.scheduler_info(n_workers=-1)["workers"]
        except Exception:
            self.check()
            raise
        self.check()

    def check(self) -> None:
        """Raises Gone where the scheduler is not there any more."""
        if self.client.status != "running":
            raise Gone(
                f"the Dask scheduler at {self.address} is gone; what was finished is stored, and the same command goes"
                " on once there is one"
            )

    def do(self, work: Work, report: Report, stop: Event) -> Done:
        """As of ``Place``. Raises Gone where the scheduler is not there any more."""
        packed = self.packer.pack(work)
        where: dict[str, Any] = {"resources": {GPU: 1}} if self._gpus(work) else {}
        with self._told(report) as number:
            order = Order(**packed.fields, versions=versions(), shares=self._shares(), topic=self._topic, number=number)
            for _ in range(MOST_SENT):
                self.check()
                future = self.client.submit(run_order, order, pure=False, **where)
                try:
                    answer = self._wait(future, stop)
                    if isinstance(answer, Done):
                        return answer
                    if "differs" in answer:  # else it would take, and fail, all jobs that are left
                        raise Gone(
                            f"worker {answer['worker']} has other versions: {answer['differs']}; install the same there"
                            " or end it; what was finished is stored, and the same command goes on"
                        )
                    if "lacks" not in answer:
                        return unpacked(answer, work)
                    self._send(answer["worker"], answer["lacks"], packed.contents)
                    where |= {"workers": [answer["worker"]], "allow_other_workers": True}
                except InputError as error:
                    return Done(Outcome(status="error", message=one_line(str(error))))
                finally:
                    future.release()
        return Done(Outcome(status="error", message=f"{MOST_SENT} workers in turn lacked the data, or were gone"))

    def _wait(self, future: Future, stop: Event) -> dict[str, Any] | Done:
        """What a task returned; or what became of it where it returned nothing."""
        over = Event()
        future.add_done_callback(lambda _: over.set())
        while not over.wait(PAUSE):
            if stop.is_set():
                with suppress(Exception):  # who is gone wants nothing any more either
                    self.client.cancel([future], force=True)
                return Done(STOPPED)
            self.check()
        try:
            answer = future.result()
        except CancelledError:
            if stop.is_set():
                return Done(STOPPED)
            self.check()
            raise Gone(f"the Dask scheduler at {self.address} has lost a task; the same command goes on") from None
        except KilledWorker as error:
            number = error.allowed_failures + 1
            message = f"the cluster lost {number} worker{'s' * (number > 1)} that ran it, at last {_last(error)}"
            return Done(Outcome(status="error", message=message, hint=MEMORY_HINT, transient=True))
        except Exception as error:
            self.check()
            message = f"a worker of {self.address} could not run it: {type(error).__name__}: {error}"
            return Done(Outcome(status="error", message=one_line(message), hint="is fer-bench installed there?"))
        if not isinstance(answer, dict):
            raise InputError(f"a worker of {self.address} answered with no account of the run")
        return answer

    def _send(self, address: str, digests: list[str], contents: Mapping[str, Content]) -> None:
        """Sends files to a worker, one at a time to each machine; nothing to one that is gone.

        Raises InputError where the worker can't keep them.
        """
        with self._sending[get_address_host(address)]:
            try:
                for digest in self.client.run(carried.lacking, digests, workers=[address])[address]:
                    self.client.run(carried.take, digest, contents[digest].bytes(), workers=[address])
                    self.sent.append((address, digest))
            except InputError as error:
                raise InputError(f"worker {address}: {error}") from None
            except Exception:
                self.check()
                if address in self.client.scheduler_info(n_workers=-1)["workers"]:
                    raise

    def _gpus(self, work: Work) -> bool:
        """Whether a run is to take one of the GPUs that workers offer."""
        return work.target.device != "cpu" and any(GPU in w.get("resources", {}) for w in self.workers.values())

    def _shares(self) -> dict[str, int]:
        """Threads that the workers of each machine offer together."""
        shares: dict[str, int] = {}
        for address, worker in self.workers.items():
            host = get_address_host(address)
            shares[host] = shares.get(host, 0) + worker["nthreads"]
        return shares

    @contextmanager
    def _told(self, report: Report) -> Iterator[int]:
        """The number of an order, whose events ``report`` gets inside the block, and none after it."""
        number = next(self._numbers)
        self._reports[number] = report
        try:
            yield number
        finally:
            with self._reporting:
                del self._reports[number]

    def _heard(self, event: tuple[float, Any]) -> None:
        """Passes an event of a run on; what is none, a worker may send as well."""
        try:
            number, text = event[1]
            told = event_of(str(text).encode())
        except (TypeError, ValueError):
            return
        with self._reporting:
            if told is not None and number in self._reports:
                self._reports[number](told)


def _last(error: KilledWorker) -> str:
    return str(getattr(error.last_worker, "address", ""))
