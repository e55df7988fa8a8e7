"""Image folders: ``train|test|validation/<emotion>/*`` or plain ``<emotion>/*``, on disk or inside an archive."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError, brief
from .archives import ARCHIVE_SUFFIXES, Archive
from .dataset import EMOTIONS, IMAGE_SIZE
from .fer2013 import STRICT, Faces, Reading
from .names import MOST_CLASSES, check_names, emotion, merged_classes, subject_names, usage_code

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
#: What names the subject in an image folder: a folder of its own inside that of the emotion.
FOLDER = "folder"
#: An image file beyond this is no face; it bounds what one member of an archive can unpack to.
MAX_IMAGE_BYTES = 64 << 20
#: No camera's picture of a face is larger; a file of a few bytes can claim any number.
MAX_PIXELS = 50_000_000
#: The readers of Pillow that are given a file, whatever its name says: its one for EPS, say, starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")


class _Place(NamedTuple):
    """Where an image stands in its tree; sorts by usage, class and name."""

    usage: int
    label: int
    name: str


def walk(folder: Path) -> Iterator[PurePosixPath]:
    """The files below ``folder`` as paths relative to it, sorted; hidden ones are left out."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = PurePosixPath(Path(root).relative_to(folder).as_posix())
        yield from (relative / name for name in sorted(files) if not name.startswith("."))


def read_folder(folder: Path, how: Reading = STRICT) -> Faces:
    """Reads the images below ``folder``; see ``read_tree``."""
    paths = [path for path in walk(folder) if is_image(path)]
    return read_tree(paths, (_content(folder / path) for path in paths), str(folder), how)


def _content(path: Path) -> bytes:
    if not path.is_file():  # a pipe would be waited on for ever
        raise InputError(f"{path}: not a plain file")
    if path.stat().st_size > MAX_IMAGE_BYTES:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes; an image of a face has {MAX_IMAGE_BYTES:,} at most")
    return path.read_bytes()


def read_archived_folder(archive: Archive, how: Reading = STRICT) -> Faces:
    """Reads the images inside an archive, in place; see ``read_tree``."""
    names = [name for name in archive.members if is_image(PurePosixPath(name))]
    inner = next((name for name in archive.members if name.lower().endswith(ARCHIVE_SUFFIXES)), None)
    if not names and inner is not None:
        raise InputError(
            f"{archive.path}: no images and no CSV, but archive {inner[:120]!r} inside; unpack that and give it"
        )
    return read_tree(
        [PurePosixPath(name) for name in names],
        (archive.open(name, MAX_IMAGE_BYTES).read() for name in names),
        str(archive.path),
        how,
    )


def is_image(path: PurePosixPath) -> bool:
    """Whether a file is an image by its name, and not a hidden one or one of macOS's shadows."""
    shadow = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in IMAGE_SUFFIXES and not shadow


