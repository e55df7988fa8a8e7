"""Every reader against the others: the same faces, handed around in another form, have the same digest."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pyarrow import parquet

from fer_bench.data.dataset import EMOTIONS, USAGES, Dataset
from fer_bench.data.export import export
from fer_bench.data.fer2013 import read_csv
from fer_bench.data.load import load_dataset
from fer_bench.data.pixels import PixelError, parse_pixels

WORDS = ("angry", "disgusted", "Fear", "happy", "sad", "Surprised", "neutral")


def make(rows: int = 30) -> Dataset:
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (rows, 48, 48), np.uint8)
    images[0], images[1] = 0, 255
    usage = rng.permutation(np.arange(rows) % 3).astype(np.int8)
    return Dataset(images, (np.arange(rows) % 7).astype(np.int8), usage, EMOTIONS, "made", "made")


def write_csv(dataset: Dataset, header: str = "emotion,pixels,Usage", newline: str = "\n") -> bytes:
    assert dataset.usage is not None
    lines = [header]
    for image, label, usage in zip(dataset.images, dataset.labels, dataset.usage, strict=True):
        cells = {
            "emotion": str(label),
            "pixels": " ".join(map(str, image.ravel())),
            "usage": USAGES[usage],
            "note": "-",
        }
        lines.append(",".join(cells[name.strip().lower()] for name in header.split(",")))
    return (newline.join(lines) + newline).encode()


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def as_csv(data: Dataset, folder: Path) -> Path:
    (folder / "fer2013.csv").write_bytes(write_csv(data))
    return folder / "fer2013.csv"


def as_icml(data: Dataset, folder: Path) -> Path:
    (folder / "icml_face_data.csv").write_bytes(write_csv(data, "emotion, Usage, pixels"))
    return folder / "icml_face_data.csv"


def as_other_columns(data: Dataset, folder: Path) -> Path:
    text = write_csv(data, "USAGE,note, Pixels ,Emotion", "\r\n")
    (folder / "mine.csv").write_bytes(b"\xef\xbb\xbf" + text + b"\r\n")
    return folder / "mine.csv"


def as_folder_with_csv(data: Dataset, folder: Path) -> Path:
    (folder / "fer2013").mkdir()
    as_csv(data, folder / "fer2013")
    return folder


def as_zip(data: Dataset, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("example_submission.csv", "emotion\n0\n")
        archive.writestr("challenge/icml_face_data.csv", write_csv(data, "emotion, Usage, pixels"))
    return folder / "archive.zip"


def as_tar_gz(data: Dataset, folder: Path) -> Path:
    with tarfile.open(folder / "fer2013.tar.gz", "w:gz") as archive:
        for name, content in {"fer2013/README": b"read me", "fer2013/fer2013.csv": write_csv(data)}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder / "fer2013.tar.gz"


def as_folders(data: Dataset, folder: Path) -> Path:
    export(data, folder / "tree")
    return folder / "tree"


def as_zipped_folders(data: Dataset, folder: Path) -> Path:
    export(data, folder / "tree")
    with zipfile.ZipFile(folder / "tree.zip", "w") as archive:
        for path in sorted((folder / "tree").rglob("*.png"), reverse=True):
            archive.write(path, f"some/where/{path.relative_to(folder / 'tree')}")
        archive.writestr("__MACOSX/some/where/train/angry/._1.png", b"not an image")
    return folder / "tree.zip"


def as_tarred_folders(data: Dataset, folder: Path) -> Path:
    export(data, folder / "tree")
    with tarfile.open(folder / "tree.tgz", "w:gz") as archive:
        archive.add(folder / "tree", "tree")
    return folder / "tree.tgz"


def as_npz(data: Dataset, folder: Path) -> Path:
    assert data.usage is not None
    np.savez(folder / "a.npz", images=data.images, labels=data.labels, usage=np.array(USAGES)[data.usage])
    return folder / "a.npz"


def as_named_npz(data: Dataset, folder: Path) -> Path:
    """Alphabetical classes, as many releases have them, flat images of wide integers and usages as codes."""
    order = sorted(range(7), key=lambda label: WORDS[label].lower())
    labels = np.array([order.index(label) for label in data.labels])
    images = data.images.reshape(len(data), -1).astype(np.int64)
    classes = np.array([WORDS[label] for label in order])
    np.savez(folder / "b.npz", images=images, labels=labels, usage=data.usage, classes=classes)
    return folder / "b.npz"


def as_parquet(data: Dataset, folder: Path) -> Path:
    assert data.usage is not None
    columns = {
        "image": [{"bytes": png(image), "path": None} for image in data.images],
        "label": [WORDS[label] for label in data.labels],
        "usage": [USAGES[usage] for usage in data.usage],
    }
    parquet.write_table(pa.table(columns), folder / "faces.parquet")
    return folder / "faces.parquet"


def as_pixel_parquet(data: Dataset, folder: Path) -> Path:
    columns = {
        "emotion": data.labels,
        "pixels": [" ".join(map(str, image.ravel())) for image in data.images],
        "Usage": data.usage,
    }
    parquet.write_table(pa.table(columns), folder / "text.parquet")
    return folder / "text.parquet"


FORMS = (
    as_icml, as_other_columns, as_folder_with_csv, as_zip, as_tar_gz, as_folders, as_zipped_folders, as_tarred_folders,
    as_npz, as_named_npz, as_parquet, as_pixel_parquet,
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__[3:])
def test_every_form_holds_what_the_csv_holds(form: Callable[[Dataset, Path], Path], tmp_path: Path) -> None:
    data = make()
    (tmp_path / "csv").mkdir()
    (tmp_path / "form").mkdir()
    from_csv = load_dataset(as_csv(data, tmp_path / "csv"), cache=False)
    np.testing.assert_array_equal(from_csv.images, data.images)
    assert from_csv.digest == data.digest
    read = load_dataset(form(data, tmp_path / "form"), cache=False)
    assert (read.digest, read.classes) == (data.digest, EMOTIONS)


def test_hugging_face_files_tell_their_split_and_class_names(tmp_path: Path) -> None:
    data = make()
    assert data.usage is not None
    names = sorted(WORDS, key=str.lower)
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": {"names": names}}}})}
    (tmp_path / "data").mkdir()
    for code, split in enumerate(("train", "validation", "test")):
        rows = np.flatnonzero(data.usage == code)
        labels = [names.index(WORDS[label]) for label in data.labels[rows]]
        table = pa.table({"image": [{"bytes": png(image)} for image in data.images[rows]], "label": labels})
        path = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        parquet.write_table(table.replace_schema_metadata(metadata), path)
    read = load_dataset(tmp_path, cache=False)
    order = np.argsort(data.usage, kind="stable")
    np.testing.assert_array_equal(read.images, data.images[order])
    np.testing.assert_array_equal(read.labels, data.labels[order])
    np.testing.assert_array_equal(read.usage, data.usage[order])


def test_without_a_usage_column_usage_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "faces of mine.csv"
    path.write_bytes(write_csv(make(), "pixels,emotion"))
    read = load_dataset(path, cache=False)
    assert read.usage is None
    assert read.name == "faces-of-mine"


def test_the_known_folder_release_tells_both_test_parts_by_file_name(tmp_path: Path) -> None:
    files = ("train/angry/Training_3.png", "test/angry/PublicTest_1.png", "test/happy/PrivateTest_2.png")
    for shade, file in enumerate(files):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(png(np.full((48, 48), shade, np.uint8)))
    read = load_dataset(tmp_path, cache=False)
    assert (read.usage.tolist(), read.labels.tolist(), read.images[:, 0, 0].tolist()) == (
        [0, 1, 2],
        [0, 0, 3],
        [0, 1, 2],
    )


def test_images_of_any_size_and_mode_become_48_pixels_of_gray(tmp_path: Path) -> None:
    folder = tmp_path / "Happy"
    folder.mkdir()
    ramp = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (120, 1))
    color = Image.fromarray(np.stack([ramp] * 3, -1))
    color.save(folder / "a_color.png")
    Image.fromarray(ramp.astype(np.uint16) * 257).save(folder / "b_sixteen_bits.png")
    color.convert("RGBA").save(folder / "c_alpha.webp", lossless=True)
    color.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "d_palette.gif")
    color.save(folder / "e_photo.jpg", quality=95)
    read = load_dataset(tmp_path, cache=False)
    assert read.usage is None
    expected = np.linspace(0, 255, 48)
    for image in read.images:
        assert np.abs(image - expected).max() < 8


def test_a_merged_set_survives_its_export(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    merged = load_dataset(as_csv(make(), tmp_path / "csv"), merge=["sadness+neutral"], cache=False)
    assert load_dataset(as_folders(merged, tmp_path), cache=False).digest == merged.digest


@settings(max_examples=15, deadline=None)
@given(images=arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(48), st.just(48))))
def test_a_csv_gives_back_the_pixels_written_to_it(images: np.ndarray) -> None:
    data = Dataset(images, np.zeros(len(images), np.int8), np.zeros(len(images), np.int8), EMOTIONS, "", "")
    faces = read_csv(lambda: io.BytesIO(write_csv(data)), "here")
    np.testing.assert_array_equal(faces.images, images)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 2303), token=st.text(st.sampled_from("0123456789 .-+eE_xn١\t\n\x00\x01\x1c"), max_size=4))
def test_the_fast_parser_takes_exactly_whole_numbers_from_0_to_255(place: int, token: str) -> None:
    tokens = ["7"] * 2304
    tokens[place] = token
    numbers = " ".join(tokens).split()
    good = len(numbers) == 2304 and all(n.isascii() and n.isdigit() and len(n) <= 3 and int(n) < 256 for n in numbers)
    rows = [" ".join(["1"] * 2304), " ".join(tokens)]
    if good:
        assert parse_pixels(rows)[1].tolist() == [int(number) for number in numbers]
    else:
        with pytest.raises(PixelError) as caught:
            parse_pixels(rows)
        assert caught.value.row == 1


def read_alone(path: Path) -> tuple[int, str, list[int]]:
    """Reads ``path`` in a fresh process: its peak memory in bytes, imports included; name and digest; usages."""
    code = """
