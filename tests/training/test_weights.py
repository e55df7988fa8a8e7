"""Where first weights come from; no test here needs a network, and none uses one."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from fer_bench.errors import InputError
from fer_bench.training import weights

SHAPE = (32, 32, 3)
#: MobileNet at a quarter of its width is the smallest of keras.applications.
SMALL = {"alpha": 0.25, "name": "backbone"}


def backbone(source: str):
    return weights.backbone("MobileNet", SHAPE, source, **SMALL)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch):
    """``backbone`` for an application of two layers, which builds at once."""
    import keras

    def application(weights: None, include_top: bool, input_shape: tuple[int, int, int], name: str):
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.Conv2D(8, 3)(keras.layers.Conv2D(4, 3)(inputs)), name=name)

    monkeypatch.setattr(keras.applications, "Tiny", application, raising=False)
    return lambda source: weights.backbone("Tiny", SHAPE, source, name="backbone")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float | None]:
    """Nothing cached, and each download fails as urllib does; collects the time-outs in force."""
    timeouts: list[float | None] = []

    def refuse(*args: object, **kwargs: object) -> None:
        timeouts.append(socket.getdefaulttimeout())
        raise OSError("Network is unreachable")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refuse)
    return timeouts


def test_imagenet_that_cannot_be_had_fails_clearly(offline):
    with pytest.raises(InputError) as raised:
        backbone("imagenet")
    message = str(raised.value)
    assert "\n" not in message
    for part in ("MobileNet", "Network is unreachable", "--weights random"):
        assert part in message
    assert offline == [weights.TIMEOUT]
    assert socket.getdefaulttimeout() is None


def test_auto_takes_random_and_says_so(offline, capsys):
    import keras

    keras.utils.set_random_seed(1)
    model, init = backbone("auto")
    said = capsys.readouterr()
    assert init == "random"
    assert said.out == ""
    assert len([line for line in said.err.splitlines() if "random ones taken" in line]) == 1
    keras.utils.set_random_seed(1)
    plain, _ = backbone("random")
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg="the failed download changed the initial weights")


def test_auto_takes_imagenet_where_it_is(monkeypatch, tmp_path):
    source, _ = backbone("random")
    cached = tmp_path / "mobilenet.weights.h5"
    source.save_weights(cached)
    monkeypatch.setattr("keras.src.applications.mobilenet.file_utils.get_file", lambda *a, **k: str(cached))
    model, init = backbone("auto")
    assert init == "imagenet"
    np.testing.assert_array_equal(model.get_weights()[0], source.get_weights()[0])


@pytest.mark.parametrize(
    ("saved", "name"),
    [
        ("own.weights.h5", "own.weights.h5"),
        ("own.keras", "own.keras"),
        ("own.h5", "own.h5"),
        ("own.weights.h5", "own.hdf5"),  # what a file is, its content says
        ("own.h5", "own.HDF5"),
        ("own.weights.h5", "epoch-12.h5"),
        ("own.h5", "own.weights.h5"),
        ("own.keras", "own.zip"),
    ],
)
def test_a_file(tiny, tmp_path, saved, name):
    source, _ = tiny("random")
    path = tmp_path / saved
    source.save_weights(path) if saved.endswith(".weights.h5") else source.save(path)
    path = path.rename(tmp_path / name)
    model, init = tiny(str(path))
    assert init == f"file:{name}"
    for a, b in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_files_that_can_not_be_used(tiny, tmp_path):
    import keras

    with pytest.raises(InputError, match="no such file"):
        tiny(str(tmp_path / "none.weights.h5"))
    text = tmp_path / "weights.txt"
    text.write_text("1 2 3")
    with pytest.raises(InputError, match="neither a"):
        tiny(str(text))
    broken = tmp_path / "broken.weights.h5"
    broken.write_bytes(b"not HDF5")
    with pytest.raises(InputError, match="neither a"):
        tiny(str(broken))
    broken.write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        tiny(str(broken))
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    for name in ("other.weights.h5", "other.keras"):
        path = tmp_path / name
        other.save_weights(path) if name.endswith(".weights.h5") else other.save(path)
        with pytest.raises(InputError, match="does not fit"):
            tiny(str(path))
