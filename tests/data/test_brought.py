"""What people bring: nothing that stands beside the data, or says the same thing again, goes unread without a word."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import parquet

from fer_bench.cli import main
from fer_bench.data import load_dataset
from fer_bench.errors import InputError

WORDS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def picture(seed: int, largest: int = 255) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, largest + 1, (48, 48), np.uint8)).save(out, "PNG")
    return out.getvalue()


def folders(root: Path, pattern: str = "{part}/{word}/{part}{n}{k}.png") -> Path:
    """Two images of each emotion in a training and a test part."""
    for part in ("train", "test"):
        for n, word in enumerate(WORDS):
            for k in range(2):
                path = root / pattern.format(part=part, word=word, n=n + 1, k=k)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(100 * n + 10 * k + len(part)))
    return root


def table(path: Path, columns: dict[str, Sequence[object]], separator: str = ",", largest: int = 255) -> Path:
    """FER-2013's table of 14 images, with columns beside."""
    rng = np.random.default_rng(0)
    lines = [separator.join(["emotion", "pixels", "Usage", *columns])]
    for row in range(14):
        pixels = " ".join(map(str, rng.integers(0, largest + 1, 2304)))
        beside = [str(values[row % len(values)]) for values in columns.values()]
        lines.append(separator.join([str(row % 7), pixels, "Training" if row < 7 else "PrivateTest", *beside]))
    path.write_text("\n".join(lines) + "\n")
    return path


def hugging_face(path: Path, names: list[str], largest: int = 255) -> Path:
    images = [{"bytes": picture(row, largest), "path": None} for row in range(14)]
    columns = pa.table({"image": images, "label": [row % 7 for row in range(14)], "fold": [1] * 14})
    said = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    parquet.write_table(columns.replace_schema_metadata({b"huggingface": json.dumps(said).encode()}), path)
    return path


def refused(path: Path, *words: str, classes: str | None = None) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset(path, classes=classes, cache=False)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_columns_that_are_not_read_are_counted_and_named(tmp_path: Path) -> None:
    path = table(tmp_path / "faces.csv", {"subset": ["train"], "age": [3]})
    assert load_dataset(path, cache=False).left_out == ("2 columns: 'subset', 'age'",)
    done = CliRunner().invoke(main, ["data", "info", "--data", str(path)])
    assert "not read: 2 columns: 'subset', 'age'" in done.output
    assert load_dataset(path).left_out == load_dataset(path, cache=False).left_out  # from the cache, too
    (tmp_path / "folder").mkdir()
    path.rename(tmp_path / "folder/faces.csv")
    (tmp_path / "folder/notes.txt").write_text("x")
    assert load_dataset(tmp_path / "folder", cache=False).left_out == (
        "2 columns: 'subset', 'age'",
        "1 other file: notes.txt",
    )
    assert load_dataset(hugging_face(tmp_path / "a.parquet", sorted(WORDS)), cache=False).left_out == (
        "1 column: 'fold'",
    )
    images = np.random.default_rng(0).integers(0, 256, (7, 48, 48), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(7), y=np.arange(7))
    assert load_dataset(tmp_path / "a.npz", cache=False).left_out == ("1 array: 'y'",)
    assert not load_dataset(table(tmp_path / "plain.csv", {}), cache=False).left_out


def test_numbers_beside_words_are_named_where_nothing_says_what_they_mean(tmp_path: Path) -> None:
    path = table(tmp_path / "faces.csv", {"emotion_id": [6, 5], "emotion_name": [""]})
    assert load_dataset(path, cache=False).left_out == ("2 columns: 'emotion_id', 'emotion_name'",)
    path = table(tmp_path / "faces.csv", {"emotion_id": [6, 5], "emotion_name": WORDS})
    assert load_dataset(path, cache=False).left_out == ("1 column: 'emotion_id'",)
    columns = {"image": [picture(row) for row in range(7)], "label": list(WORDS), "class_id": list(range(7))}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert load_dataset(tmp_path / "a.parquet", cache=False).left_out == ("1 column: 'class_id'",)


@pytest.mark.parametrize("name", ["emotion.1", "pixels.1", "Usage.1"])
def test_a_column_twice_as_pandas_names_it(tmp_path: Path, name: str) -> None:
    refused(table(tmp_path / "faces.csv", {name: [0]}), "line 1: columns", f"both called '{name[:-2].lower()}'")


def test_a_target_in_words_that_contradicts_the_number(tmp_path: Path) -> None:
    refused(table(tmp_path / "faces.csv", {"target": ["sad"]}), "line 2", "anger", "column target has 'sad'")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.tsv", "path\tlabel\ntrain/angry/train10.png\thappy\n"),
        ("faces.csv", "Nr;Datei;Emotion\n1;train/angry/train10.png;happy\n"),
        ("annotations.csv", "filepaths,labels\nC:\\x\\train\\angry\\train10.png,happy\n"),
        ("list.csv", "subDirectory_filePath,expression\nangry/train10.png,happy\n"),
        ("list.csv", "im_name,category\nimage_path,x\ntrain10.png,Happy\n".replace("im_name", "img_name")),
    ],
)
def test_a_table_beside_under_any_names_of_columns(tmp_path: Path, name: str, text: str) -> None:
    root = folders(tmp_path / "set")
    (root / name).write_text(text.replace("happy", "angry").replace("Happy", "anger"))
    assert load_dataset(root, cache=False).left_out == (f"1 table: {name}",)
    (root / name).write_text(text)
    refused(root, f"{name}, line", "is happiness there, and anger by its folder")


