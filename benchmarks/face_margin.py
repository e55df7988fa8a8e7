"""How wide are faces to be cut? As FER-2013's were: this measures it and writes face_margin.md.

    python -m benchmarks.face_margin --model fer-net.onnx --data fer2013.csv

Faces of the validation part (PublicTest; the test part is never looked at) are enlarged and put into pictures. The
detector of ``fer-bench predict`` looks for them there. Where its boxes lie, compared with the faces' own frames, tells
the margin; a trained model's accuracy on what is cut with other margins and shifts tells what it is worth.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from fer_bench.data.dataset import EMOTIONS, USAGES
from fer_bench.data.load import load_dataset
from fer_bench.inference.detectors import DETECTORS, Detector, as_gray, detector
from fer_bench.inference.face import Box
from fer_bench.inference.faces import MARGIN, cut

PAGE = Path(__file__).with_name("face_margin.md")
SIZE = 48
NEWLINE = "\n"
#: How many times larger a face is in its picture.
SCALES = (2.0, 4.0)
MARGINS = (-0.2, -0.1, -0.05, 0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
#: Parts of the box's side by which the cut is moved down.
SHIFTS = (-0.05, 0.0, 0.05)
#: What is around a face: its own mirror image, its edge, gray, or a photograph without faces.
AROUND = ("mirrored", "edge", "gray", "photograph")
_BORDERS = {"mirrored": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE, "gray": cv2.BORDER_CONSTANT}


class Scene(NamedTuple):
    """A picture with one face: its label, and the square that the face fills, as left, top and side."""

    gray: np.ndarray
    label: int
    frame: tuple[int, int, int]
    around: str


class Found(NamedTuple):
    """A scene in which a box was found where the face is; ``offset`` and ``width`` are parts of the face's side."""

    scene: Scene
    box: Box
    offset: tuple[float, float]
    width: float


def scenes(images: np.ndarray, labels: np.ndarray, seed: int) -> list[Scene]:
    """Each face in a picture twice its size, or more; scale and surroundings take turns, the photograph's place is
    drawn at random.
    """
    from skimage import data

    photographs = [as_gray(each) for each in (data.coffee(), data.chelsea(), data.rocket())]
    rng = np.random.default_rng(seed)
    made = []
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        around = AROUND[number % len(AROUND)]
        side = round(SIZE * rng.uniform(*SCALES))
        face = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        pad = side // 2
        if around == "photograph":
            photograph = photographs[rng.integers(len(photographs))]
            rows, columns = (rng.integers(0, length - 150) for length in photograph.shape)
            gray = cv2.resize(photograph[rows : rows + 150, columns : columns + 150], (side + 2 * pad,) * 2)
            gray[pad : pad + side, pad : pad + side] = face
        else:
            gray = cv2.copyMakeBorder(face, pad, pad, pad, pad, _BORDERS[around], value=128)
        made.append(Scene(gray, int(label), (pad, pad, side), around))
    return made


def look(made: Sequence[Scene], detect: Detector) -> list[Found]:
    """The scenes whose face was found, each with the surest box whose middle is in the face's middle half."""
    found = []
    for scene in made:
        left, top, side = scene.frame
        for box in detect(scene.gray):
            right = (box.left + box.width / 2 - left) / side - 0.5
            down = (box.top + box.height / 2 - top) / side - 0.5
            if max(abs(right), abs(down)) < 0.25:
                found.append(Found(scene, box, (right, down), max(box.width, box.height) / side))
                break
    return found


class Classifier:
    """A trained model in the form that ``fer-bench export --format onnx`` writes."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.name = path.name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # threads that wait for work take it from others
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        told = self._session.get_modelmeta().custom_metadata_map.get("fer_bench")
        self.classes = tuple(json.loads(told)["classes"]) if told else EMOTIONS

    def __call__(self, images: np.ndarray) -> np.ndarray:
        name = self._session.get_inputs()[0].name
        parts = [self._session.run(None, {name: images[n : n + 256]})[0] for n in range(0, len(images), 256)]
        return np.concatenate(parts)


def accuracy(model: Classifier, images: Sequence[np.ndarray], labels: Sequence[int]) -> float:
    said = model(np.stack(images)).argmax(1)
    return float(np.mean([model.classes[one] == EMOTIONS[label] for one, label in zip(said, labels, strict=True)]))


def cuts(found: Sequence[Found], margin: float, shift: float) -> list[np.ndarray]:
    return [
        cut(one.scene.gray, replace(one.box, top=round(one.box.top + shift * one.box.height)), margin) for one in found
    ]


def geometry(made: Sequence[Scene], found: Sequence[Found]) -> list[str]:
    """A table of where boxes lie, by what is around the face."""
    lines = [
        "| Around the face | Pictures | Found | Box's side, quartiles | To the right | Down | Margin |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for around in (*AROUND, "**all**"):
        those = [one for one in found if around in (one.scene.around, "**all**")]
        count = sum(around in (scene.around, "**all**") for scene in made)
        low, middle, high = np.percentile([one.width for one in those], (25, 50, 75))
        right, down = np.median([one.offset for one in those], axis=0)
        lines.append(
            f"| {around} | {count:,} | {len(those) / count:.1%} | {low:.2f} {middle:.3f} {high:.2f} | {right:+.3f} |"
            f" {down:+.3f} | {1 / middle - 1:+.3f} |"
        )
    return lines


def grid(found: Sequence[Found], model: Classifier) -> list[str]:
    """A table of the model's accuracy by margin and shift, in per cent."""
    labels = [one.scene.label for one in found]
    scored = [[accuracy(model, cuts(found, margin, shift), labels) for shift in SHIFTS] for margin in MARGINS]
    best = max(max(row) for row in scored)
    lines = [
        f"| Margin | {' | '.join(f'{shift:+.2f}' for shift in SHIFTS)} |",
        "| --: |" + " --: |" * len(SHIFTS),
    ]
    for margin, row in zip(MARGINS, scored, strict=True):
        cells = (f"**{100 * cell:.1f}**" if cell == best else f"{100 * cell:.1f}" for cell in row)
        lines.append(f"| {margin:+.2f} | {' | '.join(cells)} |")
    return lines


