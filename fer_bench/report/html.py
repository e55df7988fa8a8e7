"""results/index.html: one page that holds all of the report and needs nothing else, neither network nor other files."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ..board.board import Board
from ..board.columns import accuracy_text
from ..records.run_files import RunFiles
from .page_data import page_data

PAGE = "page"
STYLE = "style.css"
#: In the order in which they build on one another; the page has them as one script.
SCRIPTS = ("dom.js", "charts.js", "table.js", "record.js", "main.js")


def page(boards: Sequence[Board], files: RunFiles, root: Path, published: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page of all ``boards``: HTML, the same for the same records.

    files: those of the boards' runs. root: where the page will lie; it links to the runs' folders from there.
    published: what was published beside what was measured, each with the texts runner, published, split, protocol,
    trap, same_protocol, official and explanation.

    Its script builds everything from embedded JSON and as text, never as HTML; a Content-Security-Policy lets nothing
    run or load but this one script and style.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _part(STYLE), "\n".join(map(_part, SCRIPTS))
    policy = [
        "default-src 'none'",
        f"style-src {_digest(style)}",
        f"script-src {_digest(script)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return environment.get_template("index.html.j2").render(
        policy=Markup("; ".join(policy)),
        style=Markup(style),
        script=Markup(script),
        data=Markup(embedded(page_data(boards, files, root, published))),
        boards=boards,
        accuracy_text=accuracy_text,
    )


def embedded(data: Any) -> str:
    """JSON that can stand inside a script element, whatever its texts hold."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))  # ASCII only, so no U+2028 either
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


@cache
def _part(name: str) -> str:
    return (resources.files(__package__) / "templates" / PAGE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The digest as a Content-Security-Policy names what may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
