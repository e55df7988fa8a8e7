"""The model that comes with the package: small, of the seven emotions, and asked where none is named."""

from __future__ import annotations

import importlib.resources

import pytest
from made_models import EMOTIONS

import fer_bench
from fer_bench.errors import InputError
from fer_bench.inference import onnx_model

FILE = importlib.resources.files("fer_bench.inference") / "shipped" / onnx_model.SHIPPED


@pytest.fixture
def shipped():
    if not FILE.is_file():
        pytest.skip("this installation comes without a model")
    return onnx_model.shipped()


def test_it_is_small_and_says_what_it_is(shipped):
    assert len(FILE.read_bytes()) <= 5_000_000
    assert shipped.classes == EMOTIONS
    assert shipped.key
    assert 0.655 < shipped.about["figures"]["accuracy"] < 0.8, "better than the package fer"


def test_it_is_asked_where_no_model_is_named(shipped):
    data = pytest.importorskip("skimage.data")
    (row,) = fer_bench.predict(data.astronaut())
    assert (row.model, row.emotion) == (shipped.name, "happiness")


def test_an_installation_without_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(onnx_model, "SHIPPED", "none.onnx")
    with pytest.raises(InputError, match="comes without a model; name one with --model"):
        onnx_model.shipped.__wrapped__()
