"""What passes through a prediction: a picture, the faces found in it, and a model's answer for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Picture:
    """One picture to look for faces in: an image, or a frame of a video or a camera, upright.

    Attributes:
        source: the file's path, the address, or ``camera 0``, as rows name it.
        pixels: (H, W) uint8 gray or (H, W, 3) uint8 RGB.
        frame: the frame's number in its video, from 0; None for an image.
        time: the frame's time from the video's beginning, in seconds; None for an image.
    """

    source: str
    pixels: np.ndarray
    frame: int | None = None
    time: float | None = None


@dataclass(frozen=True)
class Unreadable:
    """A source that could not be read, and why, as one line."""

    source: str
    reason: str


@dataclass(frozen=True)
class Box:
    """Where a face is, in pixels of its upright picture; ``score`` as its detector gives it, higher is surer."""

    left: int
    top: int
    width: int
    height: int
    score: float | None = None


@dataclass(frozen=True)
class Crop:
    """A face as the models take it: (48, 48) uint8 gray; ``box`` is None where the whole picture is the face."""

    image: np.ndarray
    box: Box | None = None


@dataclass(frozen=True)
class Row:
    """What one model says of one face; of a picture without a face, or one that can't be read, that it is so.

    Attributes:
        source, frame, time: as in ``Picture``.
        box: as in ``Crop``.
        model: the model's name.
        probabilities: emotion -> probability, in the model's order; empty where there is no face.
        emotion: the most probable emotion, "" where there is no face.
        note: "" or why there is no answer: "no face", or what is wrong with the source.
    """

    source: str
    model: str
    frame: int | None = None
    time: float | None = None
    box: Box | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    emotion: str = ""
    note: str = ""
