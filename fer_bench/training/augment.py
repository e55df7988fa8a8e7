"""Augmentation as one Keras layer that every backend can compile.

ImageDataGenerator's rotation, shift, shear, zoom and flip are one affine map, so they cost one bilinear resample
together. Keras's own RandomRotation, RandomZoom, RandomTranslation and RandomShear resample once each and un-jit the
whole model.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

from ..api.recipe import Augmentation
from .preprocess import centre


def affine_matrix(rotation: Any, shift: Any, shear: Any, zoom: Any, flip: Any) -> tuple[Any, Any]:
    """ImageDataGenerator's map from output to input pixels, both counted from the image's centre.

    Args:
        rotation, shear: (N,) in degrees.
        shift: (rows, columns), each (N,), in pixels.
        zoom: (rows, columns), each (N,), factors; above one shows more of the image, smaller.
        flip: (N,) of 1 or -1; -1 mirrors left and right.

    Returns:
        matrix (N, 2, 2) and offset (N, 2), in (row, column) order:
        input = matrix @ output + offset, the product rotation @ shift @ shear @ zoom of Keras 2's
        ``apply_affine_transform``, then the flip.
    """
    angle, slant = rotation * (math.pi / 180), shear * (math.pi / 180)
    cos, sin = ops.cos(angle), ops.sin(angle)
    rows = [cos * zoom[0], (-cos * ops.sin(slant) - sin * ops.cos(slant)) * zoom[1] * flip]
    columns = [sin * zoom[0], (-sin * ops.sin(slant) + cos * ops.cos(slant)) * zoom[1] * flip]
    matrix = ops.stack([ops.stack(rows, -1), ops.stack(columns, -1)], -2)
    offset = ops.stack([cos * shift[0] - sin * shift[1], sin * shift[0] + cos * shift[1]], -1)
    return matrix, offset


def resample(images: Any, matrix: Any, offset: Any) -> Any:
    """Images (N, H, W, 1) float32 read bilinearly at matrix @ output + offset; beyond the edge, the nearest pixel."""
    height, width = images.shape[1:3]
    cy, cx = (height - 1) / 2, (width - 1) / 2
    grid = np.stack(np.meshgrid(np.arange(height) - cy, np.arange(width) - cx, indexing="ij")).reshape(2, -1)
    at = ops.matmul(matrix, ops.convert_to_tensor(grid.astype("float32"))) + ops.expand_dims(offset, -1)
    y = ops.clip(at[:, 0] + cy, 0, height - 1)
    x = ops.clip(at[:, 1] + cx, 0, width - 1)
    y0, x0 = ops.floor(y), ops.floor(x)
    fy, fx = y - y0, x - x0
    y0, x0 = ops.cast(y0, "int32"), ops.cast(x0, "int32")
    y1, x1 = ops.minimum(y0 + 1, height - 1), ops.minimum(x0 + 1, width - 1)
    flat = ops.reshape(images, (-1,))
    first = ops.expand_dims(ops.arange(ops.shape(images)[0]) * (height * width), 1)

    def pixels(row: Any, column: Any) -> Any:
        return ops.take(flat, first + row * width + column)

    top = pixels(y0, x0) * (1 - fx) + pixels(y0, x1) * fx
    bottom = pixels(y1, x0) * (1 - fx) + pixels(y1, x1) * fx
    return ops.reshape(top * (1 - fy) + bottom * fy, (-1, height, width, 1))


@functools.cache
def _resample(height: int, width: int) -> Callable[[Any, Any, Any], Any]:
    """``resample`` for images of one size; on TensorFlow fused by XLA, five times as fast where the model is not."""
    if keras.backend.backend() != "tensorflow":
        return resample
    import tensorflow as tf

    shapes = [tf.TensorSpec((None, *rest), "float32") for rest in ((height, width, 1), (2, 2), (2,))]
    fused: Callable[[Any, Any, Any], Any] = tf.function(resample, input_signature=shapes, jit_compile=True)
    return fused


def gaussian_blur(images: Any, sigma: Any, radius: int) -> Any:
    """Images (N, H, W, 1) float32, each blurred by its own sigma (N,) in pixels; edges repeated."""
    steps = np.arange(-radius, radius + 1, dtype="float32")
    weights = ops.exp(-(steps**2) / (2 * ops.expand_dims(ops.maximum(sigma, 1e-3), 1) ** 2))
    weights = ops.reshape(weights / ops.sum(weights, axis=1, keepdims=True), (-1, 2 * radius + 1, 1, 1, 1))
    for axis in (1, 2):
        size = images.shape[axis]
        rows = [np.clip(np.arange(size) + step, 0, size - 1) for step in range(-radius, radius + 1)]
        images = sum(ops.take(images, row, axis=axis) * weights[:, k] for k, row in enumerate(rows))
    return images


def beta_share(uniform: Any, alpha: float) -> Any:
    """Uniform numbers (N,) -> shares (N,) in [0.5, 1): the larger part of a Beta(alpha, alpha) draw, by its quantiles.

    Quantiles from a table, since no backend's own Beta sampler compiles everywhere.
    """
    from scipy.stats import beta

    table = beta.ppf(0.5 + np.linspace(0, 0.5, 1025), alpha, alpha).astype("float32")
    place = uniform * 1024
    low = ops.cast(ops.floor(place), "int32")
    part = place - ops.floor(place)
    at = functools.partial(ops.take, ops.convert_to_tensor(table))
    return at(low) * (1 - part) + at(ops.minimum(low + 1, 1024)) * part


def mix(batch: Any, share: Any) -> Any:
    """Each row of ``batch`` (N, ...) with the row as far from the end as it is from the start; ``share`` (N,) is its
    own.
    """
    own = ops.reshape(share, (-1, *(1,) * (len(batch.shape) - 1)))
    return own * batch + (1 - own) * ops.flip(batch, axis=0)


class MixedCrossentropy(keras.losses.Loss):
    """Cross-entropy against the labels mixed as ``augment`` has just mixed the images.

    That is mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019). A sample weight is that of the image that another one
    is mixed into.
    """

    def __init__(self, augment: Augment, label_smoothing: float = 0.0) -> None:
        super().__init__(name="mixed_crossentropy")
        self.augment, self.label_smoothing = augment, label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = ops.cast(y_true, y_pred.dtype)
        if self.augment.share is not None:
            y_true = mix(y_true, self.augment.share)
        return keras.losses.categorical_crossentropy(y_true, y_pred, label_smoothing=self.label_smoothing)


@keras.saving.register_keras_serializable(package="fer_bench")
class Augment(keras.layers.Layer):
    """(N, H, W, 1) of 0..255 -> float32 of the same shape or the window's; changed at random in training only.

    Args:
        augmentation: an Augmentation, or its fields as a mapping.
        seed: start of the layer's own random sequence.
        window: side in pixels of the square that is cut out, by whole pixels: in training at a random place, which
            costs nothing beside the affine map, else in the middle. 0: nothing is cut.
    """

    def __init__(
        self, augmentation: Augmentation | dict[str, Any], seed: int = 0, window: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.augmentation = augmentation if isinstance(augmentation, Augmentation) else Augmentation(**augmentation)
        self.seed, self.window = seed, window
        self.generator = keras.random.SeedGenerator(seed)
        #: What ``MixedCrossentropy`` needs of the call that is being traced: each image's share in its mixture, or
        #: None.
        self.share: Any = None

    def call(self, images: Any, training: bool = False) -> Any:
        x = ops.cast(images, "float32")
        self.share = None
        a = self.augmentation
        if training and (a.rotation or a.shift or a.shear or a.zoom or a.flip or a.crop or self.window):
            x = self._move(x)
        if self.window:
            x = centre(x, self.window)
        if not training or not a.any:
            return x
        if a.blur:
            sigma = self._uniform(1, x)[0] * a.blur
            x = gaussian_blur(x, sigma, math.ceil(3 * a.blur))
        if a.contrast:
            mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
            factor = 1 + a.contrast * (2 * self._uniform(1, x)[0] - 1)
            x = mean + (x - mean) * ops.reshape(factor, (-1, 1, 1, 1))
        if a.noise:
            x = x + keras.random.normal(ops.shape(x), stddev=255 * a.noise, seed=self.generator)
        if a.erase:
            x = self._erase(x)
        x = ops.clip(x, 0.0, 255.0)
        return self._mixed(x)

    def _mixed(self, x: Any) -> Any:
        a = self.augmentation
        if a.mixup:
            self.share = beta_share(self._uniform(1, x)[0], a.mixup)
            whole = mix(x, self.share)
        if not a.cutmix:
            return whole if a.mixup else x
        box = self._box(x)
        share, pasted = 1 - ops.mean(ops.cast(box, "float32"), axis=(1, 2, 3)), ops.where(box, ops.flip(x, axis=0), x)
        if not a.mixup:
            self.share = share
            return pasted
        first = keras.random.uniform((), seed=self.generator) < 0.5
        self.share = ops.where(first, self.share, share)
        return ops.where(first, whole, pasted)

    def _box(self, x: Any) -> Any:
        """CutMix's box as a mask (N, H, W, 1): a Beta draw decides its area, and its centre may be anywhere.

        What lies outside the image is cut off, so that the area may be smaller.
        """
        height, width = x.shape[1:3]
        u = self._uniform(4, x)
        larger = beta_share(u[0], self.augmentation.cutmix)
        half = ops.sqrt(ops.where(u[1] < 0.5, larger, 1 - larger)) / 2
        rows = np.arange(height, dtype="float32").reshape(1, -1, 1, 1) + 0.5
        columns = np.arange(width, dtype="float32").reshape(1, 1, -1, 1) + 0.5
        middle, half = ops.reshape(u[2:], (2, -1, 1, 1, 1)), ops.reshape(half, (-1, 1, 1, 1))
        tall = ops.abs(rows - middle[0] * height) < half * height
        return tall & (ops.abs(columns - middle[1] * width) < half * width)

    def _uniform(self, rows: int, x: Any) -> Any:
        """(rows, N) in [0, 1)."""
        return keras.random.uniform((rows, ops.shape(x)[0]), seed=self.generator)

    def _move(self, x: Any) -> Any:
        a = self.augmentation
        height, width = x.shape[1:3]
        u = self._uniform(9, x)
        s = 2 * u - 1
        # A crop out of the padded image is a shift by whole pixels, and so is a window before the centre is cut out.
        margin = height - self.window if self.window else 0
        crop = ops.floor(u[7:9] * (2 * a.crop + margin + 1)) - (a.crop + margin // 2)
        matrix, offset = affine_matrix(
            rotation=s[0] * a.rotation,
            shift=(s[1] * (a.shift * height) + crop[0], s[2] * (a.shift * width) + crop[1]),
            shear=s[3] * a.shear,
            zoom=(1 + s[4] * a.zoom, 1 + s[5] * a.zoom),
            flip=ops.where(u[6] < 0.5, -1.0, 1.0) if a.flip else ops.ones_like(u[6]),
        )
        return _resample(height, width)(x, matrix, offset)

    def _erase(self, x: Any) -> Any:
        """Random erasing (Zhong et al. 2020): a rectangle of 2-33 % of the area, sides 0.3-3.3, filled with the
        mean.
        """
        height, width = x.shape[1:3]
        u = ops.reshape(self._uniform(5, x), (5, -1, 1, 1))
        area = (0.02 + 0.31 * u[1]) * height * width
        aspect = ops.exp((2 * u[2] - 1) * math.log(10 / 3))
        tall = ops.minimum(ops.sqrt(area * aspect), height)
        wide = ops.minimum(ops.sqrt(area / aspect), width)
        top, left = u[3] * (height - tall), u[4] * (width - wide)
        rows = np.arange(height, dtype="float32").reshape(1, -1, 1)
        columns = np.arange(width, dtype="float32").reshape(1, 1, -1)
        inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
        erased = inside & (u[0] < self.augmentation.erase)
        return ops.where(ops.expand_dims(erased, -1), ops.mean(x, axis=(1, 2, 3), keepdims=True), x)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (input_shape[0], self.window, self.window, input_shape[3]) if self.window else input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "augmentation": asdict(self.augmentation),
            "seed": self.seed,
            "window": self.window,
        }
