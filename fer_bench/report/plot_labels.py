"""Where the labels of a scatter plot go, so that none covers another, a point or a line."""

from __future__ import annotations

import numpy as np

#: A label is tried at these distances from its point, in pixels, at each in the directions that follow: beside it
#: first.
DISTANCES = (7, 16, 28, 42, 58, 76, 96, 120, 150, 190)
ANGLES = (0, 180, 90, 270, 45, 135, 315, 225, 20, 160, 340, 200, 70, 110, 250, 290)


def place_labels(points: np.ndarray, sizes: np.ndarray, obstacles: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """The lower left corners (N, 2) of the labels of ``points``, one after the other, each as near as there is room.

    Where there is no room at all for one, it covers as little as can be. All in pixels.

    Args:
        points: (N, 2) centres of what is labelled.
        sizes: (N, 2) width and height of each label.
        obstacles: (M, 4) boxes that labels keep clear of: left, bottom, right, top.
        frame: (4,) the box that labels stay in.
    """
    turns = np.radians(ANGLES)
    directions = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    taken = np.asarray(obstacles, float).reshape(-1, 4)
    corners = np.empty((len(points), 2))
    for i, (point, size) in enumerate(zip(points, sizes, strict=True)):
        # The label's near side stands so far from the point: its centre is half its size farther on.
        centres = np.concatenate([point + directions * (distance + size / 2) for distance in DISTANCES])
        boxes = np.concatenate([centres - size / 2, centres + size / 2], axis=1)
        covered = _overlaps(boxes, taken).sum(axis=1) + size.prod() - _overlaps(boxes, frame[None])[:, 0]
        chosen = boxes[np.argmin(np.round(covered, 6))]  # the first, so the nearest, of those that cover least
        taken = np.concatenate([taken, chosen[None]])
        corners[i] = chosen[:2]
    return corners


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(K, 4) and (M, 4) -> (K, M) areas that they share."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.maximum(high - low, 0).prod(axis=2)
