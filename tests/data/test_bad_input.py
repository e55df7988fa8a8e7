"""Bad input: one line that names the place, and never a silently wrong number."""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_bench.data.load import load_dataset, load_foreign
from fer_bench.errors import InputError

GOOD = " ".join(["7"] * 2304)


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(path, cache=False)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def csv_with(tmp_path: Path, emotion: str = "3", pixels: str = GOOD, usage: str = "Training") -> Path:
    """200 good rows (more than one block of the parser), a blank line, the row to look at, and a good one."""
    path = tmp_path / "bad.csv"
    good = f"0,{GOOD},Training\n"
    path.write_text("emotion,pixels,Usage\n" + good * 200 + "\n" + f"{emotion},{pixels},{usage}\n" + good)
    return path


@pytest.mark.parametrize("emotion", ["7", "x", "-1", "", "1.5", "00", "7.0", "hungry", "nan"])
def test_a_bad_label(tmp_path: Path, emotion: str) -> None:
    text = message(csv_with(tmp_path, emotion=emotion))
    assert f"line 203, column emotion: {emotion!r}" in text


@pytest.mark.parametrize(
    "pixel", ["256", "-1", "nan", "1.5", "1e2", "x", "0x1", "1_0", "999999999999", "٣", "300", "0007", "7\x017"]
)
def test_a_bad_pixel(tmp_path: Path, pixel: str) -> None:
    text = message(csv_with(tmp_path, pixels=" ".join(["7"] * 9 + [pixel] + ["7"] * 2294)))
    assert "line 203, column pixels: pixel 10 is " in text
    assert repr(pixel[:20]) in text


@pytest.mark.parametrize("count", [0, 1, 2303, 2305])
def test_a_wrong_number_of_pixels(tmp_path: Path, count: int) -> None:
    text = message(csv_with(tmp_path, pixels=" ".join(["7"] * count)))
    assert f"line 203, column pixels: {count:,} pixels; an image has 2,304" in text


def test_a_missing_pixel_is_not_made_up_by_the_next_row(tmp_path: Path) -> None:
    path = tmp_path / "shifted.csv"
    path.write_text(f"emotion,pixels\n0,{GOOD} 7\n0,{GOOD[2:]}\n")
    assert "line 2, column pixels: 2,305 pixels" in message(path)


def test_an_unknown_usage(tmp_path: Path) -> None:
    assert "line 203, column Usage: 'Holdout' is unknown" in message(csv_with(tmp_path, usage="Holdout"))


@pytest.mark.parametrize("column", ["emotion", "pixels"])
def test_a_missing_column(tmp_path: Path, column: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"emotion,pixels,Usage\n0,{GOOD},Training\n".replace(column, "other"))
    assert f"line 1: no column '{column}'" in message(path)


@pytest.mark.parametrize(("line", "columns"), [(f"0,{GOOD}", 2), (f"0,{GOOD},Training,", 4), ("0", 1)])
def test_a_line_of_other_width(tmp_path: Path, line: str, columns: int) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"emotion,pixels,Usage\n0,{GOOD},Training\n{line}\n0,{GOOD},Training\n")
    assert f"line 3: {columns} columns where the header has 3" in message(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"emotion,pixels,Usage\n", b"\x89PNG\r\n\x1a\n\xff\xfe"])
def test_no_table_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    message(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(f"emotion,pixels\n0,{GOOD}\n0,".encode() + b"\xff\xfe 7\n")
    message(path)


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such file or folder" in message(tmp_path / "nowhere.csv")
    monkeypatch.setenv("FER_BENCH_DATA", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="from FER_BENCH_DATA"):
        load_dataset()


def test_a_file_of_no_known_form(tmp_path: Path) -> None:
    path = tmp_path / "faces.xlsx"
    path.touch()
    assert ".parquet" in message(path)


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert "no images" in message(tmp_path)


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (48, 48)).save(path)


def test_a_folder_that_is_no_emotion(tmp_path: Path) -> None:
    image(tmp_path / "train/happy/1.png")
    image(tmp_path / "train/hungry/2.png")
    assert "train/hungry/2.png is no emotion" in message(tmp_path)


def test_two_trees_in_one_folder(tmp_path: Path) -> None:
    image(tmp_path / "images/train/happy/1.png")
    image(tmp_path / "images/images/train/happy/1.png")
    assert "one tree" in message(tmp_path)


