"""``fer-bench predict``: rows in every form, files that are whole whenever it ends, and one line for bad input."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_models import EMOTIONS, linear, weights, write_onnx
from PIL import Image

from fer_bench.cli import main
from fer_bench.cli.predict import predict_command
from fer_bench.errors import visible
from fer_bench.inference.faces import DETECTORS, FACES

FER_BENCH = [sys.executable, "-c", "from fer_bench.cli import main; main()"]
FIRST = ["file", "frame", "time", "left", "top", "width", "height", "detector score"]
LAST = ["predicted", "model", "note"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("models") / "linear.onnx")


@pytest.fixture
def predict(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def predict(*arguments: object, model: object = model) -> Result:
        named = ["--model", model] if model else []
        return CliRunner().invoke(main, ["predict", *map(str, arguments), *map(str, named)])

    return predict


def face(path: Path, seed: int = 0, size: tuple[int, int] = (48, 48)) -> Path:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)).save(path)
    return path


def video(path: Path, frames: int, size: tuple[int, int] = (96, 64), rate: float = 10.0) -> Path:
    """A bright square on its way from left to right."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    for number in range(frames):
        image = np.full((size[1], size[0], 3), 60, np.uint8)
        image[16:48, number % 64 : number % 64 + 32] = 220
        writer.write(image)
    writer.release()
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    capture, found = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        found.append(read[1])
    return found


def table(path: Path) -> list[dict[str, str]]:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    header, *lines = csv.reader(text.splitlines())
    assert all(len(line) == len(header) for line in lines)
    assert header == [*FIRST, *EMOTIONS, *LAST]
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_the_choices_are_those_that_there_are():
    offered = {option.name: option.type.choices for option in predict_command.params if hasattr(option.type, "choices")}
    assert (offered["faces"], offered["detector"]) == (FACES, DETECTORS)


