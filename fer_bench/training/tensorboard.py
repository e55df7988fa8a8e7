"""TensorBoard's logs of a training, and whether they can be written at all."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ..errors import InputError


def check_tensorboard() -> None:
    """Raises InputError where the package that writes the logs is not installed; imports nothing."""
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError(
            "--tensorboard needs the package tensorboard, which is not installed: pip install 'fer-bench[tensorboard]'"
        )


def tensorboard(folder: Path) -> Any:
    """The Keras callback that logs loss, accuracy and a histogram of each weight after every epoch into ``folder``."""
    import keras

    check_tensorboard()
    return keras.callbacks.TensorBoard(folder, histogram_freq=1)