def test_images_beside_a_usage_folder(tmp_path: Path) -> None:
    image(tmp_path / "train/happy/1.png")
    image(tmp_path / "happy/2.png")
    assert "one tree" in message(tmp_path)


@pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_a_damaged_image(tmp_path: Path, content: bytes) -> None:
    image(tmp_path / "happy/1.png")
    (tmp_path / "happy/2.png").write_bytes(content)
    assert "happy/2.png" in message(tmp_path)


def test_a_truncated_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "sad").mkdir()
    path = tmp_path / "sad/1.png"
    Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    assert "sad/1.png" in message(tmp_path)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz", "a.tar", "a.npz", "a.parquet"])
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"<html>please log in</html>")
    message(path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("fault", ["cut", "flipped"])
def test_an_archive_damaged_in_the_middle(tmp_path: Path, kind: str, fault: str) -> None:
    rng = np.random.default_rng(0)
    table = tmp_path / "fer2013.csv"
    rows = [f"0,{' '.join(map(str, rng.integers(0, 256, 2304)))},Training\n" for _ in range(30)]
    table.write_text("emotion,pixels,Usage\n" + "".join(rows))
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(table, "fer2013.csv")
    else:
        with tarfile.open(path, "w:gz") as tar:
            tar.add(table, "fer2013.csv")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    if fault == "cut":
        del content[middle:]
    else:
        content[middle : middle + 50] = bytes(50)
    path.write_bytes(content)
    message(path)


def test_a_member_that_would_unpack_to_a_giant(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/happy/1.png", bytes(65 << 20))
    assert "unpacks to" in message(path)


@pytest.mark.parametrize(
    "name", ["../../train/happy/2.png", "/train/happy/2.png", "C:\\happy\\2.png", "happy/..\\..\\2.png", ""]
)
def test_an_archive_that_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    image(tmp_path / "1.png")
    path = tmp_path / "climb.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "1.png", "train/happy/1.png")
        archive.writestr(zipfile.ZipInfo(name), (tmp_path / "1.png").read_bytes())
    assert "leads out of" in message(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE]
)
def test_members_that_are_no_plain_files(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    info = tarfile.TarInfo("train/happy/1.png")
    info.type, info.linkname = kind, "/etc/passwd"
    path.write_bytes(info.tobuf() + bytes(1024))
    assert "a link, a device or sparse" in message(path)


def test_a_link_in_a_zip_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("train/happy/1.png")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "a link, a device or sparse" in message(path)


def test_a_tar_file_that_unpacks_to_more_than_there_is_room_for(tmp_path: Path) -> None:
    """Refused by what its first header says: nothing of it is unpacked."""
    path = tmp_path / "a.tar.gz"
    info = tarfile.TarInfo("fer2013.csv")
    info.size = 1 << 40
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_000)))
    assert "unpack to 1,099,511,627,776" in message(path)


def test_a_tar_header_that_would_be_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert "a header of 8,589,934,592 bytes" in message(path)


def test_an_archive_within_an_archive_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "outer.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("faces.tar.gz", b"")
    assert "archive 'faces.tar.gz' inside" in message(path)


def test_a_zip_file_of_millions_of_repeated_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"happy/{number}.png", bytes(60 << 20))
    assert "that unpack to" in message(path)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    os.mkfifo(tmp_path / "happy/1.png")
    assert "happy/1.png: neither a plain file nor a folder" in message(tmp_path)
    os.mkfifo(tmp_path / "fer2013.csv")
    assert "neither a plain file nor a folder" in message(tmp_path)
    assert "neither a plain file nor a folder" in message(tmp_path / "fer2013.csv")


def picture(path: Path, mode: str, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (48, 48)).save(path, **options)


def test_images_that_are_no_picture_of_a_face(tmp_path: Path) -> None:
    picture(tmp_path / "a/happy/1.tif", "F")
    assert "floating-point" in message(tmp_path / "a")
    picture(tmp_path / "b/happy/1.gif", "L", save_all=True, append_images=[Image.new("L", (48, 48), 9)])
    assert "several images in one file" in message(tmp_path / "b")
    image(tmp_path / "c/happy/1.png")
    Image.new("1", (8000, 8000)).save(tmp_path / "c/happy/1.png")
    assert "8000 x 8000 pixels; 50,000,000 are the limit" in message(tmp_path / "c")


