"""The notebooks' own way: what every ratio is measured against. Imports nothing heavy before it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fer_bench.api.recipe import Augmentation, Recipe

#: Runners whose published recipe keeps a part frozen that the tuned one trains, which costs about three times as much
#: a step. Each recipe is compared with a baseline that trains the same layers.
FREEZING = ("inception-v3", "inception-v3-flatten", "resnet50")


def read_split(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """emotion-detection-notebook, "Data preparation for ML models": one column for each pixel.

    Its columns hold text; the numbers come out of scikit-learn later. Here they are made at once: (N, 2304) uint8.
    """
    import pandas as pd

    frame = pd.read_csv(path)
    pixels = frame["pixels"].str.split(" ", expand=True)
    return pixels.to_numpy().astype("uint8"), frame["emotion"].to_numpy()


def read_rows(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same notebook, "Data Preparation for DL Models": an array for each row, stacked; (N, 48, 48) float32."""
    import pandas as pd

    frame = pd.read_csv(path)
    images = frame["pixels"].apply(lambda x: np.array(x.split(" ")).reshape(48, 48).astype("float32"))
    return np.stack(images.to_list()), frame["emotion"].to_numpy()


def generator(augmentation: Augmentation, rescale: float | None = None) -> Any:
    """ImageDataGenerator with what it has of ``augmentation``; the rest in its preprocessing_function, image by
    image.
    """
    from tensorflow import keras

    a = augmentation
    shift = a.crop or a.shift
    return keras.preprocessing.image.ImageDataGenerator(
        rescale=rescale,
        rotation_range=a.rotation,
        width_shift_range=shift,
        height_shift_range=shift,
        shear_range=a.shear,
        zoom_range=a.zoom,
        horizontal_flip=a.flip,
        preprocessing_function=_distortion(a) if a.noise or a.blur or a.contrast else None,
    )


def _distortion(a: Augmentation) -> Any:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)

    def distort(image: np.ndarray) -> np.ndarray:
        sigma = rng.uniform(0, a.blur)
        image = gaussian_filter(image, (sigma, sigma, 0))
        image = image.mean() + (image - image.mean()) * rng.uniform(1 - a.contrast, 1 + a.contrast)
        return np.clip(image + rng.normal(0, 255 * a.noise, image.shape), 0, 255)

    return distort


def prepare(images: np.ndarray, recipe: Recipe) -> np.ndarray:
    """(N, 48, 48) uint8 -> what the model takes, (N, size, size, channels) float32, made before any training."""
    import keras

    x = images[..., None].astype("float32")
    x = x / 127.5 - 1 if recipe.scaling == "signed" else x / 255
    if recipe.image_size != x.shape[1]:
        x = keras.ops.convert_to_numpy(keras.ops.image.resize(x, (recipe.image_size, recipe.image_size)))
    return np.repeat(x, recipe.channels, axis=-1)


def batches(x: np.ndarray, targets: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """``fit``'s arguments for data: arrays, or ImageDataGenerator's flow where the recipe augments.

    As in the notebooks, pixels in [0, 1] are 0..255 before the generator rescales them.
    """
    batch = recipe.plan()[0].batch
    if not recipe.augmentation.any:
        return {"x": x, "y": targets, "batch_size": batch}
    if recipe.scaling == "unit":
        return {"x": generator(recipe.augmentation, 1 / 255).flow(x * 255, targets, batch_size=batch)}
    return {"x": generator(recipe.augmentation).flow(x, targets, batch_size=batch)}


def compiled(model: Any, recipe: Recipe) -> Any:
    """``model`` compiled as the notebooks do: Keras's optimizer by the recipe's name and rate, jit as Keras decides."""
    import keras

    optimizer = keras.optimizers.get(recipe.optimizer)
    optimizer.learning_rate = recipe.plan()[0].learning_rate
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model