def test_a_table_beside_that_names_another_part(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    (root / "split.csv").write_text("file,split\ntest/angry/test10.png,test\ntrain/angry/train10.png,test\n")
    refused(root, "split.csv, line 3", "is of PrivateTest there, and of Training by its folder")


def test_a_table_of_numbers_beside_folders_of_numbers(tmp_path: Path) -> None:
    root = folders(tmp_path / "set", "{part}/{n}/{part}{n}{k}.png")
    (root / "train_labels.csv").write_text("image,label\ntrain10.png,1\ntrain20.png,2\n")
    data = load_dataset(root, classes="raf-db", cache=False)
    assert len(data) == 28
    (root / "train_labels.csv").write_text("image,label\ntrain10.png,1\ntrain20.png,4\n")
    refused(root, "line 3", "is happiness there, and fear by its folder", classes="raf-db")


def test_file_names_that_all_tell_an_emotion_agree_with_their_folders(tmp_path: Path) -> None:
    root = folders(tmp_path / "set", "{part}/{word}/S{k}_{word}_{n}.png")
    assert len(load_dataset(root, cache=False)) == 28
    (root / "train/sad/S0_sad_5.png").rename(root / "train/sad/S0_happy_5.png")
    refused(root, "its folder says sadness, its name happiness (1 of 28")
    (root / "train/sad/S1_sad_5.png").rename(root / "train/sad/5.png")  # names that need not mean anything
    assert len(load_dataset(root, cache=False)) == 28


def test_folders_of_numbers_with_zeros_before_them(tmp_path: Path) -> None:
    plain = load_dataset(folders(tmp_path / "a", "{part}/{n}/{k}.png"), classes="raf-db", cache=False)
    zeros = load_dataset(folders(tmp_path / "b", "{part}/0{n}/{k}.png"), classes="raf-db", cache=False)
    assert zeros.digest == plain.digest
    refused(tmp_path / "b", "is a number, which means nothing by itself", "--classes")


def test_names_of_classes_that_are_numbers_themselves(tmp_path: Path) -> None:
    path = hugging_face(tmp_path / "raf.parquet", [str(number) for number in range(1, 8)])
    refused(path, "the names of its classes are numbers, 1, 2, 3, 4, 5, 6, 7", "--classes")
    data = load_dataset(path, classes="raf-db", cache=False)
    assert [data.classes[label] for label in data.labels[:7]] == [
        "surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral",
    ]  # fmt: skip
    assert data.order == "raf-db"
    refused(path, "7 is none of --classes fer2013", classes="fer2013")
    strange = hugging_face(tmp_path / "b.parquet", ["anger", "contempt", *WORDS[1:6]])
    refused(strange, "'contempt' is none")


def test_a_split_of_one_parquet_file_that_the_other_does_not_have(tmp_path: Path) -> None:
    for part in ("train", "eval"):
        hugging_face(tmp_path / f"fer-{part}-00000-of-00001.parquet", sorted(WORDS))
    refused(tmp_path, "whether they say which split they are")


@pytest.mark.parametrize("largest", [0, 1])
def test_pixels_of_0_and_1(tmp_path: Path, largest: int) -> None:
    refused(table(tmp_path / "faces.csv", {}, largest=largest), "no pixel of any image is above 1")
    refused(hugging_face(tmp_path / "a.parquet", sorted(WORDS), largest=largest), "no pixel of any image is above 1")


def test_a_table_with_tabs_is_the_same_alone_and_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    alone = load_dataset(table(tmp_path / "faces.tsv", {}, "\t"), cache=False)
    table(tmp_path / "in/faces.tsv", {}, "\t")
    assert alone.digest == load_dataset(tmp_path / "in", cache=False).digest
    assert alone.name == "faces"


@pytest.mark.parametrize("name", ["happy.rar", "happy.7z", "happy.zip"])
def test_a_class_that_lies_there_packed(tmp_path: Path, name: str) -> None:
    root = folders(tmp_path / "set")
    for path in (root / "train/happy").iterdir():
        path.unlink()
    (root / "train/happy").rmdir()
    (root / "train" / name).write_bytes(b"packed")
    refused(root, f"train/{name} lies packed among folders of images")


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html></html>", "a web page"),
        (b"PK\x03\x04" + bytes(90_000), "a zip archive or an Excel workbook"),
        (b"\x1f\x8b" + bytes(200), "a gzip file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ],
)
def test_what_is_no_table_is_called_what_it_is(tmp_path: Path, start: bytes, what: str) -> None:
    (tmp_path / "a.csv").write_bytes(start)
    refused(tmp_path / "a.csv", what)
    done = CliRunner().invoke(main, ["score", str(tmp_path / "a.csv"), "--data", "synthetic", "--dry-run"])
    assert done.exit_code == 2
    assert what in done.output


def test_a_list_of_classes_that_is_empty(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.full((3, 48, 48), 9, np.uint8), labels=[0, 1, 2], classes=np.array([], str))
    with pytest.raises(InputError, match="list of classes is empty"):
        load_dataset(tmp_path / "a.npz", cache=False)
