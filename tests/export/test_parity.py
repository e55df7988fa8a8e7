"""What the parity check counts, and when a file is not kept."""

from __future__ import annotations

import numpy as np
import pytest

from fer_bench.export.parity import compare

LABELS = np.arange(2000) % 4


def own(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(4), 2000)


def moved(probabilities: np.ndarray, by: float, rows: slice) -> np.ndarray:
    """As much more for the first class, and less for the second, in some rows."""
    changed = probabilities.copy()
    changed[rows] += np.array([by, -by, 0, 0])
    return changed


def test_it_says_how_far_the_answers_are_apart():
    mine = own()
    found = moved(mine, 0.0005, slice(1))
    parity = compare(LABELS, mine, None, found, part="validation", quantize="none")
    assert parity.largest == pytest.approx(0.0005)
    assert parity.mean == pytest.approx(0.0005 * 2 / mine.size)
    assert (parity.same, parity.images, parity.largest_float32) == (1, 2000, None)
    assert parity.accuracy_run == parity.accuracy_file == pytest.approx((mine.argmax(axis=1) == LABELS).mean())
    assert not parity.broken


@pytest.mark.parametrize(
    ("by", "rows", "quantize", "broken"),
    [
        (0.002, 2, "none", False),  # two of 2,000: ties may turn over
        (0.002, 3, "none", True),
        (0.002, 2000, "float16", False),
        (0.02, 3, "float16", True),
        (0.2, 2000, "int8", False),  # its accuracy tells
    ],
)
def test_a_file_that_is_too_far_off_is_broken(by, rows, quantize, broken):
    mine = own()
    found = moved(mine, by, slice(rows))
    assert compare(LABELS, mine, None, found, part="validation", quantize=quantize).broken is broken


def test_a_run_in_bfloat16_is_held_against_its_model_in_float32_and_roughly_against_itself():
    exact = own()
    rounded = moved(exact, 0.008, slice(None))
    parity = compare(LABELS, rounded, exact, exact, part="validation", quantize="none")
    assert parity.largest == pytest.approx(0.008)
    assert parity.largest_float32 == 0
    assert not parity.broken
    other = own(1)  # a wrong one, alike in float32: what both forgot shows against the run
    assert compare(LABELS, rounded, other, other, part="validation", quantize="none").broken
