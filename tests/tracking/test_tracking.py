"""``fer-bench log``: what MLflow, TensorBoard and W&B hold afterwards, read back by their own means."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from made_records import keep, record

from fer_bench.cli import main
from fer_bench.errors import InputError
from fer_bench.records.store import Store
from fer_bench.tracking.account import LARGEST_FILE, account_of
from fer_bench.tracking.to_mlflow import without_password

HISTORY = "stage,epoch,loss,val_accuracy,seconds\n1,1,2.5,0.25,10\n1,2,,0.5,20\n2,1,1.5,0.75,30\n"
STARTED = 1767225600.0  # 2026-01-01 in UTC


def cli(*words: Any) -> Result:
    return CliRunner().invoke(main, ["log", *map(str, words)], prog_name="fer-bench")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A training of two stages, and one that failed."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "results")
    store.prepare()
    deep = record("mini-xception", 0.5, recipe="tuned", params={"width": 2})
    deep.job.recipe_fields = {
        "batch": 64,
        "augmentation": {"flip": True, "shift": 0.1},
        "stages": [{"epochs": 2}],
        "weights": None,
    }
    (keep(store, deep) / "history.csv").write_text(HISTORY)
    keep(store, record("svm", status="error", message="broke"))
    return store.root


def folder_of(root: Path, runner: str) -> Path:
    return next((root / "fer2013" / "official" / runner).iterdir())


def change(root: Path) -> None:
    """The record of the training says something more, as after --tta."""
    path = folder_of(root, "mini-xception") / "record.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"attempts": ["timeout: too long"]}))


def test_an_account_has_every_figure_and_setting(root: Path):
    runs = {run.record.job.runner: run for run in Store(root).scan()[0]}
    deep, failed = account_of(runs["mini-xception"]), account_of(runs["svm"])
    assert deep.name == "mini-xception[width=2]:tuned s0"
    assert deep.parameters["recipe.augmentation.flip"] is True
    assert deep.parameters["recipe.stages.0.epochs"] == 2
    assert "recipe.weights" not in deep.parameters
    assert deep.figures["test/accuracy"] == 0.5
    assert deep.figures["test/happiness/recall"] == runs["mini-xception"].record.scores.emotions["happiness"].recall
    assert deep.figures["cost/parameters"] == 1234567
    assert [(epoch.step, epoch.time - STARTED, epoch.figures.get("epoch/loss")) for epoch in deep.epochs] == [
        (1, 10, 2.5),
        (2, 30, None),
        (3, 60, 1.5),
    ]
    assert sorted(deep.files) == ["history.csv", "predictions.npz", "record.json"]
    assert (deep.began, deep.ended) == (STARTED, STARTED + 10)
    assert (failed.status, failed.tags["failure"], failed.epochs) == ("error", "broke", ())


def test_a_large_or_damaged_file_is_named(root: Path):
    folder = folder_of(root, "mini-xception")
    with (folder / "predictions.npz").open("ab") as file:
        file.truncate(LARGEST_FILE + 1)
    done = cli("--to", "tensorboard", "--results", root)
    assert done.exit_code == 0, done.output
    assert "predictions.npz is too large to be logged" in done.stderr
    (folder / "history.csv").write_text("epoch,loss\n1,words\n")
    done = cli("--to", "tensorboard", "--results", root, "--json")
    assert done.exit_code == 1
    assert "is not logged" in done.stderr
    assert {one["outcome"] for one in json.loads(done.stdout)} == {"unreadable", "there"}


def tensorboard_events(folder: Path) -> list[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    (path,) = folder.iterdir()
    reader, found = PyRecordReader_New(str(path)), []
    while True:
        try:
            reader.GetNext()
        except Exception:
            return found
        found.append(Event.FromString(reader.record()))


def test_tensorboard_shows_curves_figures_and_parameters(root: Path, tmp_path: Path):
    from tensorboard.plugins.hparams import metadata

    done = cli("--to", "tensorboard", "--results", root, "--out", "logs")
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "logs").glob("mini-xception*")
    found = tensorboard_events(folder)
    scalars = {(value.tag, event.step): value.simple_value for event in found for value in event.summary.value}
    assert [scalars.get(("epoch/val_accuracy", step)) for step in (1, 2, 3)] == [0.25, 0.5, 0.75]
    assert ("epoch/loss", 2) not in scalars
    assert scalars["test/accuracy", 3] == 0.5
    (start,) = (
        value for event in found for value in event.summary.value if value.tag == metadata.SESSION_START_INFO_TAG
    )
    given = metadata.parse_session_start_info_plugin_data(start.metadata.plugin_data.content).hparams
    assert given["recipe.augmentation.shift"].number_value == 0.1
    assert given["recipe.augmentation.flip"].bool_value is True
    assert given["runner"].string_value == "mini-xception"
    before = {path: path.read_bytes() for path in (tmp_path / "logs").rglob("*") if path.is_file()}
    assert "2 there already" in cli("--to", "tensorboard", "--results", root, "--out", "logs").stderr
    assert {path: path.read_bytes() for path in (tmp_path / "logs").rglob("*") if path.is_file()} == before
    change(root)
    assert "1 logged again" in cli("--to", "tensorboard", "--results", root, "--out", "logs").stderr
    assert len(list(folder.iterdir())) == 1


def test_tensorboard_needs_no_tensorflow(root: Path):
    code = (
        "import sys; from fer_bench.cli import main\n"
        f"try: main(['log', '--to', 'tensorboard', '--results', {str(root)!r}])\n"
        "except SystemExit as end: print(end.code, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr


def test_mlflow_holds_runs_once(root: Path, tmp_path: Path):
    from mlflow import MlflowClient

    done = cli("--to", "mlflow", "--uri", "ml", "--project", "faces", "--results", root)
    assert done.exit_code == 0, done.output
    client = MlflowClient(f"sqlite:///{tmp_path / 'ml' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("faces").experiment_id

    def runs() -> dict[str, Any]:
        found = client.search_runs([experiment])
        assert len(found) == 2
        return {run.data.params["runner"]: run for run in found}

    deep, failed = runs()["mini-xception"], runs()["svm"]
    assert (deep.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert (deep.info.start_time, deep.info.end_time) == (1000 * STARTED, 1000 * (STARTED + 10))
    assert deep.data.params["recipe.augmentation.flip"] == "True"
    assert deep.data.metrics["test/accuracy"] == 0.5
    curve = client.get_metric_history(deep.info.run_id, "epoch/val_accuracy")
    assert [(one.step, one.value) for one in curve] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert [one.step for one in client.get_metric_history(deep.info.run_id, "epoch/loss")] == [1, 3]
    assert failed.data.tags["fer_bench.failure"] == "broke"
    files = {one.path for one in client.list_artifacts(deep.info.run_id)}
    assert files == {"history.csv", "predictions.npz", "record.json"}
    again = ("--to", "mlflow", "--uri", "ml", "--project", "faces", "--results", root)
    assert "2 there already" in cli(*again).stderr
    assert {run.info.run_id for run in runs().values()} == {deep.info.run_id, failed.info.run_id}
    change(root)
    client.delete_tag(failed.info.run_id, "fer_bench.digest")  # as if it had been killed while it logged
    assert "1 new, 1 logged again" in cli(*again).stderr
    assert deep.info.run_id not in {run.info.run_id for run in runs().values()}
    assert runs()["svm"].data.tags["fer_bench.digest"]


def wandb_records(path: Path) -> Iterator[Any]:
    """The records of a .wandb file: LevelDB's log format, of blocks with pieces of records, behind seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, whole = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        whole += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield Record.FromString(whole)
            whole = b""


