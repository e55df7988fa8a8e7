"""The commands in README and docs/ exist, with the options that are named; links to files lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fer_bench.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
#: Code blocks, and code in a line.
CODE = re.compile(r"^```\w*.*?\n(.*?)^```|`(fer-bench [^`]+)`", re.MULTILINE | re.DOTALL)
ENDS = {"&&", "||", "&", "|", ";", ">"}
#: Nothing more is asked of these pages: they speak of earlier versions, too.
PAST = {"CHANGELOG.md"}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each fer-bench command on a page, up to where the shell takes over."""
    for match in CODE.finditer(page.read_text(encoding="utf-8")):
        for line in (match[1] or match[2]).replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if "fer-bench" in line and line.count('"') % 2 == 0 else []
            for at, word in enumerate(words):
                if word == "fer-bench" and (at == 0 or words[at - 1] in {*ENDS, "do"}):
                    rest = words[at + 1 :]
                    yield rest[: next((i for i, end in enumerate(rest) if end in ENDS), len(rest))]


def problem(words: list[str]) -> str:
    """What a command line names that there is not, or ""."""
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        if name.isupper():
            return ""
        if name not in command.list_commands(context):
            return f"no command {name}"
        command = command.get_command(context, name) or command
    known = {
        option for one in command.get_params(click.Context(command)) for option in (*one.opts, *one.secondary_opts)
    }
    if command is main:
        known |= {"-h", "--help"}
    return ", ".join(word for word in words if word.startswith("--") and word.partition("=")[0] not in known)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in PAST], ids=lambda page: page.stem)
def test_commands_and_options_exist(page: Path) -> None:
    assert not {" ".join(words): wrong for words in commands(page) if (wrong := problem(words))}


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "tests").glob("*.md")], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_a_wrong_option_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Say `fer-bench run svm --speeds 3`, or\n```sh\nls && fer-bench rum  # --no\n```\n", encoding="utf-8"
    )
    assert [problem(words) for words in commands(page)] == ["--speeds", "no command rum"]


def test_the_readme_has_the_two_commands_and_the_leaderboards_place() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\npython -m venv .venv && . .venv/bin/activate && pip install . && fer-bench run --all" in text
    assert "\npip install tox && tox" in text
    assert text.index("<!-- leaderboard -->") < text.index("<!-- /leaderboard -->")
