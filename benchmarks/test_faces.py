"""A picture and a video with a face, beside the package `fer`: the first answer, frames a second, and memory.

`fer` is installed into an environment of its own, as peers.py does it, below FER_BENCH_PEERS where that is set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_bench.errors import InputError
from fer_bench.inference.onnx_model import shipped

from .measure import ROOT, describe, in_turn, scale, told
from .peers import PEERS, python_of

#: Frames of a short video and of a long one.
SHORT, LONG = 200, 2000
SIZE, RATE = (640, 480), 25
FER = PEERS[0]
FIRST_ANSWER = "import cv2; from fer.fer import FER; print(FER().detect_emotions(cv2.imread({path!r})))"
FER_LINE = '`python -c "from fer.fer import FER; ..."`'
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")


@pytest.fixture(scope="module", autouse=True)
def _model() -> None:
    try:
        shipped()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return pytest.importorskip("skimage.data").astronaut()


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python that has `fer`."""
    return str(python_of(FER, Path(os.environ.get("FER_BENCH_PEERS") or tmp_path_factory.mktemp("peers"))))


@pytest.fixture(scope="module")
def films(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A short and a long video: the photograph moves to and fro."""
    import cv2

    folder, found = tmp_path_factory.mktemp("films"), {}
    for frames in (SHORT, LONG):
        frames = max(20, round(frames * scale()))
        found[frames] = folder / f"{frames}.mp4"
        writer = cv2.VideoWriter(str(found[frames]), cv2.VideoWriter.fourcc(*"mp4v"), RATE, SIZE)
        for number in range(frames):
            image = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
            left = abs(number % 200 - 100)
            image[:, left : left + 512] = cv2.cvtColor(astronaut[: SIZE[1]], cv2.COLOR_RGB2BGR)
            writer.write(image)
        writer.release()
    return found


def run(command: list[str], one_core: bool = False) -> str:
    """What a command prints, in an environment of its own; on one core where the system lets us say so."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    clean |= {"PYTHONPATH": str(ROOT)} if command[0] == sys.executable else {}
    core = {min(os.sched_getaffinity(0))} if one_core and hasattr(os, "sched_setaffinity") else None
    pin = None if core is None else lambda: os.sched_setaffinity(0, core)
    env = clean | (ONE_THREAD if one_core else {})
    return subprocess.run(command, env=env, preexec_fn=pin, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def first_answers(astronaut: np.ndarray, peer: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """Seconds of the whole process of each, in turn."""
    from PIL import Image

    path = str(tmp_path_factory.mktemp("photograph") / "astronaut.png")
    Image.fromarray(astronaut).save(path)
    ours = [sys.executable, "-c", "from fer_bench.cli import main; main()", "predict", path]
    (row,) = json.loads(run([*ours, "--json"]))
    assert row["box"], "one face is found"
    theirs = [peer, "-c", FIRST_ANSWER.format(path=path)]
    return in_turn({"fer": lambda: run(theirs), "ours": lambda: run(ours)}, rounds=5)


@pytest.mark.benchmark(group="predict: first answer", timer=told)
@pytest.mark.parametrize(("line", "role"), [("fer", "baseline"), ("ours", "ours")])
def test_first_answer(benchmark: Any, first_answers: dict[str, list[float]], line: str, role: str) -> None:
    name = {"fer": FER_LINE, "ours": "`fer-bench predict astronaut.png`"}[line]
    describe(benchmark, "a photograph", name, role=role, unit="s", statistic="median", note="the whole process")
    told.report(benchmark, first_answers[line])


@pytest.fixture(scope="module")
def seen(films: dict[int, Path], peer: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each says of a video, on one core: `fer` of the short one, ours of both."""
    short, long = (str(films[frames]) for frames in sorted(films))
    rows = str(tmp_path_factory.mktemp("rows") / "rows.csv")
    commands = {
        "fer": [peer, str(ROOT / "benchmarks" / "peers_film.py"), short],
        "short": [sys.executable, "-m", "benchmarks.one_film", short, rows],
        "long": [sys.executable, "-m", "benchmarks.one_film", long, rows],
    }
    return {name: json.loads(run(command, one_core=True).splitlines()[-1]) for name, command in commands.items()}


def tell(benchmark: Any, subject: str, line: str, took: dict[str, Any], **extra: Any) -> None:
    note = f"{took['faces']:,} faces in {took['frames']:,} frames of {SIZE[0]} x {SIZE[1]}"
    describe(benchmark, subject, line, unit="images/s", images=took["frames"], note=note, **extra)
    told.report(benchmark, [took["seconds"]])


@pytest.mark.benchmark(group="predict: a video", timer=told)
@pytest.mark.parametrize(("line", "role"), [("fer", "baseline"), ("short", "ours")])
def test_frames_a_second(benchmark: Any, seen: dict[str, dict[str, Any]], line: str, role: str) -> None:
    name = {"fer": "`FER().detect_emotions`, frame by frame", "short": "`fer-bench predict`"}[line]
    tell(benchmark, "on one core", name, seen[line], role=role)


@pytest.mark.benchmark(group="predict: a video", timer=told)
@pytest.mark.parametrize(("line", "role"), [("short", "baseline"), ("long", "ours")])
def test_a_long_video(benchmark: Any, seen: dict[str, dict[str, Any]], line: str, role: str) -> None:
    """Neither slower nor larger than a short one."""
    name = {"short": "200 frames", "long": "2,000 frames"}[line]
    tell(benchmark, "its length", name, seen[line], role=role, peak_bytes=seen[line]["peak_bytes"])
