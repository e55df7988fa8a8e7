"""A picture file is read upright, with 8 bits, at its full size, and as a face exactly as data sets are read."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_bench.data.load import load_dataset
from fer_bench.errors import InputError
from fer_bench.inference.pictures import as_face, read_picture

RNG = np.random.default_rng(0)
GRAY = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)  # brighter to the right and downwards
COLOR = np.stack([GRAY, GRAY // 2, 255 - GRAY], -1)
#: EXIF's orientation -> how the stored pixels came from upright ones.
STORED = {
    1: lambda up: up,
    2: np.fliplr,
    3: lambda up: np.rot90(up, 2),
    4: np.flipud,
    5: lambda up: np.swapaxes(up, 0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: np.swapaxes(np.rot90(up, 2), 0, 1),
    8: lambda up: np.rot90(up, -1),
}


def content(image: Image.Image | np.ndarray, kind: str = "PNG", **how: object) -> bytes:
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **how)
    return out.getvalue()


def pixels(given: bytes) -> np.ndarray:
    return read_picture(given, "a file", "a file").pixels


def test_a_face_of_the_models_size_passes_bit_by_bit() -> None:
    face = RNG.integers(0, 256, (48, 48), np.uint8)
    picture = read_picture(content(face), "face.png", "face.png")
    np.testing.assert_array_equal(as_face(picture), face)
    assert (picture.source, picture.frame, picture.time) == ("face.png", None, None)


@pytest.mark.parametrize("orientation", STORED)
def test_pictures_are_turned_as_their_camera_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](COLOR))
    np.testing.assert_array_equal(pixels(content(stored, exif=exif)), COLOR)


def test_gray_stays_gray_and_color_is_rgb() -> None:
    np.testing.assert_array_equal(pixels(content(GRAY)), GRAY)
    np.testing.assert_array_equal(pixels(content(COLOR)), COLOR)
    assert pixels(content(COLOR, "JPEG")).shape == COLOR.shape
    two = Image.fromarray(GRAY > 60)
    np.testing.assert_array_equal(pixels(content(two)), np.where(GRAY > 60, 255, 0))


def test_a_palette_is_looked_up() -> None:
    image = Image.fromarray(COLOR).quantize(16)
    np.testing.assert_array_equal(pixels(content(image)), np.asarray(image.convert("RGB")))


def test_transparent_pixels_have_the_colors_of_the_file() -> None:
    alpha = RNG.integers(0, 256, GRAY.shape, np.uint8)
    np.testing.assert_array_equal(pixels(content(np.dstack([COLOR, alpha]))), COLOR)
    gray = Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(alpha)])
    np.testing.assert_array_equal(pixels(content(gray)), GRAY)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_the_largest_value_tells_the_depth_of_16_bits(bits: int) -> None:
    wide = GRAY.astype(np.uint16) * (255 // GRAY.max()) + 100
    np.testing.assert_array_equal(pixels(content(wide << (bits - 8))), wide)


def test_all_of_16_bits() -> None:
    np.testing.assert_array_equal(pixels(content(GRAY.astype(np.uint16) * 256)), GRAY)
    with pytest.raises(InputError, match=r"^a file: pixels of 16 bits with values up to 9,000, which are neither"):
        pixels(content(np.full((9, 9), 9000, np.uint16)))


def test_the_depth_that_a_file_says_counts() -> None:
    """A dark picture of a 12-bit camera stays dark."""
    given = content(GRAY.astype(np.uint16))
    body = b"sBIT" + bytes([12])
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    np.testing.assert_array_equal(pixels(given[:33] + chunk + given[33:]), GRAY >> 4)


def test_a_phones_picture_is_its_first() -> None:
    preview = Image.new("RGB", (40, 30))
    given = content(COLOR, "MPO", save_all=True, append_images=[preview], quality=95)
    assert np.abs(pixels(given).astype(int) - COLOR).max() < 30
    assert pixels(given).shape == COLOR.shape


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"", "an empty file, and not an image that can be read"),
        (b"some text\n" * 40, "not an image that can be read"),
        (content(COLOR)[:-40], "damaged image"),
        (content(COLOR, "GIF", save_all=True, append_images=[Image.new("RGB", (80, 60))]), "several images in one file"),
        (content(Image.fromarray(GRAY).convert("F"), "TIFF"), "floating-point pixels"),
        (content(Image.new("1", (10_001, 5_001)), "PNG"), r"10001 x 5001 pixels; 50,000,000 are the limit"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_in_a_line(given: bytes, told: str) -> None:
    with pytest.raises(InputError, match=f"^a file: {told}"):
        pixels(given)


MODES = {"L": "PNG", "1": "PNG", "P": "PNG", "RGB": "JPEG", "RGBA": "PNG", "LA": "PNG", "CMYK": "JPEG"}


def test_the_whole_picture_is_the_face_that_data_sets_read(tmp_path: Path) -> None:
    """Whatever its mode, its orientation and its depth: a model is asked about the pixels it was scored on."""
    noisy = Image.fromarray(RNG.integers(0, 256, (130, 97, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [content(noisy.convert(mode), kind, exif=exif) for mode, kind in MODES.items()]
    files.append(content(np.asarray(noisy.convert("L")).astype(np.uint16) << 4))
    (tmp_path / "happy").mkdir()
    for number, given in enumerate(files):
        (tmp_path / "happy" / f"{number}.png").write_bytes(given)
    for given, image in zip(files, load_dataset(tmp_path, cache=False).images, strict=True):
        np.testing.assert_array_equal(as_face(read_picture(given, "a", "a")), image)
