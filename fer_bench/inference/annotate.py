"""Pictures and videos as they came, with boxes and labels: each file is written whole, and closed whatever happens."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import numpy as np

from ..errors import InputError, RunError
from ..files import durable
from .csv_file import check_place
from .draw import drawn, is_frame
from .face import Picture, Unreadable
from .predict import Answer

if TYPE_CHECKING:
    from .model import Model

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
#: Suffix of a video -> how its frames are packed; OpenCV's wheels can all of them.
VIDEOS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
#: Frames a second of a video with a single frame, and what a rate may be.
RATE, LOWEST, HIGHEST = 25.0, 0.01, 1000.0


class Annotated:
    """Takes answers, and writes their pictures with boxes and labels.

    To a file: one picture, or one video. To a folder, which is made where it is not there: a file for each source, with
    its name: .png for a picture, .mp4 for a video. A video keeps its pace, also where only some of its frames were
    looked at.

    Attributes:
        written: the files that are there, complete.
    """

    def __init__(self, path: Path, models: Sequence[Model], names: Sequence[str], force: bool = False) -> None:
        """Raises InputError where the file is there, or the folder has files, unless ``force`` replaces them.

        Args:
            path: of a file where it has a suffix of ``PICTURES`` or ``VIDEOS``, else of a folder.
            models: in the order of the answers' probabilities.
            names: theirs.
            force: whether files that are there are replaced.
        """
        self.path, self.force, self.names = path, force, names
        self.classes = [model.classes for model in models]
        self.is_file = path.suffix.lower() in (*PICTURES, *VIDEOS) and not path.is_dir()
        if self.is_file:
            check_place(path, force)
        elif path.suffix and not path.is_dir():
            raise InputError(f"{path}: neither a folder nor one of {', '.join((*PICTURES, *VIDEOS))}")
        elif path.exists() and not path.is_dir():
            raise InputError(f"{path}: not a folder; name another, or a file such as {path}.png")
        elif path.is_dir() and any(path.iterdir()) and not force:
            raise InputError(
                f"{path}: a folder with files in it; --force adds to it, and replaces those of the same names"
            )
        self.written: list[Path] = []
        self._names: set[str] = set()
        self._video: _Video | None = None
        self._source = ""

    def add(self, answer: Answer) -> None:
        """Writes a picture, or adds a frame to its video.

        Raises:
            InputError: a second source for one file, or a picture for the file of a video.
            OSError: it can't be written.
        """
        picture = answer.picture
        if isinstance(picture, Unreadable):
            return
        new = not (is_frame(picture) and self._video is not None and picture.source == self._source and picture.frame)
        if new:
            self.close()
        image = drawn(answer, self.classes, self.names)
        if not is_frame(picture):
            place = self._place(picture, PICTURES)
            durable.write(place, _encoded(image, place))
            self.written.append(place)
            return
        if self._video is None:
            self._video, self._source = _Video(self._place(picture, tuple(VIDEOS))), picture.source
        self._video.add(image, picture.time or 0.0)

    def close(self) -> None:
        """Completes the video that is being written, if any is."""
        video, self._video = self._video, None
        if video is not None and video.close():
            self.written.append(video.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _place(self, picture: Picture, suffixes: Sequence[str]) -> Path:
        """Where the picture or video of a source goes."""
        if self.is_file:
            if self._names:
                raise InputError(f"--annotate {self.path}: one file, and several sources; name a folder")
            if self.path.suffix.lower() not in suffixes:
                what = "a video" if is_frame(picture) else "a picture"
                raise InputError(
                    f"--annotate {self.path}: {picture.source} is {what}; name a file ending in {suffixes[0]}"
                )
            self._names.add(self.path.name)
            return self.path
        self.path.mkdir(parents=True, exist_ok=True)
        stem = _stem(picture.source)
        name, number = f"{stem}{suffixes[0]}", 2
        while name in self._names:  # a/face.png and b/face.png
            name, number = f"{stem}-{number}{suffixes[0]}", number + 1
        self._names.add(name)
        return self.path / name


class _Video:
    """A video that is being written, under another name until it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
        self._first: tuple[np.ndarray, float] | None = None
        self._writer: Any = None

    def add(self, image: np.ndarray, time: float) -> None:
        """Adds a frame; the rate is told by the times of the first two."""
        if self._writer is not None:
            self._write(image)
        elif self._first is None:
            self._first = image, time
        else:
            self._open(time - self._first[1])
            self._write(image)

    def close(self) -> bool:
        """Puts the video in its place; False where there is nothing in it."""
        if self._writer is None and self._first is not None:
            self._open(0.0)
        if self._writer is None:
            return False
        self._writer.release()
        durable.sync(self._temporary)
        self._temporary.replace(self.path)
        return True

    def _open(self, seconds: float) -> None:
        import cv2

        assert self._first is not None
        image = self._first[0]
        rate = min(max(1 / seconds, LOWEST), HIGHEST) if seconds > 0 else RATE
        code = cv2.VideoWriter.fourcc(*VIDEOS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, code, rate, (image.shape[1], image.shape[0]))
        if not writer.isOpened():
            self._temporary.unlink(missing_ok=True)
            raise RunError(f"{self.path}: no video of {image.shape[1]} x {image.shape[0]} pixels can be written here")
        self._writer = writer
        self._write(image)

    def _write(self, image: np.ndarray) -> None:
        import cv2

        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def _stem(source: str) -> str:
    """A file's name for a source: that of its file without suffix, or of what its address ends with."""
    path = urlsplit(source).path if "://" in source else source.replace("\\", "/")
    stem = PurePosixPath(path).stem.replace(":", "_").replace("\0", "")[:100]
    return "picture" if stem in ("", ".", "..") else stem.replace(" ", "-") if source.startswith("camera ") else stem


def _encoded(image: np.ndarray, path: Path) -> bytes:
    import cv2

    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix.lower() in (".jpg", ".jpeg") else []
    done, content = cv2.imencode(path.suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    if not done:
        raise RunError(f"{path}: the picture can't be written as {path.suffix}")
    return bytes(content)