def test_what_is_named_like_an_image_but_starts_a_program(tmp_path: Path) -> None:
    """Pillow hands PostScript to Ghostscript, whatever the file is called."""
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy/1.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n%%EndComments\n")
    assert "not an image that can be read" in message(tmp_path)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(end.join(["emotion,pixels", f"0,{GOOD}", f"9,{GOOD}", ""]).encode())
    assert ("line 1" if end == "\r" else "line 3, column emotion") in message(path)


def test_lines_that_end_in_cr_below_a_header_that_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"emotion,pixels\n0,{GOOD}\r9,{GOOD}\r".encode())
    assert "line 3, column emotion: '9'" in message(path)


def test_a_line_longer_than_any_image(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"emotion,pixels\n0,{GOOD}\n0,{'7 ' * 1_000_000}\n")
    assert "line 3: more than 524,288 characters" in message(path)


def test_a_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("emotion,pixels\n")
    assert message(path).endswith("faces.csv: nothing below the header; a row for each image is wanted")


HEADERS = {
    "line 1: 2,001 columns; 1,000 are the limit": b"x," * 2000,
    "line 1: not CSV text with lines that end in LF or CR LF": b"emotion,pixels" + b" " * 70_000,
    "line 1: UTF-16 text; save it as UTF-8": "emotion,pixels".encode("utf-16"),
    "line 1: 2,305 columns, one for each pixel": ",".join(["emotion", *map(str, range(2304))]).encode(),
    "line 1: an image and no header": f"0,{GOOD}".encode(),
    "line 1: columns 1 and 3 are both called 'emotion'": b"emotion,pixels,Emotion ",
    "line 1: columns 2 and 3 are both called 'pixels'": b"emotion,pixels,pixels",
    "line 1: columns 3 and 4 are both called 'usage'": b"emotion,pixels,Usage,usage",
    "line 101: no column 'emotion', only x": b"\n" * 100 + b"x",
    "begins with blank lines": b" \n" * 101,
}


@pytest.mark.parametrize("wanted", HEADERS)
def test_a_header_that_is_none(tmp_path: Path, wanted: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(HEADERS[wanted] + f"\n0,{GOOD}\n".encode())
    assert wanted in message(path)


def test_pixels_that_were_left_out_when_they_were_printed(tmp_path: Path) -> None:
    assert "'...' stands for pixels that were left out" in message(csv_with(tmp_path, pixels="[1 2 3 ... 7 8 9]"))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }\n",
            "claims a shape of (1000000000000,)",
        ),
        (b"{'descr': '|u1', 'fortran_order'$x^{$se, 'shape': (7, 48, 48), }\n", "a header that can't be understood"),
        (b"{'descr': [[]], 'fortran_order': False, 'shape': (2,), }\n", "not readable as .npz"),
        (b"(" * 5000 + b"\n", "a header that can't be understood"),
        (b"-" * 9000 + b"1\n", "a header that can't be understood"),
    ],
)
def test_an_array_with_a_header_that_is_none(tmp_path: Path, header: bytes, words: str) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"12")
    assert words in message(path)


def test_an_array_of_pickled_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=IMAGES, labels=np.array([object, 1], object))
    assert "object; numbers or texts are wanted" in message(path)


def test_a_parquet_file_of_one_value_very_many_times(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(
        pa.table({"label": pa.array(np.zeros(1_000_001, np.int8)), "image": pa.nulls(1_000_001, pa.binary())}), path
    )
    assert path.stat().st_size < 10_000
    assert "1,000,001 rows" in message(path)


def test_a_parquet_file_that_becomes_far_more_than_it_is(tmp_path: Path) -> None:
    """One image, or one text of 50 MB, many times: some thousand bytes that would become gigabytes."""
    import pyarrow as pa
    from pyarrow import parquet

    def often(value: object, rows: int) -> object:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))

    for number, (value, rows, words) in enumerate(
        [
            (b"x", 300_000, "300,000 rows, which become 691,200,000 bytes"),
            (b"x" * (50 << 20), 1000, "values of more than"),
        ]
    ):
        path = tmp_path / f"{number}.parquet"
        table = pa.table({"label": np.zeros(rows, np.int8), "image": often(value, rows)})
        parquet.write_table(table, path, store_schema=False, compression="zstd")
        assert path.stat().st_size < 20_000
        assert words in message(path)


