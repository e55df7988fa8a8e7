"""Ensembles: the mean of stored predictions. Whatever is chosen, members or weights, the validation part alone chooses
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np

from ..data.splits import Split
from ..errors import InputError
from ..records.answers import Answers, answers
from ..records.predictions import predictions_of
from ..records.record import ENSEMBLE, EXTERNAL, Cost, Ensemble, JobInfo, Member, RunRecord, TestTime, Training
from ..records.store import RECORD, StoredRun, read_record
from ..scores.metrics import Scores, score
from . import named
from .ensemble_choice import choose, fitted_weights

#: What picked an ensemble's checkpoints, of several the first that picked any member's.
CHECKPOINTS = ("test", "unknown", "validation", "last", "none")


class Averaged(NamedTuple):
    """A record, and the arrays of its predictions file."""

    record: RunRecord
    arrays: dict[str, np.ndarray]


def average(
    candidates: Sequence[StoredRun],
    name: str,
    *,
    chosen: bool = False,
    weights: Literal["equal", "validation"] = "equal",
    tta: bool = False,
    split: Split | None = None,
) -> Averaged:
    """The record of an ensemble of stored runs, and its predictions (float32), the weighted mean of theirs.

    The order of the candidates changes nothing.

    Args:
        candidates: runs that went well; all of them are members unless ``chosen``.
        name: of the ensemble, for its row.
        chosen: members, and how often each counts, are chosen by validation accuracy: see ``choose``.
        weights: "validation": of the members, by validation log loss; see ``fitted_weights``.
        tta: also average the predictions with test-time augmentation; by those is chosen what is chosen.
        split: of the runs' board, for the accuracy on unseen images.

    Raises:
        InputError: runs of different boards, one twice, an ensemble, predictions that are missing or not of the same
            images, or a run that another process replaced.
    """
    start = named.Start.now()
    runs = sorted(candidates, key=lambda run: (*_names(run), run.record.job.key))
    _check(runs)
    method = _common_method(runs) if tta else None
    picked, shares = _picked(runs, chosen, weights == "validation", tta)
    members = [runs[place] for place in picked]
    arrays, scores = _averages(members, shares, split, tta=False)
    with_views = None
    if method is not None:
        more, (test, validation) = _averages(members, shares, split, tta=True)
        arrays |= {name: more[name] for name in more if name not in arrays}
        with_views = TestTime(method=method, scores=test, validation_scores=validation)
    _check_unchanged(runs)
    ensemble = Ensemble(
        members=[_member(run, float(share)) for run, share in zip(members, shares, strict=True)],
        candidates=sorted(run.record.job.key for run in runs),
        chosen=chosen,
        weights=weights,
    )
    record = named.record(
        _job(name, members, ensemble, method),
        start,
        _hardware(members),
        training=_training(members, chosen or weights == "validation"),
        scores=scores[0],
        validation_scores=scores[1],
        tta=with_views,
        ensemble=ensemble,
        cost=_cost(members),
    )
    return Averaged(record, arrays)


def _picked(runs: Sequence[StoredRun], chosen: bool, fitted: bool, tta: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which runs are members, (K,) indices, and their weights, (K,) of sum 1; see ``average``."""
    if not chosen and not fitted:
        return np.arange(len(runs)), np.full(len(runs), 1 / len(runs))
    held = _validation(runs, tta=tta)
    times = choose(held.probabilities, held.labels) if chosen else np.ones(len(runs))
    picked = np.flatnonzero(times)
    if not fitted:
        return picked, times[picked] / times.sum()
    shares = fitted_weights(held.probabilities[picked], held.labels)
    return picked[shares > 0], shares[shares > 0]


def _names(run: StoredRun) -> tuple[str, str, int]:
    job = run.record.job
    inside = ",".join(f"{name}={value}" for name, value in sorted(job.params.items()))
    return f"{job.runner}[{inside}]" if inside else job.runner, job.recipe, job.seed


