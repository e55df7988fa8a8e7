"""Predictions that name image files, columns that tell one thing twice, numbers in another order, tables that unpack to
much.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_bench.data.dataset import EMOTIONS
from fer_bench.data.file_names import FileNameError, rows_of
from fer_bench.data.load import load_dataset, row_files
from fer_bench.data.splits import make_split
from fer_bench.entries.external import Scored, score_file
from fer_bench.entries.external_table import MOST_CELLS, MOST_LINES
from fer_bench.errors import InputError

WORDS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
ALPHABET = sorted(WORDS)
RAF_DB = ("", "surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """train and test with as many images of each emotion as no other has, called alike in both."""
    root = tmp_path_factory.mktemp("tree") / "faces"
    rng = np.random.default_rng(0)
    for part, counts in (("train", (18, 6, 16, 24, 20, 12, 18)), ("test", (5, 2, 4, 7, 6, 3, 5))):
        for word, count in zip(WORDS, counts, strict=True):
            place = root / part / word
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(place / f"im{number}.png")
    return root


@pytest.fixture(scope="module")
def zipped(folder) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png"), reverse=True):
            archive.write(file, Path("faces") / file.relative_to(folder))
    return path


@pytest.fixture(scope="module")
def perfect(folder) -> pd.DataFrame:
    """What a system that is always right says, in the order of torch's ImageFolder: words in the order of the
    alphabet.
    """
    files = [f for word in ALPHABET for f in sorted((folder / "test" / word).iterdir())]
    table = pd.DataFrame([[0.94 if f.parent.name == word else 0.01 for word in WORDS] for f in files], columns=WORDS)
    table.insert(0, "file", [f.relative_to(folder).as_posix() for f in files])
    return table


@pytest.fixture
def scored(folder, tmp_path):
    def scored(table: pd.DataFrame, data: Path = folder, **options) -> Scored:
        table.to_csv(tmp_path / "p.csv", index=False)
        dataset = load_dataset(data)
        return score_file(tmp_path / "p.csv", dataset, make_split(dataset), name="x", files=row_files(data), **options)

    return scored


def refused(words: str):
    return pytest.raises(InputError, match=words)


def in_rows(perfect: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The same by the rows that ImageFolder would give: those of the training part first."""
    first = len(list((folder / "train").rglob("*.png")))
    return perfect.drop(columns="file").assign(row=first + np.arange(len(perfect)))


def test_a_perfect_system_that_names_files_is_perfect(scored, perfect, zipped):
    """In whatever order, below the folder or in an archive of it, from the cache or not; with the path of any
    machine.
    """
    ways = {
        "as they are": lambda f: f, "absolute": lambda f: f"/home/me/faces/{f}", "dot": lambda f: f"./{f}",
        "Windows": lambda f: "faces\\" + f.replace("/", "\\"),
    }  # fmt: skip
    keys = set()
    for spell in ways.values():
        made = scored(perfect.assign(file=perfect["file"].map(spell)).sample(frac=1, random_state=0))
        assert made.record.scores.accuracy == 1.0
        keys.add(made.record.job.key)
    assert len(keys) == 1
    assert scored(perfect, zipped).record.scores.accuracy == 1.0
    answers = pd.DataFrame({"file": perfect["file"], "predicted": perfect["file"].str.split("/").str[1]})
    assert scored(answers).record.scores.accuracy == 1.0


def test_rows_of_a_folder_are_refused_unless_the_truth_is_there_to_check_them(scored, perfect, folder):
    rows = in_rows(perfect, folder)
    with refused(r"rows alone do not tell the images of a folder.* column 'file', as 'train/angry/im0.png'"):
        scored(rows)
    with refused("is neutral here, but sadness in the data; 13 of 32 rows differ.* A column 'file'"):
        scored(rows.assign(emotion=perfect["file"].str.split("/").str[1]))
    own = pd.Series(row_files(folder)).reset_index().set_index(0)["index"]
    right = rows.assign(row=own[perfect["file"]].to_numpy(), emotion=perfect["file"].str.split("/").str[1])
    assert scored(right).record.scores.accuracy == 1.0


