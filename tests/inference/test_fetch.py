"""Addresses: what a server answers is read, bounded, or refused in one line; the server is a real one, on this host."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from made_videos import make_video
from PIL import Image

from fer_bench.errors import InputError
from fer_bench.inference.face import Picture, Unreadable
from fer_bench.inference.fetch import fetch
from fer_bench.inference.sources import open_sources

PIXELS = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40).astype(np.uint8)
_out = io.BytesIO()
Image.fromarray(PIXELS).save(_out, "PNG")
PICTURE = _out.getvalue()


class Answers(BaseHTTPRequestHandler):
    """One answer for each path."""

    video = b""
    asked: list[str] = []
    go_on = threading.Event()

    def do_GET(self) -> None:
        self.asked.append(self.headers["User-Agent"])
        name = self.path.split("?")[0].strip("/").split(".")[0].replace("%20", "_")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who asked has heard enough
            getattr(self, name, self.missing)()

    def log_message(self, *_: object) -> None:
        pass

    def say(self, code: int, content: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is None or length >= 0:
            self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def picture(self) -> None:
        self.say(200, PICTURE, Content_Type="image/png")

    def a_b(self) -> None:
        self.picture()

    def plain(self) -> None:
        self.say(200, PICTURE)

    def clip(self) -> None:
        self.say(200, self.video, Content_Type="video/x-msvideo")

    def text(self) -> None:
        self.say(200, b"a text", Content_Type="text/plain; charset=utf-8")

    def liar(self) -> None:
        self.say(200, b"a text", Content_Type="image/png")

    def moved(self) -> None:
        self.say(302, b"moved", Location="/picture.png")

    def round(self) -> None:
        self.say(301, Location="/round")

    def inside(self) -> None:
        self.say(302, Location="file:///etc/passwd")

    def nowhere(self) -> None:
        self.say(302)

    def large(self) -> None:
        self.say(200, b"", 200_000_000, Content_Type="image/jpeg")

    def short(self) -> None:
        self.say(200, PICTURE[:50], len(PICTURE), Content_Type="image/png")

    def endless(self) -> None:
        self.say(200, b"", -1, Content_Type="image/jpeg")
        while True:
            self.wfile.write(bytes(1 << 16))

    def sends_on(self) -> None:
        """Redirects, with an endless text beside."""
        self.say(302, b"", -1, Location="/picture.png")
        while True:
            self.wfile.write(bytes(1 << 16))

    def silent(self) -> None:
        self.go_on.wait()

    def half(self) -> None:
        self.say(200, PICTURE[:50], len(PICTURE), Content_Type="image/png")
        self.wfile.flush()
        self.go_on.wait()

    def missing(self) -> None:
        self.say(404, b"<html>" * 1000, Content_Type="text/html")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    Answers.video = make_video(tmp_path_factory.mktemp("video") / "a.avi", 4).read_bytes()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    Answers.go_on.set()
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.parametrize("path", ["/picture.png", "/plain", "/moved", "/sends_on", "/a b.png?size=large#face"])
def test_a_picture_at_an_address(server: str, path: str) -> None:
    (picture,) = open_sources([server + path])
    assert isinstance(picture, Picture)
    assert picture.source == server + path
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    assert Answers.asked[-1].startswith("fer-bench/")


def test_a_video_at_an_address(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = open_sources([f"{server}/clip.avi"])
    assert next(found).source == f"{server}/clip.avi"
    assert len(list(tmp_path.iterdir())) == 1
    assert [one.frame for one in found if isinstance(one, Picture)] == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/none.png", "the server answers 404 Not Found"),
        ("/text", "the answer is 'text/plain' and no picture; give the picture's own address"),
        ("/liar.png", "not an image that can be read (PNG, JPEG, JPEG2000, BMP, GIF, WEBP, TIFF, PPM, AVIF can)"),
        ("/round", "redirected more than 5 times"),
        ("/inside", "'file:///etc/passwd': addresses begin with http:// or https://; give the file's path"),
        ("/nowhere", "the server answers 302 Found"),
        ("/large.jpg", "200,000,000 bytes; 67,108,864 bytes are the limit; download it first"),
        ("/endless", "an answer without end, or of more bytes than it should have; 67,108,864 bytes are the limit; download it first"),
        ("/short.png", f"the answer ends early: 50 of {len(PICTURE)} bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_answer_is_one_line(server: str, path: str, told: str) -> None:
    assert list(open_sources([server + path])) == [Unreadable(server + path, told)]


def test_what_does_not_answer_is_one_line() -> None:
    (found,) = open_sources(["http://127.0.0.1:1/a.png"])
    assert isinstance(found, Unreadable)
    assert found.reason.startswith("can't be fetched (")


@pytest.mark.parametrize("path", ["/silent", "/half"])
def test_nobody_is_waited_for_longer_than_the_limit(server: str, path: str) -> None:
    """The server goes on when the tests are over."""
    with pytest.raises(InputError, match=r"no whole answer within 0\.5 seconds"):
        fetch(server + path, most_seconds=0.5)
