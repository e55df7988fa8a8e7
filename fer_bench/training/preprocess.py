"""From the stored image to the model's input, inside the compiled model."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

from ..errors import InputError


def centre(images: Any, window: int) -> Any:
    """The square of ``window`` pixels in the middle of images (N, H, W, C), which are at least as large.

    Where the margin is odd, the larger part of it is below and at the right. Raises InputError for a window that is
    larger than the images.
    """
    if window > min(images.shape[1:3]):
        raise InputError(f"a recipe's window of {window} pixels: the images have {min(images.shape[1:3])}")
    top, left = ((side - window) // 2 for side in images.shape[1:3])
    return images[:, top : top + window, left : left + window]


@keras.saving.register_keras_serializable(package="fer_bench")
class Preprocess(keras.layers.Layer):
    """(N, H, W, 1) of 0..255, any number type -> (N, image_size, image_size, channels) float32.

    Args:
        image_size: side of the output in pixels; bilinear where it differs from the input's.
        channels: 1, or 3 equal copies.
        scaling: "unit" maps 0..255 to [0, 1], "signed" to [-1, 1].
        window: side in pixels of the square in the middle that is looked at; 0 for the whole image.
    """

    def __init__(
        self,
        image_size: int,
        channels: int = 1,
        scaling: Literal["unit", "signed"] = "unit",
        window: int = 0,
        **kwargs: Any,
    ) -> None:
        # Pixels stay float32 whatever the model computes in.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.image_size, self.channels, self.scaling, self.window = image_size, channels, scaling, window

    def call(self, images: Any) -> Any:
        x = ops.cast(centre(images, self.window) if self.window else images, "float32")
        x = x / 127.5 - 1.0 if self.scaling == "signed" else x / 255.0
        if tuple(x.shape[1:3]) != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            x = ops.image.resize(x, size, interpolation="bilinear", data_format="channels_last")
        return ops.repeat(x, self.channels, axis=-1) if self.channels > 1 else x

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (input_shape[0], self.image_size, self.image_size, self.channels)

    def get_config(self) -> dict[str, Any]:
        own = ("image_size", "channels", "scaling", "window")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@keras.saving.register_keras_serializable(package="fer_bench")
class Normalise(keras.layers.Layer):
    """(N, classes) of numbers >= 0 -> rows that sum to one; an all-zero row becomes uniform.

    For models whose last layer is no softmax: Keras's cross-entropy would divide such a row by zero and the loss
    would be NaN from there on.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, outputs: Any) -> Any:
        x = ops.cast(outputs, "float32") + keras.config.epsilon()
        return x / ops.sum(x, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return input_shape
