"""YuNet: its file is fetched once, known by its checksum, and its boxes come back in the picture's own pixels."""

from __future__ import annotations

import hashlib
import math
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fer_bench.errors import InputError
from fer_bench.inference.detectors import YuNet
from fer_bench.inference.faces import FaceFinder
from fer_bench.inference.yunet_file import NAME, yunet_file

CONTENT = b"stands for a network"
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "detectors" / NAME


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Of a server on this host that has the file."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / NAME).write_bytes(CONTENT)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web")))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/{NAME}"
    httpd.shutdown()
    httpd.server_close()


def test_the_file_is_fetched_once(cache: Path, url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert yunet_file(url, SUM) == cache
    assert cache.read_bytes() == CONTENT
    (tmp_path / "web" / NAME).unlink()
    assert yunet_file(url, SUM) == cache
    assert capfd.readouterr() == ("", "")


def test_another_file_is_refused_and_not_kept(cache: Path, url: str) -> None:
    with pytest.raises(InputError, match="the detector yunet needs its file, which can't be fetched"):
        yunet_file(url, "0" * 64)
    assert list(cache.parent.iterdir()) == []
    cache.write_bytes(CONTENT + b"!")
    with pytest.raises(InputError, match=r"not the file .* that is known by its checksum; take it away"):
        yunet_file(url, SUM)


def test_offline_a_line_tells_what_to_put_where(cache: Path) -> None:
    with pytest.raises(InputError) as told:
        yunet_file("http://127.0.0.1:1/file.onnx", SUM)
    assert str(told.value).endswith(f"download http://127.0.0.1:1/file.onnx and put it at {cache}")
    assert len(str(told.value)) < 400 + len(str(cache))


def test_without_pooch_a_line_tells_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(InputError, match=r"pip install 'fer-bench\[yunet\]', or download https://"):
        FaceFinder("all", "yunet")


def stand_in(path: Path, height: int, width: int, cell: tuple[int, int], side: tuple[float, float]) -> Path:
    """A network with YuNet's outputs for pictures of one size: one face, in a cell of 8 pixels, so wide and high."""
    from onnx import TensorProto, helper, numpy_helper, save

    nodes, outputs, constants = [], [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    for stride in (8, 16, 32):
        rows, columns = height // stride, width // stride
        for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            name = f"{kind}_{stride}"
            value = np.zeros((1, rows * columns, channels), np.float32)
            if stride == 8:
                at = cell[0] * columns + cell[1]
                value[0, at] = {"cls": 1, "obj": 0.81, "bbox": [0.5, 0.5, *np.log(np.array(side) / 8)], "kps": 0}[kind]
            weights = constant(f"w_{name}", np.zeros((channels, 3, 1, 1), np.float32))
            shape = constant(f"s_{name}", np.array(value.shape))
            nodes += [
                helper.make_node("Conv", ["input", weights], [f"c_{name}"], strides=[stride, stride]),
                helper.make_node("Reshape", [f"c_{name}", shape], [f"r_{name}"]),
                helper.make_node("Add", [f"r_{name}", constant(f"a_{name}", value)], [name]),
            ]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, (1, 3, height, width))
    graph = helper.make_graph(nodes, "stand-in", [image], outputs, constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize(("times", "channels"), [(1, 3), (1, 1), (4, 3)])
def test_boxes_are_in_the_pictures_own_pixels(times: int, channels: int, tmp_path: Path) -> None:
    """A picture four times as large is looked at in 800 pixels, and one of 800 as it is."""
    detect = YuNet(stand_in(tmp_path / "net.onnx", 608, 800, (20, 50), (80, 120)))
    pixels = np.zeros((608 * times, 800 * times, 3)[: 3 if channels == 3 else 2], np.uint8)
    (box,) = detect(pixels)
    middle = np.array([50.5 * 8, 20.5 * 8])
    found = np.array([box.left + box.width / 2, box.top + box.height / 2, box.width, box.height])
    np.testing.assert_allclose(found, np.array([*middle, 80, 120]) * times, atol=1)
    assert box.score == pytest.approx(math.sqrt(0.81), abs=1e-3)


def test_a_file_that_opencv_cant_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(CONTENT)
    with pytest.raises(InputError, match="OpenCV can't read it"):
        YuNet(tmp_path / "net.onnx")
