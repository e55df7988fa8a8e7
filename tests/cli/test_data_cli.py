"""``fer-bench data`` as a user types it."""

from __future__ import annotations

import json
import re
import sys

import pytest
from click.testing import CliRunner

from fer_bench.cli import main
from fer_bench.data.load import load_dataset


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["data", *arguments])


def test_info_shows_splits_with_sizes(data, tiny_npz):
    facts = json.loads(data("info", "--data", str(tiny_npz), "--json").stdout)
    dataset = load_dataset(tiny_npz)
    assert facts["digest"] == dataset.digest
    assert facts["images"] == 119
    training = {image.tobytes() for image in dataset.images[dataset.usage == 0]}
    seen = sum(image.tobytes() in training for image in dataset.images[dataset.usage == 2])
    assert facts["splits"]["official"] == {"train": 70, "validation": 21, "test": 28, "test_seen": seen}
    parts = facts["splits"]["kfold-5"]
    assert parts["train"] + parts["validation"] + parts["test"] == 119
    text = data("info", "--data", str(tiny_npz)).stdout
    assert "70 / 21 / 28" in text
    assert dataset.digest in text


def test_info_says_what_label_numbers_were_taken_to_mean(data, tiny_npz, tmp_path):
    """In words and as JSON; other commands say it on stderr."""
    assumed = data("info", "--data", str(tiny_npz))
    assert "numbers read as 0 anger, 1 disgust, 2 fear," in assumed.stdout
    assert "--classes gives another" in assumed.stdout
    given = json.loads(data("info", "--data", str(tiny_npz), "--classes", "FER+", "--json").stdout)
    assert (given["numbers_by"], given["numbers"]["2"]) == ("ferplus", "surprise")
    plain = json.loads(data("info", "--data", str(tiny_npz), "--json").stdout)
    assert (plain["numbers_by"], plain["numbers"]["2"]) == ("assumed", "fear")
    assert plain["digest"] != given["digest"]
    assert plain["counts"]["Training"]["fear"] == given["counts"]["Training"]["surprise"]
    exported = data("export", "--data", str(tiny_npz), "--classes", "ferplus", "--out", "faces")
    assert "numbers read as 0 neutral, 1 happiness, 2 surprise" in exported.stderr
    words = data("info", "--data", "faces", "--classes", "ferplus")
    assert given["digest"] in words.stdout
    assert "numbers read" not in words.stdout
    assert "not needed" in words.stderr
    refused = data("info", "--data", str(tiny_npz), "--classes", "raf")
    assert (refused.exit_code, "no known order" in refused.stderr) == (2, True)


def test_info_says_why_a_split_does_not_work(data, tmp_path):
    for name in ("happy", "sad"):
        (tmp_path / "faces" / name).mkdir(parents=True)
    from PIL import Image

    for row in range(20):
        Image.new("L", (48, 48), row * 5).save(tmp_path / "faces" / ("happy", "sad")[row % 2] / f"{row}.png")
    result = data("info", "--data", "faces")
    assert result.exit_code == 0
    official = next(line for line in result.stdout.splitlines() if line.strip().startswith("official"))
    assert "no:" in official
    assert "Usage" in official


def test_audit_prints_and_saves(data, tmp_path):
    dataset = load_dataset("synthetic")
    training = {image.tobytes() for image in dataset.images[dataset.usage == 0]}
    seen = sum(image.tobytes() in training for image in dataset.images[dataset.usage == 2])
    merged = sum(dataset.classes[label] in ("sadness", "neutral") for label in dataset.labels[dataset.usage == 0])
    assert seen > 0

    result = data("audit", "--data", "synthetic", "--merge", "sadness+neutral", "--out", "found")
    assert result.exit_code == 0
    assert re.search(rf"PrivateTest images that are, pixel for pixel, also in Training +{seen}\n", result.stdout)
    saved = json.loads((tmp_path / "found" / "audit.json").read_text())
    assert saved["counts"]["Training"]["sadness+neutral"] == merged
    assert {path.name for path in (tmp_path / "found").iterdir()} == {"audit.json", "classes.png", "samples.png"}


def test_audit_json_goes_to_stdout_alone(data, tiny_npz, tmp_path):
    result = data("audit", "--data", str(tiny_npz), "--json")
    assert json.loads(result.stdout)["images"] == 119
    assert (tmp_path / "audit-tiny" / "classes.png").is_file()


def test_export_round_trip(data, tiny_npz, tmp_path):
    facts = json.loads(data("export", "--data", str(tiny_npz), "--out", "folders", "--json").stdout)
    assert facts["images"] == 119
    assert load_dataset(tmp_path / "folders").digest == facts["digest"] == load_dataset(tiny_npz).digest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "--data", "nowhere.csv"], "nowhere.csv"),
        (["audit", "--data", "synthetic", "--out", "taken"], "taken"),
        (["export", "--data", "synthetic", "--out", "taken"], "taken"),
        (["export", "--data", "synthetic"], "--out"),
        (["info", "--data", "synthetic", "--merge", "sadness+boredom"], "boredom"),
        (["info", "--labels", "eight"], "eight"),
        (["download"], "--data PATH"),
    ],
)
def test_bad_input_is_one_line_and_code_2(data, tmp_path, monkeypatch, arguments, words):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    (tmp_path / "taken").write_text("a file")
    result = data(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["", "info", "audit", "download", "export"])
def test_help_ends_with_an_example(data, command):
    result = data(*command.split(), "--help")
    assert result.stdout.strip().splitlines()[-1].strip().startswith("Example: fer-bench data")
