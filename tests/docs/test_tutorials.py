"""The tutorials, as a reader follows them: every block runs, and what a page shows is what comes out.

A page has a folder of its own. ``sh`` blocks are run by bash, ``python`` blocks by this Python, and one with a title is
saved under it. A ``text`` block after them is what is printed: each of its lines is in the output, in that order, where
"…" stands for anything. A comment before a block says what a reader is told in words: "not run: why", "may fail: why".
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
BLOCK = re.compile(
    r'^(?:<!-- (?P<word>not run|may fail): .*? -->\n)?```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    word: str
    language: str
    title: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield Block(match["word"] or "", match["language"], match["title"] or "", match["text"])


def follow(page: Path, folder: Path) -> None:
    """Does what the page says, in ``folder``."""
    environment = os.environ | {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]),
        "PYTHONIOENCODING": "utf-8",
    }
    environment.pop("FER_BENCH_DATA", None)
    printed = ""
    exports: list[str] = []
    for block in blocks(page):
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "text":
            check(block.text, printed)
        elif block.word != "not run":
            if block.language == "sh":
                argv = ["bash", "-euo", "pipefail", "-c", "\n".join([*exports, block.text])]
                exports += re.findall(r"^export .*$", block.text, re.MULTILINE)
            else:
                assert block.language == "python", f"{page.name} has a block of {block.language}"
                argv = [sys.executable, "-c", block.text]
            done = subprocess.run(
                argv, cwd=folder, env=environment, text=True, encoding="utf-8",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
            )  # fmt: skip
            printed = done.stdout
            allowed = {0, 1} if block.word == "may fail" else {0}
            assert done.returncode in allowed, f"{block.text}ended with {done.returncode}:\n{printed}"


def check(shown: str, printed: str) -> None:
    """Every line that is shown was printed, one after the other; spaces count as one."""
    pattern = ".*?".join(
        r"\s+".join(".*?".join(map(re.escape, word.split("…"))) for word in line.split())
        for line in shown.splitlines()
        if line.strip()
    )
    assert re.search(pattern, printed, re.DOTALL), f"not printed as shown:\n{shown}\nbut:\n{printed}"


@pytest.mark.parametrize(
    "page",
    # What a long training does when it is broken off, tests/entries and tests/engine look at, too.
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem == "long-training"))
        for page in sorted(TUTORIALS.glob("*.md"))
    ],
)
def test_a_reader_can_follow(page: Path, tmp_path: Path) -> None:
    assert any(block.language == "sh" for block in blocks(page))
    follow(page, tmp_path)


def test_what_is_not_printed_as_shown_is_found() -> None:
    check("a …c\n\nd  …", "x a b c\ny\nd e")
    with pytest.raises(AssertionError, match="not printed as shown"):
        check("d\na", "a\nd")


def test_a_command_that_fails_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nfalse\necho on\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="ended with 1"):
        follow(page, tmp_path)
