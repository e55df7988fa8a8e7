"""Packs what a process is to do into an order for another machine, and unpacks what comes back from there."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ...files import inside
from ...records.record import Environment
from ...training.kept import EPOCHS
from ...training.weights import is_path
from ..on_train import TRAIN_PROBABILITIES
from ..outcome import LOG_HINT, Outcome, one_line
from ..place import Done, Work
from ..task import LOG, OUT, PROBABILITIES, TASK
from .parcel import GIVEN, KEPT, MOST_INLINE, Content, State, files_below, of_array, of_file, unpack

#: Arrays whose digests are remembered: those of a data set and of what fills it up are the same in each job.
MOST_KNOWN = 4


class Packed(NamedTuple):
    """The fields of an order that say what is to be done, and the content of its large files by digest."""

    fields: dict[str, Any]
    contents: dict[str, Content]


class Packer:
    """Packs orders; knows what it has summed up before.

    Attributes:
        token: path and content of a file in the folder with the states of trainings, or None.
    """

    def __init__(self) -> None:
        self.token: tuple[str, str] | None = None
        self._arrays: list[tuple[np.ndarray, Content]] = []
        self._files: dict[tuple[str, int, int], Content] = {}
        self._lock = Lock()

    def pack(self, work: Work) -> Packed:
        """What another machine has to be given. Raises InputError where a file is gone."""
        root = work.folder.resolve()
        task = json.loads((root / TASK).read_text(encoding="utf-8"))
        for name in ("model", "epoch"):
            if task.get(name):
                task[name] = Path(task[name]).relative_to(root).as_posix()
        inline: dict[str, bytes] = {TASK: json.dumps(task).encode()}
        large = {name: self._array(images) for name, images in work.images.items()}
        found = files_below(root, root)
        for name in sorted(found.keys() - inline.keys(), key=lambda name: found[name].stat().st_size):
            if sum(map(len, inline.values())) + found[name].stat().st_size <= MOST_INLINE:
                inline[name] = found[name].read_bytes()
            else:
                large[name] = of_file(found[name])
        weights, plugins = "", []
        if is_path(task.get("weights", "auto")):
            weights = f"{GIVEN}/weights/{Path(task['weights']).name}"
            large[weights] = self._file(Path(task["weights"]))
        for number, plugin in enumerate(task["plugins"]):
            path = Path(plugin)
            plugins.append(f"{GIVEN}/{number}/{path.name}" if path.suffix == ".py" else plugin)
            if path.suffix == ".py":
                inline[plugins[-1]] = _read(path, "--plugin")
        fields = {
            "module": work.module,
            "options": work.options,
            "target": work.target,
            "files": inline,
            "large": {name: content.digest for name, content in large.items()},
            "weights": weights,
            "plugins": tuple(plugins),
            "state": self._state(task["workdir"], work.anew) if "workdir" in task else None,
        }
        return Packed(fields, {content.digest: content for content in large.values()})

    def _state(self, folder: str, anew: bool) -> State:
        known = re.fullmatch("resume-([0-9a-f]{16})", Path(folder).name)
        name = known[1] if known else hashlib.sha256(folder.encode()).hexdigest()[:16]
        return State(name, folder, self.token, anew)

    def _array(self, array: np.ndarray) -> Content:
        with self._lock:
            known = next((content for one, content in self._arrays if one is array), None)
            if known is None:
                known = of_array(array)
                self._arrays = [*self._arrays[1 - MOST_KNOWN :], (array, known)]
            return known

    def _file(self, path: Path) -> Content:
        """The content of a file that many jobs have, the one of ``--weights``."""
        try:
            about = path.stat()
            key = (str(path), about.st_size, about.st_mtime_ns)
            with self._lock:
                if key not in self._files:
                    self._files[key] = of_file(path)
                return self._files[key]
        except OSError as error:
            raise InputError(f"--weights {path}: {error.strerror or error}") from None


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror or error}") from None


def unpacked(answer: Mapping[str, Any], work: Work) -> Done:
    """What became of an order, with the files that it has left put into ``work.folder`` and the folder of the state.

    An error where what came back is not what a run leaves.
    """
    try:
        outcome = Outcome.model_validate_json(answer["outcome"])
        environment = Environment.model_validate_json(answer["environment"])
        there, here = str(answer["folder"]), str(work.folder.resolve())
        files = answer["files"]
        kept = {name: content for name, content in files.items() if str(name).startswith(f"{KEPT}/")}
        rest = {name: content for name, content in files.items() if name not in kept}
        unpack(rest, work.folder, (OUT, PROBABILITIES, TRAIN_PROBABILITIES, LOG))
        if kept:
            state = Path(json.loads((work.folder / TASK).read_text(encoding="utf-8"))["kept"]).parent
            inside.check(state, state / EPOCHS)
            shutil.rmtree(state / EPOCHS, ignore_errors=True)
            unpack(kept, state, (EPOCHS,))
    except (KeyError, TypeError, AttributeError, ValueError, InputError) as error:
        message = f"what came back from worker {answer.get('worker')} is not valid ({one_line(str(error))})"
        return Done(Outcome(status="error", message=one_line(message), hint=LOG_HINT))
    message = outcome.message.replace(there, here) if there not in ("", ".") else outcome.message
    return Done(outcome.model_copy(update={"message": message}), environment)