def test_rows_of_an_exported_folder_are_those_of_the_file_that_it_was_exported_from(tiny_npz, tmp_path, scored):
    from fer_bench.data.export import export

    whole = load_dataset(tiny_npz)
    export(whole, tmp_path / "out")
    rows = np.flatnonzero(whole.usage == 2)
    answers = pd.DataFrame({"row": rows, "predicted": [EMOTIONS[label] for label in whole.labels[rows]]})
    assert scored(answers, tmp_path / "out").record.scores.accuracy == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(file=t["file"].str.removeprefix("test/")), r"line 2, column file: 'angry/im0.png' may be any of 2"),
        (lambda t: t.assign(file=t["file"].str.split("/").str[-1]), r"'im0.png' may be any of 14 files .* 'train/angry/im0.png'"),
        (lambda t: t.assign(file=t["file"].str.upper()), "'TEST/ANGRY/IM0.PNG' is no file of the data"),
        (lambda t: t.assign(file=[*t["file"][:-1], "test/happy/im99.png"]), "line 33, column file: 'test/happy/im99.png' is no"),
        (lambda t: pd.concat([t, t.head(1)]), "line 34: file 'test/angry/im0.png' again, first on line 2"),
        (lambda t: t.head(30), "2 of the 32 rows of the test part are missing, the first is row .*'test/surprise/im1.png'"),
        (lambda t: t.assign(file=t["file"].str.replace("test/", "train/")), "these are rows of the training part"),
        (lambda t: t.assign(row=np.arange(114, 146)), r"line 20: row is '132', but file 'test/neutral/im0.png' is row 141 .*14 of 32"),
        (lambda t: t.rename(columns={"file": "picture"}), "no column 'row', only picture.* a column 'file' names the image"),
        (lambda t: t.assign(emotion=t["file"].str.split("/").str[1], label=0), r"line 7: emotion is 'disgust' \(disgust\) and label is '0' \(anger\); 27 of 32"),
        (lambda t: t.assign(label=t["file"].str.split("/").str[1].map(ALPHABET.index)), "file .* is sadness here, but neutral in .* order alphabetical, 0 anger.*4 neutral"),
        (lambda t: t.assign(label=t["file"].str.split("/").str[1].map(RAF_DB.index)), "'7' is none of .* are the numbers those of raf-db"),
    ],
)  # fmt: skip
def test_what_is_no_image_of_the_test_part_or_contradicts_itself_is_one_line(scored, perfect, change, words):
    with refused(words) as said:
        scored(change(perfect))
    assert "\n" not in str(said.value)


def test_files_for_data_that_is_no_folder_are_refused(tiny_npz, scored, perfect):
    with refused("column 'file' names image files, and the data is no folder of images"):
        scored(perfect, tiny_npz)


def test_answers_whose_numbers_fit_another_order_far_better_are_refused_and_the_order_can_be_given(scored, perfect):
    numbers = pd.DataFrame(
        {"file": perfect["file"], "predicted": perfect["file"].str.split("/").str[1].map(ALPHABET.index)}
    )
    with refused(r"with 56.2% of the truth; as those of the order alphabetical, 0 anger.*, with 100.0%"):
        scored(numbers)
    assert scored(numbers, order="alphabetical").record.scores.accuracy == 1.0
    own = numbers.assign(predicted=perfect["file"].str.split("/").str[1].map(WORDS.index))
    right = scored(own)
    assert right.record.scores.accuracy == 1.0
    assert "0 anger, 1 disgust" in right.notes[0]
    rng = np.random.default_rng(0)
    for _ in range(20):  # a bad system is no other order
        assert scored(own.assign(predicted=rng.integers(0, 7, 32))).record.scores.images == 32


