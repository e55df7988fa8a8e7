"""The faces of a picture, cut as the faces were cut that models are trained on."""

from __future__ import annotations

import numpy as np

from ..data.dataset import IMAGE_SIZE
from ..errors import InputError
from .detectors import DETECTORS, as_gray, check_detector
from .detectors import detector as make_detector
from .face import Box, Crop, Picture
from .pictures import as_face

__all__ = ["DETECTORS", "FACES", "MARGIN", "FaceFinder"]

FACES = ("auto", "all", "largest", "none")
#: By how much of its side a detector's box is widened, both sides together; see benchmarks/face_margin.md.
MARGIN = 0.02
#: A gray picture that may be one face: at most so many pixels on its longer side, which is at most so much the longer.
#: Of FER-2013's faces, enlarged to such a size and with nothing around them, the detector finds 69 %.
_LONGEST, _SQUARE = 256, 1.25


class FaceFinder:
    """Finds faces and cuts them out.

    The policies: "all" has each face, from left to right; "largest" the one whose box is the largest; "none" takes the
    whole picture for a face. "auto" is "none" where the picture is 48x48, or where nothing is found in an image that is
    gray, small and about as wide as high, as data sets have faces; else it is "all".
    """

    def __init__(self, policy: str, detector: str = "haar", margin: float = MARGIN) -> None:
        """
        Args:
            policy: one of ``FACES``.
            detector: one of ``DETECTORS``.
            margin: by how much of its side a box is widened before it is cut out, both sides together.

        Raises:
            InputError: for another policy or detector, or a detector whose file is missing.
        """
        if policy not in FACES:
            raise InputError(f"no policy {policy!r} for faces; there are {', '.join(FACES)}")
        check_detector(detector)
        self._policy, self._margin = policy, margin
        self._detect = None if policy == "none" else make_detector(detector)

    def __call__(self, picture: Picture) -> list[Crop]:
        """The faces of a picture; an empty list where there is none."""
        height, width = picture.pixels.shape[:2]
        if self._detect is None or (self._policy == "auto" and height == width == IMAGE_SIZE):
            return [Crop(as_face(picture))]
        boxes = self._detect(picture.pixels)
        if not boxes and self._policy == "auto" and _may_be_face(picture):
            return [Crop(as_face(picture))]
        if self._policy == "largest":
            boxes = sorted(boxes, key=lambda box: -box.width * box.height)[:1]
        gray = as_gray(picture.pixels)
        return [Crop(cut(gray, box, self._margin), box) for box in sorted(boxes, key=lambda box: (box.left, box.top))]


def cut(gray: np.ndarray, box: Box, margin: float = MARGIN) -> np.ndarray:
    """A square around a box as (48, 48) uint8; where it leaves the picture, the picture's edge goes on.

    Args:
        gray: (H, W) uint8.
        box: whose longer side is the square's, but for the margin.
        margin: by how much of its side the square is widened, both sides together.
    """
    import cv2

    side = max(1, round(max(box.width, box.height) * (1 + margin)))
    left = round(box.left + (box.width - side) / 2)
    top = round(box.top + (box.height - side) / 2)
    rows = np.clip(np.arange(top, top + side), 0, gray.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, gray.shape[1] - 1)
    square = np.ascontiguousarray(gray[rows[:, None], columns])
    how = cv2.INTER_AREA if side >= IMAGE_SIZE else cv2.INTER_CUBIC
    return cv2.resize(square, (IMAGE_SIZE, IMAGE_SIZE), interpolation=how)


def _may_be_face(picture: Picture) -> bool:
    pixels = picture.pixels
    shorter, longer = sorted(pixels.shape[:2])
    small = longer <= _LONGEST and longer <= _SQUARE * shorter
    return small and picture.frame is None and (pixels.ndim == 2 or bool((pixels == pixels[..., :1]).all()))
