"""What several deep runners share: an augmentation that suits 48-pixel faces, and VGG's input preprocessing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .recipe import Augmentation

if TYPE_CHECKING:
    import keras

#: Moderate changes for the tuned recipes: enough to slow over-fitting down, too little to hide a mouth or a brow.
MODERATE = Augmentation(rotation=10, shift=0.1, shear=5, zoom=0.1, flip=True)


def vgg_preprocessing() -> keras.layers.Layer:
    """A layer that maps gray copies in [0, 1], (N, H, W, 3), to what VGG's and ResNet50's ImageNet weights expect.

    The same as ``keras.applications.vgg19.preprocess_input`` on pixels 0..255: ImageNet's mean is subtracted in BGR
    order; the three channels of a gray image are equal, so turning RGB into BGR changes nothing else.
    """
    import keras

    return keras.layers.Rescaling(255.0, offset=[-103.939, -116.779, -123.68], name="vgg_preprocessing")
