"""The file of the face detector YuNet: fetched once, when it is first asked for, and known by its checksum."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from ..errors import InputError
from ..files.cache import cache_dir

NAME = "face_detection_yunet_2023mar.onnx"
#: A commit of OpenCV's collection of models, opencv_zoo, which has the file under the MIT licence.
_COMMIT = "82b38c8f98e7b52aa171400f3e4c722352d0669f"
URL = f"https://github.com/opencv/opencv_zoo/raw/{_COMMIT}/models/face_detection_yunet/{NAME}"
#: What the pointer that stands for the file in that commit says of it.
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
BYTES = 232_589


def yunet_file(url: str = URL, sha256: str = SHA256) -> Path:
    """The path of YuNet's file, which is fetched where it is not in the cache yet.

    Raises:
        InputError: it can't be fetched, or what is in its place is another file.
    """
    path = cache_dir() / "detectors" / NAME
    if path.is_file():
        with path.open("rb") as file:
            if hashlib.sha256(file.read(BYTES + 1)).hexdigest() != sha256:
                raise InputError(f"{path}: not the file {NAME} that is known by its checksum; take it away")
        return path
    by_hand = f"download {url} and put it at {path}"
    try:
        import pooch
    except ImportError:
        raise InputError(f"the detector yunet needs its file: pip install 'fer-bench[yunet]', or {by_hand}") from None
    pooch.get_logger().setLevel(logging.ERROR)
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}",
            fname=NAME,
            path=path.parent,
            downloader=pooch.HTTPDownloader(timeout=10, progressbar=False),
        )
    except (OSError, ValueError) as error:  # of requests, which are OSErrors; another checksum
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"the detector yunet needs its file, which can't be fetched ({reason}); {by_hand}") from None
    return path