import re, sys
from pathlib import Path
from fer_bench.data.load import load_dataset
from fer_bench.data.pixels import PixelError, parse_pixels
d = load_dataset(sys.argv[1], cache=False)
assert "pandas" not in sys.modules
# Not getrusage: its ru_maxrss counts the memory of the process that started this one, too.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(peak, d.digest, *[(d.usage == u).sum() for u in range(3)])
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    peak, digest, *counts = done.stdout.split()
    return int(peak) * 1024, digest, [int(count) for count in counts]


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


@needs_proc
def test_a_large_csv_is_read_in_little_more_memory_than_its_images_take(tmp_path: Path) -> None:
    """9,000 rows, 80 MB of text, 21 MB of images: Python, numpy and pyarrow alone take about 60 MB."""
    small = make()
    header, *lines = write_csv(small).splitlines(keepends=True)
    path = tmp_path / "many.csv"
    path.write_bytes(header + b"".join(lines) * 300)
    peak, digest, counts = read_alone(path)
    assert small.usage is not None
    repeated = (np.tile(array, (300,) + (1,) * (array.ndim - 1)) for array in (small.images, small.labels, small.usage))
    assert digest == Dataset(*repeated, EMOTIONS, "", "").digest
    assert counts == [3000, 3000, 3000]
    assert peak < 250e6


