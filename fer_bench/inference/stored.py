"""The model of a trained run, in a process of its own: loaded once, asked often, and gone with whoever asks."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import numpy as np

from ..api import registry
from ..board.select import System, select
from ..engine import outcome, process
from ..engine.job_info import by_hand_fields
from ..engine.stored_model import check_model, copy_model
from ..engine.task import LOG, OUTCOME, TASK
from ..errors import InputError, RunError
from ..hardware.device import choose, process_variables
from ..records.store import MODEL, Store, StoredRun
from .worker import CALLS, EXPLAIN, MOST_IMAGES, PREDICT, ServeTask

#: Seconds between looks at a process that loads its model.
POLL = 0.05
#: Bytes of an answer: a line, and the probabilities of most images.
MOST_ANSWER = 64 << 20


class StoredModel:
    """The model of a run of the results folder.

    Attributes:
        name: runner and recipe, as "mlp:tuned".
        classes: the emotions, in the order of the outputs.
        key: of the run's job.
        source: the run's folder.
        run: the run, with its record.
    """

    def __init__(
        self,
        run: StoredRun,
        spec: str,
        *,
        plugins: Sequence[str] = (),
        threads: int | None = None,
        device: str = "auto",
        backend: str = "auto",
    ) -> None:
        """Starts the process, and waits until it has loaded the model.

        Args:
            run: one that went well.
            spec: its runner, with parameters as ``registry.parse`` reads them.
            plugins: modules or files that register runners, for that process.
            threads: of a computation on the processor; None: one on each core.
            device: as ``hardware.device.choose`` takes it, and ``backend``.

        Raises:
            InputError: the run has no model, or one that can't be used.
            RunError: the process crashed, or ran out of memory.
        """
        check_model(run, spec)
        job = run.record.job
        self.run, self.key, self.classes = run, job.key, tuple(job.classes)
        self.name, self.source = f"{spec}:{job.recipe}", str(run.folder)
        target = choose(device, backend)
        self._work = Path(tempfile.mkdtemp(prefix="fer-bench-"))
        model = copy_model(run, self._work)
        token = secrets.token_hex(16)
        address = str(self._work / CALLS) if os.name == "posix" else rf"\\.\pipe\fer-bench-{token}"
        task = ServeTask(
            spec=spec,
            recipe=job.recipe,
            recipe_fields=by_hand_fields(job),
            classes=self.classes,
            device=target.device,
            plugins=tuple(plugins),
            tta="none",
            model=str(model.resolve()),
            address=address,
            token=secrets.token_hex(16),
        )
        (self._work / TASK).write_text(task.to_json(), encoding="utf-8")
        self._process = process.start(self._work, process_variables(target, threads), "fer_bench.inference.worker")
        self._closing = weakref.finalize(self, _end, self._process, self._work)
        self._turn = threading.Lock()
        try:
            self._caller = self._connected(address, task.token.encode())
        except BaseException:  # Ctrl-C too
            self.close()
            raise

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, classes) float32, each row summing to one.

        Raises:
            InputError: the model can't be used on them.
            RunError: its process is gone.
        """
        parts = [images[at : at + MOST_IMAGES] for at in range(0, len(images), MOST_IMAGES)]
        found = [self._ask(PREDICT, part, (len(part), len(self.classes))) for part in parts]
        return np.concatenate(
            [one for one in found if one is not None] or [np.empty((0, len(self.classes)), np.float32)]
        )

    def explain(self, image: np.ndarray, column: int) -> np.ndarray | None:
        """Grad-CAM of one output for a (48, 48) uint8 image, (48, 48) float32 in [0, 1]; None where the model has no
        layer for it.
        """
        return self._ask(EXPLAIN, image[None], image.shape, f" {column}")

    def close(self) -> None:
        """Ends the process."""
        self._closing()

    def _ask(self, word: str, images: np.ndarray, wanted: tuple[int, ...], rest: str = "") -> np.ndarray | None:
        call = f"{word}{rest}\n".encode() + np.ascontiguousarray(images, np.uint8).tobytes()
        with self._turn:
            try:
                self._caller.send_bytes(call)
                said, _, numbers = self._caller.recv_bytes(MOST_ANSWER).partition(b"\n")
                answer = json.loads(said)
            except (OSError, EOFError, ValueError):
                raise self._refusal() from None
        if answer.get("error"):
            raise (InputError if answer.get("wrong_input") else RunError)(f"{self._where()}: {answer['error']}")
        shape = answer.get("shape")
        if shape is None and word == EXPLAIN:
            return None
        if shape != list(wanted) or len(numbers) != 4 * math.prod(wanted):  # a plugin may have said anything
            raise RunError(f"{self._where()}: its process answered with what is no answer")
        return np.frombuffer(numbers, np.float32).reshape(wanted)

    def _connected(self, address: str, token: bytes) -> Connection[Any, Any]:
        """The connection to the process, once it listens, its model loaded."""
        while self._process.poll() is None:
            try:
                return Client(address, authkey=token)
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(POLL)
        raise self._refusal()

    def _refusal(self) -> InputError | RunError:
        """Why the process is gone, as ``engine.stored_model.predict_or_refuse`` says it."""
        code = self._process.wait()
        became = outcome.read(self._work / OUTCOME) or outcome.ended(code, self._work / LOG, None)
        message = became.message.replace(str((self._work / MODEL).resolve()), str(self.run.folder / MODEL))
        if became.wrong_input:
            return InputError(f"{self._where()} can't be used: {message}; if it is of an older version, train it again")
        return RunError(f"{self._where()} did not predict ({became.status}): {message}")

    def _where(self) -> str:
        return f"the model in {self.run.folder / MODEL}"


def open_run(
    name: str,
    results: Path,
    plugins: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> StoredModel:
    """The model of the run that ``name`` stands for, as ``board.select.select`` understands it.

    Args:
        name: a runner, with its recipe where it ran with several, a run's key or its folder.
        results: the results folder.
        plugins: modules or files that register runners.
        tell: takes a line for each record that can't be read, and each plugin that can't be used.
        options: threads, device and backend of ``StoredModel``.

    Raises:
        InputError: no such folder, no such run, several, or see ``StoredModel``.
    """
    if not results.is_dir():
        raise InputError(
            f"no model {name}: no file ending in .onnx, as `fer-bench export` writes, and no results folder {results}"
            " with a run of that name; --results names another"
        )
    for line in registry.know_plugins(plugins):
        tell(line)
    runs, problems = Store(results).scan()
    for line in problems:
        tell(line)
    system = select(runs, name)
    one = _one(system, name)
    registry.get(system.row.runner)
    return StoredModel(one, system.row.label, plugins=plugins, **options)


def _one(system: System, name: str) -> StoredRun:
    if len(system.runs) > 1:
        keys = ", ".join(run.record.job.key[:8] for run in system.runs)
        raise InputError(f"{name} has {len(system.runs)} seeds; name one of them by its key: {keys}")
    return system.runs[0]


def _end(worker: subprocess.Popen[bytes], work: Path) -> None:
    """Ends the process and everything it started, and removes its folder."""
    if worker.stdin is not None and not worker.stdin.closed:
        process.end(worker)
    shutil.rmtree(work, ignore_errors=True)
