"""Label schemes: the right rows under the right names, and a digest that keeps scores apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_bench.data.dataset import EMOTIONS, Dataset
from fer_bench.data.load import load_dataset
from fer_bench.data.schemes import apply_scheme
from fer_bench.errors import InputError

ROWS = 35
IMAGES = np.random.default_rng(3).integers(0, 256, (ROWS, 48, 48), np.uint8)
DATA = Dataset(
    IMAGES, (np.arange(ROWS) % 7).astype(np.int8), (np.arange(ROWS) % 3).astype(np.int8), EMOTIONS, "made", "made"
)


def names(data: Dataset) -> list[str]:
    return [data.classes[label] for label in data.labels]


def test_six_is_the_seven_without_fear() -> None:
    six = apply_scheme(DATA, "six")
    assert six.classes == ("anger", "disgust", "happiness", "neutral", "sadness", "surprise")
    assert six.name == "made-six"
    rows = [row for row, name in enumerate(names(DATA)) if name != "fear"]
    assert names(six) == [names(DATA)[row] for row in rows]
    np.testing.assert_array_equal(six.images, DATA.images[rows])
    np.testing.assert_array_equal(six.usage, DATA.usage[rows])
    assert apply_scheme(six, "six") is six


def test_a_merge_takes_the_place_of_its_first_part() -> None:
    merged = apply_scheme(DATA, merge=["Neutral+sad"])
    assert merged.classes == ("anger", "disgust", "fear", "happiness", "sadness+neutral", "surprise")
    assert merged.name == "made-sadness+neutral"
    assert names(merged) == [
        {"sadness": "sadness+neutral", "neutral": "sadness+neutral"}.get(n, n) for n in names(DATA)
    ]
    assert merged.images is DATA.images or np.shares_memory(merged.images, DATA.images)
    assert merged.digest == apply_scheme(DATA, merge=["sadness+neutral"]).digest


def test_six_and_two_merges_at_once() -> None:
    both = apply_scheme(DATA, "six", ["anger+disgust", "happy+surprise"])
    assert both.classes == ("anger+disgust", "happiness+surprise", "neutral", "sadness")
    assert both.name == "made-six-anger+disgust-happiness+surprise"


def test_digests_tell_schemes_apart() -> None:
    schemes = [apply_scheme(DATA), apply_scheme(DATA, "six"), apply_scheme(DATA, merge=["sad+neutral"])]
    assert len({data.digest for data in schemes}) == 3
    assert apply_scheme(DATA) is DATA


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(EMOTIONS), min_size=2, max_size=6), st.randoms())
def test_any_merge_keeps_every_row_and_every_other_name(parts: set[str], random: object) -> None:
    merged = apply_scheme(DATA, merge=["+".join(parts)])
    assert len(merged) == ROWS
    for before, after in zip(names(DATA), names(merged), strict=True):
        assert set(after.split("+")) == (parts if before in parts else {before})


@pytest.mark.parametrize(
    ("scheme", "merge", "wanted"),
    [
        ("five", [], "seven, six"),
        ("seven", ["sadness+boredom"], "'boredom' is no emotion of this data"),
        ("six", ["fear+anger"], "'fear' is no emotion of this data"),
        ("seven", ["sadness"], "joined by +"),
        ("seven", ["sad+sadness"], "joined by +"),
        ("seven", [""], "no emotion"),
        ("seven", ["sad+fear", "fear+anger"], "fear is merged twice"),
        ("seven", ["+".join(EMOTIONS)], "at least two"),
    ],
)
def test_bad_schemes(scheme: str, merge: list[str], wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        apply_scheme(DATA, scheme, merge)
    assert wanted in str(caught.value)


def test_the_real_data_without_fear(fer2013: Path) -> None:
    assert load_dataset(fer2013, scheme="six").counts() == {
        "anger": 4953, "disgust": 547, "happiness": 8989, "neutral": 6198, "sadness": 6077, "surprise": 4002,
    }  # fmt: skip
