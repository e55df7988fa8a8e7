"""index.html as written: the figures of the board, whole, the same for the same records, and nothing that could run or
load.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from made_records import record

from fer_bench.api.runner import RunnerInfo
from fer_bench.board.board import Board
from fer_bench.board.build import boards
from fer_bench.records.record import Cost, Environment, RunRecord
from fer_bench.records.run_files import RunFiles
from fer_bench.records.store import Store, StoredRun
from fer_bench.report import html
from fer_bench.report.page_data import EPOCHS, page_data

HOSTILE = "</script><img src=x onerror=alert(1)><!--\u2028'\"&é"


class Parsed(HTMLParser):
    """The tags of a page with their attributes, and the text of its script and style elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.raw.append((tag, ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.raw[-1] = (self.raw[-1][0], self.raw[-1][1] + data)
        else:
            self.text.append(data)

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.raw[-1][1])


def write(folder: Path, runs: list[RunRecord], epochs: int = 0) -> list[StoredRun]:
    """The runs as a results folder holds them, each with so many epochs of history."""
    store = Store(folder)
    store.prepare()
    for run in runs:
        work = store.work(run.job)
        if epochs:
            loss = np.linspace(2, 1, epochs)
            frame = {
                "stage": 1 + (np.arange(epochs) >= 2),
                "loss": loss,
                "accuracy": 1 / loss**2,
                "val_loss": loss + 0.1,
            }
            pd.DataFrame(frame).to_csv(work / "history.csv", index=False)
        store.commit(run, work)
    return store.scan()[0]


def costing(run: RunRecord, place: str = "cpu", **cost: float) -> RunRecord:
    return run.model_copy(update={"cost": Cost(**cost), "environment": Environment(device=place)})


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRun]:
    return write(tmp_path_factory.mktemp("page"), [
        costing(record("svm", 0.5), fit_seconds=5, latency_p50_ms=20, parameters=10),
        costing(record("net", 0.7, family="deep", training={"best_epoch": 4, "epochs_run": 5}), fit_seconds=90, latency_p50_ms=3),
        costing(record("net", 0.8, family="deep", seed=1), fit_seconds=80, latency_p50_ms=5),
        costing(record("slow", 0.4, family="deep"), fit_seconds=900, latency_p50_ms=0),
        costing(record("fast", 0.9, family="deep"), "gpu", fit_seconds=1, latency_p50_ms=1),
        record("broken", status="oom", message="no memory", family="deep"),
        record("svm", 0.3, split="notebook", split_digest="s2"),
    ], epochs=5)  # fmt: skip


INFOS = [RunnerInfo("vgg", "deep"), RunnerInfo("svm", "classical")]


