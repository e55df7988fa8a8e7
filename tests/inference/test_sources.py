"""Sources are told apart, read in order, and what can't be read is named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from made_videos import make_video
from PIL import Image

from fer_bench.errors import InputError
from fer_bench.inference.face import Picture, Unreadable
from fer_bench.inference.sources import open_sources


def save(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((30, 40), value, np.uint8)).save(path)
    return path


def test_one_that_cant_be_read_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    good, bad, last = save(tmp_path / "a.png", 1), tmp_path / "b.png", save(tmp_path / "c.png", 3)
    bad.write_text("no picture")
    found = list(open_sources([str(good), str(bad), str(last)]))
    assert [one.source for one in found] == [str(good), str(bad), str(last)]
    assert [int(one.pixels[0, 0]) for one in found if isinstance(one, Picture)] == [1, 3]
    assert found[1] == Unreadable(
        str(bad), "not an image that can be read (PNG, JPEG, JPEG2000, BMP, GIF, WEBP, TIFF, PPM, AVIF can)"
    )


def test_a_folder_is_read_whole_in_order(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.jpg", "a/x/9.bmp", "c.png", "B.PNG"):
        save(tmp_path / name)
    make_video(tmp_path / "b" / "clip.avi", 2)
    save(tmp_path / "named.png").rename(tmp_path / "named")
    (tmp_path / "notes.txt").write_text("-")
    (tmp_path / "a" / "photo.heic").write_bytes(b"-")
    (tmp_path / ".hidden.png").write_bytes(b"-")
    told: list[str] = []
    found = list(open_sources([str(tmp_path)], note=told.append))
    names = [str(Path(one.source).relative_to(tmp_path)) for one in found]
    assert names == ["B.PNG", "a/x/9.bmp", "b/1.jpg", "b/2.png", "b/clip.avi", "b/clip.avi", "c.png", "named"]
    assert all(isinstance(one, Picture) for one in found)
    assert told == [
        f"{tmp_path}: not read: 1 image of a kind that can't be read: a/photo.heic",
        f"{tmp_path}: not read: 1 other file: notes.txt",
        f"{tmp_path}: not read: 1 hidden or system file: .hidden.png",
    ]


def test_nothing_is_read_before_all_sources_are_there(tmp_path: Path) -> None:
    good = str(save(tmp_path / "a.png"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("-")
    os.mkfifo(tmp_path / "pipe")
    for given, told in {
        tmp_path / "none.png": "no such file or folder",
        tmp_path / "a.png" / "inner": "no such file or folder",
        tmp_path / "empty": "no picture or video in it or below; it holds nothing",
        tmp_path / "texts": "no picture or video in it or below; it holds 1 other file: a.txt",
        tmp_path / "pipe": "neither a plain file nor a folder",
        "file:///etc/passwd": "addresses begin with http:// or https://; give the file's path",
        "ftp://host/a.png": "addresses begin with",
        "http://": "an address without a host",
        "http://[::1/a.png": "no address",
    }.items():
        with pytest.raises(InputError, match=told):
            open_sources([good, str(given)])
    with pytest.raises(InputError, match="nothing to read"):
        open_sources([])
    with pytest.raises(InputError, match="at least 1"):
        open_sources([good], every=0)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(InputError, match="user's name") as told:
        open_sources(["https://me:secret@example.org/a.png"])
    assert "secret" not in str(told.value)


def test_files_are_opened_when_it_is_their_turn(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a.png"), save(tmp_path / "b.png")
    sources = open_sources([str(first), str(second)])
    assert isinstance(next(sources), Picture)
    second.unlink()
    assert next(sources) == Unreadable(str(second), "can't be read (No such file or directory)")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png")
    with path.open("r+b") as file:
        file.truncate((64 << 20) + 1)
    (found,) = open_sources([str(path)])
    assert found == Unreadable(str(path), "more than 67,108,864 bytes, which are the limit of a picture")
