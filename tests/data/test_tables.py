"""Tables as people bring them: what says one thing twice, labels in words, line ends in cells, splits in names."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fer_bench.data.dataset import EMOTIONS, USAGES, Dataset
from fer_bench.data.load import load_dataset, load_foreign
from fer_bench.errors import InputError

WORDS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
ROWS = 14
LABELS = (np.arange(ROWS) % 7).astype(np.int8)
USAGE = (np.arange(ROWS) % 3).astype(np.int8)
IMAGES = np.random.default_rng(3).integers(0, 256, (ROWS, 48, 48), np.uint8)
DIGEST = Dataset(IMAGES, LABELS, USAGE, EMOTIONS, "", "").digest
PIXELS = [" ".join(map(str, image.ravel())) for image in IMAGES]
KNOWN: dict[str, Sequence[Any]] = {"emotion": LABELS.tolist(), "pixels": PIXELS, "Usage": [USAGES[u] for u in USAGE]}


def as_csv(path: Path, columns: dict[str, Sequence[Any]], mark: str = ",") -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([mark.join(columns), *(mark.join(map(str, row)) for row in rows), ""]))
    return path


def as_parquet(path: Path, columns: dict[str, Sequence[Any]]) -> Path:
    parquet.write_table(pa.table(dict(columns)), path)
    return path


def digest(path: Path) -> str:
    return load_dataset(path, cache=False).digest


@pytest.mark.parametrize(("write", "name"), [(as_csv, "a.csv"), (as_parquet, "a.parquet")])
@pytest.mark.parametrize(
    "changed",
    [
        {"emotion": [WORDS[label] for label in LABELS]},
        {"emotion": [f"{label}.0" for label in LABELS]},
        {"emotion": [WORDS[label] if label % 2 else str(label) for label in LABELS]},
        {"label": [WORDS[label] for label in LABELS]},
        {"labels": LABELS.tolist(), "emotion_name": [WORDS[label].title() for label in LABELS]},
        {"class": ["adult", "child"] * (ROWS // 2)},
        {"predicted_emotion": ["happy"] * ROWS},
        {"old_label": ["happy"] * ROWS},
        {"split": [("training", "Public Test", "testing")[usage] for usage in USAGE]},
    ],
    ids=lambda changed: "+".join(changed),
)
def test_labels_are_words_or_numbers_and_other_columns_may_say_the_same(tmp_path, write, name, changed):
    assert digest(write(tmp_path / name, KNOWN | changed)) == DIGEST


def test_columns_of_a_csv_that_tell_nothing_are_named(tmp_path):
    parts = {"Part": KNOWN["Usage"], "id": range(ROWS)}
    data = load_dataset(
        as_csv(tmp_path / "a.csv", {"emotion": KNOWN["emotion"], "pixels": PIXELS, **parts}), cache=False
    )
    assert data.usage is None
    assert data.left_out == ("2 columns: 'part', 'id'",)
    assert load_dataset(as_csv(tmp_path / "b.csv", KNOWN), cache=False).left_out == ()


def test_label_columns_of_floating_numbers(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS.astype(float), usage=USAGE)
    assert digest(tmp_path / "a.npz") == DIGEST
    assert digest(as_parquet(tmp_path / "a.parquet", KNOWN | {"emotion": LABELS.astype(float)})) == DIGEST


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("label", "sad", "sad"), ("emotion_name", "Sadness", "Sadness"), ("labels", "4", "4"), ("split", "test", "test")],
)
@pytest.mark.parametrize("foreign", [False, True])
def test_two_columns_that_contradict_each_other(tmp_path, column, value, said, foreign):
    """Row 9 is disgust, for training; both values and the place are named, whatever is read first."""
    right = [USAGES[u] for u in USAGE] if column == "split" else [WORDS[label] for label in LABELS]
    if value.isdigit():
        right = [str(label) for label in LABELS]
    columns = KNOWN | {column: [*right[:9], value, *right[10:]]}
    own = "Training" if column == "split" else "2"
    for path, place in (
        (as_csv(tmp_path / "a.csv", columns), "line 11"),
        (as_parquet(tmp_path / "a.parquet", columns), "row 9"),
    ):
        with pytest.raises(InputError) as caught:
            load_foreign(path) if foreign else load_dataset(path, cache=False)
        assert place in str(caught.value)
        assert all(f"'{word}'" in str(caught.value) or f" {word}," in str(caught.value) for word in (said, own))


def test_a_column_twice_in_parquet(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array(LABELS), pa.array(PIXELS), pa.array(LABELS)], names=["label", "pixels", "Label "]
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"columns 'label' and 'Label '; leave one"):
        load_dataset(tmp_path / "a.parquet", cache=False)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_semicolons_and_tabs_separate_columns_too(tmp_path, mark):
    assert digest(as_csv(tmp_path / "a.csv", KNOWN, mark)) == DIGEST


def test_blank_lines_above_the_header(tmp_path):
    path = as_csv(tmp_path / "a.csv", KNOWN)
    path.write_text("\n \n" + path.read_text())
    assert digest(path) == DIGEST
    as_csv(path, KNOWN | {"emotion": [*LABELS[:-1], 9]})
    path.write_text("\n \n" + path.read_text())
    with pytest.raises(InputError, match=f"line {ROWS + 3}, column emotion: '9'"):
        load_dataset(path, cache=False)


def test_line_ends_within_quotes_at_any_size(tmp_path):
    """140 rows are more than one block of the parser."""
    for times in (1, 10):
        columns = {name: list(values) * times for name, values in KNOWN.items()}
        flat = digest(as_csv(tmp_path / "flat.csv", columns))
        broken = [
            '"' + "\n".join(" ".join(map(str, line)) for line in image) + '"'
            for image in np.tile(IMAGES, (times, 1, 1))
        ]
        assert digest(as_csv(tmp_path / "broken.csv", columns | {"pixels": broken})) == flat
        assert digest(as_csv(tmp_path / "note.csv", columns | {"note": ['"a\n""b"""'] * len(broken)})) == flat
    columns |= {"pixels": broken, "emotion": [*columns["emotion"][:-1], "7"]}
    with pytest.raises(InputError, match=rf"line {139 * 48 + 2}, column emotion: '7' is no label"):
        load_dataset(as_csv(tmp_path / "broken.csv", columns), cache=False)