def frames(found: Sequence[Found]) -> list[np.ndarray]:
    """The faces' own frames, enlarged and made small again: what the best of all cuts would be."""
    squares = [one.scene.frame for one in found]
    boxes = [Box(left, top, side, side) for left, top, side in squares]
    return [cut(one.scene.gray, box, 0) for one, box in zip(found, boxes, strict=True)]


def astronaut(detect: Detector, model: Classifier) -> list[str]:
    """A table of what the model says of a real photograph's one face, by margin."""
    from skimage import data

    gray = as_gray(data.astronaut())
    box = detect(gray)[0]
    lines = ["| Margin | Most probable | Probability |", "| --: | --- | --: |"]
    for margin in MARGINS:
        answer = model(cut(gray, box, margin)[None])[0]
        lines.append(f"| {margin:+.2f} | {model.classes[answer.argmax()]} | {answer.max():.2f} |")
    return lines


def page(given: Any, detect: Detector, model: Classifier) -> str:
    data = load_dataset(given.data)
    rows = np.flatnonzero(data.usage == USAGES.index("PublicTest"))
    rows = np.sort(np.random.default_rng(given.seed).permutation(rows)[: given.faces])
    made = scenes(data.images[rows], data.labels[rows], given.seed)
    found = look(made, detect)
    labels = [one.scene.label for one in found]
    whole = accuracy(model, [data.images[row] for row in rows], data.labels[rows].tolist())
    whole_found = accuracy(model, frames(found), labels)
    half = 1.96 * math.sqrt(whole_found * (1 - whole_found) / len(found))
    own = f"{100 * whole_found:.1f} (give or take {100 * half:.1f})"
    other = "" if given.detector == "haar" else f" --detector {given.detector}"
    command = f"python -m benchmarks.face_margin --model {model.name} --faces {given.faces} --seed {given.seed}{other}"
    return f"""# How wide a face is cut

Made by `{command}`
with OpenCV {cv2.__version__}. {len(rows):,} validation faces (PublicTest) of {data.name},
enlarged {SCALES[0]:g} to {SCALES[1]:g} times, were put into pictures; the detector `{given.detector}` looked for them.
No test image was used.

## Where the detector's boxes lie

The side of a box, and how far its middle is from the middle of the face's own frame, are parts of that frame's side.
*Margin* is by how much the middle box would have to be widened to be as large as the frame.

{NEWLINE.join(geometry(made, found))}

## What a model makes of the cuts

Accuracy in per cent on the {len(found):,} faces that were found, by margin (rows) and by how far the cut is moved down
(columns, parts of the box's side). What a cut of more than the frame holds beside the face is made up here, so that
large margins may look worse than they would in photographs. On the faces' own frames, enlarged and made small again, it
is {own}; on all {len(rows):,} faces as they are in the file, found or not, {100 * whole:.1f}.

{NEWLINE.join(grid(found, model))}

## A photograph

scikit-image's astronaut, who smiles:

{NEWLINE.join(astronaut(detect, model))}

`MARGIN` in `fer_bench/inference/faces.py` is {MARGIN:g}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how wide faces are to be cut, and writes face_margin.md.")
    parser.add_argument("--model", type=Path, required=True, help="a model that fer-bench export has written as ONNX")
    parser.add_argument("--data", help="FER-2013 (default: as fer-bench finds it)")
    parser.add_argument("--faces", type=int, default=1200, help="how many validation faces (default: 1200)")
    parser.add_argument("--seed", type=int, default=0, help="which faces, and how large (default: 0)")
    parser.add_argument("--detector", choices=DETECTORS, default="haar", help="what looks for them (default: haar)")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    text = page(given, detector(given.detector), Classifier(given.model))
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
