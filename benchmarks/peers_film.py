"""What the package `fer` makes of a video, run inside its own environment (see peers.py).

    python peers_film.py film.mp4

Each frame goes through ``FER().detect_emotions``, as its documentation shows. Prints {"seconds", "frames", "faces"} as
JSON; importing it and loading its model are not counted.
"""

from __future__ import annotations

import json
import os
import sys
import time

import cv2


def main(path: str) -> dict[str, float]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from fer.fer import FER

    detector, capture = FER(), cv2.VideoCapture(path)
    frames = faces = 0
    start = None
    while (read := capture.read())[0]:
        found = len(detector.detect_emotions(read[1]))
        if start is None:  # the first compiles
            start = time.perf_counter()
            continue
        frames, faces = frames + 1, faces + found
    return {"seconds": time.perf_counter() - (start or 0.0), "frames": frames, "faces": faces}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
