"""Folders, zips and tars of faces: one result for all, every file read, or counted and named, or refused."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fer_bench.cli import main
from fer_bench.data.dataset import USAGES, Dataset
from fer_bench.data.load import load_dataset, load_foreign
from fer_bench.errors import InputError

WORDS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
APPLE = bytes.fromhex("0005160700020000") + b"Mac OS X        " + bytes(140)


def picture(shade: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(shade).integers(0, 256, (48, 48), np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def tree(pattern: str = "{part}/{word}/{k}.png", parts: tuple[str, ...] = ("train", "test")) -> dict[str, bytes]:
    """Two images of each emotion in each part."""
    return {
        pattern.format(part=part, word=word, k=k): picture(100 * p + 10 * w + k)
        for p, part in enumerate(parts)
        for w, word in enumerate(WORDS)
        for k in range(2)
    }


def table(rows: int = 14, header: str = "emotion,pixels,Usage") -> bytes:
    rng = np.random.default_rng(0)
    lines = [header]
    for row in range(rows):
        cells = [str(row % 7), " ".join(map(str, rng.integers(0, 256, 2304))), USAGES[row % 3]]
        lines.append(",".join(cells[: header.count(",") + 1]))
    return ("\n".join(lines) + "\n").encode()


def as_folder(files: Mapping[str, bytes], place: Path) -> Path:
    for name, content in files.items():
        path = place / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return place / "set"


def as_zip(files: Mapping[str, bytes], place: Path) -> Path:
    with zipfile.ZipFile(place / "set.zip", "w") as archive:
        for name, content in reversed(files.items()):
            archive.writestr(name, content)
    return place / "set.zip"


def as_backslash_zip(files: Mapping[str, bytes], place: Path) -> Path:
    """As Windows PowerShell packs, folders included."""
    with zipfile.ZipFile(place / "set.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("train\\"), b"")
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("/", "\\")), content)
    return place / "set.zip"


def as_tar(files: Mapping[str, bytes], place: Path) -> Path:
    """As macOS packs: names begin with ./, and each file has a shadow before it."""
    with tarfile.open(place / "set.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            head, _, last = name.rpartition("/")
            for member, inside in ((f"./{head}/._{last}", APPLE), (f"./{name}", content)):
                info = tarfile.TarInfo(member)
                info.size = len(inside)
                archive.addfile(info, io.BytesIO(inside))
    return place / "set.tar.gz"


def as_unpacked_badly(files: Mapping[str, bytes], place: Path) -> Path:
    """All files in one folder, with backslashes in their names, as some programs unpack such a zip."""
    (place / "set").mkdir()
    for name, content in files.items():
        (place / "set" / name.replace("/", "\\")).write_bytes(content)
    return place / "set"


CONTAINERS = (as_folder, as_zip, as_backslash_zip, as_tar, as_unpacked_badly)
SETS: dict[str, dict[str, bytes]] = {
    "images": tree(),
    "csv of another name": {"faces.csv": table()},
    "csv two levels down": {"a/b/fer2013.csv": table()},
    "csv beside one without labels": {"train.csv": table(header="emotion,pixels"), "test.csv": b"pixels\n1 2 3\n"},
    "csv beside a picture": {"fer2013.csv": table(), "notes/curve.png": picture(1)},
    "images beside a list": {"labels.csv": b"file,label\ntrain/happy/0.png,happy\n", **tree()},
    "images beside by-products": tree() | {"train/happy/Thumbs.db": b"x", "train/desktop.ini": b"x", ".DS_Store": b"x"},
    "images in folders of parts inside": tree("{word}/{part}/{k}.png"),
    "no faces": {"readme.txt": b"x", "a.csv": b"x,y\n", "b.csv": b"x,y\n"},
    "two sets": {"a.csv": table(), "b.csv": table()},
    "images and a table of faces": {"faces.csv": table(), **tree()},
    "an emotion that is none": tree() | {"train/hungry/1.png": picture(1)},
    "a file of another kind": tree() | {"train/happy/9.heic": b"x"},
}


def outcome(path: Path) -> object:
    try:
        read = load_dataset(path, cache=False)
    except InputError as error:
        return str(error).replace(str(path), "it")
    return read.digest, [text for text in read.left_out if "hidden" not in text], read.notes


@pytest.mark.parametrize("name", SETS)
def test_every_container_gives_the_same(name: str, tmp_path: Path) -> None:
    outcomes = {}
    for container in CONTAINERS:
        place = tmp_path / container.__name__
        place.mkdir()
        outcomes[container.__name__] = outcome(container(SETS[name], place))
    assert len({str(found) for found in outcomes.values()}) == 1, outcomes


def read(files: Mapping[str, bytes], tmp_path: Path) -> Dataset:
    return load_dataset(as_folder(files, tmp_path), cache=False)


def refused(files: Mapping[str, bytes], tmp_path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(files, tmp_path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def parts(data: Dataset) -> list[int] | None:
    return None if data.usage is None else np.bincount(data.usage, minlength=3).tolist()


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("jfif", "JPEG"), ("jpe", "JPEG"), ("JPEG", "JPEG"), ("jp2", "JPEG2000"), ("j2k", "JPEG2000"), ("apng", "PNG"),
     ("pnm", "PPM"), ("TIFF", "TIFF"), ("mpo", "JPEG")],
)  # fmt: skip
def test_a_suffix_that_pillow_knows(suffix: str, kind: str, tmp_path: Path) -> None:
    files = tree("{word}/{k}.png", ("",)) | {f"disgust/x{k}.{suffix}": picture(k, kind) for k in range(3)}
    data = read(files, tmp_path)
    assert data.counts()["disgust"] == 5
    assert data.left_out == ()


def test_an_image_without_a_suffix_is_read(tmp_path: Path) -> None:
    assert len(read({"happy/1.png": picture(1), "happy/2": picture(2, "JPEG")}, tmp_path)) == 2


@pytest.mark.parametrize("name", ["3.bak", "3.jpg_large", "3.png~", "3.jpg.part"])
def test_an_image_under_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    assert f"happy/{name} holds an image" in refused({"happy/1.png": picture(1), f"happy/{name}": picture(2)}, tmp_path)


@pytest.mark.parametrize("suffix", ["heic", "HEIF", "svg", "psd", "eps", "tga", "ico", "cr2"])
@pytest.mark.parametrize("folder", ["happy", "train/disgust", "contempt"])
def test_an_image_of_a_kind_that_is_not_read_is_refused(suffix: str, folder: str, tmp_path: Path) -> None:
    files = {"train/happy/1.png" if "train" in folder else "happy/1.png": picture(1), f"{folder}/2.{suffix}": b"x"}
    assert f"{folder}/2.{suffix} is an image of a kind that is not read" in refused(files, tmp_path)


@pytest.mark.parametrize("name", ["disgust.zip", "train/disgust.tar.gz", "test.zip"])
def test_a_class_or_part_that_lies_there_packed(name: str, tmp_path: Path) -> None:
    files = {"train/happy/1.png" if name != "disgust.zip" else "happy/1.png": picture(1), name: b"x"}
    assert f"{name} lies packed among folders of images" in refused(files, tmp_path / "a")
    there = {f"{name.split('.')[0]}/{'happy/' if name == 'test.zip' else ''}1.png": picture(2)}
    assert read(files | there, tmp_path / "b").left_out == (f"1 archive: {name}",)


def test_files_that_are_passed_over_are_counted_and_named(tmp_path: Path) -> None:
    files = tree("{word}/{k}.png", ("",)) | {
        "README.md": b"#", "happy/notes.txt": b"x", "happy/clip.mp4": b"x", "list.csv": b"a,b\n1,2\n",
        ".hidden.png": picture(3), "happy/.ipynb_checkpoints/0.png": picture(4), "happy/Thumbs.db": b"x",
        "more.zip": b"x", **{f"logs/{n}.log": b"x" for n in range(9)},
    }  # fmt: skip
    data = read(files, tmp_path)
    assert data.left_out == (
        "1 table: list.csv",
        "1 archive: more.zip",
        "12 other files: README.md, happy/clip.mp4, happy/notes.txt, logs/0.log, logs/1.log, …",
        "3 hidden or system files: .hidden.png, happy/.ipynb_checkpoints, happy/Thumbs.db",
    )
    assert data.digest == read(tree("{word}/{k}.png", ("",)), tmp_path / "plain").digest


def test_what_was_left_out_is_said_and_survives_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    deep = io.BytesIO()
    Image.fromarray(np.full((48, 48), 900, np.uint16)).save(deep, "PNG")
    path = as_folder({"happy/1.png": picture(1), "happy/2.png": deep.getvalue(), "notes.txt": b"x"}, tmp_path)
    for _ in range(2):
        facts = json.loads(CliRunner().invoke(main, ["data", "info", "--data", str(path), "--json"]).stdout)
        assert facts["left_out"] == ["1 other file: notes.txt"]
        assert facts["notes"] == ["1 of 2 images have 16 bits a pixel, with values up to 900: read as 10 bits"]
    text = CliRunner().invoke(main, ["data", "info", "--data", str(path)]).stdout
    assert "not read: 1 other file: notes.txt\n1 of 2 images have 16 bits" in text
    said = CliRunner().invoke(main, ["data", "export", "--data", str(path), "--out", str(tmp_path / "out")]).stderr
    assert "not read: 1 other file: notes.txt" in said


def test_a_name_in_a_file_gives_no_orders_to_the_terminal(tmp_path: Path) -> None:
    path = as_folder({"happy/1.png": picture(1), "\x1b[31mred\n.txt": b"x"}, tmp_path)
    text = CliRunner().invoke(main, ["data", "info", "--data", str(path)]).stdout
    assert "\x1b" not in text
    assert "1 other file" in text


def test_class_folders_may_be_links(tmp_path: Path) -> None:
    as_folder({"a/1.png": picture(1), "b/2.png": picture(2)}, tmp_path / "elsewhere")
    (tmp_path / "linked").mkdir()
    for word, name in (("happy", "a"), ("sad", "b")):
        (tmp_path / "linked" / word).symlink_to(tmp_path / "elsewhere/set" / name)
    data = load_dataset(tmp_path / "linked", cache=False)
    assert [data.counts()[word] for word in ("happiness", "sadness")] == [1, 1]


def test_a_change_behind_a_link_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    as_folder({"1.png": picture(1)}, tmp_path)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/happy").symlink_to(tmp_path / "set")
    assert len(load_dataset(tmp_path / "linked")) == 1
    as_folder({"2.png": picture(2)}, tmp_path)
    assert len(load_dataset(tmp_path / "linked")) == 2


def test_a_folder_that_is_there_twice_by_a_link(tmp_path: Path) -> None:
    path = as_folder(tree(), tmp_path)
    (path / "train/happy/again").symlink_to(path / "train")
    with pytest.raises(InputError, match="the same folder as"):
        load_dataset(path)


@pytest.mark.parametrize("name", ["happy/2.png", "disgust"])
def test_a_link_to_nothing_is_not_passed_over(name: str, tmp_path: Path) -> None:
    path = as_folder({"happy/1.png": picture(1)}, tmp_path)
    (path / name).symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=f"{name}: a link to nothing"):
        load_dataset(path, cache=False)
    with pytest.raises(InputError, match=name):
        load_dataset(path)


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    path = as_folder({"happy/1.png": picture(1)}, tmp_path)
    deepest = os.open(path, os.O_RDONLY)
    for _ in range(45):  # beyond the longest path that the system opens
        os.mkdir("d" * 100, dir_fd=deepest)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = below
    os.close(deepest)
    with pytest.raises(InputError, match="can't be read"):
        load_dataset(path, cache=False)
    with pytest.raises(InputError, match="can't be read"):
        load_dataset(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["sad", "happy/1.png"])
def test_what_may_not_be_read_is_named(name: str, tmp_path: Path) -> None:
    path = as_folder({"happy/1.png": picture(1), "sad/1.png": picture(2)}, tmp_path)
    (path / name).chmod(0)
    try:
        with pytest.raises(InputError, match=f"{name}: can't be read"):
            load_dataset(path, cache=False)
    finally:
        (path / name).chmod(0o700)


@pytest.mark.parametrize("container", [as_zip, as_tar])
def test_a_file_that_is_twice_in_an_archive(container: Callable[..., Path], tmp_path: Path) -> None:
    files = {"happy/1.png": picture(1), "happy\\1.png": picture(2)}
    with pytest.raises(InputError, match=r"happy/1\.png is in it twice"):
        load_dataset(container(files, tmp_path), cache=False)


LAYOUTS: dict[str, tuple[tuple[str, ...], str, list[int] | None]] = {
    "training and testing": (("training", "testing"), "{part}/{word}/{k}.png", [14, 0, 14]),
    "FER+": (("FER2013Train", "FER2013Valid", "FER2013Test"), "{part}/{word}/{k}.png", [14, 14, 14]),
    "a word in a name": (("fer_train", "fer_test"), "{part}/{word}/{k}.png", [14, 0, 14]),
    "sets": (("trainset", "testset"), "{part}/{word}/{k}.png", [14, 0, 14]),
    "twice": (("train", "test"), "seg_{part}/seg_{part}/{word}/{k}.png", [14, 0, 14]),
    "folders between": (("train", "test"), "{part}/images/{word}/{k}.png", [14, 0, 14]),
    "inside the emotion's": (("train", "val", "test"), "{word}/{part}/{k}.png", [14, 14, 14]),
    "both of Kaggle's tests": (("Training", "Public Test", "PrivateTest_set"), "x/{part} 1/{word}/{k}.png", [14] * 3),
    "above all, a word that tells none apart": (("train", "test"), "my-test-data/{part}/{word}/{k}.png", [14, 0, 14]),
    "above all, the word of a part": (("train", "test"), "test/{part}/{word}/{k}.png", [14, 0, 14]),
    "one part": (("train",), "{part}/{word}/{k}.png", [14, 0, 0]),
    "no part": (("",), "latest/{word}/{k}.png", None),
    "one folder of a name with a word": (("",), "fer_train/{word}/{k}.png", None),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_parts_are_told_by_words_wherever_they_stand(name: str, tmp_path: Path) -> None:
    words, pattern, expected = LAYOUTS[name]
    assert parts(read(tree(pattern, words), tmp_path)) == expected


def test_what_stands_above_does_not_matter(tmp_path: Path) -> None:
    digests = {read(tree("{word}/{k}.png", ("",)), tmp_path / name).digest for name in ("train", "test", "dev", "x")}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "files",
    [
        {**tree("images/{part}/{word}/{k}.png"), **tree("images/images/{part}/{word}/{k}.png")},
        {**tree("train/{word}/{k}.png", ("",)), "augmented/train/happy/1.png": picture(1)},
        {**tree("train_a/{word}/{k}.png", ("",)), "train_b/happy/1.png": picture(1)},
        {**tree("train/{word}/{k}.png", ("",)), "holdout/happy/1.png": picture(1)},
        {**tree("fer_train/{word}/{k}.png", ("",)), "fer_test/happy/1.png": picture(1), "happy/1.png": picture(2)},
    ],
)
def test_folders_that_are_no_one_tree_are_named(files: dict[str, bytes], tmp_path: Path) -> None:
    assert "one tree of train, validation and test is wanted" in refused(files, tmp_path)


def test_a_split_made_anew_contradicts_the_old_names(tmp_path: Path) -> None:
    files = {f"train/{word}/Training_{k}.png": picture(k) for k, word in enumerate(WORDS)}
    files |= {f"test/{word}/PublicTest_{k}.png": picture(10 + k) for k, word in enumerate(WORDS)}
    assert parts(read(files, tmp_path)) == [7, 7, 0]
    text = refused(files | {"train/sad/PrivateTest_9.png": picture(50)}, tmp_path / "again")
    assert "train/sad/PrivateTest_9.png: its folder says train, its name PrivateTest (1 of 15 images" in text


def test_names_alone_tell_no_parts_and_it_is_said(tmp_path: Path) -> None:
    files = {f"happy/{usage}_{k}.png": picture(k) for k, usage in enumerate(USAGES)}
    data = read(files, tmp_path)
    assert data.usage is None
    assert "3 file names: happy/PrivateTest_2.png, " in data.notes[0]
    assert "not from file names" in data.notes[0]


def test_names_that_are_no_kaggles_give_way_to_folders_and_it_is_said(tmp_path: Path) -> None:
    files = {
        "train/happy/test_1.png": picture(1),
        "test/happy/train_2.png": picture(2),
        "test/sad/test_3.png": picture(3),
    }
    data = read(files, tmp_path)
    assert parts(data) == [1, 0, 2]
    assert data.notes == (
        "2 file names: test/happy/train_2.png, train/happy/test_1.png; these name a part of a split, and the "
        "folders name others: the folders count",
    )


@pytest.mark.parametrize("name", ["happy_01", "Happy (3)", "happiness-7"])
def test_a_file_named_after_another_emotion_than_its_folder(name: str, tmp_path: Path) -> None:
    assert len(read({f"happy/{name}.png": picture(1), "sad/woman.png": picture(3)}, tmp_path / "a")) == 2
    text = refused({f"sad/{name}.png": picture(1), "sad/2.png": picture(3)}, tmp_path / "b")
    assert f"sad/{name}.png: its folder says sadness, its name happiness (1 of 2 images" in text


@pytest.mark.parametrize(
    ("row", "agrees"),
    [
        ("train/happy/0.png,happy", True),
        ("train/happy/0.png,Happiness", True),
        ("happy/0.png,3", True),
        ("train/happy/0.png,sad", False),
        ("train\\happy\\0.png,sad", False),
        ("anger/0.png,surprise", False),
        ("happy/unknown.png,fear", False),
    ],
)
def test_a_table_beside_that_says_what_images_show(row: str, agrees: bool, tmp_path: Path) -> None:
    files = {"labels.csv": f"path,label\ntrain/angry/0.png,anger\n{row}\n".encode(), **tree()}
    if agrees:
        assert read(files, tmp_path).left_out == ("1 table: labels.csv",)
    else:
        assert "labels.csv, line 3: " in refused(files, tmp_path)


def test_images_in_no_folder_of_an_emotion(tmp_path: Path) -> None:
    """JAFFE's labels stand in its file names."""
    path = as_folder({f"KA.{code}.tiff": picture(1, "TIFF") for code in ("AN1.39", "HA2.30")}, tmp_path)
    for load in (lambda: load_dataset(path, cache=False), lambda: load_foreign(path)):
        with pytest.raises(InputError, match=r"KA\.AN1\.39\.tiff stands in no folder of an emotion; happy/1.png or"):
            load()