def ranked(stored: Iterable[StoredRun], together: int = 1) -> list[Board]:
    """The boards of the runs, each so many of their rows sharing a rank."""
    found = boards([run.record for run in stored], INFOS)
    ranks = [
        [1 + i // together * together if row.runs else None for i, row in enumerate(board.rows)] for board in found
    ]
    return [
        replace(board, rows=tuple(replace(row, rank=rank) for row, rank in zip(board.rows, line, strict=True)))
        for board, line in zip(found, ranks, strict=True)
    ]


def page_of(stored: list[StoredRun], root: Path | None = None, **options: Any) -> Parsed:
    return Parsed(html.page(ranked(stored), RunFiles(stored), root or stored[0].folder.parents[3], **options))


@pytest.fixture(scope="module")
def page(stored: list[StoredRun]) -> Parsed:
    return page_of(stored)


def test_equal_records_give_equal_bytes_in_any_order(stored: list[StoredRun]):
    texts = set()
    for seed in range(3):
        mixed = random.Random(seed).sample(stored, len(stored))
        texts.add(html.page(ranked(mixed), RunFiles(mixed), stored[0].folder.parents[3]))
    assert len(texts) == 1


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs_but_the_script(page: Parsed):
    assert not [
        tag for tag, attributes in page.tags if "src" in attributes or tag in ("iframe", "object", "embed", "img")
    ]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    links = {
        attributes["href"] for tag, attributes in page.tags if tag in ("a", "link", "base") if "href" in attributes
    }
    assert links == {"#", "README.md", "leaderboard.csv", "data:,"}
    code = "".join(text for _, text in page.raw)
    assert code.count("://") == code.count("http://www.w3.org/2000/svg") == 1
    assert not [
        word for word in ("url(", "@import", "innerHTML", "outerHTML", "insertAdjacent", "eval(") if word in code
    ]
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for _, text in page.raw[:2]:  # the style and the script, not the data
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"-src 'sha256-{digest}'" in policy


def test_the_figures_are_those_of_the_board(stored: list[StoredRun], page: Parsed):
    found = ranked(stored)
    assert [board["id"] for board in page.data["boards"]] == [board.slug for board in found]
    for board, shown in zip(found, page.data["boards"], strict=True):
        frame = board.frame()
        columns, cells = board.table("report")
        assert shown["all"] == [column.name for column in columns]
        for i, row in enumerate(shown["rows"]):
            assert [row["cells"].get(column.name, "") for column in columns] == cells[i]
            known = frame.iloc[i][list(row["values"])]
            assert row["values"] == known.to_dict()
        missing = frame[[c for c in frame if c in page.data["columns"] and page.data["columns"][c]["numeric"]]].isna()
        assert missing.to_numpy().sum() == missing.size - sum(len(row["values"]) for row in shown["rows"])


def test_a_row_has_its_emotions_confusions_and_records(page: Parsed, stored: list[StoredRun]):
    rows = {row["name"]: row for row in page.data["boards"][0]["rows"]}
    net = rows["net"]
    scores = [run.record.scores for run in stored if run.record.job.runner == "net"]
    confusion = np.sum([score.confusion for score in scores], axis=0)
    assert net["confusion"]["counts"] == confusion.tolist()
    assert np.allclose(np.array(net["confusion"]["shares"], float).sum(axis=1), 100, atol=4)
    recall = [np.mean([score.emotions["fear"].recall for score in scores])]
    assert float(net["emotions"]["recall"][2]) == pytest.approx(100 * recall[0], abs=0.051)
    sure = np.mean([score.emotions["fear"].true_confidence for score in scores])
    assert float(net["emotions"]["true_confidence"][2]) == pytest.approx(100 * sure, abs=0.051)
    heads, *lines = net["by_emotion"]
    assert heads[:3] == ["Emotion", "Images", "Accuracy"]
    assert {len(line) for line in lines} == {len(heads)} == {7}
    assert lines[-1][:3] == ["total", "200", "75.0"]
    assert [line[heads.index("Confidence (true)")] for line in lines[:-1]] == net["emotions"]["true_confidence"]
    assert [run["seed"] for run in net["runs"]] == [0, 1]
    assert dict(net["runs"][0]["facts"]["Scores"])["Accuracy [95 %]"].startswith("70.0 [")
    folders = {run.folder for run in stored}
    root = stored[0].folder.parents[3]
    assert {root / unquote(run["folder"]).rstrip("/") for row in rows.values() for run in row["runs"]} <= folders
    assert rows["broken"]["runs"][0]["failure"] == "no memory"
    assert "confusion" not in rows["broken"]
    assert rows["vgg"]["runs"] == []
    assert len({row["id"] for row in rows.values()}) == len(rows)


def test_a_record_has_the_scores_of_the_training_part_where_there_are_some(tmp_path: Path):
    learned = record("svm", 0.5).model_copy(update={"train_scores": record("svm", 0.9).scores})
    stored = write(tmp_path, [learned, record("mlp", 0.3)])
    facts = {row["name"]: row["runs"][0]["facts"] for row in page_of(stored).data["boards"][0]["rows"] if row["runs"]}
    assert dict(facts["svm"]["Training part"])["Accuracy [95 %]"].startswith("90.0 [")
    assert dict(facts["svm"]["Scores"])["Accuracy [95 %]"].startswith("50.0 [")
    assert facts["mlp"]["Training part"] == []


def test_the_record_of_a_run_tells_what_it_got_over(tmp_path):
    hurt = record("svm", training={"init": "none", "interruptions": 2})
    stored = write(tmp_path, [hurt.model_copy(update={"attempts": ["oom: no\nmemory"]}), record("mlp")])
    facts = {row["name"]: row["runs"][0]["facts"] for row in page_of(stored).data["boards"][0]["rows"] if row["runs"]}
    assert ("Interruptions", "2") in map(tuple, facts["svm"]["Training"])
    assert facts["svm"]["Earlier attempts"] == [["1", "oom: no memory"]]
    assert "Interruptions" not in dict(facts["mlp"]["Training"])
    assert facts["mlp"]["Earlier attempts"] == []


def test_the_pareto_front_is_of_one_hardware(page: Parsed):
    parts = {part["place"]: part for part in page.data["boards"][0]["hardware"]}
    front = {row["cells"]["runner"]: row["front"] for row in parts["cpu"]["rows"]}
    assert set(parts) == {"cpu", "gpu"}
    assert set(front) == {"svm", "net", "slow"}
    assert "latency_p50_ms" not in front["svm"]  # the net is faster and better
    assert "fit_seconds" in front["svm"]
    assert {"latency_p50_ms", "fit_seconds"} <= set(front["net"])
    assert front["slow"] == []  # a latency of zero is none
    assert set(parts["gpu"]["rows"][0]["front"]) == {"latency_p50_ms", "fit_seconds"}


def test_learning_curves_are_those_of_the_history(tmp_path: Path):
    long = 3 * EPOCHS
    stored = write(tmp_path, [record("net", training={"best_epoch": 7})], long)
    history = stored[0].folder / "history.csv"
    frame = pd.read_csv(history)
    frame.loc[long - 1, "val_loss"] = np.nan
    frame.to_csv(history, index=False)
    curves = page_of(stored).data["boards"][0]["rows"][0]["runs"][0]["history"]
    assert curves["epochs"][0] == 1
    assert curves["epochs"][-1] == long
    assert curves["kept"] == 7
    assert 7 in curves["epochs"]
    assert len(curves["epochs"]) <= EPOCHS + 1
    assert curves["stages"] == [3]
    assert curves["val_loss"][-1] is None
    wanted = frame["loss"].iloc[np.array(curves["epochs"]) - 1]
    assert curves["loss"] == pytest.approx(wanted.to_numpy(), rel=1e-3)


def test_hostile_texts_are_data_and_nothing_else(tmp_path: Path, page: Parsed):
    run = record(HOSTILE, 0.5, recipe=HOSTILE, dataset="x", split="y", classes=[f"{HOSTILE}{i}" for i in range(3)])
    failed = record(
        "svm", status="error", message=HOSTILE, dataset="x", split="y", classes=run.job.classes, family=HOSTILE
    )
    run = run.model_copy(update={"command": HOSTILE})
    stored = [StoredRun(run, tmp_path / HOSTILE.replace("/", "")), StoredRun(failed, tmp_path / "b")]
    line = dict.fromkeys(
        ("runner", "published", "split", "protocol", "trap", "same_protocol", "official", "explanation"), HOSTILE
    )
    hostile = page_of(stored, tmp_path, published=[line])
    usual = {tag for tag, _ in page.tags}
    assert {tag for tag, _ in hostile.tags} == usual
    assert [tag for tag, _ in hostile.raw] == ["style", "script", "script"]
    assert not set(hostile.raw[-1][1]) & set("<>&\u2028\u2029")
    shown = hostile.data["boards"][0]
    assert shown["rows"][0]["name"] == HOSTILE
    assert set(shown["rows"][0]["id"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert ":" not in shown["rows"][0]["runs"][0]["folder"]
    assert hostile.data["published"] == [line]
    assert HOSTILE in "".join(hostile.text)  # in the table for those without scripts


def test_without_scripts_there_is_a_table(page: Parsed):
    text = "".join(page.text)
    assert "fer2013, split official: 200 test images, 7 emotions" in text
    assert all(word in text for word in ("75.0 ± 7.1 [", "not run yet", "oom", "vgg"))


def test_a_board_of_failures_only_has_a_page(tmp_path: Path):
    run = record(status="oom", message="out of memory")
    shown = page_of([StoredRun(run, tmp_path)], tmp_path).data["boards"][0]
    assert shown["hardware"] == []
    assert [tile["label"] for tile in shown["summary"]] == ["Systems measured", "Test images"]


def test_thirty_rows_stay_small(tmp_path: Path):
    packages = {f"package-{i}": "1.2.3" for i in range(12)}
    environment = Environment(device="cpu", cpu="AMD EPYC", cores=2, threads={"openmp": 2}, packages=packages)
    runs = [
        record(f"runner-{i}", 0.3 + i / 100, family="deep").model_copy(update={"environment": environment})
        for i in range(30)
    ]
    stored = write(tmp_path, runs, epochs=50)
    found = ranked(stored)
    assert len(html.page(found, RunFiles(stored), tmp_path).encode()) < 400_000


def test_data_does_not_change_with_the_place_of_the_results_folder(stored: list[StoredRun], tmp_path: Path):
    here = stored[0].folder.parents[3]
    moved = [run._replace(folder=tmp_path / run.folder.relative_to(here)) for run in stored]
    found = ranked(stored)
    first, second = (page_data(found, RunFiles(runs), root, ()) for runs, root in ((stored, here), (moved, tmp_path)))
    folders = [[run["folder"] for row in data["boards"][0]["rows"] for run in row["runs"]] for data in (first, second)]
    assert folders[0] == folders[1]
    assert str(here) not in json.dumps(first)