def test_an_image_that_cannot_be_read_beside_pixels_that_can(tmp_path):
    for number, image in enumerate((IMAGES.tolist(), [{"bytes": None, "path": "x.png"}] * ROWS, [1.5] * ROWS)):
        assert digest(as_parquet(tmp_path / f"{number}.parquet", KNOWN | {"image": image})) == DIGEST
    other = IMAGES.copy()
    other[5, 3, 3] ^= 1
    with pytest.raises(InputError, match="row 5: columns image and pixels show different pictures"):
        load_dataset(as_parquet(tmp_path / "b.parquet", KNOWN | {"image": other.tolist()}), cache=False)


def test_an_image_file_beside_pixels_of_another_picture(tmp_path):
    from io import BytesIO

    from PIL import Image

    files = []
    for image in IMAGES:
        out = BytesIO()
        Image.fromarray(image).save(out, "PNG")
        files.append({"bytes": out.getvalue()})
    assert digest(as_parquet(tmp_path / "a.parquet", KNOWN | {"image": files})) == DIGEST
    with pytest.raises(InputError, match="row 0: columns image and pixels show different pictures"):
        load_dataset(as_parquet(tmp_path / "b.parquet", KNOWN | {"image": files[::-1]}), cache=False)


PARTS = {"train": slice(0, 5), "validation": slice(5, 9), "test": slice(9, None)}


@pytest.mark.parametrize(
    "names",
    [
        ("fer_train.parquet", "fer-val.parquet", "fer_test.parquet"),
        ("a/train/0.parquet", "a/dev/0.parquet", "a/testing/0.parquet"),
        ("Training-1.parquet", "public_test.parquet", "privateTest.parquet"),
        ("train/x/0.parquet", "valid/x/0.parquet", "test/x/0.parquet"),
        ("train_test_split/train.parquet", "train_test_split/val.parquet", "train_test_split/test.parquet"),
    ],
    ids=lambda names: names[0],
)
def test_a_split_is_told_anywhere_below_the_folder_and_nowhere_above(tmp_path, names):
    for above in ("data", "dev/x", "test"):
        root = tmp_path / above / "train"
        for name, rows in zip(names, PARTS.values(), strict=True):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            as_parquet(root / name, {"pixels": PIXELS[rows], "label": LABELS[rows].tolist()})
        found = load_dataset(root, cache=False)
        assert found.usage.tolist() == [0] * 5 + [1] * 4 + [2] * 5
        assert (found.images == IMAGES).all()


def test_what_a_parquet_file_lies_in_changes_nothing(tmp_path):
    columns = {"pixels": PIXELS, "label": LABELS.tolist()}
    found = set()
    for name in ("data", "dev", "test", "train"):
        (tmp_path / name).mkdir()
        path = as_parquet(tmp_path / name / "faces.parquet", columns)
        found |= {digest(path), digest(path.parent)}
    assert len(found) == 1


def test_a_name_that_contradicts_a_column(tmp_path):
    for name, rows in PARTS.items():
        columns = {"pixels": PIXELS[rows], "label": LABELS[rows].tolist(), "split": [name] * len(PIXELS[rows])}
        as_parquet(tmp_path / f"{name}.parquet", columns)
    assert load_dataset(tmp_path, cache=False).usage.tolist() == [0] * 5 + [1] * 4 + [2] * 5
    columns["split"] = ["test", "train", *columns["split"][2:]]
    as_parquet(tmp_path / "test.parquet", columns)
    with pytest.raises(
        InputError, match=r"test.parquet, row 1: its column says Training, and the file's name .* PrivateTest"
    ):
        load_dataset(tmp_path, cache=False)


def test_names_that_tell_two_splits_are_refused(tmp_path):
    (tmp_path / "test").mkdir()
    path = as_parquet(tmp_path / "test" / "train-0.parquet", {"pixels": PIXELS, "label": LABELS.tolist()})
    with pytest.raises(InputError, match="name different splits"):
        load_dataset(tmp_path, cache=False)
    shutil.copy(path, tmp_path / "faces.parquet")
    shutil.move(path, tmp_path / "train.parquet")
    (tmp_path / "test").rmdir()
    with pytest.raises(InputError, match="whether they say which split"):
        load_dataset(tmp_path, cache=False)
