"""The first source's SVM on 8,000 rows: fit and predict, and the same predictions."""

from __future__ import annotations

import numpy as np
import pytest

from fer_bench.api import registry
from fer_bench.api.context import Context, Part
from fer_bench.data.dataset import EMOTIONS

from .measure import describe, scaled

SUBJECT = "SVC, fit and predict"
ROWS, QUESTIONS = 8000, 2000


@pytest.fixture(scope="module")
def parts(faces):
    rows, questions = scaled(ROWS), scaled(QUESTIONS)
    images, labels = faces(rows + questions)
    return images[:rows], labels[:rows], images[rows:]


@pytest.fixture(scope="module")
def answers():
    """Line -> predictions, so that ours can be held to the baseline's."""
    return {}


@pytest.mark.benchmark(group="svm")
def test_sklearn(benchmark, parts, answers):
    """As the notebook does it: MinMaxScaler and SVC, library defaults."""
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.svm import SVC

    train, labels, questions = parts

    def notebook():
        scaler = MinMaxScaler()
        rows = scaler.fit_transform(train.reshape(len(train), -1))
        return SVC().fit(rows, labels).predict(scaler.transform(questions.reshape(len(questions), -1)))

    describe(benchmark, SUBJECT, "scikit-learn", role="baseline", unit="s", note=f"{len(train):,} rows")
    answers["baseline"] = benchmark.pedantic(notebook, rounds=1)


@pytest.mark.benchmark(group="svm")
def test_runner(benchmark, parts, answers):
    train, labels, questions = parts

    def ours():
        runner = registry.make("svm")
        summary = runner.fit(Part(train, labels), None, Context(EMOTIONS, key="benchmark"))
        return runner.predict_proba(questions).argmax(axis=1), summary.extra["engine"]

    predictions, engine = benchmark.pedantic(ours, rounds=3, warmup_rounds=1)
    describe(benchmark, SUBJECT, "runner `svm`", unit="s")
    if "baseline" in answers:
        share = float(np.mean(predictions == answers["baseline"]))
        benchmark.extra_info |= {
            "equal": share,
            "note": f"{share:.2%} of {len(predictions):,} predictions equal, engine {engine}",
        }
        assert share == 1.0
