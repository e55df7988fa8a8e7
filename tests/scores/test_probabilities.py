"""One contract for probabilities: what it mends, what it refuses, and that whatever it accepts can be scored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fer_bench.scores.metrics import score
from fer_bench.scores.probabilities import NoProbabilitiesError, distributions

NAMES = ("a", "b", "c")


def test_what_rounding_did_is_mended_and_the_rest_is_returned_as_it_is():
    p = np.array([[0.25, 0.75, 0.0], [0.5, 0.5 + 1.2e-7, -1.2e-7], [0.3, 0.3, 0.42], [1.04, 0, 0]], np.float32)
    mended = distributions(p, 3)
    assert mended.dtype == np.float32
    assert (mended[[0, 2]] == p[[0, 2]]).all()
    assert (mended >= 0).all()
    assert mended[[1, 3]].sum(axis=1) == pytest.approx(1)
    assert p[1, 2] < 0  # the caller's array is its own
    assert distributions(p[:1], 3) is not None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ((1, 2, -0.01), "row 1 is no .*: output 2 is -0.01, negative; 1 of 4 rows"),
        ((3, 0, np.nan), "row 3 is no .*: output 0 is nan, no number"),
        ((0, 1, np.inf), "output 1 is inf, no number"),
        ((2, 1, 0.9), "row 2 is no .*: its sum is 1.56667, not 1; 1 of 4"),
    ],
)
def test_the_first_row_that_is_wrong_is_named(spoil, words):
    p = np.full((4, 3), 1 / 3)
    row, column, p[spoil[:2]] = spoil
    with pytest.raises(NoProbabilitiesError, match=words) as refused:
        distributions(p, 3)
    assert refused.value.row == row
    assert refused.value.column in (column, None)


@settings(max_examples=60, deadline=None)
@example([[0.35, 0.35, 0.35]])  # float16 makes more than 1.05 of it
@example([[0.31667, 0.31667, 0.31667]])
@given(st.lists(st.lists(st.floats(-1.2e-5, 1.06), min_size=3, max_size=3), min_size=1, max_size=4))
def test_whatever_is_accepted_can_be_scored_as_it_is_stored(rows):
    """In float32, and in float16 as a run keeps it: there is no second check that knows better."""
    try:
        accepted = distributions(np.array(rows, np.float32), 3)
    except NoProbabilitiesError:
        return
    labels = np.zeros(len(rows), int)
    for stored in (accepted, accepted.astype(np.float16)):
        assert score(labels, stored, NAMES).images == len(rows)
