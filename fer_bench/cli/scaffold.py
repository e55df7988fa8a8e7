"""Writes the package of a new runner from the templates beside this file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .. import __version__
from ..api import registry
from ..errors import InputError

TEMPLATES = Path(__file__).parent / "templates" / "plugin"


def create(name: str, kind: str, parent: Path, dry_run: bool = False) -> Path:
    """Makes ``parent/fer-bench-<name>``, whole or not at all, and returns it; in a ``dry_run`` only checks that it
    could.

    Args:
        name: the runner's name, which nobody has yet.
        kind: "sklearn" or "keras".
        parent: an existing folder.

    Raises:
        InputError: a malformed or taken name, a folder that exists already or can't be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if not registry.NAME.fullmatch(name):
        raise InputError(
            f"runner name {name!r}: use lower-case letters, digits, '.', '_' and '-' only, as in my-runner"
        )
    if name in registry.names():
        raise InputError(f"runner {name!r} exists already ({registry.origin(name)}); choose another name")
    if not parent.is_dir():
        raise InputError(f"--out {parent}: no such folder")
    folder = parent / f"fer-bench-{name}"
    if folder.exists():
        raise InputError(f"{folder} exists already; choose another name, another --out, or remove it")
    if dry_run:
        return folder
    module = "fer_bench_" + name.replace("-", "_").replace(".", "_")
    words = {
        "name": name,
        "kind": kind,
        "module": module,
        "cls": "".join(part.capitalize() for part in module.removeprefix("fer_bench_").split("_")) + "Runner",
        "version": __version__,
    }
    if not words["cls"].isidentifier():
        words["cls"] = f"Runner{words['cls'].removesuffix('Runner')}"
    files = {
        "pyproject.toml": "pyproject.toml.j2",
        "README.md": "README.md.j2",
        f"src/{module}/__init__.py": f"{kind}.py.j2",
        f"tests/test_{module}.py": "test.py.j2",
    }
    templates = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True)
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".new-runner-") as scratch:
            draft = Path(scratch) / folder.name
            for path, template in files.items():
                (draft / path).parent.mkdir(parents=True, exist_ok=True)
                (draft / path).write_text(templates.get_template(template).render(words), encoding="utf-8")
            draft.rename(folder)
    except OSError as error:
        raise InputError(f"can't write {folder}: {error.strerror}") from None
    return folder
