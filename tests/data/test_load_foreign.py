"""Foreign sets: emotions that FER-2013 lacks, and subjects, in every form that data comes in."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from fer_bench.data.dataset import EMOTIONS
from fer_bench.data.load import load_dataset, load_foreign
from fer_bench.errors import InputError

IMAGES = np.random.default_rng(2).integers(0, 256, (6, 48, 48), np.uint8)
NAMES = ["happy", "contempt", "Angry", "contempt", "sadness", "sleepy"]
SUBJECTS = ["S1", "S1", "S2", "S3", "S2", "S3"]
CODES = ["happiness", "contempt", "anger", "contempt", "sadness", "sleepy"]


def as_csv(folder: Path) -> Path:
    path = folder / "other.csv"
    rows = [f"{n},{' '.join(map(str, i.ravel()))},{s}" for n, i, s in zip(NAMES, IMAGES, SUBJECTS, strict=True)]
    path.write_text("\n".join(["emotion,pixels,Subject", *rows, ""]))
    return path


def as_npz(folder: Path) -> Path:
    np.savez(folder / "other.npz", images=IMAGES, labels=NAMES, subject=SUBJECTS)
    return folder / "other.npz"


def as_parquet(folder: Path) -> Path:
    """Two files, of which the first has no sleepy one."""
    root = folder / "other"
    root.mkdir()
    pixels = [" ".join(map(str, image.ravel())) for image in IMAGES]
    for name, part in (("train-0.parquet", slice(0, 3)), ("validation-0.parquet", slice(3, None))):
        table = pa.table({"pixels": pixels[part], "label": NAMES[part], "subject": SUBJECTS[part]})
        parquet.write_table(table, root / name)
    return root


@pytest.mark.parametrize("write", [as_csv, as_npz, as_parquet])
def test_other_emotions_are_classes_and_subjects_stand_by_their_rows(tmp_path, write):
    path = write(tmp_path)
    dataset, subjects = load_foreign(path, "subject")
    assert [dataset.classes[label] for label in dataset.labels] == CODES
    assert dataset.classes[:7] == EMOTIONS
    assert (dataset.images == IMAGES).all()
    assert subjects.tolist() == SUBJECTS
    assert load_foreign(path)[1] is None
    with pytest.raises(InputError, match="person"):
        load_foreign(path, "person")
    with pytest.raises(InputError):
        load_dataset(path, cache=False)


@pytest.fixture
def folders(tmp_path) -> Path:
    root = tmp_path / "faces"
    for number, (image, name, subject) in enumerate(zip(IMAGES, NAMES, SUBJECTS, strict=True)):
        path = root / name / subject / f"face{number % 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path.with_name(f"face{number}.png"))
    return root


def test_folders_of_subjects_inside_those_of_emotions(folders):
    dataset, subjects = load_foreign(folders, "folder")
    found = {
        image.tobytes(): (dataset.classes[label], subject)
        for image, label, subject in zip(dataset.images, dataset.labels, subjects, strict=True)
    }
    assert found == {
        image.tobytes(): pair for image, pair in zip(IMAGES, zip(CODES, SUBJECTS, strict=True), strict=True)
    }
    archive = folders.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folders.rglob("*.png")):
            file.write(path, path.relative_to(folders.parent))
    zipped, whom = load_foreign(archive, "folder")
    assert zipped.digest == dataset.digest
    assert whom.tolist() == subjects.tolist()


def test_a_folder_for_each_emotion_of_its_own(tmp_path):
    for number, name in enumerate(NAMES):
        (tmp_path / "plain" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[number]).save(tmp_path / "plain" / name / f"{number}.png")
    dataset, _ = load_foreign(tmp_path / "plain")
    assert {name: count for name, count in dataset.counts().items() if count} == {
        "anger": 1, "happiness": 1, "sadness": 1, "contempt": 2, "sleepy": 1,
    }  # fmt: skip
    for subject, words in (("folder", "happy/S001/1.png is wanted"), ("person", "no column 'person'")):
        with pytest.raises(InputError, match=words):
            load_foreign(tmp_path / "plain", subject)


def test_subject_folders_that_nobody_spoke_of(folders):
    with pytest.raises(InputError, match="--subject folder"):
        load_foreign(folders)


def test_an_eighth_number_has_no_meaning_by_itself(tmp_path):
    """The CSV of CK+ that goes around has contempt as 7."""
    pixels = " ".join(["7"] * 2304)
    path = tmp_path / "ck.csv"
    path.write_text(f"emotion,pixels\n3,{pixels}\n7,{pixels}\n")
    with pytest.raises(InputError, match=r"line 3, column emotion: '7' is no label; .* --classes"):
        load_foreign(path)
    dataset, _ = load_foreign(path, classes=",".join([*EMOTIONS, "contempt"]))
    assert [dataset.classes[label] for label in dataset.labels] == ["happiness", "contempt"]


def test_an_image_without_a_subject(tmp_path):
    np.savez(tmp_path / "n.npz", images=IMAGES, labels=NAMES, subject=["a", "b", "", "a", "b", "c"])
    with pytest.raises(InputError, match=r"row 2 .*no subject"):
        load_foreign(tmp_path / "n.npz", "subject")


def test_a_column_of_something_else_is_no_column_of_emotions(tmp_path):
    images = np.full((150, 48, 48), 9, np.uint8)
    np.savez(tmp_path / "n.npz", images=images, labels=[f"id{number}" for number in range(150)])
    with pytest.raises(InputError, match="row 93"):
        load_foreign(tmp_path / "n.npz")


def test_the_room_itself_gives_load_dataset():
    """Programs written before the modules moved import it from here."""
    from fer_bench.data import load_dataset as from_the_room

    assert from_the_room is load_dataset


def test_files_that_have_too_many_classes_together_are_refused_in_one_line(tmp_path):
    for part in range(2):
        pixels = [" ".join(["7"] * 2304)] * 60
        table = pa.table({"pixels": pixels, "label": [f"feeling {part} {number}" for number in range(60)]})
        parquet.write_table(table, tmp_path / f"{part}.parquet")
    with pytest.raises(InputError, match="127 classes; at most 100"):
        load_foreign(tmp_path)
