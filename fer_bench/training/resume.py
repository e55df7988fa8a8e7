"""The state of a training, saved while it runs, so that one that was broken off goes on where it was.

    <workdir>/attempts.json     how many attempts at the job there have been
    <workdir>/state.json        how far the training is, what made it, and which arrays belong to it
    <workdir>/arrays-<id>.npz   weights, optimizer, trees, ...

Arrays are on the disk before ``state.json`` names them, and those before are deleted after: whenever the power goes,
one whole state stands. Reading either runs no code.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .. import __version__
from ..api.context import Context
from ..errors import InputError
from ..files import durable, inside
from ..files.npz import load_npz

STATE, ATTEMPTS = "state.json", "attempts.json"
#: Share of a training's time that saving its state may take.
SHARE = 0.02

#: A state names its epochs, with some figures for each.
MOST_BYTES = 64 << 20
#: InceptionV3 with its optimizer and its best weights has some 1,500.
MOST_ARRAYS = 100_000
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError, InputError)

Arrays = Mapping[str, np.ndarray] | Callable[[], Mapping[str, np.ndarray]]


class Saved(NamedTuple):
    """A state as it was saved: numbers and words, and arrays by name."""

    progress: dict[str, Any]
    arrays: dict[str, np.ndarray]


def _arrays(path: Path, file: BinaryIO) -> dict[str, np.ndarray]:
    """The arrays of a state, saved unpacked: what grows as it is read is no state of ours. Raises InputError."""
    return load_npz(path, content=file, most=path.stat().st_size, most_arrays=MOST_ARRAYS)


class Checkpoint:
    """Saves and reads the state of one fit in ``context.workdir``; does nothing where there is none.

    Args:
        context: of the run; its clocks go on from where they were when the state was saved.
        made_by: what must be the same for a state to be of use, beside the program's version: names and short values.
    """

    def __init__(self, context: Context, made_by: Mapping[str, Any]) -> None:
        self.context, self.folder = context, context.workdir
        self.made_by = {"fer-bench": __version__, **made_by}
        self._due = 0.0

    def load(self, shapes: Sequence[tuple[int, ...]] = ()) -> Saved | None:
        """The last state that was saved whole, or None; where one can't be used, says so and starts anew.

        Args:
            shapes: those that the arrays model/0, model/1, ... must have.
        """
        if self.folder is None:
            return None
        try:
            state = json.loads(inside.read(self.folder, self.folder / STATE, MOST_BYTES))
            made_by, place = dict(state["made_by"]), str(state["place"])
            seconds, fit_seconds = dict(state["seconds"]), float(state["fit_seconds"])
            path = self.folder / Path(state["arrays"]).name
            with inside.opened(self.folder, path) as file:
                saved = Saved(dict(state["progress"]), _arrays(path, file))
            found = [array.shape for name, array in saved.arrays.items() if name.startswith("model/")]
            if found != [tuple(shape) for shape in shapes]:
                raise ValueError("its model has other layers")
        except _UNREADABLE as error:
            if isinstance(error, FileNotFoundError) and not inside.kind(self.folder / STATE):
                return None
            reason = " ".join(str(error).split())
            self.context.report({"note": f"the saved state can't be read ({reason}); starts anew"})
            return None
        differing = [name for name in {**self.made_by, **made_by} if made_by.get(name) != self.made_by.get(name)]
        if differing:
            was = ", ".join(f"{name} {made_by.get(name)}, now {self.made_by.get(name)}" for name in sorted(differing))
            self.context.report({"note": f"the saved state is of {was}; starts anew"})
            return None
        for phase, spent in seconds.items():
            self.context.seconds[phase] = self.context.seconds.get(phase, 0.0) + spent
        self.context.begun -= fit_seconds
        self.context.report({"note": f"goes on at {place}"})
        return saved

    @property
    def due(self) -> bool:
        """Whether so long has gone by that saving takes no more than its share of the time."""
        return self.folder is not None and time.monotonic() >= self._due

    def save(self, place: str, progress: Mapping[str, Any], arrays: Arrays) -> None:
        """Saves a state in place of the last one, whole or not at all.

        A training goes on without where the disk is full, say; it says so.

        Args:
            place: where the training goes on from, in words: "epoch 4 of 16".
            progress: what JSON can hold.
            arrays: of any number type, bfloat16 comes back as float32; or what is called for them.
        """
        if self.folder is None:
            return
        start = time.monotonic()
        try:
            self._save(place, progress, arrays)
        except OSError as error:
            self.context.report(
                {"note": f"can't save the state at {place} ({error.strerror or error}); goes on without"}
            )
        now = time.monotonic()
        self._due = now + (now - start) / SHARE

    def _save(self, place: str, progress: Mapping[str, Any], arrays: Arrays) -> None:
        assert self.folder is not None
        path = self.folder / f"arrays-{uuid.uuid4().hex[:8]}.npz"
        given = arrays() if callable(arrays) else arrays
        plain: dict[str, Any] = {name: _plain(array) for name, array in given.items()}
        durable.write(path, lambda file: np.savez(file, **plain), self.folder)
        state = {
            "made_by": self.made_by,
            "place": place,
            "arrays": path.name,
            "progress": progress,
            "seconds": self.context.spent(),
            "fit_seconds": time.perf_counter() - self.context.begun,
        }
        _write_json(self.folder / STATE, state)
        for old in self.folder.glob("arrays-*"):
            if old != path:
                old.unlink(missing_ok=True)


def count_attempt(folder: Path) -> int:
    """Notes one more attempt at the job that ``folder`` belongs to; returns how many there were before."""
    try:
        before = int(json.loads(inside.read(folder, folder / ATTEMPTS, MOST_BYTES)))
    except _UNREADABLE:
        before = 0
    _write_json(folder / ATTEMPTS, before + 1)
    return before


def goes_on_at(folder: Path) -> str | None:
    """Where another attempt goes on from, in words, or None where it starts anew.

    A run of several trainings has a folder for each of them below its own; the one that was saved last counts.
    """
    try:
        there = [path for path in inside.walk(folder, folder) if path.name == STATE]
        newest = max(there, key=lambda path: path.stat().st_mtime)
        found = str(json.loads(inside.read(folder, newest, MOST_BYTES))["place"])
    except _UNREADABLE:
        return None
    return found if newest.parent == folder else f"{newest.parent.name} {found}"


def _plain(array: np.ndarray) -> np.ndarray:
    """Number types that numpy itself does not know, such as bfloat16, as float32, which holds each of their values."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _write_json(path: Path, content: Any) -> None:
    durable.write(path, json.dumps(content, default=float).encode(), path.parent)
