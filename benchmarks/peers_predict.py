"""What a package from PyPI says about faces, run by peers.py inside that package's own environment.

    python peers_predict.py '{"package": "fer", "model": "hdf5", "margin": 0}' faces.npy answers.npz

``faces.npy`` holds (N, 48, 48) uint8, each image a face as it is: no detector looks for one. Every face goes through
the package's own preprocessing and model, one at a time. ``answers.npz`` gets ``emotions``, (C,) str, the names in the
package's order; ``probabilities``, (N, C) float32; ``seconds`` and ``processor_seconds``, (N,), of each call;
``model_bytes`` and ``versions``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

WARM_UP = 3
#: What the packages compute with.
PACKAGES = ("tensorflow", "keras", "numpy", "opencv-contrib-python-headless")


class Package(NamedTuple):
    """A package that is ready: its emotions in its order, and a function from a face to their probabilities."""

    emotions: list[str]
    predict: Callable[[np.ndarray], np.ndarray]
    model: Path


def fer(model: str, margin: int) -> Package:
    """``FER.detect_emotions`` with the whole image as the face's box, which it widens by ``margin`` pixels.

    It rounds the probabilities that it returns to two digits; these are caught before that.
    """
    from fer import fer as package

    detector = package.FER(use_tflite=model == "tflite", offsets=(margin, margin))
    classify, caught = detector._classify_emotions, []

    def catch(faces: np.ndarray) -> Any:
        answers = classify(faces)
        caught.append(np.asarray(answers)[0])
        return answers

    detector._classify_emotions = catch

    def predict(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        detector.detect_emotions(image, [(0, 0, width, height)])
        return caught.pop()

    file = {"hdf5": "emotion_model.hdf5", "tflite": "emotion_model_quantized.tflite"}[model]
    path = Path(package.__file__).parent / "data" / file
    return Package(list(package.FER._get_labels().values()), predict, path)


def facex(model: str, margin: int) -> Package:
    """``EmotionClassifier.detect_emotion``, which ``predict`` calls with each face that it has found, in gray."""
    import cv2
    import facex as package

    path = Path(package.__file__).parent / "assets" / model
    classifier = package.EmotionClassifier(str(path))

    def predict(image: np.ndarray) -> np.ndarray:
        answer = classifier.detect_emotion(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        return np.array([answer[name] for name in classifier.category])

    return Package(list(classifier.category), predict, path)


def main(what: str, faces: str, answers: str) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    wanted = json.loads(what)
    package = {"fer": fer, "facex": facex}[wanted["package"]](wanted["model"], wanted["margin"])
    # Both packages take pictures in colour, as OpenCV reads them, and make them gray: these stay what they are.
    images = np.repeat(np.load(faces)[..., None], 3, axis=3)
    for image in images[:WARM_UP]:
        package.predict(image)
    probabilities, seconds = [], []
    for image in images:
        start = time.perf_counter(), time.process_time()
        probabilities.append(package.predict(image))
        seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    np.savez_compressed(
        answers,
        emotions=np.array(package.emotions),
        probabilities=np.array(probabilities, np.float32),
        seconds=np.array(seconds)[:, 0],
        processor_seconds=np.array(seconds)[:, 1],
        model_bytes=package.model.stat().st_size,
        versions=json.dumps({name: version(name) for name in (wanted["package"], *PACKAGES)}),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
