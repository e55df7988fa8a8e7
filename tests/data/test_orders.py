"""What label numbers mean: FER-2013's order unless something says another; no other one passes unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from fer_bench.data.dataset import EMOTIONS
from fer_bench.data.load import load_dataset, load_foreign
from fer_bench.data.orders import ASSUMED, FER2013, ORDERS, better_order, order_of, told
from fer_bench.errors import InputError

FER_2013 = (4953, 547, 5121, 8989, 6077, 4002, 6198)
RAF_DB_TEST = {
    "surprise": 329,
    "fear": 74,
    "disgust": 160,
    "happiness": 1185,
    "sadness": 478,
    "anger": 162,
    "neutral": 680,
}
LABELS = np.arange(21) % 7
IMAGES = np.random.default_rng(4).integers(0, 256, (21, 48, 48), np.uint8)


def write(folder: Path, form: str, numbers: np.ndarray) -> Path:
    path = folder / f"faces.{form}"
    pixels = [" ".join(map(str, image.ravel())) for image in IMAGES]
    if form == "csv":
        rows = [f"{number},{text}" for number, text in zip(numbers, pixels, strict=True)]
        path.write_text("\n".join(["emotion,pixels", *rows, ""]))
    elif form == "npz":
        np.savez(path, images=IMAGES, labels=numbers)
    elif form == "parquet":
        parquet.write_table(pa.table({"pixels": pixels, "label": numbers}), path)
    else:
        path = folder / "faces"
        for row, number in enumerate(numbers):
            (path / str(number)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(IMAGES[row]).save(path / str(number) / f"{row}.png")
    return path


@pytest.mark.parametrize("form", ["csv", "npz", "parquet", "folder"])
@pytest.mark.parametrize(
    "name", ["raf-db", "affectnet", "ferplus", "alphabetical", "fear,joy,sad,angry,neutral,disgust,surprised"]
)
def test_the_order_that_is_given_is_that_which_is_read(tmp_path, form, name):
    numbers = {emotion: number for number, emotion in order_of(name).names.items()}
    path = write(tmp_path, form, np.array([numbers[EMOTIONS[label]] for label in LABELS]))
    names = [EMOTIONS[label] for label in LABELS]
    for dataset in (
        load_dataset(path, classes=name),
        load_dataset(path, classes=name),  # from the cache
        load_foreign(path, classes=name)[0],
    ):
        assert [dataset.classes[label] for label in dataset.labels] == names
        assert dataset.order == order_of(name).name
        assert told(dataset.order).startswith(f"numbers read as {order_of(name).text()} (")
    if name == "raf-db" or form == "folder":
        for load in (load_dataset, load_foreign):
            with pytest.raises(InputError, match="--classes raf-db, affectnet"):
                load(path)
    else:
        assumed = load_dataset(path)  # what was cached under another order is not this
        assert [assumed.classes[label] for label in assumed.labels] != names
        assert assumed.order == ASSUMED
        assert "which nothing here says" in told(assumed.order)


def test_names_are_known_however_they_are_written():
    assert {order_of(name).name for name in ("RAF-DB", "rafdb", "raf_db")} == {"raf-db"}
    assert order_of("FER+").name == "ferplus"
    assert order_of("1=surprise,fear, Happy").names == {1: "surprise", 2: "fear", 3: "happiness"}
    assert order_of(order_of("7=x,0=joy,b").name) == order_of("7=x,0=joy,b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rafd", "no known order"),
        ("happy,joy", "twice"),
        ("1=happy,1=sad", "twice"),
        ("happy,,sad", "no emotion"),
        (",", "no em"),
    ],
)
def test_an_order_that_is_none(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        load_dataset(write(tmp_path, "csv", LABELS), classes=text)


def test_numbers_beyond_the_order_that_was_given(tmp_path):
    path = write(tmp_path, "csv", LABELS)
    with pytest.raises(InputError, match=r"line 2, column emotion: '0' is no label; numbers from 1 to 7 are known"):
        load_dataset(path, classes="raf-db")
    path = write(tmp_path, "npz", np.where(LABELS == 3, 7, LABELS))
    with pytest.raises(InputError, match="row 3: label 7 is no label here: contempt is none of"):
        load_dataset(path, classes="affectnet")
    assert load_foreign(path, classes="affectnet")[0].counts()["contempt"] == 3


def test_words_need_no_order_and_the_datas_own_names_stand_against_another(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=[EMOTIONS[label] for label in LABELS])
    assert load_dataset(tmp_path / "a.npz", classes="raf-db").order == ""
    np.savez(tmp_path / "b.npz", images=IMAGES, labels=LABELS, classes=list(ORDERS["alphabetical"].values()))
    assert load_dataset(tmp_path / "b.npz").order == ""
    assert load_dataset(tmp_path / "b.npz", classes="alphabetical").digest == load_dataset(tmp_path / "b.npz").digest
    with pytest.raises(InputError, match="names its numbers itself, 0 anger; --classes says 0 neutral"):
        load_dataset(tmp_path / "b.npz", classes="affectnet")


def counted(folder: Path, counts: dict[int, int]) -> Path:
    """An .npz of blank images with so many of each number."""
    numbers = np.repeat(list(counts), list(counts.values()))
    np.savez_compressed(folder / "n.npz", images=np.full((len(numbers), 48, 48), 9, np.uint8), labels=numbers)
    return folder / "n.npz"


@pytest.mark.parametrize(
    ("name", "first"),
    [("alphabetical", 0), ("affectnet", 0), ("ferplus", 0), ("raf-db", 1)],
    ids=lambda value: str(value),
)
def test_frequencies_that_are_those_of_another_order(tmp_path, name, first):
    """RAF-DB's test part, and PrivateTest, under other orders; and RAF-DB's numbers less one."""
    private = dict(zip(EMOTIONS, (491, 55, 528, 879, 594, 416, 626), strict=True))
    for found in (RAF_DB_TEST, private):
        counts = {number - first: found[emotion] for number, emotion in ORDERS[name].items() if emotion in found}
        for load in (load_dataset, load_foreign):
            with pytest.raises(InputError, match=r"frequencies of emotions in another order .* --classes fer2013"):
                load(counted(tmp_path, counts))
        assert load_dataset(counted(tmp_path, counts), classes="fer2013").order == FER2013
        own = dict(enumerate(found[emotion] for emotion in EMOTIONS))
        assert load_dataset(counted(tmp_path, own)).order == ASSUMED


def test_numbers_from_1_to_6(tmp_path):
    """RAF-DB without neutral is refused; a FER-2013 without anger has FER-2013's frequencies."""
    counts = {number: RAF_DB_TEST[emotion] for number, emotion in ORDERS["raf-db"].items() if number < 7}
    with pytest.raises(InputError, match="do they begin at 1"):
        load_dataset(counted(tmp_path, counts))
    assert load_dataset(counted(tmp_path, {n: FER_2013[n] // 10 for n in range(1, 7)})).order == ASSUMED


def test_parts_of_fer2013_as_people_cut_them(tmp_path):
    """All, the first of each class, some classes, some hundred rows: FER-2013's order is never doubted."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(range(7), FER_2013))
    assert load_dataset(counted(tmp_path, dict(enumerate(FER_2013))), cache=False).order == FER2013
    cuts = [np.sort(labels)[:20_000], labels[:300], labels[:3589]]
    cuts += [np.repeat(range(7), np.minimum(FER_2013, most)) for most in (50, 1000, 4000)]
    cuts += [labels[np.isin(labels, kept)] for kept in ([3, 6], [3, 4, 5], [0, 1, 3, 4, 5, 6])]
    for cut in cuts:
        counts = dict(enumerate(np.bincount(cut, minlength=7).tolist()))
        assert load_dataset(counted(tmp_path, counts), cache=False).order == ASSUMED


def test_a_model_speaks_for_the_order_that_the_numbers_are_in():
    """84 images, 76 % of them right in truth; orders that are known, one that is not, and FER-2013's."""
    rng = np.random.default_rng(1)
    truth = np.arange(84) % 7
    predicted = np.where(rng.random(84) < 0.76, truth, rng.integers(0, 7, 84))
    other = ("sadness", "fear", "anger", "happiness", "disgust", "surprise", "neutral")
    for name, emotions in (
        *((name, ORDERS[name].values()) for name in ("affectnet", "ferplus", "alphabetical")),
        ("", other),
    ):
        read = np.array([list(emotions).index(EMOTIONS[one]) for one in truth])
        found = better_order(read, predicted, EMOTIONS)
        assert found is not None
        assert found[0] == (name or ",".join(other))
        assert found[1] == (read == predicted).mean()
        assert found[2] == (truth == predicted).mean()
    assert better_order(truth, predicted, EMOTIONS) is None


def test_a_model_that_knows_nothing_speaks_for_no_order():
    """Not even one that always says what is the most frequent under another order."""
    labels = np.repeat(np.arange(7), [30, 3, 31, 54, 37, 24, 38])
    rng = np.random.default_rng(0)
    for predicted in (np.full(217, 6), np.full(217, 3), *(rng.integers(0, 7, 217) for _ in range(20))):
        assert better_order(labels, predicted, EMOTIONS) is None
