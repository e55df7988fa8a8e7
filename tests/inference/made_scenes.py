"""Scenes of real photographs: one face, two, none. The photograph is scikit-image's astronaut, of NASA."""

from __future__ import annotations

import functools

import cv2
import numpy as np

#: The astronaut's face in her photograph, by eye: left, top, right, bottom.
FACE = (175, 65, 275, 170)
SIDE = 512


@functools.cache
def one_face() -> np.ndarray:
    from skimage import data

    astronaut: np.ndarray = data.astronaut()
    return astronaut


def two_faces() -> np.ndarray:
    """She and her mirror image, side by side, the second at three quarters of the size: (512, 896, 3)."""
    scene = np.full((SIDE, SIDE + 384, 3), 90, np.uint8)
    scene[:, :SIDE] = one_face()
    scene[128:, SIDE:] = cv2.resize(one_face()[:, ::-1], (384, 384), interpolation=cv2.INTER_AREA)
    return scene


def no_face() -> np.ndarray:
    """Her suit and the models behind her: (332, 512, 3)."""
    return one_face()[180:]