def test_a_foreign_set_in_which_no_folder_is_an_emotions(tmp_path: Path) -> None:
    path = as_folder({f"jaffe/KA.{code}.tiff": picture(1, "TIFF") for code in ("AN1.39", "HA2.30")}, tmp_path)
    with pytest.raises(InputError, match=r"no folder has the name of an emotion, only 'jaffe'; happy/1\.png is"):
        load_foreign(path)


def test_more_than_one_set_is_named(tmp_path: Path) -> None:
    text = refused({"a.csv": table(), "sub/b.csv": table()}, tmp_path / "a")
    assert "more than one set of faces: 2 tables: a.csv, sub/b.csv; give one of them" in text
    text = refused({"fer2013.csv": table(), **tree()}, tmp_path / "b")
    assert "1 table: fer2013.csv; 28 images: " in text


def test_kaggles_own_table_comes_before_others(tmp_path: Path) -> None:
    files = {"train.csv": table(header="emotion,pixels"), "icml_face_data.csv": table(), "fer2013.tar.gz": b"x"}
    data = read(files, tmp_path)
    assert len(data) == 14
    assert data.usage is not None
    assert data.left_out == ("1 table: train.csv", "1 archive: fer2013.tar.gz")


def parquet(path: Path, shade: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": picture(shade + n), "path": None} for n in range(3)]
    pq.write_table(pa.table({"image": images, "label": ["anger", "happy", "sad"]}), path)


def packed(folder: Path) -> Iterator[Path]:
    """The files of a folder as a zip and as a tar file."""
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive, tarfile.open(f"{folder}.tar.gz", "w:gz") as tar:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder), zipfile.ZIP_DEFLATED)
            tar.add(path, str(path.relative_to(folder)))
    yield from (folder.with_suffix(".zip"), Path(f"{folder}.tar.gz"))


