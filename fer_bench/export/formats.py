"""What a model can be exported as: formats, how their weights are stored, and what is refused before anything runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..errors import InputError

#: Format -> how its files' names end.
SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "keras": ".keras"}
#: Format -> how weights can be stored in it: as they are, as float16, or as int8, which computes in int8, too.
STORED = {"onnx": ("none", "float16", "int8"), "litert": ("none", "float16", "int8"), "keras": ("none",)}
#: What `pip install 'fer-bench[export]'` brings, all of it for ONNX.
LIBRARIES = ("onnx", "tf2onnx", "skl2onnx", "onnxmltools")


def check(runner: str, deep: bool, form: str, quantize: str) -> None:
    """Raises InputError where a runner has no such format, or a format no such weights, or a library is missing.

    Args:
        runner: what the message calls it.
        deep: whether it is a Keras model.
        form: a key of ``SUFFIXES``.
        quantize: one of the words in ``STORED``.
    """
    if not deep and form != "onnx":
        raise InputError(f"{runner} is no Keras model: there is no {form} of it; it can be given as --format onnx")
    if quantize not in STORED[form]:
        kept = ", ".join(name for name, stored in STORED.items() if quantize in stored)
        raise InputError(f"--quantize {quantize}: a {form} file keeps the weights as they are; {kept} can have that")
    if not deep and quantize == "int8":
        raise InputError(f"--quantize int8: {runner} is no Keras model; none and float16 are possible")
    missing = [name for name in LIBRARIES if find_spec(name) is None] if form == "onnx" else []
    if missing:
        raise InputError(f"--format onnx needs {', '.join(missing)}; pip install 'fer-bench[export]'")


def check_output(output: Path, form: str, force: bool) -> None:
    """Raises InputError where a file of a format can't be written to ``output``, or something stands there."""
    suffix = SUFFIXES[form]
    if output.suffix != suffix:
        raise InputError(f"--output {output}: the name of a file for {form} ends with {suffix}")
    if not output.parent.is_dir():
        raise InputError(f"--output {output}: no folder {output.parent}; make it first")
    if output.is_dir():
        raise InputError(f"--output {output}: that is a folder; name a file")
    if output.exists() and not force:
        raise InputError(f"{output} is there; --force replaces it, --output names another")