def test_rows_as_json_as_lines_and_as_csv_say_the_same(predict, tmp_path):
    one, other = face(tmp_path / "one.png"), face(tmp_path / "other.png", 1)
    done = predict(one, other, "--faces", "none", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    said = linear(np.stack([np.asarray(Image.open(path)) for path in (one, other)]), weights())
    for row, path, wanted in zip(rows, (one, other), said, strict=True):
        assert (row["source"], row["model"], row["box"], row["frame"], row["note"]) == (
            str(path),
            "linear",
            None,
            None,
            "",
        )
        np.testing.assert_allclose([row["probabilities"][name] for name in EMOTIONS], wanted, atol=1e-5)
        assert row["emotion"] == EMOTIONS[wanted.argmax()]
    lines = predict(one, other, "--faces", "none").stdout.splitlines()
    assert [line.split("\t")[5] for line in lines] == ["emotion", *(row["emotion"] for row in rows)]
    done = predict(one, other, "--faces", "none", "--csv", "rows.csv")
    assert (done.exit_code, done.stdout) == (0, "")
    for row, line in zip(rows, table(tmp_path / "rows.csv"), strict=True):
        assert [np.float32(line[name]) for name in EMOTIONS] == [np.float32(p) for p in row["probabilities"].values()]
        assert (line["file"], line["predicted"], line["model"]) == (row["source"], row["emotion"], "linear")


def test_several_models_stand_side_by_side(predict, tmp_path, model):
    six = write_onnx(tmp_path / "six.onnx", weights(6, 1), about={"name": "six"})
    picture = face(tmp_path / "one.png")
    done = predict(picture, "--faces", "none", "--model", six, "--csv", "rows.csv")
    assert done.exit_code == 0, done.output
    first, second = table(tmp_path / "rows.csv")
    assert [first["model"], second["model"]] == ["six", "linear"]
    assert first["neutral"] == "", "which six does not know"
    pixels = np.asarray(Image.open(picture))[None]
    np.testing.assert_allclose(
        [float(first[name]) for name in EMOTIONS[:6]], linear(pixels, weights(6, 1))[0], atol=1e-5
    )
    np.testing.assert_allclose([float(second[name]) for name in EMOTIONS], linear(pixels, weights())[0], atol=1e-5)


def test_a_terminal_is_shown_bars(model, tmp_path):
    pty = pytest.importorskip("pty")
    face(tmp_path / "one.png")
    six = write_onnx(tmp_path / "six.onnx", weights(6, 1), about={"name": "six"})
    ours, theirs = pty.openpty()
    command = [*FER_BENCH, "predict", "one.png", "--faces", "none", "--model", model, "--model", six]
    done = subprocess.Popen(command, cwd=tmp_path, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # Linux says so that the other end is closed
        pass
    assert done.wait() == 0, text
    lines = text.decode().splitlines()
    assert lines[0].endswith("one.png\x1b[0m: 1 face")
    assert "linear" in lines[1]
    assert "six" in lines[1]
    assert [line.split()[0] for line in lines[2:9]] == list(EMOTIONS)
    assert [line.count("%") for line in lines[2:9]] == [2] * 6 + [1]
    assert "█" in text.decode()


def test_predictions_of_an_exported_test_part_are_scored(predict, tmp_path, tiny_npz):
    """What the CSV says of the images that ``data export`` wrote is scored as the model's own answers are."""
    invoke = CliRunner().invoke
    done = invoke(main, ["data", "export", "--out", "images", "--data", str(tiny_npz)])
    assert done.exit_code == 0, done.output
    assert predict("images/test", "--faces", "none", "--csv", "rows.csv").exit_code == 0
    done = invoke(main, ["score", "rows.csv", "--data", "images", "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    with np.load(tiny_npz) as data:
        test = data["usage"] == "PrivateTest"
        right = linear(data["images"][test], weights()).argmax(axis=1) == data["labels"][test]
    assert json.loads(done.stdout)["accuracy"] == right.mean()
    assert json.loads(done.stdout)["images"] == test.sum()


def test_a_picture_and_a_video_come_back_drawn(predict, tmp_path):
    picture, moving = face(tmp_path / "one.png", 0, (120, 160)), video(tmp_path / "moving.mp4", 23)
    done = predict(picture, "--faces", "none", "--annotate", "drawn.png")
    assert done.exit_code == 0, done.output
    drawn = cv2.imread(str(tmp_path / "drawn.png"))
    assert drawn.shape == (120, 160, 3)
    assert (drawn[-1] == cv2.imread(str(picture))[-1]).all(), "nothing is drawn there"
    assert (drawn != cv2.imread(str(picture))).any()
    done = predict(picture, moving, "--faces", "none", "--annotate", "folder")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["moving.mp4", "one.png"]
    frames = frames_of(tmp_path / "folder" / "moving.mp4")
    assert [frame.shape for frame in frames] == [(64, 96, 3)] * 23
    assert cv2.VideoCapture(str(tmp_path / "folder" / "moving.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(
        10, rel=0.01
    )
    done = predict(moving, "--every", 5, "--faces", "none", "--annotate", "some.mp4")
    assert done.exit_code == 0, done.output
    assert len(frames_of(tmp_path / "some.mp4")) == 5
    assert cv2.VideoCapture(str(tmp_path / "some.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(2, rel=0.01)


def test_a_video_is_smoothed(predict, tmp_path):
    moving = video(tmp_path / "moving.mp4", 12)
    rough = json.loads(predict(moving, "--faces", "none", "--json").stdout)
    smooth = json.loads(predict(moving, "--faces", "none", "--json", "--smooth", 3).stdout)
    values = np.array([list(row["probabilities"].values()) for row in rough])
    wanted = [values[max(0, at - 2) : at + 1].mean(axis=0) for at in range(12)]
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in smooth], wanted, atol=1e-5)
    assert [row["frame"] for row in smooth] == list(range(12))
    assert [row["time"] for row in smooth] == pytest.approx([at / 10 for at in range(12)])


def test_an_explanation_is_a_picture_of_the_face(predict, tmp_path):
    done = predict(face(tmp_path / "one.png"), "--faces", "none", "--explain", "why.png")
    assert done.exit_code == 0, done.output
    assert min(cv2.imread(str(tmp_path / "why.png")).shape[:2]) > 192


def test_one_bad_source_among_others_is_a_row_and_exit_code_2(predict, tmp_path):
    good, bad = face(tmp_path / "good.png"), tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:200])
    done = predict(bad, good, "--faces", "none", "--json")
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"fer-bench: {bad}: ")
    broken, fine = json.loads(done.stdout)
    assert broken["note"]
    assert (broken["source"], broken["probabilities"], broken["model"]) == (str(bad), {}, "")
    assert (fine["source"], fine["note"]) == (str(good), "")
    lines = [line.split("\t") for line in predict(bad, good, "--faces", "none").stdout.splitlines()]
    assert [line[0] for line in lines] == ["file", str(bad), str(good)]
    assert [line[3] for line in lines] == ["face", "", "whole picture"]
    assert lines[1][-1] == broken["note"]


def refused(done: Result, *words: str) -> None:
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("fer-bench: ")
    assert line == visible(line)
    for word in words:
        assert word in line


def test_bad_input_is_one_line_and_exit_code_2(predict, tmp_path, model):
    picture = face(tmp_path / "one.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mp4").write_bytes(video(tmp_path / "moving.mp4", 5).read_bytes()[:300])
    (tmp_path / "there.csv").write_text("mine")
    refused(predict(), "nothing to look at")
    refused(predict("none.png"), "none.png", "no such file")
    refused(predict("*.png"), "no such file or folder; leave the quotes away")
    refused(predict(picture, "--csv", "-"), "name a file; without --csv, rows go to stdout")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(60))
    refused(predict("phone.heic"), "phone.heic", "a HEIC image: convert it to JPEG")
    (tmp_path / "phone.heic").unlink()
    refused(predict("empty"), "empty", "no picture")
    refused(predict("broken.mp4"), "broken.mp4")
    refused(predict("--camera", 93), "no camera 93")
    refused(predict(picture, model="none.onnx"), "no such file: none.onnx")
    refused(predict(picture, model="svm"), "no model svm", "--results")
    refused(predict(picture, "--csv", "there.csv"), "there.csv: is there already", "--force")
    assert (tmp_path / "there.csv").read_text() == "mine"
    refused(predict("none.png", "--csv", "there.csv", "--force"), "no such file")
    assert (tmp_path / "there.csv").read_text() == "mine", "nothing was read, nothing is replaced"
    refused(predict(picture, "--csv", "no/rows.csv"), "no folder no")
    refused(predict(picture, "--annotate", "rows.txt"), "neither a folder")
    refused(predict(picture, "moving.mp4", "--annotate", "all.png"), "several sources")
    refused(predict("moving.mp4", "--annotate", "all.png"), "is a video", ".mp4")
    refused(predict(picture, "--explain", "why.jpg"), ".png")
    refused(predict(picture, "--annotate", picture, "--force"), "is read, and would be written")
    refused(predict(picture, "--csv", "x.png", "--explain", "x.png"), "its own")
    refused(predict(picture, "--model", model), "given twice")
    refused(predict(picture, "--plugin", "x.py"), "--plugin")
    refused(predict(picture, "--device", "gpu"), "--device gpu", "for runs")
    refused(predict(picture, "--backend", "jax"), "--backend jax", "for runs")
    refused(predict(""), "''", "no such file")
    refused(
        predict(picture, "--csv", "there.csv", "--force", "--annotate", "all.mp4"),
        "is a picture; name a file ending in .png",
    )
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "broken.mp4",
        "empty",
        "moving.mp4",
        "one.png",
        "there.csv",
    ]