@pytest.mark.parametrize("share", [0.004, 0.03, 0.9])
def test_an_eighth_column_of_probabilities_is_named_and_refused(scored, perfect, share):
    eight = perfect.copy()
    eight[list(WORDS)] *= 1 - share
    with refused(
        r"column 'contempt' holds probabilities, too .* none of the emotions scored here: anger, .* leave it out"
    ):
        scored(eight.assign(contempt=share))
    assert scored(perfect).notes == ()


def test_other_columns_are_named(scored, perfect):
    others = {"Unnamed: 0": range(len(perfect)), "contempt": 0.0, "usage": "test", "confidence": 0.94}
    made = scored(perfect.assign(**others))
    assert made.notes == ("columns that were not read: 'Unnamed: 0, contempt, usage, confidence'",)
    assert made.record.job.key == scored(perfect).record.job.key


def test_what_rounding_made_negative_is_mended_as_a_runners_is(scored, perfect):
    table = perfect.copy()
    table.loc[0, ["angry", "disgust"]] = [0.94 + 0.01 + 1.2e-7, -1.2e-7]
    assert scored(table).predictions.probabilities.min() >= 0
    with refused("column disgust: '-0.001' is no probability"):
        scored(table.assign(disgust=-0.001))


def test_names_are_matched_by_their_path_or_by_one_ending_alone():
    files = ["a/x/1.png", "a/y/1.png", "a/y/2.png"]
    assert rows_of(["a/y/1.png", "x/1.png", "2.png", "/d/a/x/1.png", "a//y/./2.png"], files).tolist() == [1, 0, 2, 0, 2]
    for name, words in (
        ("1.png", "any of 2"),
        ("z/1.png", "no file"),
        ("", "no file"),
        (".", "no file"),
        ("png", "no"),
    ):
        with pytest.raises(FileNameError, match=words) as said:
            rows_of(["2.png", name], files)
        assert said.value.entry == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"row,predicted\n" + b"1,happy\n" * 18_000_000, "more than 134,217,728 bytes"),
        (b"row,predicted\n" + b"\n" * (MOST_LINES + 1), f"more than {MOST_LINES:,} lines"),
        (b",".join(b"c%d" % i for i in range(900)) + b"\n" + b"1\n" * (MOST_CELLS // 900 + 1), "lines of 900 columns"),
        (b"row,predicted\n" + b"1," * 40_000, "line 2: a line of more than 65,536 characters"),
        (b",".join(b"c%d" % i for i in range(1200)) + b"\n1\n", "1,200 columns"),
        (b"row,predicted\n" + b'"\n",' * 1000, "not readable as CSV .line 2"),
        (b"row;angry;disgust\n1;0,5;0,5\n", "line 1: columns separated by ';'; commas are wanted"),
        ("row,predicted\n1,happy\n".encode("utf-16"), "no text in UTF-8"),
    ],
)  # fmt: skip
def test_a_small_file_that_unpacks_to_much_is_one_line_in_bounded_memory(tmp_path, folder, text, words):
    import tracemalloc

    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(text, 1))
    dataset = load_dataset(folder)
    del text
    tracemalloc.start()
    try:
        with refused(words):
            score_file(path, dataset, make_split(dataset), name="x")
        assert tracemalloc.get_traced_memory()[1] < 600 << 20
    finally:
        tracemalloc.stop()


def test_the_command_takes_files_and_says_what_it_did_not_read(folder, perfect, tmp_path):
    from click.testing import CliRunner

    from fer_bench.cli import main

    perfect.assign(model="theirs").to_parquet(tmp_path / "p.parquet")
    done = CliRunner().invoke(
        main, ["score", str(tmp_path / "p.parquet"), "--data", str(folder), "--dry-run", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["accuracy"] == 1.0
    assert "columns that were not read: 'model'" in done.stderr
