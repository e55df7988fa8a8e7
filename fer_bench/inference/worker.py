"""A trained run's model in a process of its own, loaded once and asked often (``python -m fer_bench.inference.worker
FOLDER``).

It reads ``task.json`` from FOLDER, loads the model, and listens at ``calls`` there. A call is a word and images, its
answer numbers; what went wrong is an answer, too. It ends when its caller hangs up. The model may be anybody's, so that
what it takes is limited as in ``engine.predict``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

import numpy as np

from ..api.runner import Runner
from ..data.dataset import IMAGE_SIZE
from ..engine.measure import ran_on
from ..engine.outcome import Outcome
from ..engine.predict import check_cost
from ..engine.task import Task
from ..engine.worker import main, make_runner, valid_probabilities
from ..errors import InputError
from ..hardware.memory import limited
from ..runners.keras import KerasRunner

#: Of a call: so many images at most, and its word before them, in one line.
MOST_IMAGES, LONGEST_WORD = 1024, 64
MOST_CALL = MOST_IMAGES * IMAGE_SIZE * IMAGE_SIZE + LONGEST_WORD
#: Words: probabilities of images; where an image speaks for its class ("explain 3").
PREDICT, EXPLAIN = "predict", "explain"
#: The end of a socket in the folder; Windows has pipes with names of their own.
CALLS = "calls"


@dataclass(frozen=True, kw_only=True)
class ServeTask(Task):
    """The stored model in the folder ``model``, which is to answer at ``address`` to who knows ``token``."""

    model: str
    address: str
    token: str


def serve(task: ServeTask, folder: Path) -> Outcome:
    """Loads the stored model of ``task``, and answers calls until the caller hangs up."""
    with limited():
        runner = make_runner(task)
        runner.load(Path(task.model))
        if not isinstance(runner, KerasRunner):  # whose layers are known before they are made
            check_cost(runner, Path(task.model))
        with Listener(task.address, authkey=task.token.encode()) as listener, listener.accept() as caller:
            answer_calls(runner, len(task.classes), caller)
    return Outcome(status="ok", ran_on=ran_on(task.device))


def answer_calls(runner: Runner, classes: int, caller: Connection[Any, Any]) -> None:
    """Answers until there is nobody to answer to: a line of JSON, and float32 numbers where it says their shape."""
    while True:
        try:
            word, _, pixels = caller.recv_bytes(MOST_CALL).partition(b"\n")
        except EOFError:
            return
        images = np.frombuffer(pixels, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
        found, said = _answered(runner, classes, word.decode(), images)
        shape = None if found is None else list(found.shape)
        told = json.dumps({"shape": shape, **said}).encode()
        caller.send_bytes(told + b"\n" + (b"" if found is None else np.ascontiguousarray(found, np.float32).tobytes()))


def _answered(runner: Runner, classes: int, call: str, images: np.ndarray) -> tuple[np.ndarray | None, dict[str, Any]]:
    """What a call gives, and what is to be said of one that fails."""
    try:
        return _answer(runner, classes, call, images), {}
    except Exception as error:  # whatever a runner raises; a MemoryError, too
        wrong_input = isinstance(error, InputError | ValueError)
        return None, {"error": f"{type(error).__name__}: {error}"[:500], "wrong_input": wrong_input}


def _answer(runner: Runner, classes: int, call: str, images: np.ndarray) -> np.ndarray | None:
    word, _, column = call.partition(" ")
    if word == PREDICT:
        return valid_probabilities(runner, images, classes)
    if not isinstance(runner, KerasRunner):
        return None
    from .grad_cam import grad_cam

    return grad_cam(runner, images[0], int(column))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), ServeTask, serve))