def _title(run: StoredRun) -> str:
    """A run as messages name it: "svm (published, seed 0)"."""
    runner, recipe, seed = _names(run)
    return f"{runner} ({recipe}, seed {seed})"


def _member(run: StoredRun, weight: float) -> Member:
    runner, recipe, seed = _names(run)
    key, began = run.record.job.key, run.record.started
    return Member(key=key, started=began, runner=runner, recipe=recipe, seed=seed, weight=weight)


def _check(runs: Sequence[StoredRun]) -> None:
    """Raises InputError where these can't be averaged, as far as their records tell."""
    jobs = [run.record.job for run in runs]
    for before, run in pairwise(runs):
        if before.record.job.key == run.record.job.key:
            raise InputError(f"{_title(run)} is named twice; --choose decides itself how often a member counts")
    for run in runs:
        if run.record.job.family == ENSEMBLE:
            raise InputError(f"{run.record.job.runner} is an ensemble; name its members instead")
    boards = {
        (job.dataset_digest, job.split_digest, tuple(job.classes)): run for job, run in zip(jobs, runs, strict=True)
    }
    if len(boards) > 1:
        there = "; ".join(
            f"{_title(run)} on {run.record.job.dataset}, split {run.record.job.split}, {len(classes)} emotions, data "
            f"{digest[:8]}"
            for (digest, _, classes), run in boards.items()
        )
        raise InputError(f"an ensemble is of one board: {there}; --board and --split choose one")


def _common_method(runs: Sequence[StoredRun]) -> Literal["flip", "ten-crop"]:
    methods = {run.record.tta.method: run for run in runs if run.record.tta}
    without = [_title(run) for run in runs if not run.record.tta]
    if without:
        raise InputError(
            f"--with-tta: no predictions with it for {', '.join(without)}; `fer-bench run` with --tta adds them"
        )
    if len(methods) > 1:
        there = ", ".join(f"{method} of {_title(run)}" for method, run in sorted(methods.items()))
        raise InputError(f"--with-tta: not the same for all: {there}; run them with the same --tta")
    return next(iter(methods))


def _validation(runs: Sequence[StoredRun], *, tta: bool) -> Answers:
    """The predictions of the validation part, which all runs must share to choose by it."""
    for run in runs:
        if not _has_validation(run):
            raise InputError(
                f"{_title(run)} has no validation predictions to choose by; leave it out, or --choose and --weighting"
            )
    found = _stacked(runs, "validation", tta=tta)
    if found is None:
        raise InputError(
            "the runs have not the same validation part, as some had --limit: nothing can be chosen by it; leave out "
            "--choose and --weighting"
        )
    return found


def _has_validation(run: StoredRun) -> bool:
    return run.record.job.family != EXTERNAL and run.record.validation_scores is not None


def _averages(
    members: Sequence[StoredRun], weights: np.ndarray, split: Split | None, *, tta: bool
) -> tuple[dict[str, np.ndarray], tuple[Scores, Scores | None]]:
    """Arrays of a predictions file, and the scores of test and validation part; None where that is not one to all."""
    classes, kind = members[0].record.job.classes, "tta_" if tta else ""
    test = _stacked(members, "test", tta=tta)
    if test is None:
        raise InputError("the predictions are not of the same test images; run again those of an older version")
    held = None
    if all(_has_validation(run) for run in members):
        held = _stacked(members, "validation", tta=tta)
    seen = None if split is None else np.isin(test.rows, split.test[split.test_seen])
    arrays: dict[str, np.ndarray] = {}
    scores: list[Scores | None] = []
    for prefix, part, mask in (("", test, seen), ("val_", held, None)):
        mean = np.empty((0, len(classes)), np.float32) if part is None else _mean(part.probabilities, weights)
        arrays[f"{prefix}rows"] = np.empty(0, np.int32) if part is None else part.rows.astype(np.int32)
        arrays[f"{prefix}labels"] = np.empty(0, np.int8) if part is None else part.labels.astype(np.int8)
        arrays[f"{prefix}{kind}probabilities"] = mean
        scores.append(None if part is None else score(part.labels, mean, classes, mask))
    on_test, on_validation = scores
    assert on_test is not None
    return arrays, (on_test, on_validation)


