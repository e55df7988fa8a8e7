"""Why a model says what it says of a face: where it looks, as a map over the face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .draw import short
from .face import Crop
from .model import Model

#: The side of what is covered, in pixels, and how far apart the places are at which it is.
SIDE, STEP = 8, 4
GRAD_CAM, OCCLUSION = "Grad-CAM", "occlusion"
#: Of a face on the sheet: how many times larger, and the space around.
ZOOM, SPACE, LINE = 4, 8, 22
#: Faces on one sheet.
MOST_FACES = 32


def heat(model: Model, image: np.ndarray, column: int) -> tuple[np.ndarray, str]:
    """Where an image speaks for one output of a model, (48, 48) float32 in [0, 1], and by which method that was found.

    Grad-CAM where the model is a trained Keras network with convolutions, occlusion for every other.

    Args:
        model: any.
        image: (48, 48) uint8.
        column: of the output.
    """
    own: Any = getattr(model, "explain", None)
    found = None if own is None else own(image, column)
    if found is not None:
        return found, GRAD_CAM
    drops = occlusion(model, image, column)
    drops = np.maximum(drops, 0)
    return drops / drops.max() if drops.max() > 0 else drops, OCCLUSION


def occlusion(model: Model, image: np.ndarray, column: int, side: int = SIDE, step: int = STEP) -> np.ndarray:
    """By how much an output falls when a place is covered, (48, 48) float32: below 0 where it rises.

    A square of ``side`` pixels in the image's mean gray is laid on it at every ``step`` pixels, from edge to edge; a
    pixel's value is the mean over the squares that cover it. Zeiler and Fergus: Visualizing and Understanding
    Convolutional Networks, ECCV 2014, arXiv:1311.2901.

    Args:
        model: any.
        image: (48, 48) uint8.
        column: of the output.
        side: of the square, ``step`` between squares; 48 - ``side`` is a multiple of ``step``.
    """
    places = [
        (top, left)
        for top in range(0, image.shape[0] - side + 1, step)
        for left in range(0, image.shape[1] - side + 1, step)
    ]
    covered = np.repeat(image[None], len(places) + 1, axis=0)
    for at, (top, left) in enumerate(places, 1):
        covered[at, top : top + side, left : left + side] = round(float(image.mean()))
    said = model(covered)[:, column].astype(np.float64)
    total, times = np.zeros(image.shape), np.zeros(image.shape)
    for (top, left), probability in zip(places, said[1:], strict=True):
        total[top : top + side, left : left + side] += said[0] - probability
        times[top : top + side, left : left + side] += 1
    return np.asarray(total / np.maximum(times, 1), np.float32)


def overlaid(image: np.ndarray, found: np.ndarray) -> np.ndarray:
    """A face with a map on it, (H, W, 3) uint8 RGB, ``ZOOM`` times as large: red where the map is 1, gray where 0."""
    import cv2

    size = (image.shape[1] * ZOOM, image.shape[0] * ZOOM)
    face = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2RGB)
    share = cv2.resize(found.astype(np.float32), size, interpolation=cv2.INTER_LINEAR).clip(0, 1)
    colours = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_JET)
    weight = 0.6 * share[..., None]
    return np.asarray(face * (1 - weight) + cv2.cvtColor(colours, cv2.COLOR_BGR2RGB) * weight, np.uint8)


class Sheet:
    """Faces with their maps as one picture: a row for each face, first as it is, then as each model sees it.

    ``left_out`` counts the faces beyond ``MOST_FACES``.
    """

    def __init__(self, models: Sequence[Model], names: Sequence[str]) -> None:
        self.models, self.names = models, names
        self.left_out = 0
        self._rows: list[list[tuple[np.ndarray, str]]] = []

    def add(self, face: Crop, probabilities: Sequence[np.ndarray], title: str) -> None:
        """A face, what each model says of it, (classes,), and what stands below it."""
        if len(self._rows) >= MOST_FACES:
            self.left_out += 1
            return
        cells = [(overlaid(face.image, np.zeros_like(face.image, np.float32)), title)]
        for model, name, said in zip(self.models, self.names, probabilities, strict=True):
            column = int(np.argmax(said))
            found, method = heat(model, face.image, column)
            of_model = f"{short(name)}: " if len(self.models) > 1 else ""
            text = f"{of_model}{model.classes[column]} {100 * said[column]:.0f} % ({method})"
            cells.append((overlaid(face.image, found), text))
        self._rows.append(cells)

    def png(self) -> bytes | None:
        """The picture as a PNG file; None where there is no face."""
        import cv2

        if not self._rows:
            return None
        side = self._rows[0][0][0].shape[0]
        width, height = (
            max(side, 9 * max(len(text) for row in self._rows for _, text in row)) + SPACE,
            side + LINE + SPACE,
        )
        sheet = np.full((height * len(self._rows) + SPACE, width * len(self._rows[0]) + SPACE, 3), 255, np.uint8)
        for down, row in enumerate(self._rows):
            for across, (picture, text) in enumerate(row):
                top, left = down * height + SPACE, across * width + SPACE
                sheet[top : top + side, left : left + side] = picture
                at = (left, top + side + LINE - 7)
                cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        return bytes(cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1])
