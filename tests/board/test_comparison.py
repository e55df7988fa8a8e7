"""Two systems compared: every figure against another way to compute it, and who can't be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_records import keep, predictions, record
from scipy.stats import binomtest
from sklearn.metrics import f1_score, recall_score

from fer_bench.board.comparison import Comparison, compare
from fer_bench.board.select import select
from fer_bench.data.dataset import EMOTIONS
from fer_bench.errors import InputError
from fer_bench.records.predictions import Predictions
from fer_bench.records.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results")
    store.prepare()
    return store


def compared(store: Store, a: str, b: str) -> Comparison:
    runs, _ = store.scan()
    return compare(select(runs, a), select(runs, b))


def drawn_answers(seed: int) -> Predictions:
    """Predictions of 200 images drawn at random, the right answer more probable than others."""
    rng = np.random.default_rng(seed)
    labels = np.arange(200) % 7
    probabilities = rng.dirichlet(np.ones(7), 200) + 0.3 * np.eye(7)[labels]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Predictions(np.arange(1000, 1200), labels.astype(np.int8), probabilities.astype(np.float16))


def test_every_figure_is_that_of_another_way_to_compute_it(store: Store):
    given = [drawn_answers(1), drawn_answers(2)]
    for name, one in zip(("svm", "mlp"), given, strict=True):
        keep(store, record(name), one)
    found = compared(store, "svm", "mlp")
    assert (found.a, found.b, found.images) == ("svm (published)", "mlp (published)", 200)
    labels, answers = given[0].labels, [one.probabilities.argmax(axis=1) for one in given]
    right = [answer == labels for answer in answers]
    for contrast, score in (
        (found.accuracy, lambda answer: (answer == labels).mean()),
        (found.macro_f1, lambda answer: f1_score(labels, answer, average="macro")),
        (found.weighted_f1, lambda answer: f1_score(labels, answer, average="weighted")),
        (found.recall["fear"], lambda answer: recall_score(labels, answer, labels=[2], average="macro")),
        (found.f1["neutral"], lambda answer: f1_score(labels, answer, labels=[6], average="macro")),
    ):
        scores = [score(answer) for answer in answers]
        assert (contrast.a.value, contrast.b.value) == pytest.approx(scores)
        assert contrast.difference.value == pytest.approx(scores[1] - scores[0])
        assert contrast.difference.low < contrast.difference.value < contrast.difference.high
    only = [(right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()]
    assert sum(only) >= 25
    assert found.accuracy.p == pytest.approx(binomtest(only[0], sum(only)).pvalue, abs=0.02)
    assert (found.agreement.only_a, found.agreement.only_b) == tuple(only)
    assert found.agreement.both == (right[0] & right[1]).sum()
    assert found.agreement.neither == (~right[0] & ~right[1]).sum()
    spread = np.std((right[1].astype(int) - right[0]), ddof=1) / np.sqrt(200)
    half = (found.accuracy.difference.high - found.accuracy.difference.low) / 2
    assert half == pytest.approx(1.96 * spread, rel=0.07)


def test_the_most_confident_disagreements_come_first(store: Store):
    given = [drawn_answers(1), drawn_answers(2)]
    for name, one in zip(("svm", "mlp"), given, strict=True):
        keep(store, record(name), one)
    found = compared(store, "svm", "mlp")
    answers = [one.probabilities.argmax(axis=1) for one in given]
    sure = np.minimum(*(one.probabilities.max(axis=1).astype(float) for one in given))
    apart = np.flatnonzero(answers[0] != answers[1])
    assert found.disagreed == len(apart) > len(found.disagreements) == 49
    first = apart[sure[apart].argmax()]
    named = found.disagreements[0]
    assert (named.row, named.emotion) == (1000 + first, EMOTIONS[given[0].labels[first]])
    assert (named.a, named.b) == tuple(EMOTIONS[answer[first]] for answer in answers)
    assert named.a_confidence == pytest.approx(given[0].probabilities[first].max(), rel=2e-3)
    least = [min(one.a_confidence, one.b_confidence) for one in found.disagreements]
    assert least == sorted(least, reverse=True)


def test_several_seeds_are_means_and_pairs(store: Store):
    runs = [record("mlp", right, seed=seed) for seed, right in enumerate((0.3, 0.5))] + [record("svm", 0.4)]
    for run in runs:
        keep(store, run)
    found = compared(store, "mlp", "svm")
    assert (found.seeds_a, found.seeds_b) == (2, 1)
    assert found.accuracy.a.value == pytest.approx(0.4)
    assert found.accuracy.difference.value == pytest.approx(0)
    assert found.accuracy.p == 1  # one seed is better, the other worse
    assert (found.agreement.both, found.agreement.only_a, found.agreement.only_b) == (70, 10, 10)


def test_equal_answers_differ_in_nothing(store: Store):
    keep(store, record("svm", 0.5))
    keep(store, record("mlp", 0.5))
    found = compared(store, "svm", "mlp")
    for contrast in (found.accuracy, found.macro_f1, found.weighted_f1):
        assert (contrast.difference.low, contrast.difference.high, contrast.p) == (0, 0, 1)
    assert (found.disagreed, found.disagreements) == (0, ())


def test_two_runs_of_one_name_are_told_apart_by_their_keys(store: Store):
    runs = [record("svm", 0.4), record("svm", 0.5, seed=1)]
    for run in runs:
        keep(store, run)
    found = compared(store, runs[0].job.key[:12], runs[1].job.key[:12])
    assert (found.a, found.b) == tuple(f"svm (published), {run.job.key[:8]}" for run in runs)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ("svm", "svm", "A and B are the same system, svm (published)"),
        ("svm", "svm:published", "the same system"),
        ("svm", "hog-svm", "different boards: fer2013, split official"),
        ("svm", "nobody", "no run called 'nobody'"),
        ("svm", "bare", "predictions.npz is missing"),
        ("svm", "elsewhere", "not of the same images"),
        ("svm", "damaged", "not readable as .npz"),
    ],
)
def test_what_cannot_be_compared_is_one_line(store: Store, a: str, b: str, words: str):
    keep(store, record("svm", 0.5))
    keep(store, record("hog-svm", 0.5, split="notebook", split_digest="s2"))
    store.commit(record("bare", 0.5), None)
    (keep(store, record("damaged", 0.5)) / "predictions.npz").write_bytes(b"PK")
    moved = predictions(record("elsewhere", 0.6))
    keep(store, record("elsewhere", 0.6), moved._replace(rows=moved.rows + 1))
    with pytest.raises(InputError) as refused:
        compared(store, a, b)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
