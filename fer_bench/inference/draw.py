"""Pictures with the faces and what models say of them drawn in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .face import Box, Picture, Unreadable
from .predict import Answer

#: Of emotions that have one, RGB; others are drawn in gray.
COLOURS = {
    "anger": (214, 39, 40),
    "disgust": (140, 86, 75),
    "fear": (148, 103, 189),
    "happiness": (255, 191, 0),
    "sadness": (31, 119, 180),
    "surprise": (255, 127, 14),
    "neutral": (44, 160, 44),
}
OTHER = (127, 127, 127)
#: Letters of a model's name that are drawn.
LONGEST_NAME = 28
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def drawn(answer: Answer, classes: Sequence[Sequence[str]], names: Sequence[str]) -> np.ndarray:
    """The picture of an answer, (H, W, 3) uint8 RGB, with a box around each face and a line above it for each model.

    Args:
        answer: of a picture that could be read.
        classes: of each model.
        names: of the models; they are written where there are several.
    """
    import cv2

    assert not isinstance(answer.picture, Unreadable)
    pixels = answer.picture.pixels
    image = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels.copy()
    for place, face in enumerate(answer.faces):
        lines = []
        for of, name, said in zip(classes, names, answer.probabilities, strict=True):
            best = int(said[place].argmax())
            lines.append((f"{short(name)}: " if len(names) > 1 else "", of[best], float(said[place][best])))
        colour = COLOURS.get(lines[0][1], OTHER)
        _label(image, face.box, [f"{name}{emotion} {100 * share:.0f}%" for name, emotion, share in lines], colour)
    return np.asarray(image)


def short(name: str) -> str:
    """A model's name, its middle left out where it is long."""
    half = LONGEST_NAME // 2 - 1
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}..{name[-half:]}"


def is_frame(picture: Picture | Unreadable) -> bool:
    """Whether a picture is one of many of its source."""
    return isinstance(picture, Picture) and picture.frame is not None


def _label(image: np.ndarray, box: Box | None, lines: Sequence[str], colour: tuple[int, int, int]) -> None:
    """Draws a box, where there is one, and lines of text above it, or inside where there is no room above."""
    import cv2

    height, width = image.shape[:2]
    thick = max(1, round(min(height, width) / 300))
    left, top, side = (0, 0, width) if box is None else (box.left, box.top, box.width)
    if box is not None:
        cv2.rectangle(image, (left, top), (left + box.width - 1, top + box.height - 1), colour, thick)
    font = cv2.FONT_HERSHEY_SIMPLEX
    longest = max(cv2.getTextSize(line, font, 1.0, thick)[0][0] for line in lines)
    scale = float(np.clip(side / longest, 0.35 * thick, 0.6 * thick))
    line_height = round(30 * scale) + thick
    first = top - line_height * len(lines)
    first = first if first >= 0 else top
    text_colour = BLACK if sum(colour) > 330 else WHITE
    for number, line in enumerate(lines):
        (text_width, _), _ = cv2.getTextSize(line, font, scale, thick)
        start = max(0, min(left, width - text_width))
        bottom = first + line_height * (number + 1)
        cv2.rectangle(image, (start, bottom - line_height), (start + text_width, bottom), colour, -1)
        cv2.putText(image, line, (start, bottom - round(8 * scale)), font, scale, text_colour, thick, cv2.LINE_AA)
