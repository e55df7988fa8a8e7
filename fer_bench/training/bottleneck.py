"""Features of a frozen backbone: computed once, trained on, and kept between runs.

    <cache>/features/<key>/features.npy  (N, ...) float32, and the files of a cache's entry

The key is of layers, their precision and weights, what runs them, and the images.

Features of a network that learned something else, under a new classifier: Donahue et al., DeCAF, arXiv 1310.1531.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from ..api.context import Context
from ..api.recipe import Recipe
from ..files import cache
from . import fit
from .batches import EVALUATION_BATCH

#: A runner gives the last layer of its frozen part this name.
CUT = "features"
#: Bytes of the features of a run: they lie in memory while its head is trained.
MOST_BYTES = 2 << 30
#: Bytes of all features in the cache; those that nobody has used for the longest time make room.
MOST_KEPT = 8 << 30

_AT_ONCE = 16 * EVALUATION_BATCH
_FORMAT = 1  # part of every key: raise it when fer_bench's own layers compute something else
_log = logging.getLogger(__name__)


class Halves(NamedTuple):
    """A model cut in two that share its layers: ``frozen``, from input to features, and ``head``, from there on."""

    frozen: Any
    head: Any


def cut(core: Any, recipe: Recipe, set_trainable: Callable[[str], None]) -> Halves | None:
    """``core`` cut behind its layer "features", or None where training on features would not be the same training.

    It is the same where an image has the same features in every epoch: the recipe augments nothing, cuts no window and
    has one stage; up to the cut no weight learns, no batch normalisation is trainable (it would take the statistics of
    its batch) and nothing is drawn at random (dropout belongs behind the cut); and the rest sees the image through the
    features alone.

    Args:
        core: a functional or sequential keras.Model; its layer "features" is no model itself.
        set_trainable: as for ``fit.train``, to which it goes again; called only if the recipe allows the cut.
    """
    augmented = recipe.augmentation.any or recipe.augment_validation or recipe.window > 0
    if augmented or len(recipe.plan()) > 1 or CUT not in [layer.name for layer in core.layers]:
        return None
    set_trainable(recipe.plan()[0].trainable)
    features = core.get_layer(CUT).output
    try:
        halves = Halves(keras.Model(core.inputs, features), keras.Model(features, core.outputs[0]))
    except ValueError:  # a way around the features leads from the input to the output
        return None
    return halves if _is_fixed(halves.frozen) else None


def _is_fixed(model: Any) -> bool:
    """Whether training leaves the outputs of ``model`` as they are, and computes the same as inference."""
    normalises = any(
        isinstance(layer, keras.layers.BatchNormalization) and layer.trainable for layer in model._flatten_layers()
    )
    # Beside its weights, a model's variables hold the states of its random generators.
    draws = len(model.variables) > len(model.weights)
    return not (model.trainable_weights or normalises or draws)


def too_large(halves: Halves, images: int) -> str:
    """Why the features of so many images are not kept in memory, for a note; "" where they can be."""
    size = 4 * images * math.prod(halves.frozen.output_shape[1:])
    if size <= MOST_BYTES:
        return ""
    return (
        f"its features would take {size / 2**30:.1f} GiB, and {MOST_BYTES / 2**30:.0f} are the limit: what is frozen is"
        " computed anew in each epoch"
    )


def extract(
    extractor: Any, train: np.ndarray, validation: np.ndarray | None, context: Context, *, keep: bool
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The features of both parts, and what the record says of them: feature_seconds, features "computed" or "reused".

    Args:
        extractor: a keras.Model from images to features.
        train, validation: (N, 48, 48, 1) uint8; validation may be None.
        keep: read features from the cache where they are and write them where not; memory-mapped when read. Not kept
            all the same is what layers or functions of a third party compute, whose code no key covers.
    """
    start = time.perf_counter()
    context.report({"phase": "features"})
    with context.phase("train"):
        store = _Store(extractor, _key_of(extractor, context.device) if keep else None)
        train_x = store.features(train)
    with context.phase("validate"):
        validation_x = None if validation is None else store.features(validation)
    extra = {
        "feature_seconds": round(time.perf_counter() - start, 3),
        "features": "computed" if store.computed else "reused",
    }
    return train_x, validation_x, extra


class _Store:
    """Features of ``extractor``, out of the cache where ``key`` is not None."""

    def __init__(self, extractor: Any, key: str | None) -> None:
        self.extractor, self.key = extractor, key
        self.computed = False

    def features(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48, 1) uint8 -> (N, ...) float32."""
        path = self._path(images)
        found = cache.find(path, partial(self._build, len(images))) if path else None
        if path and found is not None:
            with suppress(OSError):
                os.utime(path)  # used just now
            return found
        self.computed = True
        features = np.empty((len(images), *self.extractor.output_shape[1:]), np.float32)
        for start in range(0, len(images), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            features[rows] = fit.predict(self.extractor, images[rows])
        if path:
            try:
                cache.keep(path, {"features": features}, {}, partial(self._build, len(images)))
                cache.make_room(path.parent, MOST_KEPT)
            except OSError as error:
                self.key = None  # said once, not again for the validation part
                _log.warning("can't keep features in the cache %s (%s)", path.parent, error.strerror or error)
        return features

    def _path(self, images: np.ndarray) -> Path | None:
        if self.key is None:
            return None
        sha = hashlib.sha256(f"{self.key}\n{images.shape}\n".encode())
        sha.update(np.ascontiguousarray(images).data)
        return cache.cache_dir() / "features" / sha.hexdigest()

    def _build(self, images: int, arrays: dict[str, np.ndarray], _: Any) -> np.ndarray:
        """Raises ValueError or KeyError where an entry of the cache holds no features of so many images."""
        features = arrays["features"]
        if features.dtype != np.float32 or features.shape != (images, *self.extractor.output_shape[1:]):
            raise ValueError(f"shape {features.shape}, {features.dtype}")
        return features


def _key_of(model: Any, device: str) -> str | None:
    """sha256 (hex) over all that decides what ``model`` computes, but not its layers' names, which Keras numbers on.

    None where it holds a layer or function of a third party.
    """
    places = {layer.name: place for place, layer in enumerate(model._flatten_layers())}
    layers = json.dumps(_nameless(model.get_config(), places))
    registered = re.findall(r'"registered_name": "([^"]*)"', layers)
    if not all(re.fullmatch(r"Functional|Sequential|fer_bench>\w+", name) for name in registered):
        return None
    runtime = [keras.__version__, keras.backend.backend(), device.partition(":")[0]]
    sha = hashlib.sha256(json.dumps([_FORMAT, *runtime, layers]).encode())
    for weight in model.get_weights():
        sha.update(f"\n{weight.shape} {weight.dtype}\n".encode())
        sha.update(weight.tobytes())
    return sha.hexdigest()


def _nameless(config: Any, places: Mapping[str, int]) -> Any:
    """A model's configuration with places instead of layers' names: "name" entries and (name, node, tensor) triples."""
    if isinstance(config, Mapping):
        named = {"name": places[config["name"]]} if config.get("name") in places else {}
        return {key: _nameless(value, places) for key, value in config.items()} | named
    if isinstance(config, list | tuple):
        match config:
            case [str(name), int(), int()] if name in places:
                return [places[name], *config[1:]]
        return [_nameless(value, places) for value in config]
    return config