def test_many_parquet_files_that_together_become_far_more_than_they_are(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for number in range(3):
        table = pa.table({"label": np.zeros(50_000, np.int8), "image": pa.nulls(50_000, pa.binary())})
        parquet.write_table(table, tmp_path / f"train-{number}.parquet")
    assert "150,000 rows, which become 345,600,000 bytes" in message(tmp_path)


def test_names_of_classes_that_are_very_many(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES, labels=[0, 1], classes=np.zeros(20 << 20, np.uint8))
    assert "20,971,520 classes; 100 are the limit" in message(tmp_path / "a.npz")


def test_an_array_that_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=IMAGES, labels=[0, 1])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("labels.npy", archive.read("labels.npy"))
    assert "two arrays of the same name" in message(path)


def test_a_message_shows_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred.xlsx"
    path.touch()
    with pytest.raises(InputError) as caught:
        load_dataset(path, cache=False)
    assert "\x1b" not in str(caught.value)
    assert "�[31mred.xlsx" in str(caught.value)


IMAGES = np.full((2, 48, 48), 9, np.uint8)
NPZ = {
    "no array 'labels'": {"images": IMAGES},
    "no array 'images'": {"labels": [0, 1]},
    "with labels (3,)": {"images": IMAGES, "labels": [0, 1, 2]},
    "row 1: label 7": {"images": IMAGES, "labels": [0, 7]},
    "row 1: label -1": {"images": IMAGES, "labels": [0, -1]},
    "row 0: label 1.5": {"images": IMAGES, "labels": [1.5, 2.0]},
    "row 1: label 'hungry'": {"images": IMAGES, "labels": ["happy", "hungry"]},
    "float64 from -0.9294 to -0.9294": {"images": IMAGES / 127.5 - 1, "labels": [0, 1]},
    "row 1: a pixel is nan": {"images": IMAGES / np.array([255, np.nan])[:, None, None], "labels": [0, 1]},
    "row 1: a pixel is 265": {"images": IMAGES + np.array([0.0, 256.0])[:, None, None], "labels": [0, 1]},
    "values up to 300": {"images": IMAGES.astype(np.uint16) * 0 + np.uint16(300), "labels": [0, 1]},
    "complex128": {"images": IMAGES * 1j, "labels": [0, 1]},
    "row 1: a pixel": {"images": np.stack([IMAGES[0].astype(int), IMAGES[0].astype(int) + 256]), "labels": [0, 1]},
    "row 1: usage 'Later'": {"images": IMAGES, "labels": [0, 1], "usage": ["Training", "Later"]},
    "row 0: usage 3": {"images": IMAGES, "labels": [0, 1], "usage": [3, 0]},
    "usage of shape (1,)": {"images": IMAGES, "labels": [0, 1], "usage": [0]},
    "aren't all different": {"images": IMAGES, "labels": [0, 1], "classes": ["happy", "joy"]},
    "N > 0": {"images": IMAGES[:0], "labels": np.zeros(0, int)},
}


@pytest.mark.parametrize("load", [load_dataset, load_foreign])
def test_an_address_is_none_of_a_file(load: Callable) -> None:
    with pytest.raises(InputError, match=r"example\.org/fer2013\.csv is an address; download the data set"):
        load("https://example.org/fer2013.csv")


@pytest.mark.parametrize("wanted", NPZ)
def test_bad_arrays(tmp_path: Path, wanted: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **{name: np.asarray(value) for name, value in NPZ[wanted].items()})
    assert wanted in message(path)


TABLES = {
    "no column image or pixels": {"label": [0]},
    "no column label or emotion": {"pixels": [GOOD]},
    "row 1, column pixels: pixel 2,304 is '256'": {"pixels": [GOOD, GOOD[:-1] + "256"], "label": [0, 0]},
    "row 0: label 9": {"pixels": [GOOD], "label": [9]},
    "row 0: label None": {"pixels": [GOOD, GOOD], "label": [None, 1]},
    "row 0: the image holds no bytes": {"image": [{"bytes": None, "path": "x.png"}], "label": [0]},
    "row 0: usage 'x'": {"pixels": [GOOD], "label": [0], "usage": ["x"]},
    "row 0: not an image": {"image": [b"x"], "label": [0]},
}


@pytest.mark.parametrize("wanted", TABLES)
def test_bad_parquet(tmp_path: Path, wanted: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table(TABLES[wanted]), path)
    assert wanted in message(path).replace(f"{path}, ", "")