def test_wandb_keeps_runs_here_until_they_are_sent(root: Path, tmp_path: Path):
    words = ("mini-xception", "--to", "wandb", "--results", root, "--out", "wb")
    done = cli(*words)
    assert done.exit_code == 0, done.output
    assert "wandb sync" in done.stderr
    (folder,) = (tmp_path / "wb" / "wandb").glob("offline-run-*")
    found = list(wandb_records(next(folder.glob("*.wandb"))))
    run = next(one.run for one in found if one.WhichOneof("record_type") == "run")
    assert (run.project, run.display_name) == ("fer-bench", "mini-xception[width=2]:tuned s0")
    config = {one.key: json.loads(one.value_json) for one in run.config.update}
    assert config["recipe.augmentation.shift"] == 0.1
    lines = [
        {(one.key or "/".join(one.nested_key)): json.loads(one.value_json) for one in line.history.item}
        for line in found
        if line.WhichOneof("record_type") == "history"
    ]
    assert [(line["_step"], line["epoch/val_accuracy"]) for line in lines] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    summary = {
        (one.key or "/".join(one.nested_key)): json.loads(one.value_json)
        for line in found
        if line.WhichOneof("record_type") == "summary"
        for one in line.summary.update
    }
    assert summary["test/accuracy"] == 0.5
    assert (folder / "files" / "record.json").is_file()
    assert "1 there already" in cli(*words).stderr
    change(root)
    assert "1 logged again" in cli(*words).stderr
    (other,) = (tmp_path / "wb" / "wandb").glob("offline-run-*")
    assert other != folder
    (other / "fer-bench.json").unlink()  # as if it had been killed while it logged
    assert "1 new" in cli(*words).stderr
    assert len(list((tmp_path / "wb" / "wandb").glob("offline-run-*"))) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "tensorboard", "--uri", "x"], "--uri is for mlflow"),
        (["--to", "mlflow", "--out", "x"], "--out is for wandb and tensorboard"),
        (["--to", "mlflow", "--online"], "--online is for wandb"),
        (["--to", "tensorboard", "--out", "results/.gitignore"], "--out"),
        (["--to", "wandb", "--online"], "nobody is logged in"),
        (["--to", "mlflow", "--uri", "nonsense://me:secret@x"], "MLflow at nonsense://…@x"),
        (["--to", "mlflow", "--uri", "http://127.0.0.1:9"], "MLflow at http://127.0.0.1:9"),
        (["--to", "tensorboard", "svn"], "did you mean svm"),
    ],
)
def test_what_can_not_be_is_one_line(root: Path, words: list[str], told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(root / "none"))
    done = cli(*words, "--results", root)
    assert done.exit_code == 2, done.output
    assert told in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("tracker", "module"), [("mlflow", "mlflow"), ("wandb", "wandb"), ("tensorboard", "tensorboard")]
)
def test_a_tracker_that_is_not_installed_is_named(
    root: Path, tracker: str, module: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == module else object())
    done = cli("--to", tracker, "--results", root)
    assert done.exit_code == 2
    assert f"pip install 'fer-bench[{tracker}]'" in done.stderr


def test_a_dry_run_writes_nothing(root: Path, tmp_path: Path):
    done = cli("--to", "tensorboard", "--results", root, "--dry-run", "--status", "error", "--json")
    (told,) = json.loads(done.stdout)
    assert told["outcome"] == "would be logged"
    assert not (tmp_path / "tensorboard").exists()


def test_no_time_is_refused(root: Path):
    run = Store(root).scan()[0][0]
    with pytest.raises(InputError, match="which is no time"):
        account_of(run._replace(record=run.record.model_copy(update={"started": "yesterday"})))


def test_a_password_is_not_shown():
    assert without_password("at postgresql://me:secret@host/x?") == "at postgresql://…@host/x?"
    assert without_password("http://host/@x") == "http://host/@x"
