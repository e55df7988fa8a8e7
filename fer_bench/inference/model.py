"""What answers: the model that comes with the package, an exported file, or a trained run, all asked alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import InputError
from . import onnx_model


class Model(Protocol):
    """What says of faces how probable each emotion is.

    Attributes:
        name: as rows name it.
        classes: the emotions, in the order of the outputs.
        key: of the run that it was trained in; "" where nobody knows.
        source: where it comes from: a file, or a run's folder.
    """

    name: str
    classes: tuple[str, ...]
    key: str
    source: str

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 gray -> (N, classes) float32, each row summing to one."""
        ...

    def close(self) -> None:
        """Ends what the model keeps: a process, a session."""
        ...


def open_model(
    name: str | None = None,
    *,
    results: str | Path = "results",
    plugins: Sequence[str] = (),
    threads: int | None = None,
    device: str = "auto",
    backend: str = "auto",
    tell: Callable[[str], None] = lambda line: None,
) -> Model:
    """A model by its name.

    Args:
        name: None: the one that comes with the package. The path of an ``.onnx`` file that ``fer-bench export`` wrote.
            Else a run of the results folder that has kept its model, as ``fer-bench evaluate`` names it: a runner
            ("svm"), with its recipe where it ran with several ("mlp:tuned"), a run's key or its folder. A run answers
            from a process of its own, which ends with ``close`` or with this one.
        results: the results folder.
        plugins: modules or files that register runners, which enter only the process of a run.
        threads: of the computation; two for a file, all cores for a run where None.
        device: of a run: "auto", "cpu", "gpu" or "gpu:N", and ``backend`` that computes under Keras; files are run on
            the processor.
        tell: takes a line for each record that can't be read, and each plugin that can't be used.

    Raises:
        InputError: no such model, several of that name, or one that can't be used.
        RunError: the process of a run crashed, or ran out of memory.

    >>> import numpy as np
    >>> from fer_bench import open_model
    >>> model = open_model()
    >>> model(np.zeros((2, 48, 48), np.uint8)).shape
    (2, 7)
    """
    if name is None:
        return onnx_model.shipped(threads)
    if name.lower().endswith(".onnx"):
        return onnx_model.read(Path(name), threads)
    from .stored import open_run

    return open_run(name, Path(results), plugins, tell, threads=threads, device=device, backend=backend)


def told_apart(models: Sequence[Model]) -> list[str]:
    """The names of several models, each once: of two that have the same, with the digits of their runs' keys, or with
    where they come from.

    Raises InputError where one is given twice.
    """
    names = [model.name for model in models]
    key, file, path = (lambda m: m.key[:8]), (lambda m: Path(m.source).name), (lambda m: m.source)
    for of in (key, file, path):
        names = [
            f"{model.name} ({of(model)})" if names.count(name) > 1 and of(model) else name
            for model, name in zip(models, names, strict=True)
        ]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise InputError(f"the model {twice} is given twice; leave one of them out")
    return names
