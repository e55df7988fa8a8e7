"""The benchmark of how faces are cut finds a margin that is known beforehand."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_bench.data.dataset import EMOTIONS
from fer_bench.inference.detectors import Detector
from fer_bench.inference.face import Box

# At the end, so that the package under test stays the installed one.
sys.path.append(str(Path(__file__).resolve().parents[2]))
face_margin = pytest.importorskip("benchmarks.face_margin")

FACES = np.random.default_rng(0).integers(0, 256, (28, 6, 6), np.uint8).repeat(8, 1).repeat(8, 2)
LABELS = np.arange(28, dtype=np.int8) % 7


@pytest.fixture(scope="module")
def made() -> list[Any]:
    return face_margin.scenes(FACES, LABELS, seed=3)


def exact(scene: Any) -> Box:
    left, top, side = scene.frame
    return Box(left, top, side, side, 1.0)


class Twin:
    """A model that knows each face by heart: the label of the most similar one."""

    classes = EMOTIONS

    def __call__(self, images: np.ndarray) -> np.ndarray:
        known, asked = (each.reshape(len(each), -1).astype(float) for each in (FACES, images))
        nearest = ((asked[:, None] - known[None]) ** 2).sum(-1).argmin(1)
        return np.eye(7)[LABELS[nearest]]


def test_faces_stand_where_it_is_said(made: list[Any]) -> None:
    found = face_margin.look(made, boxes_of(made))
    assert [one.scene.around for one in found] == [face_margin.AROUND[n % 4] for n in range(28)]
    assert face_margin.accuracy(Twin(), face_margin.frames(found), LABELS.tolist()) == 1
    for image, face in zip(face_margin.frames(found), FACES, strict=True):
        assert np.abs(image.astype(int) - face).mean() < 12


def boxes_of(made: list[Any], factor: float = 1.0) -> Detector:
    """A detector that knows where the face is, and draws a box so many times as wide around it."""
    by_picture = {scene.gray.tobytes(): exact(scene) for scene in made}

    def detect(gray: np.ndarray) -> list[Box]:
        box = by_picture[gray.tobytes()]
        side, more = round(box.width * factor), round(box.width * (factor - 1) / 2)
        there = replace(box, left=box.left - more, top=box.top - more, width=side, height=side)
        return [replace(there, left=there.left + box.width), there]  # another one first, beside the face

    return detect


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_the_margin_makes_up_for_the_detectors_boxes(factor: float, made: list[Any]) -> None:
    lines = face_margin.geometry(made, face_margin.look(made, boxes_of(made, factor)))
    *_, found, _, right, down, margin, _ = (cell.strip() for cell in lines[-1].split("|"))
    assert found == "100.0%"
    assert abs(float(right)) < 0.01
    assert abs(float(down)) < 0.01
    assert abs(float(margin) - (1 / factor - 1)) < 0.02


def test_the_best_cut_is_the_frame(made: list[Any]) -> None:
    lines = face_margin.grid(face_margin.look(made, boxes_of(made, 1 / 1.2)), Twin())
    cells = {line.split("|")[1].strip(): [cell.strip(" *") for cell in line.split("|")[2:-1]] for line in lines[2:]}
    assert len(cells) == len(face_margin.MARGINS)
    assert cells["+0.20"][face_margin.SHIFTS.index(0.0)] == "100.0"
    assert float(cells["-0.20"][face_margin.SHIFTS.index(0.0)]) < 100
