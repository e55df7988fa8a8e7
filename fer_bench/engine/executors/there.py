"""What a machine of a cluster does for an order: it runs the process, as it would for a user at that machine.

The process has its limits and its guards. It ends with the process that runs this, kill -9 included.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from ...errors import InputError
from ...files import cache, inside, locks
from ...hardware.device import Target, alone_on, choose, gpus, process_variables
from ...hardware.host import cores
from ...records import provenance
from ...training.kept import EPOCHS
from ..account import broken
from ..left import with_sound_files
from ..on_train import TRAIN_PROBABILITIES
from ..outcome import STOPPED, Outcome
from ..process import watch
from ..task import LOG, OUT, PROBABILITIES, TASK, Report
from . import carried
from .parcel import KEPT, MOST_BACK, Order, State, differing, files_below, versions

#: Bytes of a process's output that come back, of its end.
MOST_LOG = 64 << 10
#: Seconds between two looks at GPUs that are all taken.
PAUSE = 1.0
#: A training that was broken off and that nobody has gone on with for so long, is not gone on with any more.
_UNUSED_SECONDS = 30 * 86_400.0


class Told(Event):
    """Is set once nobody wants the run any more, for which ``given_up`` is asked."""

    def __init__(self, given_up: Callable[[], bool]) -> None:
        super().__init__()
        self.given_up = given_up

    def is_set(self) -> bool:
        """Whether the run is to end."""
        if not super().is_set() and self.given_up():
            self.set()
        return super().is_set()


def run(order: Order, host: str, scratch: Path, report: Report, stop: Event) -> dict[str, Any]:
    """Runs an order.

    Args:
        order: what to run.
        host: this machine's address, as ``order.shares`` has it.
        scratch: a folder for the time of the run.
        report: gets the events of the run.
        stop: ends it once it is set.

    Returns:
        Plain values: "differs", which versions are others here; or "lacks", digests of files that have to be sent
        first; or "outcome" and "environment", each as JSON, "folder", in which it ran, and "files", what it left,
        content by path.
    """
    if others := differing(order.versions, versions()):
        return {"differs": others}
    if lacks := carried.lacking(sorted(set(order.large.values()))):
        return {"lacks": lacks}
    report({"phase": f"on {provenance.host()}"})
    with tempfile.TemporaryDirectory(prefix="fer-bench-", dir=scratch, ignore_cleanup_errors=True) as folder:
        try:
            return _run(order, host, Path(folder).resolve(), report, stop)
        except Exception as error:
            return _answer(broken(error), order, Path(folder))


def _run(order: Order, host: str, folder: Path, report: Report, stop: Event) -> dict[str, Any]:
    for name, content in order.files.items():
        path = folder / name
        inside.make(folder, path.parent)
        path.write_bytes(content)
    for name, digest in order.large.items():
        carried.put(digest, folder / name)
    with ExitStack() as held:
        target = held.enter_context(_free(order.target, stop))
        state = None if order.state is None else held.enter_context(_state(order.state, folder))
        if target is None:
            return _answer(STOPPED, order, folder)
        _tell(order, folder, state, target.device)
        threads = order.options.threads or max(1, cores() // order.shares.get(host, 1))
        variables = process_variables(target, threads)
        outcome = watch(folder, order.options, variables, report, stop, order.module)
        if (folder / OUT).exists():
            outcome = with_sound_files(outcome, folder / OUT)
        answer = _answer(outcome, order, folder, target, state)
        if state is not None and outcome.status == "ok" and not _shared(order.state):
            inside.remove(state.parent, state)
        return answer


def _answer(
    outcome: Outcome, order: Order, folder: Path, target: Target | None = None, state: Path | None = None
) -> dict[str, Any]:
    """What is told of a run, with the files that it has left."""
    environment = provenance.environment(target.device if target else order.target.device, executor="dask")
    files = _left(folder, state, shared=_shared(order.state)) if target else {}
    if sum(path.stat().st_size for path in files.values()) > MOST_BACK:
        outcome, files = Outcome(status="error", message=f"the run left more than {MOST_BACK >> 30} GiB"), {}
    contents = {name: path.read_bytes() for name, path in files.items()}
    if target and inside.kind(folder / LOG) == inside.FILE:
        contents[LOG] = inside.read_end(folder, folder / LOG, MOST_LOG)
    return {
        "outcome": outcome.to_json(),
        "environment": environment.model_dump_json(),
        "folder": str(folder),
        "files": contents,
    }


def _left(folder: Path, state: Path | None, shared: bool) -> dict[str, Path]:
    """The files that a run has left, by the paths that they have for who asked."""
    files = files_below(folder, folder / OUT)
    for name in (PROBABILITIES, TRAIN_PROBABILITIES):
        if inside.kind(folder / name) == inside.FILE:
            files[name] = folder / name
    if state is not None and not shared:
        files |= {f"{KEPT}/{path.name}": path for path in files_below(state, state / EPOCHS).values()}
    return files


def _tell(order: Order, folder: Path, state: Path | None, device: str) -> None:
    """Puts paths and device of this machine into the task."""
    path = folder / TASK
    task = json.loads(path.read_text(encoding="utf-8"))
    here: dict[str, Any] = {"device": device, "plugins": [_plugin(folder, name) for name in order.plugins]}
    if state is not None:
        here |= {"workdir": str(state), "kept": str(state / EPOCHS) if task["kept"] else None}
    if order.weights:
        here["weights"] = str(folder / order.weights)
    for name in ("model", "epoch"):
        if task.get(name):
            here[name] = str(folder / task[name])
    path.write_text(json.dumps(task | here), encoding="utf-8")


def _plugin(folder: Path, name: str) -> str:
    return str(folder / name) if name.endswith(".py") else name


@contextmanager
def _free(words: Target, stop: Event) -> Iterator[Target | None]:
    """A device for what the user said of it, with no other run on it; None where the run is to end first."""
    target = choose(*words)
    named = words.device.startswith("gpu:") or target.device == "cpu"
    devices = [target.device] if named else [f"gpu:{number}" for number in range(len(gpus()))]
    while not stop.is_set():
        for device in devices:
            with alone_on(device) as free:
                if free:
                    yield Target(device, target.backend)
                    return
        stop.wait(PAUSE)
    yield None


def _shared(state: State | None) -> bool:
    """Whether the folder of whoever asks is seen here, which a file in it shows that nobody could have guessed."""
    if state is None or state.token is None:
        return False
    path, content = state.token
    try:
        return Path(path).read_text(encoding="utf-8") == content and Path(state.folder).is_dir()
    except (OSError, ValueError):
        return False


@contextmanager
def _state(state: State, folder: Path) -> Iterator[Path]:
    """The folder of a training's state: that of who asks where it is seen here, else one in this machine's cache.

    Where another process of this machine is at the same training, a new one.
    """
    if _shared(state):
        yield Path(state.folder)
        return
    if not re.fullmatch("[0-9a-f]{16}", state.name):
        raise InputError(f"{state.name!r} is no job's")
    root = cache.cache_dir() / "states"
    carried.forget_unused(root, _UNUSED_SECONDS)
    with locks.attempt(root / f"{state.name}.lock") as mine:
        own = (root / state.name if mine else folder / "state").absolute()
        if mine and state.anew:
            inside.remove(root, root / state.name)
        inside.make(own.parent, own)
        inside.check_tree(own.parent, own)
        yield own
