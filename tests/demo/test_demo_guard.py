"""What a request that somebody made up can do to the page: read no file, send nothing too large."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from fer_bench.demo.guard import Guard
from fer_bench.demo.look import content_of
from fer_bench.errors import InputError


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "face.png").write_bytes(b"face")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    return folder


def test_an_upload_is_read(uploads: Path):
    told = {"path": str(uploads / "face.png"), "orig_name": "my face.png", "url": "http://127.0.0.1/file=x"}
    assert content_of(told, uploads) == (b"face", "my face.png")
    frame = {"path": None, "url": f"data:image/webp;base64,{base64.b64encode(b'frame').decode()}", "orig_name": None}
    assert content_of(frame, uploads) == (b"frame", "picture")


@pytest.mark.parametrize(
    "payload",
    [
        {"path": "{uploads}/../secret.png"},
        {"path": "{uploads}/link.png"},
        {"path": "{uploads}/gone.png"},
        {"path": "{uploads}"},
        {"path": "/etc/hostname"},
        {"path": "a\0b"},
        {"path": None, "url": None},
        {"path": 7},
        {"url": 7},
        {"url": "data:image/png;base64,!!!", "path": None},
        {"url": "http://example.org/a.png", "path": None},
        {},
        [],
        "picture.png",
    ],
    ids=str,
)
def test_nothing_else_is(uploads: Path, payload: Any):
    if isinstance(payload, dict) and isinstance(payload.get("path"), str):
        payload = {**payload, "path": payload["path"].format(uploads=uploads)}
    with pytest.raises(InputError, match="did not arrive"):
        content_of(payload, uploads)


@pytest.mark.parametrize(
    ("method", "length", "passed"),
    [
        ("POST", b"1000", True),
        ("POST", b"1001", False),
        ("POST", None, False),
        ("PUT", b"1e2", False),
        ("GET", None, True),
    ],
)
def test_a_body_is_bounded_and_pages_ask_nobody_else(method: str, length: bytes | None, passed: bool):
    pytest.importorskip("starlette")
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b"passed"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the body of a request that is refused is not read")

    headers = [] if length is None else [(b"content-length", length)]
    asyncio.run(Guard(app, most=1000)({"type": "http", "method": method, "headers": headers}, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == (200 if passed else 413)
    assert b"default-src 'self'" in dict(sent[0]["headers"])[b"content-security-policy"]
