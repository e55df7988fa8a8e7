"""Keras without compiling, which costs seconds where a few steps cost none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def eagerly() -> Iterator[None]:
    """Neither Keras nor TensorFlow compiles what is trained or predicted meanwhile."""
    import keras

    compile_ = keras.Model.compile
    never = {"run_eagerly": True, "jit_compile": False}
    with patch.object(keras.Model, "compile", lambda self, *a, **k: compile_(self, *a, **{**k, **never})):
        if keras.backend.backend() != "tensorflow":
            yield
            return
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)
