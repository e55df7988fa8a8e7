"""Videos and cameras, one frame at a time, so that memory does not grow with their length."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.decoding import MAX_PIXELS
from ..errors import InputError
from .face import Picture, Unreadable

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = frozenset(
    ".mp4 .m4v .mov .3gp .mkv .webm .avi .ogv .flv .wmv .asf .mpg .mpeg .ts .mts .m2ts".split()  # noqa: SIM905
)
#: So many first bytes of a file tell whether it is a video.
START = 200
#: How files of videos begin: Matroska and WebM, Ogg, Flash, Windows Media, MPEG 1 and 2.
_STARTS = (b"\x1aE\xdf\xa3", b"OggS", b"FLV\1", b"0&\xb2u\x8ef\xcf\x11", b"\0\0\1\xba", b"\0\0\1\xb3")
#: The first box of an MP4 or QuickTime file.
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
#: An MPEG transport stream has this byte every 188, behind four bytes of time on a camera's disk.
_SYNC, _PACKET = 0x47, 188


def begins_as_video(start: bytes) -> bool:
    """Whether a file whose first ``START`` bytes these are is a video, and no image.

    What a library for videos takes by its name or its text alone, a playlist say, leads to other files and addresses.
    """
    if start[4:8] == b"ftyp":
        return start[8:12] not in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
    packed = any(start[at : at + 1] == start[at + step : at + step + 1] == bytes([_SYNC])
                 for at, step in ((0, _PACKET), (4, _PACKET + 4)))  # fmt: skip
    return start.startswith(_STARTS) or start[4:8] in _BOXES or (start[:4], start[8:12]) == (b"RIFF", b"AVI ") or packed


def read_video(path: Path, source: str, every: int = 1) -> Iterator[Picture | Unreadable]:
    """One frame of ``every`` of a video file, upright; at its end an ``Unreadable`` where frames are missing.

    Args:
        path: of a file whose first bytes are a video's.
        source: what rows call it.
        every: of so many frames, the first is read.
    """
    import cv2

    capture = _open(str(path.absolute()))
    try:
        if not capture.isOpened():
            yield Unreadable(source, "damaged video, or one of a kind that OpenCV can't read")
            return
        width, height, rate, announced = (
            capture.get(what)
            for what in (
                cv2.CAP_PROP_FRAME_WIDTH,
                cv2.CAP_PROP_FRAME_HEIGHT,
                cv2.CAP_PROP_FPS,
                cv2.CAP_PROP_FRAME_COUNT,
            )
        )
        if width * height > MAX_PIXELS:
            yield Unreadable(source, f"frames of {width:.0f} x {height:.0f} pixels; {MAX_PIXELS:,} are the limit")
            return
        frames = 0
        for number, at, pixels in _frames(capture, every, lambda: capture.get(cv2.CAP_PROP_POS_MSEC) / 1000):
            frames = number + 1
            if pixels is not None:
                yield Picture(source, pixels, number, at)
        if not frames:
            yield Unreadable(source, "damaged video: none of its frames can be read")
        # A clip that was cut on a phone names some frames more than it shows.
        elif announced - frames > min(max(rate, 1), announced / 10):
            yield Unreadable(source, f"the video ends early: {frames:,} of {announced:,.0f} frames could be read")
    finally:
        capture.release()


def open_camera(number: int) -> Any:
    """A camera of this computer, from 0, as OpenCV's capture; it is to be released. InputError where there is none."""
    capture = _open(number) if number >= 0 else None
    if capture is None or not capture.isOpened():
        raise InputError(
            f"no camera {number}: none is there, or another program uses it; the first is 0, or give a picture or video"
        )
    return capture


def read_camera(capture: Any, source: str, every: int = 1) -> Iterator[Picture | Unreadable]:
    """One frame of ``every`` from a camera until it gives no more; ``time`` is since the first."""
    frames = 0
    try:
        for number, at, pixels in _frames(capture, every, time.monotonic):
            frames = number + 1
            if pixels is not None:
                yield Picture(source, pixels, number, at)
        yield Unreadable(source, f"the camera gives no more pictures, after {frames:,} frames")
    finally:
        capture.release()


def _open(what: str | int) -> Any:
    """OpenCV's capture of a file or a camera, open or not, without a word on stderr."""
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # looked at when the first video is opened
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file")  # no address that a file names
    level = cv2.utils.logging.setLogLevel(0)
    try:
        return cv2.VideoCapture(what, cv2.CAP_FFMPEG if isinstance(what, str) else cv2.CAP_ANY)
    finally:
        cv2.utils.logging.setLogLevel(level)


def _frames(capture: Any, every: int, clock: Callable[[], float]) -> Iterator[tuple[int, float, np.ndarray | None]]:
    """Number, time in seconds since the first, and (H, W, 3) uint8 RGB of each frame; no pixels of those between.

    Ends where no more can be read; ``clock`` tells the time of the frame that was read last.
    """
    import cv2

    begin = None
    for number in itertools.count():
        try:
            if not capture.grab():
                return
            now = clock()
            begin = now if begin is None else begin
            read, pixels = (True, None) if number % every else capture.retrieve()
        except cv2.error:  # of a damaged frame
            return
        if not read:
            return
        yield number, now - begin, None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
