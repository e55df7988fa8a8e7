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


def passed(headers: list[tuple[bytes, bytes]], chunks: list[bytes]) -> tuple[list[bytes], list[Any]]:
    """What of a request's body reaches the page, and what is answered; at most 1,000 bytes are let through."""
    pytest.importorskip("starlette")
    read: list[bytes] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            read.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b"done"})

    async def receive() -> Any:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(app, most=1000)({"type": "http", "method": "POST", "headers": headers}, receive, send))
    return read, sent


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"1000")]])
def test_a_body_of_some_size_passes_and_pages_ask_nobody_else(headers: list[tuple[bytes, bytes]]):
    read, sent = passed(headers, [b"a" * 600, b"b" * 400])
    assert b"".join(read) == b"a" * 600 + b"b" * 400
    assert [message.get("status") for message in sent] == [200, None]
    assert b"default-src 'self'" in dict(sent[0]["headers"])[b"content-security-policy"]


@pytest.mark.parametrize("length", [b"1001", b"-1", b"1e2", b""])
def test_a_body_that_says_it_is_larger_is_not_read(length: bytes):
    read, sent = passed([(b"content-length", length)], [b"a"])
    assert read == []
    assert sent[0]["status"] == 413


def test_a_body_that_does_not_say_so_is_given_up():
    read, sent = passed([], [b"a" * 600] * 1000)
    assert read == [b"a" * 600]
    assert sent == []
