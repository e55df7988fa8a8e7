"""What the worker measures of a fitted runner: how often it asks, and with how many images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_bench.api.context import Context, Part
from fer_bench.api.runner import Runner
from fer_bench.engine import measure

IMAGES = np.zeros((700, 48, 48), np.uint8)


class Asked(Runner):
    """Notes how many images each call has."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        self.calls.append(len(images))
        return np.full((len(images), 7), 1 / 7, np.float32)

    def fit(self, train: Part, validation: Part | None, context: Context) -> None: ...
    def save(self, directory: Path) -> None: ...
    def load(self, directory: Path) -> None: ...


@pytest.mark.parametrize(("budget", "calls"), [(0.0, 30), (float("inf"), 200)])
def test_latency_is_of_30_to_200_calls_with_one_image(monkeypatch: pytest.MonkeyPatch, budget: float, calls: int):
    monkeypatch.setattr(measure, "LATENCY_SECONDS", budget)
    runner = Asked()
    median, high = measure.latencies(runner, IMAGES[:28])
    assert runner.calls == [1] * (3 + calls)
    assert 0 < median <= high


def test_throughput_is_that_of_the_usual_pass_not_of_a_slow_one(monkeypatch: pytest.MonkeyPatch):
    taken = iter([9.0, 0.25, 0.5, 0.125, 0.25])  # the first pass compiles
    monkeypatch.setattr(measure, "THROUGHPUT_SECONDS", 10.0)
    monkeypatch.setattr(
        measure, "seconds_of", lambda runner, images: runner.predict_proba(images)[0, 0] * 0 + next(taken)
    )
    runner = Asked()
    assert measure.predict_throughput(runner, IMAGES) == pytest.approx(256 / 0.25)
    assert runner.calls == [256] * 5


class Instant(Asked):
    """Answers before the clock moves."""

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        self.calls.append(len(images))
        return images


def test_what_answers_at_once_is_asked_a_thousand_times_and_no_more():
    runner = Instant()
    rate = measure.predict_throughput(runner, IMAGES)
    assert len(runner.calls) == 1000
    assert rate is None or rate > 1e5


def test_a_clock_too_coarse_to_tell_gives_no_rate(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measure, "seconds_of", lambda runner, images: 0.0)
    assert measure.predict_throughput(Instant(), IMAGES) is None
