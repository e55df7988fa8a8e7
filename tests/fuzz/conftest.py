"""How many inputs: some hundreds by default, as many as FER_BENCH_FUZZ says in ``tox -e fuzz``, which writes
README.md.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

# As the first video sets them: while an input is watched, nothing may be set.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
#: (form, how it was spoilt) -> "read" and "refused" -> how many inputs; "bytes" -> the most memory that one took.
OUTCOMES: dict[tuple[str, str], Counter[str]] = {}
FULL = int(os.environ.get("FER_BENCH_FUZZ", "0"))


@pytest.fixture(scope="session")
def outcomes() -> dict[tuple[str, str], Counter[str]]:
    return OUTCOMES


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever were written to the working folder or to that of temporary files would be seen beside the input."""
    for name in ("in", "cwd", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    if not OUTCOMES:
        return
    lines = table()
    terminalreporter.write_line("\n".join(lines))
    if FULL and exitstatus == 0 and sum(counts["read"] + counts["refused"] for counts in OUTCOMES.values()) >= 10_000:
        path = HERE / "README.md"
        head = path.read_text(encoding="utf-8").partition("| Input")[0]
        path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def table() -> list[str]:
    lines = ["| Input | Spoilt in | Inputs | Read | Refused | Most MB |", "| --- | --- | --: | --: | --: | --: |"]
    lines += [_row(form, how, counts) for (form, how), counts in sorted(OUTCOMES.items())]
    total = Counter({name: sum(counts[name] for counts in OUTCOMES.values()) for name in ("read", "refused")})
    total["bytes"] = max(counts["bytes"] for counts in OUTCOMES.values())
    return [*lines, _row("**all**", "", total)]


def _row(form: str, how: str, counts: Counter[str]) -> str:
    read, refused = counts["read"], counts["refused"]
    return f"| {form} | {how} | {read + refused:,} | {read:,} | {refused:,} | {counts['bytes'] / 1e6:.0f} |"