def _stacked(runs: Sequence[StoredRun], part: str, *, tta: bool) -> Answers | None:
    """The predictions of a part in the order of the first run's, which is that of the split; None as of ``answers``."""
    given = [predictions_of(run, part, tta=tta) for run in runs]
    found = answers(given)
    if found is None:
        return None
    back = np.searchsorted(found.rows, given[0].rows)
    return Answers(found.rows[back], found.labels[back], found.probabilities[:, back])


def _mean(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(K, N, C), (K,) -> (N, C) float32."""
    return np.average(probabilities.astype(np.float64), axis=0, weights=weights).astype(np.float32)


def _check_unchanged(runs: Sequence[StoredRun]) -> None:
    for run in runs:
        if read_record(run.folder / RECORD) != run.record:
            raise InputError(f"{_title(run)} was run again in the meantime; do the same once more")


def _job(name: str, members: Sequence[StoredRun], ensemble: Ensemble, method: str | None) -> JobInfo:
    """An ensemble's job, whose key is over the averaged runs and what decided how: a run made again makes another
    one.
    """
    jobs, first = [run.record.job for run in members], members[0].record.job
    axes = {
        "dataset_digest": first.dataset_digest,
        "split_digest": first.split_digest,
        "tta": method,
        **ensemble.model_dump(),
    }

    def shared(values: Sequence[int | None]) -> int | None:
        return values[0] if len(set(values)) == 1 else None

    return named.job(
        name,
        ENSEMBLE,
        axes,
        dataset=first.dataset,
        dataset_digest=first.dataset_digest,
        classes=first.classes,
        split=first.split,
        split_digest=first.split_digest,
        train_images=shared([job.train_images for job in jobs]),
        validation_images=shared([job.validation_images for job in jobs]),
        test_images=first.test_images,
        seed=0,
        limit=min((job.limit for job in jobs if job.limit is not None), default=None),
        checkpoint="test" if any(job.checkpoint == "test" for job in jobs) else "validation",
    )


def _training(members: Sequence[StoredRun], by_validation: bool) -> Training:
    of_members = [run.record.training for run in members]
    picked = {one.checkpoint for one in of_members} | ({"validation"} if by_validation else set())
    checkpoint = next((word for word in CHECKPOINTS if word in picked), "unknown")
    return Training(init=", ".join(sorted({one.init for one in of_members})), checkpoint=checkpoint)


def _cost(members: Sequence[StoredRun]) -> Cost:
    """The sums of the members' costs, of times only where all ran on the same hardware; None where one is not known."""
    costs = [run.record.cost for run in members]

    def total(value: Callable[[Cost], Any]) -> Any:
        values = [value(cost) for cost in costs]
        return None if None in values else sum(values)

    phases = {name for cost in costs for name in cost.phases}
    same = _same_hardware(members)
    return Cost(
        parameters=total(lambda cost: cost.parameters),
        parameters_trainable=total(lambda cost: cost.parameters_trainable),
        macs=total(lambda cost: cost.macs),
        model_bytes=total(lambda cost: cost.model_bytes),
        fit_seconds=total(lambda cost: cost.fit_seconds) if same else None,
        phases={name: sum(cost.phases.get(name, 0.0) for cost in costs) for name in sorted(phases)} if same else {},
    )


def _same_hardware(members: Sequence[StoredRun]) -> bool:
    return len({run.record.environment.hardware for run in members}) == 1


def _hardware(members: Sequence[StoredRun]) -> dict[str, Any]:
    """The members' device, processor and cores, where they share them."""
    if not _same_hardware(members):
        return {"device": ENSEMBLE}
    where = members[0].record.environment
    return {"device": where.device, "cpu": where.cpu, "cores": where.cores}