def test_what_is_read_is_not_drawn_over(predict, tmp_path):
    """A drawn picture has the name of its source, and --force would put it into its place."""
    (tmp_path / "mine" / "drawn").mkdir(parents=True)
    picture = face(tmp_path / "mine" / "one.png")
    before = picture.read_bytes()
    refused(predict(picture, "--annotate", "mine", "--force"), "one.png", "is read, and would be written over")
    face(tmp_path / "mine" / "drawn" / "one.png")
    refused(predict("mine", "--annotate", "mine/drawn", "--force"), "drawn", "is read, and would be written over")
    assert picture.read_bytes() == before
    assert predict("mine", "--annotate", "mine/new").exit_code == 0, "a folder that is made now is not read"


def test_a_face_is_found_in_a_photograph(predict, tmp_path):
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.astronaut()).save(tmp_path / "astronaut.png")
    done = predict("astronaut.png", "--json", "--csv", "rows.csv", "--annotate", "drawn.jpg")
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    box = row["box"]
    assert box["left"] < 223 < box["left"] + box["width"], "her nose"
    assert box["top"] < 120 < box["top"] + box["height"]
    (line,) = table(tmp_path / "rows.csv")
    assert [int(line[name]) for name in ("left", "top", "width", "height")] == [
        box[name] for name in ("left", "top", "width", "height")
    ]
    assert float(line["detector score"]) == pytest.approx(box["score"])
    changed = (
        np.abs(cv2.imread(str(tmp_path / "drawn.jpg")).astype(int) - cv2.imread(str(tmp_path / "astronaut.png"))).max(
            axis=2
        )
        > 60
    )
    assert changed[box["top"], box["left"] + 5 : box["left"] + box["width"] - 5].mean() > 0.9
    Image.fromarray(np.full((400, 600), 90, np.uint8)).save(tmp_path / "wall.png")
    done = predict("wall.png")
    assert (done.exit_code, done.stdout.splitlines()[1].split("\t")[-1]) == (0, "no face")


