"""What travels between who asks for a run and the machine that runs it: an order there, and files back.

All of it is plain values. What comes back may hold whatever a runner has written: names and sizes are checked before
anything of it touches the disk.
"""

from __future__ import annotations

import hashlib
import io
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import IO, cast

import numpy as np

from ... import __version__
from ...errors import InputError, brief
from ...files import inside
from ...hardware.device import Target
from ..job import Options

#: Bytes that an order holds itself; what is larger travels once to each machine, by its digest.
MOST_INLINE = 4 << 20
#: Bytes of all that a run may leave: its model, its kept epochs, its predictions.
MOST_BACK = 16 << 30
#: Where on the machine that runs it the files of an order lie that have a path of their own here.
GIVEN = "given"
#: Kept epochs, among the files that come back.
KEPT = "epochs"
_PART = re.compile(r"[^/\\\0:]{1,255}")


@dataclass(frozen=True)
class State:
    """Where the state of a training lies, from which another attempt goes on.

    Attributes:
        name: of the job: sixteen digits of its key.
        folder: of whoever asks, absolute; used where ``token`` shows that it is the same there.
        token: path and content of a file beside it, or None where nobody can see it.
        anew: whether what an earlier attempt left is to be forgotten.
    """

    name: str
    folder: str
    token: tuple[str, str] | None
    anew: bool


@dataclass(frozen=True)
class Order:
    """A run: what the worker's folder holds, and how it is to be run.

    Attributes:
        module: of the process.
        options: limits, and threads where the user says how many.
        target: device and backend, in the user's words.
        files: content by path in the folder.
        large: sha256 (hex) of the content by path in the folder.
        weights: path in the folder of the weights file that the training starts from, or "".
        plugins: modules, and paths of files in the folder.
        state: of the training, or None where nothing is trained.
        versions: of what has to be the same there.
        shares: threads that the workers of each machine offer together, by its address.
        topic: of events, which are sent with the number of the order.
        number: of the order, among those of who asks.
    """

    module: str
    options: Options
    target: Target
    files: Mapping[str, bytes]
    large: Mapping[str, str]
    weights: str
    plugins: tuple[str, ...]
    state: State | None
    versions: Mapping[str, str]
    shares: Mapping[str, int]
    topic: str
    number: int


def versions() -> dict[str, str]:
    """Versions here of what has to be the same where a job runs."""
    found = {"fer-bench": __version__, "Python": ".".join(platform.python_version_tuple()[:2])}
    for name in ("keras", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Which versions are others there, in words: "keras 3.15.1 here, 3.14.0 there"; "" where none is."""
    names = [name for name in here if here[name] != there.get(name)]
    return ", ".join(f"{name} {here[name]} here, {there.get(name, 'none')} there" for name in names)


class Content:
    """The content of a file that travels by its digest, made when it is asked for."""

    def __init__(self, write: Callable[[IO[bytes]], object]) -> None:
        self._write = write
        counted = _Digest()
        write(cast("IO[bytes]", counted))
        self.digest = counted.sha.hexdigest()

    def bytes(self) -> bytes:
        """All of it."""
        file = io.BytesIO()
        self._write(file)
        return file.getvalue()


class _Digest:
    """A file that keeps the sha256 of what is written to it, and nothing else."""

    def __init__(self) -> None:
        self.sha = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.sha.update(content)
        return len(content)


def of_file(path: Path) -> Content:
    """A file's content."""
    return Content(lambda file: file.write(path.read_bytes()))


def of_array(array: np.ndarray) -> Content:
    """The content of the .npy file of an array."""
    return Content(lambda file: np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False))


def files_below(root: Path, folder: Path) -> dict[str, Path]:
    """The plain files below a folder in ``root``, by their paths from ``root``; links and pipes are left out."""
    found = (path for path in inside.walk(root, folder) if inside.kind(path) == inside.FILE)
    return {path.relative_to(root).as_posix(): path for path in found}


def unpack(files: Mapping[str, bytes], folder: Path, allowed: Iterable[str]) -> None:
    """Writes files that came from elsewhere into ``folder``.

    Args:
        files: content by path in the folder.
        folder: of this program's.
        allowed: names of files and folders in it that they may be, or be below.

    Raises:
        InputError: a name that leads elsewhere, too many bytes, or what is no bytes.
    """
    allowed = set(allowed)
    if not isinstance(files, dict) or not all(isinstance(content, bytes) for content in files.values()):
        raise InputError("what came back from a worker is no files")
    if sum(map(len, files.values())) > MOST_BACK:
        raise InputError(f"what came back from a worker has more than {MOST_BACK >> 30} GiB")
    for name, content in files.items():
        parts = name.split("/") if isinstance(name, str) else []
        plain = bool(parts) and all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)
        if not plain or parts[0] not in allowed:
            raise InputError(f"a worker sent a file {brief(name)}, which is none of a run's")
        path = folder / PurePosixPath(name)
        if inside.check(folder, path.parent) != inside.FILE:
            inside.make(folder, path.parent)
        if inside.check(folder, path):
            raise InputError(f"a worker sent a file {brief(name)} over another")
        path.write_bytes(content)
