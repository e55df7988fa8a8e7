"""A model in an ONNX file as ``fer-bench export`` writes it: read within limits, and run by onnxruntime alone."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import IMAGE_SIZE
from ..errors import InputError, brief
from ..hardware.memory import limited
from ..scores.probabilities import distributions
from . import onnx_check

#: The model that comes with the package.
SHIPPED = "fer-net.onnx"
#: Of a file; Protocol Buffers end at twice of it. VGG19 with its top takes 0.6 GB.
MOST_BYTES = 1 << 30
#: Of what it says of itself.
MOST_METADATA = 1 << 20
KEY, SCHEMA = "fer_bench", 1
INPUT, OUTPUT = "images", "probabilities"
MOST_CLASSES, LONGEST_NAME = 100, 200
#: Images that a model is tried on, under a limit of memory.
TRIED = 2
#: Cores that a prediction uses where nobody says.
THREADS = 2
EXPORT = "`fer-bench export RUN` writes files that are"


class OnnxModel:
    """A model in an ONNX file, images (N, 48, 48) uint8 in, probabilities out.

    Attributes:
        name: as the file says it.
        classes: the emotions, in the order of the outputs.
        about: all that the file says of itself: recipe, data, figures and more.
        key: of the run that it was exported from; "" where it does not say.
        source: the file.
    """

    def __init__(self, content: bytes, where: str, threads: int | None = None) -> None:
        """Makes a session of a file's content.

        Args:
            content: of the file.
            where: its name, for messages.
            threads: of the computation; two where None.

        Raises:
            InputError: no ONNX file, one that is not of this program's making, or one that can't be run.
        """
        self.source = where
        self.about = _about(onnx_check.check(content, where), where)
        self.name, self.classes = str(self.about["name"]), tuple(self.about["classes"])
        self.key = str(self.about.get("key") or "")
        with limited(gpu=False):
            self._session = _session(content, where, threads or THREADS)
            self._check_ends()
            self(np.zeros((TRIED, IMAGE_SIZE, IMAGE_SIZE), np.uint8))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, classes) float32, each row summing to one.

        Raises:
            InputError: the model fails, or answers with what are no probabilities.
        """
        if not len(images):
            return np.empty((0, len(self.classes)), np.float32)
        try:
            (found,) = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(images)})
        except Exception as error:  # onnxruntime raises half a dozen types of its own
            raise InputError(f"{self.source}: the model can't be run ({_line(error)})") from None
        if found.shape[:1] != (len(images),):
            raise InputError(f"{self.source}: {len(found)} answers to {len(images)} images")
        try:
            return distributions(found, len(self.classes))
        except ValueError as error:
            raise InputError(f"{self.source}: {error}") from None

    def close(self) -> None:
        """Lets the session go."""
        del self._session

    def _check_ends(self) -> None:
        """Raises InputError where inputs and outputs are not those of an export."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        told = [(end.name, end.type) for end in (*inputs, *outputs)]
        shape = list(inputs[0].shape)[1:] if inputs else []
        wanted = [(INPUT, "tensor(uint8)"), (OUTPUT, "tensor(float)")]
        if told != wanted or shape != [IMAGE_SIZE, IMAGE_SIZE]:
            raise InputError(
                f"{self.source}: takes and gives {brief(told, 120)}, not what an exported model does; {EXPORT}"
            )


@cache
def shipped(threads: int | None = None) -> OnnxModel:
    """The model that comes with the package. Raises InputError where it did not come."""
    file = importlib.resources.files(__package__) / "shipped" / SHIPPED
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(
            "this installation comes without a model; name one with --model: a trained run, or an exported .onnx file"
        ) from None
    return OnnxModel(content, SHIPPED, threads)


def read(path: Path, threads: int | None = None) -> OnnxModel:
    """The model in an exported file.

    Raises:
        InputError: no such file, or see ``OnnxModel``.
    """
    if not path.is_file():
        raise InputError(f"{path}: not a plain file" if path.exists() else f"no such file: {path}")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise InputError(f"{path}: {size:,} bytes; {MOST_BYTES:,} are the limit for a model")
    return OnnxModel(path.read_bytes(), str(path), threads)


def _about(metadata: Mapping[str, str], where: str) -> dict[str, Any]:
    """What an exported model says of itself. InputError where it says nothing, or what makes no sense."""
    if KEY not in metadata:
        raise InputError(f"{where}: an ONNX model, but not one exported by fer-bench; {EXPORT}")
    text = metadata[KEY]
    try:
        about = json.loads(text) if len(text) <= MOST_METADATA else None
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        raise InputError(f"{where}: what the model says of itself can't be read; {EXPORT}")
    if about.get("schema") != SCHEMA:
        raise InputError(
            f"{where}: exported in form {brief(about.get('schema'))}, of which this version knows {SCHEMA}"
        )
    classes, name = about.get("classes"), about.get("name")
    if not (
        isinstance(classes, list)
        and 2 <= len(classes) <= MOST_CLASSES
        and all(isinstance(one, str) and 0 < len(one) <= LONGEST_NAME for one in (*classes, name))
        and len(set(classes)) == len(classes)
    ):
        raise InputError(f"{where}: its name or its classes make no sense: {brief(name)}, {brief(classes, 120)}")
    return about


def _session(content: bytes, where: str, threads: int) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # what is wrong is said in a line of ours
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=False)
    except Exception as error:  # onnxruntime raises half a dozen types of its own
        raise InputError(f"{where}: no model can be made of it ({_line(error)})") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
