"""``fer-bench demo`` where there is something wrong: one line, exit code 2, before anything is loaded."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_models import write_onnx

from fer_bench.cli import main


def refused(*words: str) -> str:
    """The one line that a command ends with."""
    done = CliRunner().invoke(main, ["demo", "--no-browser", *words])
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert refused() == "fer-bench: the page needs gradio: pip install 'fer-bench[demo]'"


@pytest.fixture(autouse=True)
def _gradio() -> None:
    pytest.importorskip("gradio", reason="needs gradio: pip install '.[demo]'")


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refused("--port", str(port))
    assert line == (
        f"fer-bench: --port {port}: taken by another program on 127.0.0.1; name another, or 0 for any that is free"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_computer(host: str):
    assert refused("--host", host).startswith(f"fer-bench: --host {host}: no address of this computer")


def test_a_model_that_is_not_there(tmp_path: Path):
    path = tmp_path / "gone.onnx"
    assert refused("--port", "0", "--model", str(path)) == f"fer-bench: no such file: {path}"


def test_a_model_that_is_given_twice(tmp_path: Path):
    path = str(write_onnx(tmp_path / "a.onnx"))
    line = refused("--port", "0", "--model", path, "--model", path).removeprefix("fer-bench: ")
    assert line.endswith("is given twice; leave one of them out")


@pytest.mark.parametrize(("words", "said"), [(("--port", "70000"), "'--port'"), (("--faces", "some"), "'--faces'")])
def test_words_that_mean_nothing(words: tuple[str, ...], said: str):
    assert said in refused(*words)
