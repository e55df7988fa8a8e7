"""Videos made for the tests: what they show is a function of the frame's number."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (96, 64)  # width, height


def shade(number: int) -> int:
    return 20 + 5 * (number % 40)


def make_video(path: Path, frames: int, code: str = "MJPG", rate: float = 25) -> Path:
    """A video whose left half is red, and whose right half is as bright as ``shade`` says."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), rate, SIZE)
    assert writer.isOpened()
    frame = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    frame[:, : SIZE[0] // 2, 2] = 255
    for number in range(frames):
        frame[:, SIZE[0] // 2 :] = shade(number)
        writer.write(frame)
    writer.release()
    return path