@pytest.mark.parametrize("form", ["npz", "parquet"])
def test_binary_tables_are_the_same_in_a_folder_and_an_archive(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    if form == "npz":
        np.savez(folder / "faces.npz", images=np.full((2, 48, 48), 9, np.uint8), labels=[0, 1], usage=[0, 2])
    else:
        parquet(folder / "data/train-00000.parquet", 9)
        parquet(folder / "data/test-00000.parquet", 50)
    (folder / "notes.txt").write_text("x")
    whole = load_dataset(folder, cache=False)
    assert whole.usage is not None
    for path in packed(folder):
        data = load_dataset(path, cache=False)
        assert (data.digest, data.left_out) == (whole.digest, whole.left_out)


def test_what_is_wrong_with_a_table_in_an_archive_is_told_by_its_place_there(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True)
    np.savez(folder / "sub/faces.npz", images=np.full((2, 48, 48), 9, np.uint8), labels=[0, 9])
    for path in packed(folder):
        with pytest.raises(InputError, match=re.escape(f"{path}: sub/faces.npz, row 1: label 9")):
            load_dataset(path, cache=False)


def test_the_folder_that_is_given_decides_no_part_of_a_parquet_file(tmp_path: Path) -> None:
    digests = set()
    for name in ("data", "dev", "test", "train"):
        parquet(tmp_path / name / "faces.parquet", 0)
        digests |= {load_dataset(tmp_path / name / place, cache=False).digest for place in ("", "faces.parquet")}
    assert len(digests) == 1


def test_a_parquet_file_and_its_folder_that_name_different_splits(tmp_path: Path) -> None:
    parquet(tmp_path / "test/train-0.parquet", 0)
    with pytest.raises(InputError, match="test and train-0 in it name different splits"):
        load_dataset(tmp_path, cache=False)


@pytest.mark.parametrize(
    "names",
    [
        ("fer_train", "fer_test"),
        ("train", "test"),
        ("train-00000-of-00001", "test-00000-of-00001"),
        ("train/0000", "test/0000"),
        ("fer-train/images/0000", "fer-test/images/0000"),
        ("FER2013Train", "FER2013Test"),
    ],
)
@pytest.mark.parametrize("above", ["", "test/"])
def test_parquet_files_tell_their_parts(names: tuple[str, str], above: str, tmp_path: Path) -> None:
    for n, name in enumerate(names):
        parquet(tmp_path / f"set/{above}{name}.parquet", 10 * n)
    assert parts(load_dataset(tmp_path / "set", cache=False)) == [3, 0, 3]
