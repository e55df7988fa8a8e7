"""What the site has beside the pages of this folder: a page for each command, the names of the API, the report."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import fer_bench
from fer_bench.cli import main

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
#: A public name, where a page asks for its docstring: "::: fer_bench.Recipe".
NAME = re.compile(r"^::: fer_bench\.(\w+)$", re.MULTILINE)

#: A link from a page of this folder to a file of the source code that the site does not have.
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the commands into the navigation."""
    (commands,) = (entry["Commands"] for entry in config.nav or () if "Commands" in entry)
    commands.extend({name: f"commands/{name}.md"} for name, _ in _commands())
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the commands' pages, and the report as it stands, with its tables as two pages of the site."""
    for name, command in _commands():
        files.append(File.generated(config, f"commands/{name}.md", content=_command_page(name, command)))
    for page, source in (("tables", "README.md"), ("published", "published.md")):
        # Markdown inside of <details> is read only where it says so.
        text = (RESULTS / source).read_text(encoding="utf-8").replace("<details>", "<details markdown>")
        files.append(File.generated(config, f"report/{page}.md", content=text))
    studies = sorted(path for name in ("README.md", "best.toml") for path in (RESULTS / "studies").glob(f"*/{name}"))
    pictures = sorted((RESULTS / "plots").glob("*.png"))
    for path in (RESULTS / "index.html", RESULTS / "leaderboard.csv", *pictures, *studies):
        uri = f"report/{path.relative_to(RESULTS).as_posix()}"
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Public names become those of the modules that define them; the leaderboard's table comes from the README.

    A link that leads out of this folder becomes the path that it led to.
    """
    if page.file.src_uri == "api.md":
        missing = set(fer_bench._HOMES) - set(NAME.findall(markdown))
        if missing:
            raise PluginError(f"api.md lacks {', '.join(sorted(missing))}, which fer_bench exports")
        return NAME.sub(lambda match: f"::: fer_bench.{fer_bench._HOMES[match[1]]}.{match[1]}", markdown)
    if page.file.src_uri == "leaderboard.md":
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        table = readme.partition("<!-- leaderboard -->")[2].partition("<!-- /leaderboard -->")[0].partition("[![")[0]
        return markdown.replace("<!-- leaderboard -->", table.replace("results/README.md", "report/tables.md"))
    return OUTSIDE.sub(r"\1: `\2`", markdown) if "/" not in page.file.src_uri else markdown


def on_post_build(config: MkDocsConfig) -> None:
    """The report's page has a link to its tables as a file."""
    shutil.copyfile(RESULTS / "README.md", Path(config.site_dir) / "report" / "README.md")


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        yield name, command


def _command_page(name: str, command: click.Command) -> str:
    """What mkdocs-click makes of one command, its own commands included, and the examples with which their helps
    end.
    """
    module = getattr(command.callback, "__module__", "")
    attribute = next(key for key, value in vars(sys.modules[module]).items() if value is command)
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    examples = [(one.epilog or "").removeprefix("Example: ") for one in commands]
    return "\n".join(
        [
            "::: mkdocs-click",
            f"    :module: {module}",
            f"    :command: {attribute}",
            f"    :prog_name: fer-bench {name}",
            "    :style: plain",
            "",
            "## Example",
            "",
            "```sh",
            *filter(None, examples),
            "```",
            "",
        ]
    )
