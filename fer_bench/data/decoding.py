"""Image files of unknown origin, decoded: which kinds, how large, which way up, and what their pixels mean."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from PIL import Image

#: An image file beyond this is no face; it bounds what one member of an archive can unpack to.
MAX_IMAGE_BYTES = 64 << 20
#: No camera's picture of a face is larger; a file of a few bytes can claim any number.
MAX_PIXELS = 50_000_000
#: The readers of Pillow that are given a file, whatever its name says: its one for EPS, say, starts Ghostscript, and
#: that for TGA takes any bytes for an image.
_FORMATS = ("PNG", "JPEG", "JPEG2000", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF")
#: Kinds that Pillow names and that are no pictures of faces.
_OTHER_KINDS = ("HDF5", "MPEG", "GRIB", "BUFR")
#: What cameras and drawing programs write and Pillow can't open.
_CAMERA = {".heic", ".heif", ".jxl", ".svg", ".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"}
#: How files of images begin, whatever their names are.
_STARTS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
#: What stands behind "ftyp" in the pictures of phones, which Pillow can not open by itself.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1")
#: The depths that cameras and converters write into 16 bits a pixel: values below 2 to the power of each.
_DEPTHS = (8, 10, 12)
#: With less than this in all of a set, values in 16 bits are of no scale that anybody could tell.
_FULL_FROM = 1 << 14


@functools.cache
def suffixes() -> tuple[frozenset[str], frozenset[str]]:
    """The suffixes of images that are read, and those of images that are not, in lower case."""
    from PIL import Image

    Image.init()
    read = {*formats(), "MPO"}
    known = {suffix: kind for suffix, kind in Image.registered_extensions().items() if kind not in _OTHER_KINDS}
    ours = {suffix for suffix, kind in known.items() if kind in read}
    others = {suffix for suffix, kind in known.items() if kind in Image.OPEN} | _CAMERA
    return frozenset(ours), frozenset(others - ours)


@functools.cache
def formats() -> tuple[str, ...]:
    """The kinds of files that are read: those that this Pillow can of the safe ones."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _kind(content: bytes) -> str:
    """What a file is that Pillow can't read."""
    if not content:
        return "an empty file, and not an image that can be read"
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC:
        return "a HEIC image: convert it to JPEG or PNG; it is not one that can be read"
    return "not an image that can be read"


def begins_as_image(start: bytes) -> bool:
    """Whether a file that starts with these 16 bytes is one of an image."""
    heif = start[4:8] == b"ftyp" and start[8:12] in (*_HEIC, b"avif")
    return start.startswith(_STARTS) or heif or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def decode(
    content: bytes, where: str, make: Callable[[Image.Image], np.ndarray]
) -> np.ndarray | tuple[dict[int, np.ndarray], int]:
    """What ``make`` makes of an image file's picture, which it gets upright and with 8 bits a channel.

    Of an image of 16 bits a pixel whose file does not say how many of them count: what it makes for each depth that
    the values fit, and the largest value; ``depth_of`` tells which to take. Transparency is left aside: pixels have
    the colors that stand in the file.

    Raises:
        InputError: it is no image, a damaged one, one of more than 50 megapixels, several images in one file, or
            pixels that have no scale (32 bits, floating point).
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a damaged file's tags, line after line
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=formats()) as file:
                _check_image(file, where)
                return _upright(file, content, where, make)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{where}: an image of more than {MAX_PIXELS:,} pixels, which are the limit") from None
    except UnidentifiedImageError:
        raise InputError(f"{where}: {_kind(content)} ({', '.join(formats())} can)") from None
    except Exception as error:
        # Pillow's readers raise whatever they stumble over: OSError, SyntaxError, struct.error, KeyError, ...
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{where}: damaged image ({reason or type(error).__name__})") from error


def _check_image(file: Image.Image, where: str) -> None:
    """Raises InputError for what is no picture of a face, by what its header says: nothing is decoded yet."""
    if file.width * file.height > MAX_PIXELS:
        raise InputError(f"{where}: {file.width} x {file.height} pixels; {MAX_PIXELS:,} are the limit")
    if getattr(file, "is_animated", False) and file.format != "MPO":  # a phone's: the photo first, then its previews
        raise InputError(f"{where}: several images in one file; one is wanted")
    if file.mode == "F":
        raise InputError(f"{where}: floating-point pixels, which have no scale; 8 or 16 bits are wanted")


def _upright(
    file: Image.Image, content: bytes, where: str, make: Callable[[Image.Image], np.ndarray]
) -> np.ndarray | tuple[dict[int, np.ndarray], int]:
    from PIL import ImageOps

    declared = _declared(file, content)
    halved = file.mode[0] != "I" and ";16" in str(
        getattr(file, "tile", "")
    )  # in color, Pillow keeps the upper byte of the two
    image = ImageOps.exif_transpose(file)
    if halved:
        largest = int(np.asarray(image.convert("RGB")).max()) << 8
        return make(image) if declared == 16 else ({16: make(image)}, max(largest, 1 << _DEPTHS[-1]))
    if not image.mode.startswith("I"):
        return make(image)
    values = np.asarray(image).astype(np.int64)  # Pillow would clip at 255 instead of scaling
    largest = int(values.max())
    if values.min() < 0 or largest > 0xFFFF:
        raise InputError(f"{where}: pixels of 32 bits, which have no scale; 8 or 16 bits are wanted")
    if declared:
        if largest >> declared:
            raise InputError(f"{where}: a pixel of {largest:,} in an image that says it has {declared} bits")
        return make(_scaled(values, declared))
    return {depth: make(_scaled(values, depth)) for depth in (*_DEPTHS, 16) if not largest >> depth}, largest


def _declared(file: Image.Image, content: bytes) -> int | None:
    """The bits that the values of an image of 16 bits a pixel really have, where its file says so."""
    if file.format in ("PPM", "JPEG2000"):
        return 16  # both have to say their range, by which Pillow has scaled them
    if file.format == "PNG":
        place = content.find(b"sBIT", 0, content.find(b"IDAT"))
        return content[place + 4] if place > 0 and 8 <= content[place + 4] <= 16 else None
    tags = getattr(file, "tag_v2", {})
    bits = tags.get(258, (16,))  # BitsPerSample
    largest = tags.get(281)  # MaxSampleValue
    if largest:
        return max(8, int(largest[0] if isinstance(largest, tuple) else largest).bit_length())
    return bits[0] if bits and 8 <= bits[0] < 16 else None


def _scaled(values: np.ndarray, depth: int) -> Image.Image:
    from PIL import Image

    return Image.fromarray((values >> (depth - 8)).astype(np.uint8))


def depth_of(largest: int) -> int | None:
    """The bits that values in 16 bits really have, by the largest of them; None where it tells no scale."""
    depth = next((depth for depth in _DEPTHS if largest < 1 << depth), 16)
    return None if depth == 16 and largest < _FULL_FROM else depth
