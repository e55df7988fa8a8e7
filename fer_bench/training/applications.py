"""The networks of keras.applications: what each wants of its images, told without Keras."""

from __future__ import annotations

import difflib
from typing import Literal, NamedTuple

from ..errors import InputError

#: What becomes of pixels before they go in; "inside": the network takes 0..255 and does the rest itself.
Preprocessing = Literal["caffe", "tf", "torch", "inside"]

#: Pixels: ImageNet's weights were trained at about this side, and a model of larger layers could not be loaded again.
LARGEST = 224


class Application(NamedTuple):
    """One network.

    Attributes:
        preprocessing: "caffe" subtracts ImageNet's mean from 0..255, "tf" maps to [-1, 1], "torch" standardises by
            ImageNet's mean and deviation.
        kernels, numbers: how many kernels of convolutions (arrays of four dimensions) it has without its top, and how
            many numbers they have in all. Layers' names would say less of a weights file: what it holds of them depends
            on Keras' version and on the program that wrote it.
        smallest: side of the smallest image that it takes, in pixels.
        first: the layer behind preprocessing of its own that is left out, "" where there is none.
    """

    preprocessing: Preprocessing
    kernels: int
    numbers: int
    smallest: int = 32
    first: str = ""


#: EfficientNet's own preprocessing lies in weights, and depends on where these come from: Keras divides once more by
#: the root of the deviation where it loads ImageNet's itself, not where it is given a file of them.
_STEM = "stem_conv_pad"

APPLICATIONS = {
    "ConvNeXtBase": Application("inside", 40, 3_643_008),
    "ConvNeXtLarge": Application("inside", 40, 7_528_896),
    "ConvNeXtSmall": Application("inside", 40, 2_216_160),
    "ConvNeXtTiny": Application("inside", 22, 1_877_472),
    "ConvNeXtXLarge": Application("inside", 40, 12_791_040),
    "DenseNet121": Application("torch", 120, 6_870_208),
    "DenseNet169": Application("torch", 168, 12_326_080),
    "DenseNet201": Application("torch", 200, 17_863_872),
    "EfficientNetB0": Application("torch", 81, 3_956_192, first=_STEM),
    "EfficientNetB1": Application("torch", 115, 6_436_976, first=_STEM),
    "EfficientNetB2": Application("torch", 115, 7_618_016, first=_STEM),
    "EfficientNetB3": Application("torch", 130, 10_588_856, first=_STEM),
    "EfficientNetB4": Application("torch", 160, 17_394_376, first=_STEM),
    "EfficientNetB5": Application("torch", 194, 28_127_728, first=_STEM),
    "EfficientNetB6": Application("torch", 224, 40_458_672, first=_STEM),
    "EfficientNetB7": Application("torch", 273, 63_403_040, first=_STEM),
    "EfficientNetV2B0": Application("inside", 91, 5_784_576),
    "EfficientNetV2B1": Application("inside", 111, 6_773_152),
    "EfficientNetV2B2": Application("inside", 116, 8_586_384),
    "EfficientNetV2B3": Application("inside", 136, 12_687_448),
    "EfficientNetV2L": Application("inside", 339, 116_602_144),
    "EfficientNetV2M": Application("inside", 245, 52_498_504),
    "EfficientNetV2S": Application("inside", 170, 19_988_424),
    "InceptionResNetV2": Application("tf", 244, 54_200_160, 75),
    "InceptionV3": Application("tf", 94, 21_751_136, 75),
    "MobileNet": Application("tf", 27, 3_185_088),
    "MobileNetV2": Application("tf", 52, 2_189_760),
    "MobileNetV3Large": Application("inside", 62, 2_942_472),
    "MobileNetV3Small": Application("inside", 52, 912_008),
    "NASNetLarge": Application("tf", 488, 84_523_482),
    "NASNetMobile": Application("tf", 356, 4_196_240),
    "ResNet101": Application("caffe", 104, 42_394_816),
    "ResNet101V2": Application("tf", 104, 42_394_816),
    "ResNet152": Application("caffe", 155, 57_992_384),
    "ResNet152V2": Application("tf", 155, 57_992_384),
    "ResNet50": Application("caffe", 53, 23_454_912),
    "ResNet50V2": Application("tf", 53, 23_454_912),
    "VGG16": Application("caffe", 13, 14_710_464),
    "VGG19": Application("caffe", 16, 20_018_880),
    "Xception": Application("tf", 74, 20_752_424, 71),
}


def application(name: str, who: str) -> Application:
    """The network that keras.applications calls ``name``.

    Raises:
        InputError: there is none; ``who`` asked for it, in the message.
    """
    if name in APPLICATIONS:
        return APPLICATIONS[name]
    by_lower = {known.lower(): known for known in APPLICATIONS}
    close = difflib.get_close_matches(name.lower(), by_lower, n=2, cutoff=0.5)
    meant = f"did you mean {' or '.join(by_lower[found] for found in close)}? " if close else ""
    raise InputError(f"{who}: keras.applications has no {name!r}; {meant}It has {', '.join(APPLICATIONS)}")


def check_side(name: str, side: int, who: str) -> None:
    """Raises InputError where images of ``side`` pixels are too small for the network ``name``, or larger than LARGEST.

    ``who`` wants them, in the message.
    """
    smallest = APPLICATIONS[name].smallest
    if not smallest <= side <= LARGEST:
        raise InputError(f"{who}: {name} takes images of {smallest} to {LARGEST} pixels a side, not {side}")
