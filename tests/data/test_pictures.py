"""What pixels mean: 8, 10, 12 and 16 bits, one rule for the whole set."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_bench.data.load import load_dataset
from fer_bench.errors import InputError

RAMP = np.tile(np.linspace(0, 255, 96).astype(np.uint16), (120, 1))
RAMP8 = RAMP.astype(np.uint8)


def read(path: Path, **images: np.ndarray | bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    (path / "happy").mkdir(parents=True)
    for name, image in images.items():
        place = path / "happy" / f"{name}.png"
        if isinstance(image, bytes):
            place.write_bytes(image)
        else:
            Image.fromarray(image).save(place)
    data = load_dataset(path, cache=False)
    return data.images, data.notes


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_the_largest_value_of_the_set_tells_the_depth(bits: int, tmp_path: Path) -> None:
    images, notes = read(tmp_path, a=RAMP << (bits - 8), b=RAMP8)
    np.testing.assert_array_equal(images[0], images[1])
    assert notes == (
        f"1 of 2 images have 16 bits a pixel, with values up to {255 << (bits - 8):,}: read as {bits} bits",
    )


def test_full_16_bits_are_read_as_ever(tmp_path: Path) -> None:
    images, notes = read(tmp_path, a=RAMP * 257, b=RAMP8)
    np.testing.assert_array_equal(images[0], images[1])
    assert "read as 16 bits" in notes[0]


def test_one_rule_for_the_whole_set(tmp_path: Path) -> None:
    """A dark image of a 12-bit camera is dark, not stretched to what it happens to hold."""
    images, notes = read(tmp_path, bright=RAMP << 4, dark=RAMP)
    assert images[1].max() == 15
    assert "2 of 2 images" in notes[0]
    assert "read as 12 bits" in notes[0]


def test_values_of_no_known_depth_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"happy/a\.png: pixels of 16 bits with values up to 9,000 in the whole set"):
        read(tmp_path, a=(RAMP.astype(int) * 9000 // 255).astype(np.uint16))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png16(values: np.ndarray, color: int = 0, extra: bytes = b"") -> bytes:
    """A PNG of 16 bits a channel, which Pillow can't write in color."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def test_the_depth_that_a_png_file_says_counts(tmp_path: Path) -> None:
    images, notes = read(tmp_path, a=png16(RAMP, extra=chunk(b"sBIT", b"\x0c")), b=RAMP8)
    assert images[0].max() == 15
    assert notes == ()
    with pytest.raises(InputError, match="a pixel of 4,080 in an image that says it has 10 bits"):
        read(tmp_path / "more", a=png16(RAMP << 4, extra=chunk(b"sBIT", b"\x0a")))


def test_color_of_16_bits_a_channel(tmp_path: Path) -> None:
    """Pillow keeps the upper byte alone: fine for all of 16 bits, and black for 12."""
    color = np.stack([RAMP] * 3, -1)
    images, notes = read(tmp_path / "full", a=png16(color * 257, color=2), b=RAMP8)
    np.testing.assert_array_equal(images[0], images[1])
    assert "read as 16 bits" in notes[0]
    with pytest.raises(InputError, match="neither 8, 10 or 12 bits nor all 16"):
        read(tmp_path / "low", a=png16(color << 4, color=2))


def test_pgm_files_say_their_range(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy/a.pgm").write_bytes(b"P5 96 120 4095\n" + (RAMP << 4).astype(">u2").tobytes())
    Image.fromarray(RAMP8).save(tmp_path / "happy/b.png")
    images = load_dataset(tmp_path, cache=False).images
    assert np.abs(images[0].astype(int) - images[1]).max() <= 1


def test_jpeg_2000_files_say_their_range(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    Image.fromarray(RAMP * 100).save(tmp_path / "happy/a.jp2")
    assert abs(int(load_dataset(tmp_path, cache=False).images.max()) - (25500 >> 8)) <= 2


def test_parquet_follows_the_same_rule(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    contents = []
    for image in (RAMP << 2, RAMP8):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "PNG")
        contents.append(out.getvalue())
    parquet.write_table(pa.table({"image": contents, "label": [0, 1]}), tmp_path / "a.parquet")
    data = load_dataset(tmp_path / "a.parquet", cache=False)
    np.testing.assert_array_equal(data.images[0], data.images[1])
    assert "read as 10 bits" in data.notes[0]


def test_parquet_files_of_different_depths_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for name, image in (("a", RAMP << 2), ("b", RAMP << 4)):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "PNG")
        parquet.write_table(pa.table({"image": [out.getvalue()], "label": [0]}), tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match="one depth for the whole set is wanted"):
        load_dataset(tmp_path, cache=False)


def test_a_phones_picture_is_its_first(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    photo = Image.fromarray(np.stack([RAMP8] * 3, -1))
    preview = Image.new("RGB", (40, 30))
    for name in ("a.jpg", "b.mpo"):
        photo.save(tmp_path / "happy" / name, format="MPO", save_all=True, append_images=[preview], quality=95)
    for image in load_dataset(tmp_path, cache=False).images:
        assert np.abs(image - np.linspace(0, 255, 48)).max() < 8


@pytest.mark.parametrize(
    ("scaled", "said"),
    [
        (
            lambda images: (images / 255).astype("float32"),
            "pixels are float32 from 0 to 1: read as fractions, 1 is white",
        ),
        (lambda images: images / 255.0, "pixels are float64 from 0 to 1: read as fractions, 1 is white"),
        (
            lambda images: images.astype("float16") / 255,
            "pixels are float16 from 0 to 1: read as fractions, 1 is white",
        ),
        (lambda images: images.astype("uint16") << 2, "pixels are uint16, with values up to 1,020: read as 10 bits"),
        (lambda images: images.astype("uint16") << 8, "pixels are uint16, with values up to 65,280: read as 16 bits"),
        (lambda images: images.astype("float64"), ""),
        (lambda images: images.astype("int64"), ""),
    ],
)
def test_arrays_of_any_scale_are_the_same_images(tmp_path: Path, scaled: Callable, said: str) -> None:
    images = np.random.default_rng(3).integers(0, 256, (4, 48, 48)).astype(np.uint8)
    images[0, 0, :2] = 0, 255
    np.savez(tmp_path / "a.npz", images=scaled(images), labels=[0, 1, 2, 3])
    dataset = load_dataset(tmp_path / "a.npz", cache=False)
    np.testing.assert_array_equal(dataset.images, images)
    assert dataset.notes == ((said,) if said else ())
