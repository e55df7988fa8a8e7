"""``fer-bench doctor``: what this machine and installation offer, what is missing, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import click

from ..errors import InputError
from ..hardware import host
from . import values
from .command import Command
from .options import DATA_VARIABLE, JSON_OPTION, PLUGIN_OPTION, RESULTS_OPTION

ESSENTIAL = ("numpy", "scikit-learn", "xgboost", "keras")
#: backend -> code that prints how many GPUs it sees, in a process of its own.
PROBES = {
    "tensorflow": "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))",
    "jax": "import jax; print(sum(d.platform == 'gpu' for d in jax.devices()))",
    "torch": "import torch; print(torch.cuda.device_count())",
}
PROBE_SECONDS = 120
#: ImageNet weights that the runners use, as keras.applications names their files.
WEIGHTS = {
    "VGG16": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "VGG19": "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "InceptionV3": "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "ResNet50": "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
}
GIB = 2**30


class Check(NamedTuple):
    """One finding: "ok", "note" (works without), or "broken" (nothing will run, or not as told)."""

    name: str
    state: Literal["ok", "note", "broken"]
    value: str
    advice: str = ""


@click.command(cls=Command, epilog="Example: fer-bench doctor --data fer2013.csv")
@click.option("--data", type=values.FILE, envvar=DATA_VARIABLE, help="Data to look for.")
@RESULTS_OPTION
@PLUGIN_OPTION
@JSON_OPTION
def doctor_command(data: str | None, results: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Say what fer-bench sees here, what is missing, and what to do.

    Exit codes: 0 all that is essential is there, 1 something essential is broken or a record can't be read.
    """
    import json

    checks = [
        *check_python(),
        *check_backends(),
        *check_machine(),
        check_results(Path(results)),
        check_data(data),
        check_weights(),
        *check_plugins(plugins),
    ]
    broken = any(check.state == "broken" for check in checks)
    if as_json:
        click.echo(json.dumps({"ok": not broken, "checks": [check._asdict() for check in checks]}, indent=1))
    else:
        for check in checks:
            click.echo(f"{check.state:<8}{check.name:<22}{check.value}")
            if check.advice:
                click.echo(f"{'':<30}-> {check.advice}")
    if broken:
        sys.exit(1)


def check_python() -> Iterator[Check]:
    """The interpreter, and the packages without which no runner works."""
    import platform

    python = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 14):
        yield Check("python", "ok", python)
    else:
        yield Check("python", "broken", python, "take Python 3.11, 3.12 or 3.13")
    for name in ESSENTIAL:
        found = installed(name)
        yield Check(name, "ok", found) if found else Check(name, "broken", "not installed", f"pip install {name}")
    if platform.machine().lower() in ("x86_64", "amd64"):
        found = installed("scikit-learn-intelex")
        advice = "" if found else "pip install scikit-learn-intelex makes the SVMs about ten times as fast"
        yield Check("scikit-learn-intelex", "ok" if found else "note", found or "not installed", advice)


def installed(package: str) -> str:
    """A package's version, empty if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def check_backends() -> Iterator[Check]:
    """Every installed backend, imported in a process of its own, and the GPUs that it sees; all at the same time."""
    import subprocess

    from ..hardware.device import INSTALL

    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for name, code in PROBES.items()
        if installed(name)
    }
    usable = 0
    for name in PROBES:
        if name not in running:
            yield Check(name, "note", "not installed", INSTALL[name])
            continue
        try:
            out, err = running[name].communicate(timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            running[name].kill()
            out, err = running[name].communicate()
            err = f"no answer within {PROBE_SECONDS} s"
        if running[name].returncode == 0:
            usable += 1
            gpus = int(out.split()[-1])
            yield Check(name, "ok", f"{installed(name)}, {f'GPUs: {gpus}' if gpus else 'on the CPU'}")
        else:
            reason = (err.strip().splitlines() or [f"exit code {running[name].returncode}"])[-1]
            yield Check(name, "note", f"{installed(name)} fails to import: {reason}", f"reinstall: {INSTALL[name]}")
    if not usable:
        yield Check("keras backend", "broken", "none works, so no deep runner does", INSTALL["tensorflow"])


def check_machine() -> Iterator[Check]:
    """GPUs, processor and memory."""
    from ..hardware.device import gpu_backends, gpus

    found = gpus()
    if found and gpu_backends():
        yield Check("gpu", "ok", f"{', '.join(found)}; used through {gpu_backends()[0]}")
    elif found:
        yield Check("gpu", "note", f"{', '.join(found)}, but no backend can use it", "pip install 'fer-bench[gpu]'")
    else:
        yield Check("gpu", "note", "none that nvidia-smi shows; runs go to the CPU")
    flags = sorted(host.cpu_flags() & host.BFLOAT16)
    bfloat16 = f"bfloat16: {', '.join(flags)}" if flags else "no bfloat16 instructions"
    yield Check("cpu", "ok", f"{host.cpu_name()}, {host.cores()} cores, {bfloat16}")
    ram = host.ram_bytes() / GIB
    advice = "" if ram >= 4 else "4 GiB is the least for all runners; run few at a time"
    yield Check("memory", "note" if advice else "ok", f"{ram:.1f} GiB", advice)


def check_results(folder: Path) -> Check:
    """Whether results can be written, and how much room there is."""
    import shutil

    from ..records.store import Store

    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Check("results", "broken", f"{folder}: can't be written", "choose another folder with --results")
    problems = Store(folder).scan()[1] if folder.is_dir() else []
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return Check("results", "broken", f"{folder}: unreadable records", f"{problems[0]}{more}")
    free = shutil.disk_usage(there).free / GIB
    advice = "" if free >= 2 else "all trained models take up to 2 GiB; --no-models keeps none"
    return Check("results", "note" if advice else "ok", f"{folder}, {free:.1f} GiB free", advice)


def check_data(data: str | None) -> Check:
    """Which data a run would take, without reading it."""
    from ..data.load import find

    path, why = find(data)
    if path is None:
        return Check(
            "data",
            "note",
            "the embedded synthetic set",
            "for figures that count, give FER-2013 with --data or FER_BENCH_DATA, or fetch it: fer-bench data download",
        )
    value = f"{path} ({why})" if why else str(path)
    if not path.exists():
        return Check("data", "broken", f"{value}: no such file or folder", "correct --data or FER_BENCH_DATA")
    return Check("data", "ok", value)


def check_weights() -> Check:
    """Which ImageNet weights Keras has already; Keras downloads the others when a run asks for them."""
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    present = [name for name, file in WEIGHTS.items() if (folder / file).is_file()]
    missing = [name for name in WEIGHTS if name not in present]
    value = f"{', '.join(present) or 'none'} in {folder}"
    advice = f"{', '.join(missing)}: downloaded at first use; without a network copy the files there" if missing else ""
    return Check("imagenet weights", "note" if missing else "ok", value, advice)


def check_plugins(plugins: tuple[str, ...]) -> Iterator[Check]:
    """Runners that others brought, and plugins that fail."""
    from ..api import registry

    try:
        warnings = registry.know_plugins(plugins)
    except InputError as error:
        yield Check("plugin", "broken", str(error))
        return
    names = [f"{name} ({registry.origin(name)})" for name in registry.names() if registry.origin(name) != "built-in"]
    yield Check("plugins", "ok", ", ".join(names) or "none")
    for warning in warnings:
        yield Check("plugin", "note", warning, "update or uninstall it")
