"""Videos are read frame by frame, upright, in bounded memory; what is missing of one is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_videos import SIZE, make_video, shade

from fer_bench.errors import InputError
from fer_bench.inference.face import Picture, Unreadable
from fer_bench.inference.sources import open_sources

KINDS = [("avi", "MJPG"), ("mp4", "mp4v"), ("mkv", "mp4v"), ("webm", "VP80")]


def read(path: Path, every: int = 1) -> tuple[list[Picture], list[str]]:
    """The pictures of a source, and why others can't be read."""
    found = list(open_sources([str(path)], every=every))
    return [one for one in found if isinstance(one, Picture)], [
        one.reason for one in found if isinstance(one, Unreadable)
    ]


def bright(picture: Picture) -> float:
    return float(picture.pixels[10:-10, SIZE[0] // 2 + 10 : -10].mean())


@pytest.mark.parametrize(("suffix", "code"), KINDS)
def test_frames_with_number_and_time(suffix: str, code: str, tmp_path: Path) -> None:
    pictures, reasons = read(make_video(tmp_path / f"a.{suffix}", 30, code), every=7)
    assert reasons == []
    assert [picture.frame for picture in pictures] == [0, 7, 14, 21, 28]
    np.testing.assert_allclose([picture.time or 0 for picture in pictures], np.arange(0, 30, 7) / 25, atol=0.002)
    for picture in pictures:
        assert picture.source == str(tmp_path / f"a.{suffix}")
        assert abs(bright(picture) - shade(picture.frame or 0)) < 4


def test_colors_are_rgb(tmp_path: Path) -> None:
    pictures, _ = read(make_video(tmp_path / "a.avi", 1))
    red, green, blue = pictures[0].pixels[20:40, 10:30].reshape(-1, 3).mean(0)
    assert red > 200
    assert max(green, blue) < 60


def test_a_video_is_told_by_its_content_and_not_its_name(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", 3).rename(tmp_path / "clip.jpg")
    assert len(read(path)[0]) == 3


def test_a_phones_video_is_turned(tmp_path: Path) -> None:
    """The matrix of the track says by 90 degrees: what is red stands at the top then."""
    path = make_video(tmp_path / "a.mp4", 3, "mp4v")
    content = path.read_bytes()
    straight = b"".join(word.to_bytes(4, "big") for word in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    turned = b"".join(word.to_bytes(4, "big") for word in (0, 1 << 16, 0, 0xFFFF0000, 0, 0, 0, 0, 1 << 30))
    track = content.index(b"tkhd")
    assert content.count(straight, track) >= 1
    path.write_bytes(content[:track] + content[track:].replace(straight, turned, 1))
    pictures, _ = read(path)
    assert pictures[0].pixels.shape == (SIZE[0], SIZE[1], 3)
    top, bottom = pictures[0].pixels[10:30].mean((0, 1)), pictures[0].pixels[-30:-10].mean((0, 1))
    assert top[0] > 200
    assert top[1] < 60
    assert abs(bottom[0] - bottom[1]) < 20


@pytest.mark.parametrize("suffix", ["avi", "mkv"])
def test_a_video_that_ends_early_is_told(suffix: str, tmp_path: Path) -> None:
    path = make_video(tmp_path / f"a.{suffix}", 80, "MJPG" if suffix == "avi" else "mp4v")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    pictures, reasons = read(path, every=10)
    frames = [picture.frame for picture in pictures]
    assert frames == list(range(0, 10 * len(frames), 10))
    assert 1 < len(frames) < 8
    assert len(reasons) == 1
    assert reasons[0].startswith("the video ends early: ")
    assert reasons[0].endswith(" of 80 frames could be read")


SAY = """
import sys
from fer_bench.inference.sources import open_sources
for found in open_sources(sys.argv[1:]):
    print(found.reason)
"""


def test_a_broken_video_is_one_line(tmp_path: Path) -> None:
    """In a process of its own: FFmpeg is told once, when it begins, to keep its own lines to itself."""
    first, second = make_video(tmp_path / "a.mp4", 30, "mp4v"), tmp_path / "b.mp4"
    first.write_bytes(first.read_bytes()[:-300])  # without the index at its end
    second.write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    done = subprocess.run([sys.executable, "-c", SAY, first, second], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["damaged video, or one of a kind that OpenCV can't read"] * 2
    assert done.stderr == ""


def test_a_playlist_leads_nowhere(tmp_path: Path) -> None:
    """A text that names other files or addresses is no video, whatever it is called."""
    make_video(tmp_path / "secret.avi", 3)
    path = tmp_path / "list.mp4"
    for text in ("#EXTM3U\n#EXTINF:1,\nsecret.avi\n", "ffconcat version 1.0\nfile secret.avi\n"):
        path.write_text(text)
        pictures, reasons = read(path)
        assert pictures == []
        assert reasons[0].startswith("not an image that can be read")


@pytest.mark.skipif(sys.platform != "linux", reason="open files as /proc tells them")
def test_a_video_that_is_left_is_closed(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", 50)
    frames = open_sources([str(path)])
    assert isinstance(next(frames), Picture)
    assert is_open(path)
    del frames
    assert not is_open(path)


def is_open(path: Path) -> bool:
    return any(os.path.realpath(file) == str(path) for file in Path("/proc/self/fd").iterdir())


def test_no_camera_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    for number in (97, -1):
        with pytest.raises(InputError, match=f"^no camera {number}: none is there"):
            open_sources([], camera=number)
    assert capfd.readouterr().err == ""


MEASURE = """
import sys
from pathlib import Path
from fer_bench.inference.sources import open_sources
def peak():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
for path in sys.argv[1:]:
    frames = sum(1 for _ in open_sources([path]))
    print(frames, peak())
"""


def peaks(*paths: Path) -> list[tuple[int, int]]:
    """Frames, and the most memory of the process so far, after each video."""
    done = subprocess.run([sys.executable, "-c", MEASURE, *map(str, paths)], capture_output=True, text=True, check=True)
    return [(int(frames), int(peak)) for frames, peak in (line.split() for line in done.stdout.splitlines())]


@pytest.mark.skipif(sys.platform != "linux", reason="memory as /proc tells it")
@pytest.mark.parametrize("longer", [400, pytest.param(2000, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_a_videos_length(longer: int, tmp_path: Path) -> None:
    """A frame has 18 kB: were they kept, 400 would take 7 MB more than 40."""
    short, long = make_video(tmp_path / "short.avi", longer // 10), make_video(tmp_path / "long.avi", longer)
    (few, before), (many, after) = peaks(short, long)
    assert (few, many) == (longer // 10, longer)
    assert after - before < 2_000
