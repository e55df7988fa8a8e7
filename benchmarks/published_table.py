"""python -m benchmarks.published_table: trains what the published table needs, entry by entry, and says what is left.

Each entry of published_queue.py is one ``fer-bench run`` in a process of its own, so that a record's command is one
that can be typed. What is on record is not run again, and a training that was broken off goes on from its last saved
epoch: the same command, given again, does the rest.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import click

from fer_bench import load_dataset
from fer_bench.api import registry
from fer_bench.cli.run import stop_on_signals
from fer_bench.cli.values import SECONDS
from fer_bench.errors import InputError
from fer_bench.hardware.device import choose
from fer_bench.records.store import Store

from .estimates import this_hardware
from .published_board import Board, duration, items, listing
from .published_queue import QUEUE

#: What a child runs: the command line, under the name that a user types.
PROGRAM = "import sys; sys.argv[0] = 'fer-bench'; from fer_bench.cli import main; main()"
#: Seconds that a run may need to end, with its record.
ENDING = 15.0


def fits(title: str, patterns: Sequence[str]) -> str:
    """The first pattern that is a part of a title, or matches it as a shell's would; "" where none does."""
    lower = title.lower()
    return next((p for p in patterns if p.lower() in lower or fnmatch(lower, p.lower())), "")


def run(arguments: Sequence[str], seconds: float | None) -> int | None:
    """Runs a command in a process of its own; returns its exit code, or None where it was ended after ``seconds``."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.DEVNULL,  # the leaderboard, which `fer-bench report` shows once for all
        start_new_session=True,  # so that Ctrl-C reaches it once, from here
    )
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        end(child)
        return None
    except KeyboardInterrupt:
        end(child)
        raise


def end(child: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does: what runs gets its record, and its training goes on another time."""
    if os.name == "posix":
        child.send_signal(signal.SIGINT)
    try:
        child.wait(4 * ENDING)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def work(board: Board, time_left: float | None) -> list[str]:
    """Runs what is left, one entry at a time; returns the titles of those that did not end well."""
    deadline = None if time_left is None else time.monotonic() + time_left - ENDING
    failed = []
    for number, item in enumerate(board.items, 1):
        if not board.left(item):
            continue
        rest = None if deadline is None else deadline - time.monotonic()
        if rest is not None and rest <= 0:
            say("the time is up; the same command goes on")
            break
        say(f"{number} of {len(board.items)}: fer-bench {shlex.join(item.arguments)}")
        start = time.perf_counter()
        code = run(item.arguments, rest)
        accuracies = [step.record.scores.accuracy for step in board.steps(item) if step.record and step.record.scores]
        figure = ", ".join(f"{100 * accuracy:.1f} %" for accuracy in accuracies)
        took = f"{duration(time.perf_counter() - start)}{f', accuracy {figure}' if figure else ''}"
        say(f"{item.entry.title}: {board.state(item)} ({took})")
        if code is not None and board.left(item):
            failed.append(item.entry.title)
    return failed


def say(message: str) -> None:
    click.echo(f"published_table: {message}", err=True)


@click.command(epilog="Example: python -m benchmarks.published_table --data fer2013.csv --only mlp --dry-run")
@click.option("--data", help="FER-2013, as for fer-bench run. [default: found as fer-bench run finds it]")
@click.option("--results", envvar="FER_BENCH_RESULTS", default="results", show_default=True, help="Results folder.")
@click.option("--weights-vgg16", type=click.Path(exists=True, dir_okay=False), help="ImageNet's of VGG16, no top.")
@click.option("--weights-vgg19", type=click.Path(exists=True, dir_okay=False), help="ImageNet's of VGG19, no top.")
@click.option("--timeout", type=SECONDS, help="Seconds that a run may take, 0 for no limit; it goes on another time.")
@click.option("--time-left", type=SECONDS, help="Seconds for all: what runs then is ended, to go on later.")
@click.option("--only", multiple=True, metavar="PATTERN", help="Only entries whose title has it or matches it.")
@click.option("--skip", multiple=True, metavar="PATTERN", help="Not these, such as what stands still at chance.")
@click.option("--limit", type=click.IntRange(1), help="Images per class, for a quick look in a --results of its own.")
@click.option("--epochs", type=click.IntRange(1), help="At most so many epochs, for a quick look.")
@click.option("--device", help="As for fer-bench run: auto, cpu, gpu or gpu:N.")
@click.option("--backend", envvar="KERAS_BACKEND", help="As for fer-bench run: auto, tensorflow, jax or torch.")
@click.option("--dry-run", is_flag=True, help="List the entries, what is done and what is left, and stop.")
def main(
    data: str | None,
    results: str,
    weights_vgg16: str | None,
    weights_vgg19: str | None,
    timeout: float | None,
    time_left: float | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    limit: int | None,
    epochs: int | None,
    device: str | None,
    backend: str | None,
    dry_run: bool,
) -> None:
    """Train what the published table needs, entry by entry; what is done is not done again.

    Exit codes: 0 all entries are done, 1 some failed or are left, 2 wrong input, 130 interrupted.
    """
    files = {name: path for name, path in (("vgg16", weights_vgg16), ("vgg19", weights_vgg19)) if path}
    options = {"--data": data, "--results": results, "--limit": limit, "--timeout": timeout}
    options |= {"--device": device, "--backend": backend}
    shared = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    try:
        choose(device or "auto", backend or "auto")
        hardware = this_hardware(device or "auto")
        load_dataset(data)
    except InputError as error:
        say(str(error))
        sys.exit(2)
    registry.load_plugins()
    chosen = [entry for entry in QUEUE if not only or fits(entry.title, only)]
    if not chosen:
        say(f"no entry fits --only {' '.join(only)}; --dry-run lists them")
        sys.exit(2)
    skipped = {entry.title: pattern for entry in chosen if (pattern := fits(entry.title, skip))}
    made = items(chosen, files, [*shared, "--rerun", "failed"], epochs)
    made = [replace(item, skip=skipped.get(item.entry.title, "")) for item in made]
    board = Board(made, Store(Path(results)), hardware)
    click.echo(listing(board))
    if dry_run:
        return
    stop_on_signals()
    try:
        failed = work(board, time_left)
    except KeyboardInterrupt:
        click.echo(listing(board))
        say("interrupted; the same command goes on")
        sys.exit(130)
    click.echo(listing(board))
    if failed:
        say(f"{len(failed)} did not end well: {'; '.join(failed)}; the same command tries them again")
    unknown = any(item.problem and not item.skip for item in made)
    sys.exit(1 if unknown or any(map(board.left, made)) else 0)


if __name__ == "__main__":
    main()
