"""``fer_bench.predict``: what it takes, and what it says of what it does not."""

from __future__ import annotations

import numpy as np
import pytest
from made_models import EMOTIONS, linear, weights, write_onnx
from PIL import Image

import fer_bench
from fer_bench.errors import InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return fer_bench.open_model(str(write_onnx(tmp_path_factory.mktemp("models") / "linear.onnx")))


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def wanted(images: np.ndarray) -> list[str]:
    return [EMOTIONS[at] for at in linear(images, weights()).argmax(axis=1)]


def test_arrays_of_faces(model):
    found = fer_bench.predict(faces(40), model)
    assert [row.emotion for row in found] == wanted(faces(40))
    assert [row.source for row in found] == [f"image {number}" for number in range(40)]
    assert all(isinstance(row, fer_bench.Row) and row.box is None for row in found)
    assert fer_bench.predict(faces(1)[0], model)[0].emotion == wanted(faces(1))[0]
    assert [row.emotion for row in fer_bench.predict(list(faces(3)), model)] == wanted(faces(3))
    assert fer_bench.predict(faces(0), model) == []
    np.testing.assert_allclose(
        [list(row.probabilities.values()) for row in found], linear(faces(40), weights()), atol=1e-5
    )


def test_a_model_by_its_name_and_faces_by_policy(tmp_path):
    path = write_onnx(tmp_path / "linear.onnx")
    photo = np.kron(faces(1)[0], np.ones((8, 8), np.uint8))
    (row,) = fer_bench.predict(photo, str(path), faces="none")
    assert (row.emotion, row.model) == (wanted(faces(1))[0], "linear")
    (row,) = fer_bench.predict(np.zeros((400, 600, 3), np.uint8), str(path), faces="all")
    assert (row.emotion, row.note, row.model, row.probabilities) == ("", "no face", "", {})


def test_paths_and_folders(model, tmp_path):
    (tmp_path / "folder").mkdir()
    for number, image in enumerate(faces(3)):
        Image.fromarray(image).save(tmp_path / "folder" / f"{number}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "folder" / "0.png").read_bytes()[:100])
    found = fer_bench.predict([tmp_path / "folder", str(tmp_path / "broken.png"), faces(1)[0]], model)
    assert [row.emotion for row in found] == [*wanted(faces(3)), "", wanted(faces(1))[0]]
    assert found[3].note
    assert found[3].source == str(tmp_path / "broken.png")
    assert fer_bench.predict(tmp_path / "folder" / "2.png", model)[0].emotion == wanted(faces(3))[2]


@pytest.mark.parametrize(
    "array", [np.zeros((48, 48)), np.zeros((48, 48, 4), np.uint8), np.zeros((2, 30, 30), np.uint8), np.zeros((0, 5), np.uint8)]
)  # fmt: skip
def test_an_array_that_is_no_picture_is_refused(model, array):
    with pytest.raises(InputError, match=r"image 0: an array .*\(H, W\) gray or \(H, W, 3\) RGB, uint8"):
        fer_bench.predict(array, model)


def test_what_is_not_there_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        fer_bench.predict(tmp_path / "none.png", model)
    with pytest.raises(InputError, match="no such file"):
        fer_bench.predict(faces(1), "none.onnx")
    with pytest.raises(InputError, match="policy"):
        fer_bench.predict(faces(1), model, faces="some")


@pytest.mark.parametrize("given", [None, 5, b"a.jpg", [None], object()])
def test_what_is_no_picture_is_said(model, given):
    with pytest.raises(InputError, match=r"is neither a path, an address, nor an array"):
        fer_bench.predict(given, model)
