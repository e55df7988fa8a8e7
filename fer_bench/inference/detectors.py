"""Where faces are: by OpenCV's Haar cascades, which come with it, or by YuNet, whose file a user fetches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .face import Box
from .yunet_file import yunet_file

#: From a picture's pixels, gray or RGB, to the boxes of its faces, the surest first.
Detector = Callable[[np.ndarray], list[Box]]
DETECTORS = ("haar", "yunet")
#: A larger picture is made smaller before faces are looked for, to so many pixels on its longer side.
LONGEST_SIDE = 800
#: What the cascades were trained on, and thereby the smallest face in a small picture, in pixels of what is looked at.
SMALLEST_FACE = 24
#: The same in a larger one: of a face below it, three quarters of a model's 48 pixels, little can be told, and with it
#: a frame of 640 x 480 takes 0.12 instead of 0.21 s of processor time.
SMALLEST_IN_LARGE = 36
#: A picture with no more on its longer side is looked at with its edges drawn out by this part of that: a face that
#: fills a picture is missed in it. Of FER-2013's faces alone, 57 % are found without, 69 % with it.
_SMALL, _DRAWN_OUT = 256, 0.1
#: Two boxes of which the smaller is covered by more than this part are of one face.
_SAME_FACE = 0.5
#: Of YuNet's boxes, those that are surer than this.
_SURE = 0.7


def check_detector(name: str) -> None:
    """Raises InputError for a name that is none of ``DETECTORS``."""
    if name not in DETECTORS:
        raise InputError(f"no detector {name!r}; there are {', '.join(DETECTORS)}")


def detector(name: str) -> Detector:
    """The detector of a name. Raises InputError for one that is none of ``DETECTORS``, or whose file is missing."""
    check_detector(name)
    return Haar() if name == "haar" else YuNet(yunet_file())


class Haar:
    """Frontal faces by two Haar cascades: a box that the first finds counts where the second finds one about there.

    The first finds more faces; alone, it also finds them in leaves and cloth. ``score`` is what its last stage adds up
    to, about 0 to 12.
    """

    def __init__(self) -> None:
        self._find, self._check = (_cascade(f"haarcascade_frontalface_{name}.xml") for name in ("default", "alt"))
        self._lock = threading.Lock()  # a cascade keeps the picture that it looks at

    def __call__(self, pixels: np.ndarray) -> list[Box]:
        gray, scale = _reduced(as_gray(pixels))
        smallest = SMALLEST_FACE if max(gray.shape) <= _SMALL else SMALLEST_IN_LARGE
        gray, more = _drawn_out(gray)
        if min(gray.shape) < smallest:
            return []
        with self._lock:
            places, _, scores = self._find.detectMultiScale3(
                gray, 1.1, 3, minSize=(smallest, smallest), outputRejectLevels=True
            )
            found = [
                (place, float(score))
                for place, score in zip(places, np.ravel(scores), strict=True)
                if self._is_seen_again(gray, *map(int, place))
            ]
        return _distinct(_box((place - (more, more, 0, 0)) / scale, score) for place, score in found)

    def _is_seen_again(self, gray: np.ndarray, left: int, top: int, width: int, height: int) -> bool:
        around = int(0.3 * width)
        region = gray[max(0, top - around) : top + height + around, max(0, left - around) : left + width + around]
        sizes = {"minSize": (int(0.6 * width),) * 2, "maxSize": (int(1.6 * width),) * 2}
        return len(self._check.detectMultiScale(region, 1.1, 1, **sizes)) > 0


class YuNet:
    """Faces by the network YuNet, turned ones and those in profile too; ``score`` is from 0 to 1."""

    def __init__(self, file: Path) -> None:
        import cv2

        try:
            self._net = cv2.FaceDetectorYN.create(str(file), "", (320, 320), _SURE)
        except cv2.error as error:
            raise InputError(f"{file}: OpenCV can't read it ({' '.join(str(error).split())[:120]})") from None
        self._lock = threading.Lock()

    def __call__(self, pixels: np.ndarray) -> list[Box]:
        import cv2

        small, scale = _reduced(pixels)
        colors = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR if small.ndim == 2 else cv2.COLOR_RGB2BGR)
        with self._lock:
            self._net.setInputSize(colors.shape[1::-1])
            _, found = self._net.detect(colors)
        return _distinct(_box(face[:4] / scale, float(face[-1])) for face in ([] if found is None else found))


def as_gray(pixels: np.ndarray) -> np.ndarray:
    """(H, W) uint8 of a picture that is gray or RGB."""
    import cv2

    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def _cascade(name: str) -> Any:
    import cv2

    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    if not Path(folder, name).is_file():
        raise InputError(
            f"OpenCV {cv2.__version__} comes without {name}: pip install 'opencv-python-headless<5', or use the"
            " detector yunet"
        )
    return cv2.CascadeClassifier(str(Path(folder, name)))


def _reduced(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture of at most ``LONGEST_SIDE``, and by what its sides were multiplied."""
    import cv2

    scale = min(1.0, LONGEST_SIDE / max(pixels.shape[:2]))
    if scale == 1:
        return pixels, 1.0
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), scale


def _drawn_out(gray: np.ndarray) -> tuple[np.ndarray, int]:
    """A small picture with its edges drawn out, and by how many pixels on each side; a larger one as it is."""
    import cv2

    longer = max(gray.shape)
    more = round(longer * _DRAWN_OUT) if longer <= _SMALL else 0
    return cv2.copyMakeBorder(gray, more, more, more, more, cv2.BORDER_REPLICATE) if more else gray, more


def _box(place: np.ndarray, score: float) -> Box:
    left, top, width, height = (round(float(number)) for number in place)
    return Box(left, top, width, height, score)


def _distinct(boxes: Iterable[Box]) -> list[Box]:
    """The boxes, the surest first, without those of a face that a surer one has."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: (-(box.score or 0), box.left, box.top, box.width)):
        if all(_shared(box, other) <= _SAME_FACE for other in kept):
            kept.append(box)
    return kept


def _shared(one: Box, other: Box) -> float:
    """The part of the smaller of two boxes that both cover."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    smaller = min(one.width * one.height, other.width * other.height)
    return max(0, width) * max(0, height) / max(1, smaller)
