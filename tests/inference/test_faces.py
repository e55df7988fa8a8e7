"""Faces are found in made scenes, each once, and cut as squares; what each policy makes of a picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made_scenes import FACE, SIDE, no_face, one_face, two_faces

from fer_bench.errors import InputError
from fer_bench.inference.detectors import as_gray
from fer_bench.inference.face import Box, Crop, Picture
from fer_bench.inference.faces import FACES, FaceFinder, cut
from fer_bench.inference.pictures import as_face


@pytest.fixture(scope="module")
def find() -> FaceFinder:
    return FaceFinder("all")


def boxes(crops: list[Crop]) -> list[Box]:
    return [crop.box for crop in crops if crop.box]


def middle(box: Box) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


def is_at(box: Box, left: float, top: float, right: float, bottom: float) -> bool:
    """Whether a box is about as large as a face, and about where that is."""
    side, (across, down) = bottom - top, middle(box)
    near = max(abs(across - (left + right) / 2), abs(down - (top + bottom) / 2)) < 0.2 * side
    return near and 0.7 * side < box.width < 1.3 * side


def test_one_face(find: FaceFinder) -> None:
    (crop,) = find(Picture("a", one_face()))
    assert crop.box is not None
    assert is_at(crop.box, *FACE)
    assert (crop.image.shape, crop.image.dtype) == ((48, 48), np.uint8)
    assert crop.box.score is not None
    assert crop.box.score > 1


def test_two_faces_from_left_to_right(find: FaceFinder) -> None:
    left, right = boxes(find(Picture("a", two_faces())))
    assert is_at(left, *FACE)
    mirrored = (SIDE - FACE[2], FACE[1], SIDE - FACE[0], FACE[3])
    assert is_at(right, *(0.75 * at + (SIDE, 128)[n % 2] for n, at in enumerate(mirrored)))


def test_no_face(find: FaceFinder) -> None:
    assert find(Picture("a", no_face())) == []
    assert FaceFinder("auto")(Picture("a", no_face())) == []
    assert FaceFinder("largest")(Picture("a", no_face())) == []


def test_the_largest_face() -> None:
    (box,) = boxes(FaceFinder("largest")(Picture("a", two_faces())))
    assert is_at(box, *FACE)


def test_a_large_photograph_is_told_in_its_own_pixels(find: FaceFinder) -> None:
    """Eight times as large, it is looked at reduced; the box and the cut are those of the small one, but for its
    detail.
    """
    small, large = one_face(), cv2.resize(one_face(), None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    (crop,) = find(Picture("a", large))
    assert crop.box is not None
    assert is_at(crop.box, *(8 * at for at in FACE))
    as_small = cut(
        as_gray(small), Box(*(round(getattr(crop.box, at) / 8) for at in ("left", "top", "width", "height")))
    )
    assert np.abs(crop.image.astype(int) - as_small).mean() < 6


@pytest.mark.parametrize("side", [90, 180])
def test_a_face_that_fills_a_small_picture_is_found(side: int, find: FaceFinder) -> None:
    """Its box may leave the picture a little."""
    left, top, right, bottom = FACE
    tight = cv2.resize(one_face()[top:bottom, left:right], (side, side), interpolation=cv2.INTER_AREA)
    (crop,) = find(Picture("a", tight))
    assert crop.box is not None
    assert is_at(crop.box, 0, 0, side, side)


def test_gray_and_color_have_the_same_faces(find: FaceFinder) -> None:
    color, gray = find(Picture("a", one_face())), find(Picture("a", as_gray(one_face())))
    assert boxes(color) == boxes(gray)
    np.testing.assert_array_equal(color[0].image, gray[0].image)


def test_the_same_picture_has_the_same_faces(find: FaceFinder) -> None:
    picture = Picture("a", cv2.resize(two_faces(), (448, 256)))
    assert boxes(find(picture)) == boxes(find(picture)) == boxes(FaceFinder("all")(picture))


@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 3), (200, 90), (3, 700, 3), (1, 1)])
def test_none_takes_the_picture_for_the_face(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    (crop,) = FaceFinder("none")(Picture("a", pixels))
    assert crop.box is None
    np.testing.assert_array_equal(crop.image, pixels if shape == (48, 48) else as_face(Picture("a", pixels)))


def test_auto_takes_a_picture_of_the_models_size_for_the_face() -> None:
    """Even where a face could be found in it."""
    face = cv2.resize(as_gray(one_face())[40:200, 145:305], (48, 48), interpolation=cv2.INTER_AREA)
    (crop,) = FaceFinder("auto")(Picture("a", face))
    assert crop.box is None
    np.testing.assert_array_equal(crop.image, face)


def test_auto_finds_all_faces_in_a_photograph() -> None:
    assert len(boxes(FaceFinder("auto")(Picture("a", two_faces())))) == 2


def blank(height: int, width: int, frame: int | None = None, color: tuple[int, ...] = ()) -> Picture:
    pixels = np.full((height, width, *([3] if color else [])), color or 128, np.uint8)
    return Picture("a", pixels, frame, None if frame is None else 0.0)


@pytest.mark.parametrize(
    ("picture", "is_face"),
    [
        (blank(100, 100), True),
        (blank(224, 224), True),
        (blank(110, 90), True),
        (blank(100, 100, color=(90, 90, 90)), True),
        (blank(100, 100, color=(90, 90, 91)), False),
        (blank(110, 80), False),
        (blank(300, 300), False),
        (blank(100, 100, frame=3), False),
    ],
)
def test_auto_takes_a_small_gray_square_for_a_face_where_none_is_found(picture: Picture, is_face: bool) -> None:
    """So are cut faces, in which there may be too little around a face to find it; a video's frames are no such."""
    found = FaceFinder("auto")(picture)
    assert [crop.box for crop in found] == [None] * is_face
    assert FaceFinder("all")(picture) == []


