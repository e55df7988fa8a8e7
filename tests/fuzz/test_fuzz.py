"""Mutated inputs: each is read correctly or refused with one clear line; none crashes, hangs, fills the memory or
writes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import mutate
import numpy as np
import pytest
from corpus import FILES, FULL_TREE, TREE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watch import peak_bytes, resident_bytes, watched

from fer_bench.board.ranking import leaderboards
from fer_bench.data.dataset import EMOTIONS
from fer_bench.data.orders import order_of
from fer_bench.data.reader import read, read_foreign
from fer_bench.engine.stored_model import check_model
from fer_bench.entries.external_file import read_outside
from fer_bench.errors import InputError
from fer_bench.inference import onnx_model
from fer_bench.inference.face import Unreadable
from fer_bench.inference.pictures import as_face
from fer_bench.inference.sources import open_sources
from fer_bench.records.evaluation import EVALUATION, read_evaluations
from fer_bench.records.predictions import held, load_predictions
from fer_bench.records.run_files import RunFiles, read_history
from fer_bench.records.store import Store, StoredRun, read_record
from fer_bench.report import markdown
from fer_bench.report.write import publish
from fer_bench.scores.probabilities import TOLERANCE
from fer_bench.training.kept import kept_epochs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory as /proc tells it")
LONGEST_MESSAGE = 400
INVISIBLE = frozenset({*map(chr, range(32)), "\x7f", "\u2028", "\u202e"})
MOST_MEMORY = 1 << 30
LONGEST_SECONDS = 30.0


def read_faces(path: Path) -> None:
    data = read(path)
    _check(data)
    foreign, subjects = read_foreign(path)
    _check(foreign)
    assert subjects is None


def read_ordered(path: Path) -> None:
    """Numbers in an order that was given."""
    for order in (order_of("affectnet"), order_of("bored,happy,sad,angry,tired,fear,calm")):
        data, _ = read_foreign(path, order=order)
        _check(data)
        assert data.order in ("", order.name)


def read_subjects(path: Path) -> None:
    data, subjects = read_foreign(path, "folder" if path.is_dir() else "subject")
    _check(data)
    assert subjects is not None
    assert len(subjects) == len(data)


def _check(data: Any) -> None:
    assert data.images.shape == (len(data), 48, 48)
    assert data.images.dtype == np.uint8
    assert len(data) > 0
    assert 0 <= data.labels.min() <= data.labels.max() < len(data.classes) <= 100
    assert data.usage is None or (len(data.usage) == len(data) and set(data.usage.tolist()) <= {0, 1, 2})


def read_predicted(path: Path) -> None:
    found = read_outside(path, EMOTIONS, list(TREE) if path.name == "predicted.files.csv" else None)
    assert found.probabilities.shape == (len(found.rows), 7)
    np.testing.assert_allclose(found.probabilities.astype(float).sum(axis=1), 1, atol=TOLERANCE + 1e-3)


def read_saved(path: Path) -> None:
    found = load_predictions(path.parent)
    assert len(found.rows) == len(found.labels) == len(found.probabilities)


def read_run(path: Path) -> None:
    """Also that a record which is read makes a leaderboard."""
    run = StoredRun(read_record(path), path.parent)
    for board in leaderboards([run]):
        for which in ("report", "cost"):
            assert "<script" not in markdown.board_table(board, which)
        board.text()


def read_epochs(path: Path) -> None:
    assert set(read_history(path).dtypes.astype(str)) <= {"float64"}


def read_pictures(path: Path) -> None:
    """Also that a face of the models' size can be made of each; a picture or video that can't be read is refused."""
    for found in open_sources([str(path)]):
        if isinstance(found, Unreadable):
            raise InputError(f"{path}: {found.reason}")
        assert found.pixels.dtype == np.uint8
        assert as_face(found).shape == (48, 48)


def read_model(path: Path) -> None:
    answers = onnx_model.read(path)(np.zeros((3, 48, 48), np.uint8))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=TOLERANCE)


def _structure(name: str) -> dict[str, st.SearchStrategy[bytes]]:
    start = FILES[name]
    by_form = {
        "table.csv": {"cells": mutate.csv_cells(start)},
        "spoken.csv": {"cells": mutate.csv_cells(start)},
        "predicted.csv": {"cells": mutate.csv_cells(start)},
        "predicted.files.csv": {"cells": mutate.csv_cells(start)},
        "history.csv": {"cells": mutate.csv_cells(start)},
        "faces.zip": {"members": mutate.zip_members()},
        "faces.tar": {"members": mutate.tar_members()},
        "faces.npz": {"headers": mutate.npy_header(start), "arrays": mutate.npz_arrays()},
        "predicted.npz": {"headers": mutate.npy_header(start), "arrays": mutate.npz_arrays()},
        "predictions.npz": {"headers": mutate.npy_header(start)},
        "faces.parquet": {"columns": mutate.parquet_columns()},
        "predicted.parquet": {"columns": mutate.parquet_columns()},
        "record.json": {"values": mutate.json_parts(start)},
    }
    return by_form.get(name, {})


#: What one reader alone is for.
OWN = {
    "predictions.npz": read_saved,
    "record.json": read_run,
    "history.csv": read_epochs,
    "model.onnx": read_model,
}
READERS: dict[str, list[Callable[[Path], None]]] = {
    name: [read_predicted]
    if name.startswith("predicted.")
    else [read_pictures]
    if name.startswith(("photo.", "clip."))
    else [OWN[name]]
    if name in OWN
    else [read_faces, read_ordered, read_subjects]
    for name in FILES
}
CASES = {
    (name, how): made
    for name, start in FILES.items()
    for how, made in ({"bytes": mutate.bytes_of(start)} | _structure(name)).items()
}
FULL = int(os.environ.get("FER_BENCH_FUZZ", "0"))
EXAMPLES = -(-FULL // (len(CASES) + 1)) or 12
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=timedelta(seconds=10),
    database=None,
    derandomize=not FULL,
    suppress_health_check=list(HealthCheck),
)


class Hang(BaseException):
    """An input was not read within ``LONGEST_SECONDS``."""


def _hang(*_: object) -> None:
    raise Hang


signal.signal(signal.SIGALRM, _hang)


def outcome(reader: Callable[[Path], None], path: Path, root: Path) -> tuple[str, int]:
    """Reads an input under watch: "read" or "refused", and the bytes that it took; whatever else happens fails."""
    before, resident = tree(root), resident_bytes()
    signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    with watched() as seen, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reader(path)
            result = "read"
        except InputError as error:
            message = str(error).replace(str(path), "").replace(str(path.parent), "")
            assert not INVISIBLE.intersection(message), message
            assert len(message) <= LONGEST_MESSAGE, message
            result = "refused"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    assert seen == []
    assert tree(root) == before
    taken = peak_bytes() - resident
    assert taken < MOST_MEMORY
    return result, taken


def count(outcomes: dict[Any, Counter[str]], kind: tuple[str, str], result: str, taken: int) -> None:
    """Adds an input to those of its kind, of which the most memory is kept, too."""
    counts = outcomes.setdefault(kind, Counter())
    counts[result] += 1
    counts["bytes"] = max(counts["bytes"], taken)


def behind_something(path: Path) -> bool:
    """Whether a link, a pipe or a file that was put there stands where a folder above a path would be."""
    return any(os.path.lexists(above) and (above.is_symlink() or not above.is_dir()) for above in path.parents)


def tree(root: Path) -> list[tuple[str, int, int]]:
    """Every file and folder below ``root``, with its size and the time of its last change."""
    found = [(str(path), path.lstat()) for path in sorted(root.rglob("*"))]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]


@pytest.mark.parametrize(("name", "how"), CASES)
def test_a_spoilt_file(name: str, how: str, tmp_path: Path, outcomes: dict[Any, Counter[str]]) -> None:
    path = tmp_path / "in" / name

    @FUZZ
    @given(content=CASES[name, how], reader=st.sampled_from(READERS[name]))
    def spoil(content: bytes, reader: Callable[[Path], None]) -> None:
        path.write_bytes(content)
        count(outcomes, (name, how), *outcome(reader, path, tmp_path))

    spoil()


@pytest.mark.parametrize("name", FILES)
def test_what_is_not_spoilt_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "in" / name
    path.write_bytes(FILES[name])
    assert outcome(READERS[name][0], path, tmp_path)[0] == "read"


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes | str]:
    """A folder of images with spoilt ones, other names, links (a text is where it leads) and pipes ("")."""
    files: dict[str, bytes | str] = dict(FULL_TREE)
    for name in draw(st.lists(st.sampled_from(sorted(FULL_TREE)), min_size=1, max_size=3, unique=True)):
        content = files.pop(name)
        other = draw(
            st.sampled_from(
                [
                    name,
                    f"happy/{name}",
                    name.replace("/", "/../", 1),
                    "train/hungry/1.png",
                    ".hidden/x.png",
                    "fer2013.csv",
                    "x.parquet",
                    "x.npz",
                    "faces.csv",
                    "disgust",
                    "train/happy/1.heic",
                    "train/happy/no suffix",
                    "fer_train\\happy\\1.png",
                    "emotion/train/happy/1.png",
                    "train/happy/S1/1.png",
                ]
            )
        )
        made = st.one_of(
            mutate.bytes_of(content), st.sampled_from(["/etc/passwd", "/dev/zero", "nowhere", "."]), st.just("")
        )
        files[os.path.normpath(other)] = draw(made)
    return files


def test_a_spoilt_folder(tmp_path: Path, outcomes: dict[Any, Counter[str]]) -> None:
    import shutil

    folder = tmp_path / "in" / "faces"

    @FUZZ
    @given(files=trees(), reader=st.sampled_from([read_faces, read_ordered, read_subjects]))
    def spoil(files: dict[str, bytes | str], reader: Callable[[Path], None]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in files.items():
            path = folder / name
            if behind_something(path):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if content == "":
                os.mkfifo(path)
            elif isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content)
        count(outcomes, ("folder", "files"), *outcome(reader, folder, tmp_path))

    spoil()


def test_a_spoilt_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "in" / "evaluations" / "x" / EVALUATION
    path.parent.mkdir(parents=True)
    path.write_text('{"schema_version": 1e999}')
    found, problems = read_evaluations(tmp_path / "in")
    assert found == []
    assert "beyond all measure" in problems[0]


#: Where a results folder can have something that is not what it should be: a run's files, folders above it, its
#: scratch.
PLACES = (
    ".gitignore", ".work", ".work/locks", ".work/report", ".work/locks/report.lock", "README.md", "plots", "sheets", "set", "set/split",
    "set/split/svm", "set/split/svm/run", "set/split/svm/run/record.json", "set/split/svm/run/predictions.npz",
    "set/split/svm/run/history.csv", "set/split/svm/run/evaluations", "set/split/svm/run/evaluations/x",
    "set/split/svm/run/evaluations/x/evaluation.json", "set/split/svm/run/model", "set/split/svm/run/model/epochs",
)  # fmt: skip


def test_a_spoilt_results_folder(tmp_path: Path, outcomes: dict[Any, Counter[str]]) -> None:
    """Whatever stands where in it, all of it is read or named, a report is written or refused, and nothing outside
    changes.
    """
    import shutil

    root, home = tmp_path / "in" / "results", tmp_path / "home"
    for name in (
        "report/thesis.txt",
        "locks/report.lock",
        "leaderboard-of-mine.png",
        "x/evaluation.json",
        "run/record.json",
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    before = tree(home)
    targets = [str(home), str(home / "run"), str(home / "leaderboard-of-mine.png"), "/dev/zero", "nowhere", ".", ".."]

    def read_all(folder: Path) -> None:
        runs, _ = Store(folder).scan()
        files = RunFiles(held(runs).runs)
        for run in runs:
            files.history(run.record)
            files.predictions(run.record, "validation")
            read_evaluations(run.folder)
            kept_epochs(run.folder / "model" / "epochs")
            check_model(run, "svm")

    @FUZZ
    @given(spoilt=st.dictionaries(st.sampled_from(PLACES), st.sampled_from([*targets, "", "folder"]), max_size=3))
    def spoil(spoilt: dict[str, str]) -> None:
        shutil.rmtree(root, ignore_errors=True)
        run = root / "set/split/svm/run"
        run.mkdir(parents=True)
        (run / "record.json").write_bytes(FILES["record.json"])
        (run / "predictions.npz").write_bytes(FILES["predictions.npz"])
        for name, content in spoilt.items():
            path = root / name
            if behind_something(path):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            if content == "folder":
                path.mkdir()
            elif content:
                path.symlink_to(content)
            else:
                os.mkfifo(path)
        count(outcomes, ("results", "links"), *outcome(read_all, root, tmp_path))
        signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
        with contextlib.suppress(InputError, OSError):
            publish(root, {"README.md": b"ours", "plots/leaderboard-x.png": b"ours"})
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert tree(home) == before

    spoil()