@needs_proc
def test_the_real_csv_is_read_in_little_memory(fer2013: Path) -> None:
    peak, digest, counts = read_alone(fer2013)
    assert counts == [28709, 3589, 3589]
    assert digest == "eefa714d28947ddde258005d1105c160dee04c9379a1138b4bbf02031cd962b0"
    assert peak < 400e6


def test_irregular_rows_are_read_amid_regular_ones_over_many_blocks() -> None:
    """Spaces, tabs and quotes too many, in some rows of some of the parser's blocks."""
    data = make(240)  # 2 MB
    header, *lines = write_csv(data, "pixels,emotion,usage").decode().splitlines()
    for row in (3, 71, 72, 200, 239):
        pixels, emotion, usage = lines[row].split(",")
        pixels = pixels.replace(" ", "  ", row).replace(" ", "\t", row // 2)
        lines[row] = f'" {pixels} ", {emotion} ,"{usage.lower()} "'
    text = "\n".join([header, *lines]).encode()
    faces = read_csv(lambda: io.BytesIO(text), "here")
    np.testing.assert_array_equal(faces.images, data.images)
    np.testing.assert_array_equal(faces.labels, data.labels)
    np.testing.assert_array_equal(faces.usage, data.usage)


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    """Forty reads under a limit of twenty more open files."""
    path = as_zip(make(3), tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/dev/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(used + 20, hard), hard))
    try:
        for _ in range(40):
            load_dataset(path, cache=False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("name", ["synthetic", "synthetic-faces", "synthetic-six", "Synthetic Six", "synthetic_2"])
def test_a_file_called_like_the_embedded_set_is_not_taken_for_it(tiny_npz, tmp_path, name):
    path = tmp_path / f"{name}.npz"
    path.write_bytes(tiny_npz.read_bytes())
    data = load_dataset(path)
    assert not data.embedded
    assert not load_dataset(path, scheme="six").embedded
    assert not load_dataset(path, merge=("sadness+neutral",)).embedded
    assert all(
        one.embedded
        for one in (
            load_dataset("synthetic"),
            load_dataset("synthetic", scheme="six"),
            load_dataset("synthetic", scheme="six", merge=("sadness+neutral", "anger+disgust")),
        )
    )