@pytest.mark.parametrize("height", [1, 5, 23, 24, 25])
def test_pictures_of_any_size_are_looked_at(height: int, find: FaceFinder) -> None:
    assert find(blank(height, 400)) == []
    assert find(blank(400, height)) == []
    assert find(blank(height, 5000)) == []


def test_another_policy_or_detector_is_refused() -> None:
    assert FACES == ("auto", "all", "largest", "none")
    with pytest.raises(InputError, match="no policy 'some' for faces; there are auto, all, largest, none"):
        FaceFinder("some")
    for policy in FACES:
        with pytest.raises(InputError, match="no detector 'dlib'; there are haar, yunet"):
            FaceFinder(policy, "dlib")


RAMP = np.add.outer(np.arange(300), np.arange(300)).astype(float) / 600 * 255


@pytest.mark.parametrize("margin", [-0.2, 0.0, 0.5])
def test_a_cut_is_a_square_around_the_middle_of_the_box(margin: float) -> None:
    """On a plane that rises evenly, the mean of a square is the value at its middle, and its range tells its side."""
    box = Box(100, 80, 96, 120)
    image = cut(RAMP.astype(np.uint8), box, margin).astype(float)
    assert abs(image.mean() - (148 + 140) / 600 * 255) < 1.5
    side = (image[-1, -1] - image[0, 0]) / 255 * 600 / 2 * 48 / 47
    assert abs(side - 120 * (1 + margin)) < 4


def test_pixels_are_averaged_over_areas() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    expected = pixels[10:154, 20:164].reshape(48, 3, 48, 3).mean((1, 3))
    np.testing.assert_allclose(cut(pixels, Box(20, 10, 144, 144), 0), expected, atol=0.51)


def test_a_cut_beyond_the_picture_goes_on_as_its_edge() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8)
    padded = np.pad(pixels, 96, mode="edge")
    for left, top in ((-40, 20), (60, -30), (70, 80), (-10, -10)):
        box = Box(left, top, 96, 96)
        inside = Box(left + 96, top + 96, 96, 96)
        np.testing.assert_array_equal(cut(pixels, box, 0), cut(padded, inside, 0))
