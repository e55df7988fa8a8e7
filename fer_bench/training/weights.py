"""Where a model's first weights come from: ImageNet, a file, or chance."""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import tempfile
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError
from . import model_file
from .network import check_weights, suffix

#: Seconds without an answer after which a download is given up.
TIMEOUT = 12.0


def is_path(weights: str) -> bool:
    """Whether ``weights`` names a file, not one of the words auto, imagenet, random."""
    return weights not in ("auto", "imagenet", "random")


def backbone(application: str, input_shape: tuple[int, int, int], weights: str, **kwargs: Any) -> tuple[Any, str]:
    """keras.applications.<application> without its top, and how it was initialised.

    Args:
        application: name in keras.applications, such as "VGG19".
        weights: "auto" (ImageNet where it can be had, else random), "imagenet", "random" or a path.

    Returns:
        The model, and "imagenet", "random" or "file:<name>".

    Raises:
        InputError: "imagenet" can't be had, or the file is missing, of another network, or does not fit.
    """
    import keras

    make = getattr(keras.applications, application)
    kwargs = {"include_top": False, "input_shape": input_shape, **kwargs}
    if is_path(weights):
        check_weights(weights, application, "this run")
        model = make(weights=None, **kwargs)
        return model, load_into(model, weights)
    if weights == "random":
        return make(weights=None, **kwargs), "random"
    state = random.getstate()
    try:
        with _impatient(), contextlib.redirect_stdout(sys.stderr):
            return make(weights="imagenet", **kwargs), "imagenet"
    except Exception as error:
        # keras.utils.get_file raises bare Exception; the same call without weights shows whether they were to blame.
        random.setstate(state)
        model = make(weights=None, **kwargs)
        reason = " ".join(str(error).split()) or type(error).__name__
        if weights == "imagenet":
            raise InputError(
                f"ImageNet weights of {application} can't be had ({reason}); "
                "connect to the internet, or take --weights random or --weights PATH"
            ) from error
        print(
            f"fer-bench: ImageNet weights of {application} can't be had ({reason}); random ones taken", file=sys.stderr
        )
        return model, "random"


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Sockets opened inside time out; urllib, which Keras downloads with, waits for ever by default."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def load_into(model: Any, path: str | Path, packages: Collection[str] = model_file.OURS) -> str:
    """Fills ``model`` from a .keras, .weights.h5 or .h5 file, whatever its name; returns "file:<name>".

    Nothing in the file is run; ``packages`` are those whose registered layers may stand in a .keras file.

    Raises:
        InputError: no such file, another kind of file, one that is not safe to load, or weights of other shapes.
    """
    path = Path(path)
    form, named = suffix(path), path
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
            # Keras warns of each part that the file lacks before it raises, and knows the form by the name alone.
            warnings.simplefilter("ignore")
            if not _keras_takes(path.name, form):
                named = Path(folder, f"weights{form}")
                named.symlink_to(path.resolve())
            if form == ".keras":
                model.set_weights(model_file.load_model(named, packages).get_weights())
            else:
                model_file.check_hdf5(path, path)
                model.load_weights(named)
    except InputError as error:
        raise InputError(f"--weights {str(error).replace(str(named), str(path))}") from None
    except Exception as error:
        # Keras and h5py raise half a dozen types here, all meaning that the file can't be used.
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"--weights {path} does not fit model {model.name}: {reason}") from error
    return f"file:{path.name}"


def _keras_takes(name: str, form: str) -> bool:
    """Whether Keras reads a file of that name as the form that it has; a name ends with .h5 in both forms of HDF5."""
    return name.endswith(form) and (form != ".h5" or not name.endswith(".weights.h5"))
