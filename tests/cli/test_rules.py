"""The rules that every command keeps, held by a walk over all of them: what is added later keeps them, too."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from fer_bench.cli import main

#: Options whose value nobody can offer: the user makes it up.
FREE = {
    "--name",
    "--note",
    "--subject",
    "--merge",
    "--classes",
    "--fail-if-worse",
    "--row",
    "--push",
    "--uri",
    "--project",
}
#: Commands that read records, and so may need a plugin's runners.
READERS = {
    "runs",
    "show",
    "rm",
    "log",
    "run",
    "tune",
    "report",
    "compare",
    "score",
    "ensemble",
    "evaluate",
    "predict",
    "demo",
    "export",
    "list",
    "info",
    "doctor",
    "new-runner",
}
#: Commands that write into a folder of the user's.
WRITERS = {
    "rm",
    "log",
    "run",
    "tune",
    "report",
    "score",
    "ensemble",
    "evaluate",
    "export",
    "card",
    "data audit",
    "data export",
    "new-runner",
}
NUMBERS = click.types.IntParamType | click.types.FloatParamType | click.types.BoolParamType | click.Choice


def walk(
    group: click.Group, parent: click.Context, path: str = ""
) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            yield from walk(command, context, f"{path}{name} ")
        else:
            yield f"{path}{name}", command, context


ROOT = click.Context(main, info_name="fer-bench", **main.context_settings)
COMMANDS = {path: (command, context) for path, command, context in walk(main, ROOT)}
OPTIONS = [
    pytest.param(path, option, id=f"{path} {max(option.opts, key=len)}")
    for path, (command, context) in COMMANDS.items()
    for option in command.get_params(context)
    if isinstance(option, click.Option) and "--help" not in option.opts
]


def test_the_walk_finds_the_commands():
    assert COMMANDS.keys() >= READERS | WRITERS
    assert len(OPTIONS) > 100


@pytest.mark.parametrize("path", ["", "data", *COMMANDS])
def test_help_ends_with_an_example_on_one_line(path):
    done = CliRunner().invoke(main, [*path.split(), "--help"], prog_name="fer-bench")
    assert done.exit_code == 0
    last = done.stdout.splitlines()[-1].strip()
    assert last.startswith(f"Example: fer-bench {path}")
    assert "-h, --help" in done.stdout


@pytest.mark.parametrize("path", COMMANDS)
def test_help_speaks_of_every_argument(path):
    command, context = COMMANDS[path]
    for argument in command.get_params(context):
        if isinstance(argument, click.Argument):
            name = (argument.name or "").upper()
            assert name in (command.help or "") or f"{name.rstrip('S')} " in (command.help or ""), name


@pytest.mark.parametrize(("path", "option"), OPTIONS)
def test_an_option_has_help_and_shows_its_variable(path, option):
    assert option.help
    assert option.help.rstrip()[-1] in ".]"
    _, context = COMMANDS[path]
    long = max(option.opts, key=len)
    own = "_".join(["FER_BENCH", path, long.lstrip("-")]).replace(" ", "_").replace("-", "_").upper()
    assert own in option.envvar
    record = option.get_help_record(context)
    assert option.hidden or (record and own in record[1])


@pytest.mark.parametrize(("path", "option"), OPTIONS)
def test_an_option_offers_what_can_be_typed(path, option):
    """Paths, splits, recipes, runners and runs complete; only what a user makes up is plain text."""
    if option.is_flag or isinstance(option.type, NUMBERS) or max(option.opts, key=len) in FREE:
        return
    own = type(option.type).shell_complete is not click.ParamType.shell_complete
    assert own or option.type.name == "seconds", option.opts


@pytest.mark.parametrize(("path", "option"), OPTIONS)
def test_an_option_of_one_name_is_of_one_kind_everywhere(path, option):
    """--weights, --tta, --checkpoint and all others mean one thing: the same type of value, or flags all of them."""
    for other in (o.values[1] for o in OPTIONS if set(o.values[1].opts) & set(option.opts)):
        assert (other.is_flag, type(other.type)) == (option.is_flag, type(option.type)), option.opts


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_what_all_have(path):
    command, context = COMMANDS[path]
    names = {name for option in command.get_params(context) for name in option.opts}
    assert {"--json", "-q", "--quiet", "-v", "--verbose"} <= names
    assert path not in READERS or "--plugin" in names
    assert path not in WRITERS or "--dry-run" in names
    assert not {"--dataset"} & names, "the old name of --board"


def test_short_options():
    short = {
        name for command, context in COMMANDS.values() for option in command.get_params(context) for name in option.opts
    }
    assert {name for name in short if len(name) == 2} == {"-j", "-q", "-v", "-h"}
    done = CliRunner().invoke(main, ["-V"])
    assert done.stdout.startswith("fer-bench, version ")


def words(path: str, option: str, params: dict | None = None, start: str = "") -> list[str]:
    command, context = COMMANDS[path]
    found = next(one for one in command.get_params(context) if option in (*one.opts, one.name))
    with context.scope():
        context.params = params or {}
        return [
            f"<{item.type}>" if item.type != "plain" else item.value for item in found.shell_complete(context, start)
        ]


def test_the_shell_is_offered_what_there_is(tmp_path):
    from made_records import keep, record

    from fer_bench.records.store import Store

    store = Store(tmp_path / "results")
    store.prepare()
    run = record("mlp", recipe="tuned")
    keep(store, run)
    here = {"results": str(store.root)}
    assert words("run", "names", start="hog") == ["hog-svm", "hog-svm:tuned"]
    assert words("run", "--recipe", {"names": ("hog-svm",)}) == ["tuned", "all", "<file>"]
    assert words("run", "--set", {"names": ("hog-svm",)}, start="options.") == [
        "options.C=",
        "options.gamma=",
        "options.mirrored=",
    ]
    assert "notebook" in words("run", "--split")
    assert "kfold-5-0" in words("run", "--split")
    assert words("run", "--data") == ["<file>"]
    assert words("run", "--results") == ["<dir>"]
    assert words("run", "--weights") == ["auto", "imagenet", "random", "<file>"]
    assert words("compare", "a", here) == ["mlp", "mlp:tuned", run.job.key[:8], "<file>"]
    assert words("compare", "--board", here) == ["fer2013"]
    assert words("compare", "a", {"results": str(tmp_path / "none")}) == ["<file>"]


@pytest.mark.parametrize(("loudness", "kind", "pause"), [(-1, "Observer", None), (0, "Lines", 10.0), (1, "Lines", 0.0)])
def test_quiet_and_verbose_decide_what_a_sweep_shows(loudness, kind, pause):
    from fer_bench.cli.progress import observer
    from fer_bench.cli.say import LOUDNESS

    with click.Context(main) as context:
        context.meta[LOUDNESS] = loudness
        with observer() as shown:
            assert (type(shown).__name__, getattr(shown, "pause", None)) == (kind, pause)
