"""Model cards, and what is uploaded to the Hub: to a server here that stands for it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import onnxruntime
import pytest
from click.testing import CliRunner
from made_records import keep, record
from made_runs import SIX

from fer_bench.api import registry
from fer_bench.cli import main
from fer_bench.export.card import card
from fer_bench.records.store import Store

FER_BENCH = [sys.executable, "-c", "from fer_bench.cli import main; main()"]


class Hub(ThreadingHTTPServer):
    """Keeps what is uploaded, and answers as the Hub does; ``refuses`` is the code with which it answers instead."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files: dict[str, dict[str, bytes]] = {}
        self.made: list[dict] = []
        self.tokens: set[str] = set()
        self.refuses = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.add(self.headers.get("Authorization", ""))
        if self.server.refuses:
            return self.answer({"error": "no"}, self.server.refuses)
        if self.path == "/api/repos/create":
            self.server.made.append(json.loads(content))
            return self.answer({"url": f"{self.server.address}/me/net", "name": "me/net"})
        if "/preupload/" in self.path:
            wanted = json.loads(content)["files"]
            files = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in wanted]
            return self.answer({"files": files})
        if "/commit/" in self.path:
            lines = [json.loads(line) for line in content.decode().splitlines()]
            place = self.path.removeprefix("/api/").partition("/commit/")[0]
            uploaded = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            self.server.files[place] = uploaded
            address = f"{self.server.address}/me/net"
            return self.answer({"success": True, "commitOid": "a" * 40, "commitUrl": f"{address}/commit/{'a' * 40}"})
        return self.answer({"errors": [], "warnings": []})  # validate-yaml

    def answer(self, content: dict, code: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub():
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def command(hub, tmp_path):
    """Runs a command whose Hub is the one here."""

    def command(*arguments: object, token: str = "hf_mine", endpoint: str = "") -> subprocess.CompletedProcess:
        variables = {"HF_ENDPOINT": endpoint or hub.address, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": token}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment = kept | {name: value for name, value in variables.items() if value}
        words = [*FER_BENCH, *map(str, arguments)]
        return subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return command


@pytest.fixture(scope="module")
def svm(tiny_npz, tmp_path_factory) -> Path:
    """A results folder with a trained svm."""
    folder = tmp_path_factory.mktemp("hub") / "results"
    done = CliRunner().invoke(main, ["run", "svm", "--data", str(tiny_npz), "--results", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def results(tmp_path) -> Path:
    """A results folder with a made record of svm."""
    store = Store(tmp_path / "results")
    store.prepare()
    keep(store, record("svm", 0.625))
    return store.root


def one_line(done: subprocess.CompletedProcess, code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    said = done.stderr.splitlines()
    assert len(said) == 1, said
    assert all(word in said[0] for word in words), said[0]


def test_a_card_says_what_the_record_says():
    from huggingface_hub import ModelCard

    made = record("svm", 0.625)
    text = card(made, "svm:published", registry.get("svm").info)
    read = ModelCard(text)  # as the Hub reads it
    values = {(one.metric_type, one.metric_name): one.metric_value for one in read.data.eval_results}
    assert values["accuracy", "accuracy"] == made.scores.accuracy == 0.625
    assert values["f1", "weighted F1"] == made.scores.weighted_f1
    assert read.data.eval_results[0].dataset_name == "fer2013"
    assert "official" in read.data.eval_results[0].dataset_split
    assert read.data.license == "unknown"
    assert "| accuracy | 62.5 % (95 % interval" in text
    fear = made.scores.emotions["fear"]
    assert f"| fear | {fear.images} | {100 * fear.recall:.1f} %" in text
    # Who is wrong here is wrong by one.
    row = next(line for line in text.splitlines() if line.startswith("| fear"))
    assert row.endswith(f"| happiness ({fear.distribution[3]} of {fear.images}) |")
    assert f"expected calibration error over 15 bins is {made.scores.calibration_error:.3f}" in text
    for words in ("`fer-bench run`", "hiring", "nobody states a licence", "sha256 d1", made.job.key):
        assert words in text, words
    assert "{{" not in text
    assert "\n\n\n" not in text


def test_a_card_of_six_emotions_and_of_a_runner_that_is_not_here():
    text = card(record("gone", classes=SIX, dataset="synthetic"), "gone:default", None)
    assert "Tells 6 facial emotions apart" in text
    assert "fear" not in text.partition("## Use")[0]
    assert "drawn by code" in text


def test_a_card_is_printed_or_written_once(results, tmp_path):
    def invoke(*arguments: object):
        return CliRunner().invoke(main, ["card", "svm", "--results", str(results), *map(str, arguments)])

    printed = invoke()
    path = tmp_path / "CARD.md"
    assert invoke("--output", path, "--dry-run").exit_code == 0
    assert not path.exists()
    assert invoke("--output", path).exit_code == 0
    assert path.read_text() == printed.stdout
    again = invoke("--output", path)
    assert again.exit_code == 2
    assert "--force replaces it" in again.stderr
    assert invoke("--output", tmp_path / "nowhere" / "CARD.md").exit_code == 2


def test_the_card_and_the_model_are_uploaded(command, hub, svm, tiny_npz, tmp_path):
    done = command(
        "card", "svm", "--push", "me/net", "--quantize", "float16", "--data", tiny_npz, "--results", svm, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert hub.tokens == {"Bearer hf_mine"}
    (made,) = hub.made
    assert made["name"] == "net"
    files = hub.files["models/me/net"]
    assert files.keys() == {"README.md", "model.onnx"}
    assert files["README.md"].decode().startswith("---\n")
    session = onnxruntime.InferenceSession(files["model.onnx"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["fer_bench"])
    assert (about["runner"], about["weights"]) == ("svm", "float16")
    told = json.loads(done.stdout)
    assert told["address"] == f"{hub.address}/me/net"
    assert told["parity"]["images"] == 21


def test_the_report_is_uploaded_as_a_static_space_without_faces(command, hub, results):
    sheets = results / "sheets"
    sheets.mkdir()
    (sheets / "mistakes-of-an-earlier-report.png").write_bytes(b"a face")
    done = command("report", "--results", results, "--push", "me/board")
    assert done.returncode == 0, done.stderr
    (made,) = hub.made
    assert (made["type"], made["sdk"]) == ("space", "static")
    files = hub.files["spaces/me/board"]
    assert {"README.md", "index.html", "leaderboard.csv"} <= files.keys()
    assert not [name for name in files if "sheets" in name]
    assert b"sdk: static" in files["README.md"].partition(b"\n---\n")[0]
    assert files["index.html"] == (results / "index.html").read_bytes()


def test_what_keeps_a_card_from_being_uploaded_is_one_line(command, hub, svm, tiny_npz):
    given = ["card", "svm", "--quiet", "--results", svm, "--data", tiny_npz, "--push"]
    one_line(command(*given, "me/net", token=""), 2, "no token", "HF_TOKEN")
    one_line(command(*given, "not/a/name"), 2, "not/a/name")
    hub.refuses = 401
    one_line(command(*given, "me/net"), 2, "401", "token")
    hub.refuses = 503
    one_line(command(*given, "me/net"), 1, "the Hub failed")
    one_line(command(*given, "me/net", endpoint="http://127.0.0.1:9"), 1, "can't be reached")
    assert not hub.files
    assert not hub.made


def test_what_keeps_a_report_from_being_uploaded_is_one_line(command, hub, results):
    given = ["report", "--quiet", "--results", results, "--push", "me/board"]
    one_line(command(*given, token=""), 2, "no token", "HF_TOKEN")
    one_line(command(*given, "--verify"), 2, "--verify")
    assert not (results / "README.md").exists()
    hub.refuses = 403
    one_line(command(*given), 2, "403", "token")
    assert not hub.files
