"""Exports the model of a run: has the file made in a process of its own, and keeps it if it answers as the run does."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from ..data.dataset import Dataset
from ..data.splits import Split
from ..engine.account import naming_full_disk
from ..engine.job import Options
from ..engine.job_info import by_hand_fields
from ..engine.outcome import Outcome, one_line
from ..engine.process import watch
from ..engine.stored_model import check_model, copy_model
from ..engine.task import IMAGES, OUT, PROBABILITIES, TASK
from ..errors import InputError, RunError
from ..files import durable, inside
from ..hardware.device import choose, process_variables
from ..records.store import MODEL, RECORD, StoredRun, read_record
from ..scores.probabilities import distributions
from .about import about
from .formats import SUFFIXES
from .parity import Parity, compare
from .worker import ANSWERS, CALIBRATION, FILE, FLOAT32, ExportTask

#: Training images that choose the ranges of int8, and what draws them.
CALIBRATED, SEED = 512, 0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be made of a run.

    ``spec`` is its runner, with parameters as ``registry.parse`` reads them; ``name`` what the file calls the model;
    ``format`` a key of ``formats.SUFFIXES``; ``quantize`` one of the words in ``formats.STORED``.
    """

    spec: str
    name: str
    format: str
    quantize: str


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how its answers are beside the run's own.

    ``known`` is what whoever loads it has to know, or "". ``test`` are its (N, classes) float32 probabilities for the
    test part, where they were asked for.
    """

    path: Path
    bytes: int
    sha256: str
    parity: Parity
    known: str
    test: np.ndarray | None


def check_same_data(run: StoredRun, dataset: Dataset, split: Split) -> None:
    """Raises InputError where data or split are not those that the run was trained on."""
    job = run.record.job
    if dataset.digest != job.dataset_digest:
        raise InputError(
            f"{run.folder} was trained on {job.dataset}, and {dataset.source} has other images, labels or emotions:"
            " name its data with --data, for the parity check"
        )
    if split.digest != job.split_digest:
        raise InputError(f"{run.folder} was trained on split {job.split}, and has not its digest here")


def export(
    run: StoredRun,
    wanted: Wanted,
    dataset: Dataset,
    split: Split,
    output: Path,
    options: Options,
    *,
    on_test: bool = False,
) -> Exported:
    """Writes the file, once its answers on the validation part (the training part, where there is none) are the run's.

    Args:
        run: one that went well and kept its model.
        wanted: what is to be made of it; ``formats.check`` has passed it.
        dataset: the data that it was trained on, under its label scheme.
        split: its split.
        output: the file; what stands there is replaced.
        options: threads, timeout, stall and plugins count.
        on_test: whether the file is to predict the test part, too.

    Raises:
        InputError: other data, a model that can't be used, or one that has no such form.
        RunError: the process that was to export failed, or the file does not answer as the run's model does.
    """
    check_same_data(run, dataset, split)
    check_model(run, wanted.spec)
    part, rows = ("validation", split.validation) if len(split.validation) else ("training", split.train)
    rows = np.concatenate([rows, split.test]) if on_test else rows
    compared = len(rows) - (len(split.test) if on_test else 0)
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as scratch, naming_full_disk(work := Path(scratch)):
        np.save(work / IMAGES, dataset.images[rows])
        if wanted.quantize == "int8":
            drawn = np.random.default_rng(SEED).permutation(split.train)[:CALIBRATED]
            np.save(work / CALIBRATION, dataset.images[drawn])
        known = _make(run, wanted, compared, work, options)
        classes = len(dataset.classes)
        own, found = _array(work, PROBABILITIES, compared, classes), _array(work, ANSWERS, len(rows), classes)
        in_float32 = _array(work, FLOAT32, compared, classes) if inside.check(work, work / FLOAT32) else None
        parity = compare(
            dataset.labels[rows[:compared]], own, in_float32, found[:compared], part=part, quantize=wanted.quantize
        )
        if parity.broken:
            raise RunError(
                f"{wanted.spec} as {wanted.format} (weights: {wanted.quantize}) does not answer as the run does: on"
                f" {parity.images:,} {part} images its probabilities differ by up to {parity.largest:.3g}"
                f", {parity.mean:.3g} on average; not kept"
            )
        if read_record(run.folder / RECORD) != run.record:
            raise InputError(f"{run.folder} was replaced by another run in the meantime; export it again")
        content = inside.read(work, work / OUT / f"{FILE}{SUFFIXES[wanted.format]}", 4 << 30)
    durable.write(output, content)
    test = found[compared:] if on_test else None
    return Exported(output, len(content), hashlib.sha256(content).hexdigest(), parity, known, test)


def _make(run: StoredRun, wanted: Wanted, compared: int, work: Path, options: Options) -> str:
    """Has the file made under ``work``; returns what whoever loads it has to know, or ""."""
    job, model = run.record.job, work / MODEL
    copy_model(run, work)
    target = choose("cpu", "tensorflow")  # the one whose models all formats can be made of
    task = ExportTask(
        spec=wanted.spec,
        recipe=job.recipe,
        recipe_fields=by_hand_fields(job),
        classes=tuple(job.classes),
        device=target.device,
        plugins=tuple(options.plugins),
        tta="none",
        model=str(model.resolve()),
        name=wanted.name,
        format=wanted.format,
        quantize=wanted.quantize,
        about=about(run.record, wanted.name, wanted.quantize),
        compared=compared,
    )
    (work / TASK).write_text(task.to_json(), encoding="utf-8")
    # tf2onnx goes through sets of names, whose order is drawn by chance: the same model is to be the same file.
    variables = process_variables(target, options.threads) | {"PYTHONHASHSEED": "0"}
    outcome = watch(work, options, variables, lambda _: None, Event(), "fer_bench.export.worker")
    if outcome.status != "ok":
        _refuse(outcome, run, wanted, str(model.resolve()))
    return one_line(outcome.message)


def _refuse(outcome: Outcome, run: StoredRun, wanted: Wanted, copied: str) -> None:
    """Raises what an outcome means that is not ok."""
    why = outcome.message.replace(copied, str(run.folder / MODEL))
    if outcome.wrong_input:
        raise InputError(f"{wanted.spec} can't be exported as {wanted.format}: {why}")
    raise RunError(f"{wanted.spec} was not exported as {wanted.format} ({outcome.status}): {why}")


def _array(work: Path, name: str, images: int, classes: int) -> np.ndarray:
    """Probabilities that the process left. Raises RunError where they are none."""
    inside.check(work, work / name)  # a plugin may have put anything there
    try:
        found = np.load(work / name, allow_pickle=False)
        if found.shape != (images, classes):
            raise ValueError(f"shape {found.shape}, wanted {(images, classes)}")
        return distributions(found.astype(np.float32), classes)
    except (OSError, ValueError) as error:
        raise RunError(f"the exported file gives no probabilities ({name}: {error}); not kept") from None