def read_tree(paths: list[PurePosixPath], contents: Iterable[bytes], where: str, how: Reading = STRICT) -> Faces:
    """Images whose label is the name of their folder, and whose usage is the name of the folder above, if that is one.

    Within a usage folder, a file name such as ``PrivateTest_123.jpg`` tells the usage better than the folder does.
    Where all file names are different numbers, as our own export writes them, rows come in that order (so that the
    digest equals that of the file exported from), else sorted by usage, class and name. Any size and mode is turned
    into 48x48 gray.

    Where the subject is a "folder", it is one between an emotion's and its images: happy/S001/1.png.

    Raises:
        InputError: no images, an unknown emotion, folders that aren't one tree, an unreadable image.
    """
    if not paths:
        raise InputError(
            f"{where}: no images and no CSV; expected train/happy/1.png, happy/1.png or fer2013.csv inside"
        )
    if how.subject not in ("", FOLDER):
        raise InputError(f"{where}: image folders have no column {how.subject!r}; --subject {FOLDER} is for them")
    homes = [path.parent.parent if how.subject else path.parent for path in paths]
    labels, classes = _labels(paths, homes, where, how)
    usages = _usages(paths, homes, where)
    places = [
        _Place(-1 if usage is None else usage, label, path.name)
        for path, label, usage in zip(paths, labels, usages, strict=True)
    ]
    images = np.empty((len(paths), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for row, (path, content) in enumerate(() if how.listing else zip(paths, contents, strict=True)):
        images[row] = decode(content, f"{where}: {brief(path, 120)}")

    stems = [path.stem for path in paths]
    numbered = all(stem.isascii() and stem.isdigit() for stem in stems) and len({int(stem) for stem in stems}) == len(
        stems
    )
    order = sorted(range(len(paths)), key=lambda row: int(stems[row]) if numbered else places[row])
    return Faces(
        images[order],
        np.array(labels, np.int8)[order],
        np.array(usages, np.int8)[order] if usages[0] is not None else None,
        classes,
        subject_names([path.parent.name for path in paths], where)[order] if how.subject else None,
        tuple(str(paths[row]) for row in order),
    )


def _labels(
    paths: list[PurePosixPath], homes: list[PurePosixPath], where: str, how: Reading
) -> tuple[list[int], tuple[str, ...]]:
    """The label of each image, from the name of its emotion's folder (one of ``homes``), and the classes."""
    names = [emotion(home.name) or "" for home in homes]
    known = set(names) - {""}
    if "" in names:
        _check_others(
            [(path, home) for path, home, name in zip(paths, homes, names, strict=True) if not name], where, how
        )
        names = [name or home.name.strip().lower() for name, home in zip(names, homes, strict=True)]
    try:
        merged = merged_classes(EMOTIONS, sorted(name for name in known if "+" in name))
        classes = (*merged, *sorted(set(names) - known))
        labels = [classes.index(name) for name in names]
    except ValueError:
        raise InputError(f"{where}: an emotion stands both merged and by itself, or in two merged folders") from None
    if len(classes) > MOST_CLASSES:
        raise InputError(f"{where}: {len(classes)} folders; one for each emotion is wanted")
    check_names(classes, where)
    return labels, classes


def _check_others(others: list[tuple[PurePosixPath, PurePosixPath]], where: str, how: Reading) -> None:
    """Raises InputError where images, each with its folder that is none of our emotions', are in none of another one."""
    if not how.foreign:
        known = ", ".join(EMOTIONS)
        raise InputError(
            f"{where}: folder of {brief(others[0][0], 120)} is no emotion; known are {known}, angry, happy, ..."
        )
    for path, home in others:
        if how.subject and (not home.name or usage_code(home.name) is not None):
            raise InputError(f"{where}: {brief(path, 120)} has no folder for its subject; happy/S001/1.png is wanted")
        if not how.subject and emotion(home.parent.name):
            raise InputError(
                f"{where}: {brief(path, 120)} stands below the emotion's folder; if in a subject's, --subject {FOLDER}"
            )


def _usages(paths: list[PurePosixPath], homes: list[PurePosixPath], where: str) -> list[int | None]:
    """The usage of each image, or None for all; InputError where the folders don't make one tree."""
    usages: list[int | None] = []
    roots = set()
    for path, home in zip(paths, homes, strict=True):
        above = home.parent
        usage = usage_code(above.name)
        roots.add(above if usage is None else above.parent)
        named = path.name.split("_")[0]
        if usage is not None and named in ("Training", "PublicTest", "PrivateTest"):
            usage = usage_code(named)
        usages.append(usage)
    if len(roots) > 1 or (None in usages and set(usages) != {None}):
        found = ", ".join(sorted({str(home.parent) for home in homes})[:4])
        raise InputError(
            f"{where}: images stand below {brief(found, 160)}; one tree of train, validation and test is wanted"
        )
    return usages


def decode(content: bytes, where: str) -> np.ndarray:
    """The bytes of an image file, any size and mode -> (48, 48) uint8, gray.

    Raises:
        InputError: they are no image, a damaged one, one of more than 50 megapixels, several images in one file, or
            pixels that have no scale (32 bits, floating point).
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as file:
                _check_image(file, where)
                return _gray(file, where)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{where}: an image of more than {MAX_PIXELS:,} pixels, which are the limit") from None
    except UnidentifiedImageError:
        raise InputError(f"{where}: not an image that can be read ({', '.join(_FORMATS)} can)") from None
    except Exception as error:
        # Pillow's readers raise whatever they stumble over: OSError, SyntaxError, struct.error, KeyError, ...
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{where}: damaged image ({reason or type(error).__name__})") from error


def _check_image(file: Image.Image, where: str) -> None:
    """Raises InputError for what is no picture of a face, by what its header says: nothing is decoded yet."""
    if file.width * file.height > MAX_PIXELS:
        raise InputError(f"{where}: {file.width} x {file.height} pixels; {MAX_PIXELS:,} are the limit")
    if getattr(file, "is_animated", False):
        raise InputError(f"{where}: several images in one file; one is wanted")
    if file.mode == "F":
        raise InputError(f"{where}: floating-point pixels, which have no scale; 8 or 16 bits are wanted")


def _gray(file: Image.Image, where: str) -> np.ndarray:
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(file)
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip at 255 instead of scaling
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise InputError(f"{where}: pixels of 32 bits, which have no scale; 8 or 16 bits are wanted")
        image = Image.fromarray((values >> 8).astype(np.uint8))
    image = image.convert("L")
    if image.size != (IMAGE_SIZE, IMAGE_SIZE):
        image = image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(image)
