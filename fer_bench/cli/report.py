"""``fer-bench report``: tables and pictures from the records."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..errors import InputError


@click.command(epilog="Example: fer-bench report --results results")
@click.option("--results", envvar="FER_BENCH_RESULTS", default="results", show_default=True, help="Results folder.")
@click.option("--plugin", "plugins", multiple=True, metavar="MODULE|FILE.py", help="A module that registers runners.")
@click.option("--json", "as_json", is_flag=True, help="Print the leaderboard as JSON, one object a row.")
def report_command(results: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Write README.md, index.html, leaderboard.csv and plots into the results folder, and print the leaderboards.

    Exit codes: 0 all went well, 1 some record can't be read (the report leaves it out), 2 no records.
    """
    root = Path(results)
    if not root.is_dir():
        raise InputError(f"no results folder {root}; `fer-bench run` makes one, --results names another")
    from .. import registry
    from ..ranking import leaderboards
    from ..report import frame, write_report
    from ..store import Store

    for warning in registry.load_plugins(plugins):
        click.echo(f"fer-bench: warning: {warning}", err=True)
    runs, problems = Store(root).scan()
    for problem in problems:
        click.echo(f"fer-bench: {problem}", err=True)
    infos = [registry.get(name).info for name in registry.names()]
    found = leaderboards(runs, infos)
    written = write_report(root, runs, infos, found)
    if as_json:
        click.echo(frame(found).to_json(orient="records", indent=1, double_precision=15))
    else:
        for board in found:
            click.echo(f"{board.text()}\n")
            if board.emotion_rows():
                click.echo(f"F1 by emotion, in %\n{board.emotions_text()}\n")
    click.echo(
        f"fer-bench: {len(written)} files written; look at {root / 'index.html'} or read {root / 'README.md'}", err=True
    )
    if problems:
        sys.exit(1)
