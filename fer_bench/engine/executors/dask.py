"""Dask as an executor: jobs are tasks of a running cluster's workers, or of workers of its own on this machine."""

from __future__ import annotations

import importlib.util
import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...files import durable, inside
from ...records.store import WORK, Store
from ..job import Job, Options
from .executor import Executor
from .parcel import differing, versions
from .words import Words

if TYPE_CHECKING:
    from .dask_place import DaskPlace

INSTALL = "pip install 'fer-bench[dask]'"
#: Seconds that a scheduler may take to answer.
PATIENCE = 10.0
#: Seconds between two looks at how many workers there are.
PAUSE = 1.0


class Dask(Executor):
    """A Dask cluster: as many jobs at a time as its workers have threads, or GPUs where they offer those.

    Args:
        place: the cluster.
        cluster: workers of its own, which end with this; None where somebody else has started them.
    """

    place: DaskPlace

    def __init__(self, place: DaskPlace, cluster: Any = None) -> None:
        self.place, self.cluster = place, cluster
        self.device = "auto"
        self._looked = 0.0
        self.place.look()
        workers = len(self.place.workers)
        self.said = (*self._dashboard(), *(() if workers else (f"no worker at {place.address} yet; waits for one",)))

    @property
    def slots(self) -> int:
        """As of ``Executor``; workers may come and go. Raises Gone where the scheduler is not there any more."""
        if time.monotonic() - self._looked > PAUSE:
            self.place.look()
            self._looked = time.monotonic()
        workers = self.place.workers.values()
        gpus = sum(int(worker.get("resources", {}).get("GPU", 0)) for worker in workers)
        threads = sum(int(worker["nthreads"]) for worker in workers)
        return min(threads, gpus) if gpus and self.device != "cpu" else threads

    def expect(self, jobs: Sequence[Job], store: Store, options: Options, *, anew: bool) -> None:
        """Puts a file into the results folder by which workers find out whether they see that."""
        if options.tensorboard:
            raise InputError("--tensorboard writes its logs where the training runs; leave it out with --executor dask")
        self.device = options.device
        path = (inside.make(store.root, store.root / WORK / "locks") / "seen").resolve()
        try:
            content = inside.read(path.parent, path, 100).decode()
        except FileNotFoundError:
            content = uuid.uuid4().hex
            durable.write(path, content.encode())
        self.place.packer.token = (str(path), content)

    def close(self) -> None:
        """Ends the connection, and the workers of its own."""
        with suppress(Exception):  # the scheduler may be gone
            self.place.client.close(timeout=PATIENCE)
        if self.cluster is not None:
            with suppress(Exception):
                self.cluster.close(timeout=PATIENCE)

    def _dashboard(self) -> tuple[str, ...]:
        """Where Dask shows in a browser what its workers do, if it does: that needs bokeh, where the scheduler runs."""
        if "dashboard" not in self.place.client.scheduler_info(n_workers=-1)["services"] or not _installed("bokeh"):
            return ()
        return (f"Dask's dashboard: {self.place.client.dashboard_link}",)


def make(words: Words) -> Dask:
    """The cluster that a user means.

    Raises:
        InputError: the extra `dask` is not installed, no scheduler answers, or its workers have other versions.
    """
    if not _installed("distributed"):
        raise InputError(f"--executor dask needs the package distributed; {INSTALL}")
    from distributed import Client, LocalCluster

    from .dask_place import DaskPlace

    _silence()
    cluster = None
    if words.scheduler is not None:
        _check_address(words.scheduler)
    else:
        workers = words.jobs or words.usual
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            resources={"GPU": 1} if _gpus() else None,
        )
    address = words.scheduler or cluster.scheduler_address  # type: ignore[union-attr]  # one of both is there
    try:
        client = Client(cluster or words.scheduler, timeout=PATIENCE, set_as_default=False)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"--scheduler {address}: no Dask scheduler answers there ({reason[:200]}); `dask scheduler` starts one"
        ) from None
    executor = Dask(DaskPlace(client, address), cluster)
    try:
        _check_versions(client, address)
    except InputError:
        executor.close()
        raise
    return executor


def _check_address(address: str) -> None:
    """Raises InputError where that is no address: a client of Dask that finds out leaves a traceback behind."""
    from distributed.comm import get_address_host_port

    try:
        get_address_host_port(address)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--scheduler {address} is no address, as tcp://HOST:8786 would be ({reason[:200]})") from None


def _check_versions(client: Any, address: str) -> None:
    """Raises InputError where a worker lacks fer-bench, or has it or a library in another version than there is here.

    Workers that come later are looked at when they get their first job.
    """
    here = versions()
    for worker, there in client.run(versions, on_error="return").items():
        if not isinstance(there, dict):
            reason = " ".join(str(there).split())
            raise InputError(
                f"--scheduler {address}: worker {worker} has no fer-bench that could be used ({reason[:200]}); install"
                f" version {here['fer-bench']} there"
            )
        if others := differing(here, there):
            raise InputError(f"--scheduler {address}: worker {worker} has other versions: {others}; install the same")


def _gpus() -> bool:
    from ...hardware.device import gpu_backends, gpus

    return bool(gpus() and gpu_backends())


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _silence() -> None:
    """What Dask would say of lost workers and connections is said here, in a line, or is no trouble."""
    for name in ("distributed", "distributed.client", "distributed.scheduler", "tornado", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
