"""From pictures to rows: in order, in batches, in a bounded memory; smoothed over time; explained."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from made_models import EMOTIONS, linear, weights

from fer_bench.inference import predict
from fer_bench.inference.explain import OCCLUSION, Sheet, heat, occlusion
from fer_bench.inference.face import Box, Crop, Picture, Unreadable
from fer_bench.inference.predict import Answer, answers, rows
from fer_bench.inference.smooth import overlap, smoothed


class Linear:
    """A model in Python, which counts how it is asked."""

    def __init__(self, name: str = "linear", seed: int = 0, classes: int = 7) -> None:
        self.name, self.key, self.source, self.classes = name, "", name, EMOTIONS[:classes]
        self.matrix = weights(classes, seed)
        self.batches: list[int] = []

    def __call__(self, images):
        self.batches.append(len(images))
        return linear(images, self.matrix).astype(np.float32)

    def close(self):
        pass


def picture(number: int, faces: int, frame: int | None = None) -> Picture:
    """A picture that holds ``faces`` faces side by side."""
    pixels = np.random.default_rng(number).integers(0, 256, (48, 48 * max(faces, 1)), dtype=np.uint8)
    return Picture(f"p{number}" if frame is None else "video", pixels, frame, None if frame is None else frame / 25)


def finder(counts):
    def find(given):
        number = given.frame if given.frame is not None else int(given.source[1:])
        return [
            Crop(given.pixels[:, 48 * at : 48 * at + 48], Box(48 * at, 0, 48, 48, 1.0)) for at in range(counts[number])
        ]

    return find


COUNTS = [1, 0, 3, 0, 0, 2, 40, 1, 1]


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 100])
def test_rows_come_in_order_and_do_not_depend_on_the_batch(batch):
    pictures = [picture(number, count) for number, count in enumerate(COUNTS)]
    pictures.insert(4, Unreadable("broken.png", "a damaged image"))
    models = [Linear("one"), Linear("six", 1, 6)]
    found = list(rows(pictures, models, finder(COUNTS), batch))
    wanted = []
    for one in pictures:
        if isinstance(one, Unreadable):
            wanted.append((one.source, "", "", "a damaged image"))
            continue
        faces = finder(COUNTS)(one)
        if not faces:
            wanted.append((one.source, "", "", "no face"))
        for face in faces:
            for model in models:
                said = linear(face.image[None], model.matrix)[0]
                wanted.append((one.source, model.name, model.classes[said.argmax()], ""))
                row = found[len(wanted) - 1]
                assert row.box == face.box
                assert list(row.probabilities) == list(model.classes)
                np.testing.assert_allclose(list(row.probabilities.values()), said, atol=1e-6)
    assert [(row.source, row.model, row.emotion, row.note) for row in found] == wanted
    assert max(models[0].batches) <= batch


def test_no_more_is_read_than_is_answered_at_a_time(monkeypatch):
    """Endless frames: what is read ahead has a bound in frames, in faces and in bytes."""
    read = 0

    def endless():
        nonlocal read
        for number in itertools.count():
            read += 1
            yield picture(number, 2, frame=number)

    found = answers(endless(), [Linear()], lambda given: finder([2] * 10**6)(given), batch=10)
    ahead = [read - number for number, _ in enumerate(itertools.islice(found, 200))]
    assert max(ahead) <= 5, "ten faces"
    read = 0
    found = answers(endless(), [Linear()], lambda given: [], batch=10)
    assert max(read - number for number, _ in enumerate(itertools.islice(found, 200))) <= 10
    monkeypatch.setattr(predict, "MOST_HELD", 3 * 48 * 96)
    read = 0
    found = answers(endless(), [Linear()], lambda given: [], batch=10)
    assert max(read - number for number, _ in enumerate(itertools.islice(found, 200))) <= 3


def frames(*said: list[tuple[Box | None, tuple[float, float]]], source: str = "video") -> list[Answer]:
    """Answers of one model with two classes: for each frame its faces, with their probabilities."""
    found = []
    for number, faces in enumerate(said):
        at = Picture(source, np.zeros((2, 2), np.uint8), number, number / 25)
        crops = tuple(Crop(np.zeros((48, 48), np.uint8), box) for box, _ in faces)
        values = np.array([numbers for _, numbers in faces], np.float32).reshape(-1, 2)
        found.append(Answer(at, crops, (values,) if faces else ()))
    return found


LEFT, MOVED, RIGHT = Box(0, 0, 10, 10), Box(2, 0, 10, 10), Box(50, 0, 10, 10)


def numbers(found) -> list[list[float]]:
    return [[float(value) for value in answer.probabilities[0][:, 0]] if answer.faces else [] for answer in found]


def test_smoothing_is_the_mean_of_each_face_over_the_last_frames():
    """By hand: the left face moves a little and changes its place in the list, the right one is away for a frame."""
    given = frames(
        [(LEFT, (1.0, 0.0)), (RIGHT, (0.0, 1.0))],
        [(MOVED, (0.5, 0.5))],
        [(RIGHT, (0.5, 0.5)), (LEFT, (0.0, 1.0))],
        [(LEFT, (0.0, 1.0))],
    )
    assert numbers(smoothed(given, 3)) == [[1.0, 0.0], [0.75], [0.25, 0.5], [pytest.approx(1 / 6)]]
    assert numbers(smoothed(given, 2)) == [[1.0, 0.0], [0.75], [0.5, 0.25], [0.0]], "away for as long as it takes"
    assert numbers(smoothed(given, 1)) == numbers(given)
    for answer in smoothed(given, 3):
        np.testing.assert_allclose(answer.probabilities[0].sum(axis=1), 1)


def test_smoothing_ends_with_a_video_and_leaves_pictures_alone():
    given = [*frames([(None, (1.0, 0.0))], [(None, (0.0, 1.0))]), *frames([(None, (0.0, 1.0))], source="other")]
    again = [*given[:2], *given[:2]]
    assert numbers(smoothed(given, 5)) == [[1.0], [0.5], [0.0]]
    assert numbers(smoothed(again, 5)) == [[1.0], [0.5], [1.0], [0.5]], "the same video once more"
    still = [Answer(Picture("p", np.zeros((2, 2), np.uint8)), one.faces, one.probabilities) for one in given]
    assert numbers(smoothed(still, 5)) == [[1.0], [0.0], [0.0]]


def test_the_best_pair_goes_first():
    """Two faces have moved right, so that the first overlaps where the second was."""
    first, second = Box(0, 0, 10, 10), Box(12, 0, 10, 10)
    given = frames(
        [(first, (1.0, 0.0)), (second, (0.0, 1.0))], [(Box(5, 0, 10, 10), (1.0, 0.0)), (Box(13, 0, 10, 10), (0.0, 1.0))]
    )
    assert numbers(smoothed(given, 2))[1] == [1.0, 0.0]
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert overlap(Box(0, 0, 10, 10), Box(10, 0, 10, 10)) == 0


class Plane:
    """Answers a probability that is linear in the pixels, so that what covering does can be told by hand."""

    name, key, source, classes = "plane", "", "", ("a", "b")

    def __init__(self) -> None:
        self.weights = np.random.default_rng(0).normal(0, 1e-6, (48, 48))

    def __call__(self, images):
        first = 0.5 + (images * self.weights).sum(axis=(1, 2))
        return np.stack([first, 1 - first], axis=1).astype(np.float64)

    def close(self):
        pass


def test_occlusion_of_a_linear_model():
    """The fall under a square is the sum of weights times what it changes; of a pixel, the mean over its squares."""
    model, image = Plane(), np.random.default_rng(1).integers(0, 256, (48, 48), dtype=np.uint8)
    gray, side, step = round(float(image.mean())), 8, 4
    falls = model.weights * (image.astype(float) - gray)
    wanted = np.zeros((48, 48))
    for row in range(48):
        for column in range(48):
            tops = [top for top in range(0, 41, step) if top <= row < top + side]
            lefts = [left for left in range(0, 41, step) if left <= column < left + side]
            wanted[row, column] = np.mean([falls[t : t + side, c : c + side].sum() for t in tops for c in lefts])
    np.testing.assert_allclose(occlusion(model, image, 0), wanted, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(occlusion(model, image, 1), -wanted, rtol=1e-4, atol=1e-9)
    found, method = heat(model, image, 0)
    assert method == OCCLUSION
    np.testing.assert_allclose(found, wanted.clip(0) / wanted.max(), rtol=1e-4, atol=1e-6)


def test_a_sheet_has_a_row_for_each_face_and_says_how_many_are_left_out(monkeypatch):
    import cv2

    monkeypatch.setattr("fer_bench.inference.explain.MOST_FACES", 2)
    models = [Linear("one"), Linear("other", 1)]
    sheet = Sheet(models, ["one", "other"])
    assert sheet.png() is None
    for number in range(3):
        face = picture(number, 1).pixels
        sheet.add(Crop(face), [model(face[None])[0] for model in models], "a face")
    assert sheet.left_out == 1
    image = cv2.imdecode(np.frombuffer(sheet.png(), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[0] > 2 * 192
    assert image.shape[1] > 3 * 192
