"""How what ``--plugin`` names is imported: a module, or a .py file."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from ..errors import InputError


def _importer(item: str) -> Callable[[], ModuleType]:
    """What imports ``item``, the name of a module or the path of a .py file, which is known to be there.

    Raises:
        InputError: there is no such file or module.
    """
    path = Path(item)
    if path.suffix == ".py" or len(path.parts) > 1:
        if not _is_file(item):
            raise InputError(f"--plugin {item}: no such file")
        return partial(_import_file, path.resolve())
    if not _module_exists(item):
        hint = f"write {item}.py for the file here" if _is_file(f"{item}.py") else "is it installed?"
        raise InputError(f"--plugin {item}: no such module; {hint}")
    return partial(importlib.import_module, item)


def _is_file(item: str) -> bool:
    return os.path.isfile(item)  # noqa: PTH113  Path.is_file raises for a name that no file can have


def _module_exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (Exception, SystemExit) as error:
        # Finding a submodule imports its package. A package that fails says why when the plugin itself is imported.
        return not (isinstance(error, ModuleNotFoundError) and error.name and name.startswith(error.name))


def _import_file(path: Path) -> ModuleType:
    # The name does not depend on the folder, so that a model saved with classes of this file loads on another machine.
    name = f"fer_bench_plugin_{path.stem}"
    present = sys.modules.get(name)
    if present is not None:
        if present.__file__ != str(path):
            raise ImportError(f"{present.__file__} has the same file name; rename one of them")
        return present
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