def test_cells_are_no_formulas(predict, tmp_path):
    face(tmp_path / "=1+1.png")
    assert predict("=1+1.png", "--faces", "none", "--csv", "rows.csv").exit_code == 0
    assert table(tmp_path / "rows.csv")[0]["file"] == "'=1+1.png"


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_what_is_written_is_whole_when_it_is_broken_off(model, tmp_path, sign):
    """In the middle of a video: its rows, the JSON and the video drawn so far can be read."""
    video(tmp_path / "long.mp4", 6000)
    arguments = [
        "long.mp4",
        "--faces",
        "none",
        "--model",
        model,
        "--csv",
        "rows.csv",
        "--annotate",
        "drawn.mp4",
        "--json",
    ]
    process = subprocess.Popen(
        [*FER_BENCH, "predict", *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    begin = b"".join(process.stdout.readline() for _ in range(100))  # it is in the middle
    process.send_signal(sign)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"interrupted" in errors
    assert b"Traceback" not in errors
    rows = json.loads(begin + rest)
    lines = table(tmp_path / "rows.csv")
    frames = frames_of(tmp_path / "drawn.mp4")
    assert 90 < len(frames) < 6000
    assert [int(line["frame"]) for line in lines] == list(range(len(lines)))
    assert [row["frame"] for row in rows] == list(range(len(rows)))
    assert len(rows) == len(lines) == len(frames)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.mp4", "long.mp4", "rows.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_full_disk_leaves_whole_lines(model, tmp_path):
    import resource

    video(tmp_path / "moving.mp4", 200)
    done = subprocess.run(
        [*FER_BENCH, "predict", "moving.mp4", "--faces", "none", "--model", model, "--csv", "rows.csv"],
        cwd=tmp_path,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 1, done.stderr
    assert b"Traceback" not in done.stderr
    assert 20 < len(table(tmp_path / "rows.csv")) < 200


@pytest.mark.skipif(os.name != "posix", reason="where a home is told by HOME")
def test_nothing_is_kept_in_a_users_home(model, tmp_path):
    """Libraries that tell their makers of their use keep what they tell, and an identifier, below ~/.cache."""
    picture, home = face(tmp_path / "one.png"), tmp_path / "home"
    home.mkdir()
    # Variables by which onnxruntime is silent, that of this process among them.
    silent = ("ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI", "GITHUB_ACTIONS", "TF_BUILD")
    clean = {name: value for name, value in os.environ.items() if name not in silent and not name.startswith("XDG_")}
    done = subprocess.run(
        [*FER_BENCH, "predict", picture, "--model", model], env=clean | {"HOME": str(home)}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert not list(home.rglob("*"))


def test_a_first_answer_imports_nothing_heavy(model, tmp_path):
    """It has to be there within a second and a half, of which each of these libraries would take most."""
    heavy = {
        "pandas",
        "sklearn",
        "scipy",
        "pydantic",
        "tensorflow",
        "keras",
        "jax",
        "torch",
        "matplotlib",
        "rich",
        "psutil",
    }
    face(tmp_path / "one.png", 0, (200, 200))
    code = f"""
import sys
from fer_bench.cli import main
main(["predict", "one.png", "--model", {str(model)!r}, "--csv", "rows.csv"], standalone_mode=False)
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {heavy!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
