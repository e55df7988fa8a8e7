"""What the page knows of models: figures of runs and files, checked; what they confuse."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_models import EMOTIONS, write_onnx
from made_records import record

from fer_bench.demo import draw
from fer_bench.demo.figures import Mistake, offered
from fer_bench.errors import InputError
from fer_bench.inference.model import open_model

CONFUSION = [
    [60, 0, 20, 5, 5, 5, 5],
    [5, 5, 0, 0, 0, 0, 0],
    [10, 0, 50, 0, 20, 15, 5],
    [0, 0, 0, 90, 0, 0, 10],
    [10, 0, 10, 0, 70, 0, 10],
    [0, 0, 10, 0, 0, 90, 0],
    [0, 0, 0, 0, 0, 0, 0],
]


def figures(**change: Any) -> dict[str, Any]:
    """As an exported file has them; neutral has no image."""
    images = sum(map(sum, CONFUSION))
    emotions = {
        name: {"recall": row[at] / max(sum(row), 1), "precision": 0.5, "f1": 0.5, "images": sum(row)}
        for at, (name, row) in enumerate(zip(EMOTIONS, CONFUSION, strict=True))
    }
    return {
        "images": images,
        "accuracy": float(np.trace(CONFUSION)) / images,
        "accuracy_low": 0.6781,
        "accuracy_high": 0.7519,
        "accuracy_unseen": 0.7011,
        "confusion": CONFUSION,
        "emotions": emotions,
    } | change


def test_what_is_confused_most_is_told_by_the_share_of_an_emotions_images(tmp_path: Path):
    (one,) = offered([open_model(str(write_onnx(tmp_path / "a.onnx", about={"figures": figures()})))])
    assert one.label == "linear (71.6 % right)"  # 365 of 510
    assert one.mistakes(3) == [
        Mistake("disgust", "anger", 5, 10),
        Mistake("anger", "fear", 20, 100),
        Mistake("fear", "sadness", 20, 100),
    ]
    assert len(one.mistakes(100)) == sum(bool(CONFUSION[a][b]) for a in range(7) for b in range(7) if a != b)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"accuracy": 1.5}, "accuracy: Input should be less than or equal to 1"),
        ({"accuracy": float("nan")}, "accuracy"),
        ({"confusion": [[1, 2], [3, 4]]}, "not those of its 7 classes"),
        ({"confusion": [[-1] * 7] * 7}, "confusion.0.0"),
        ({"emotions": {"boredom": {"recall": 0.5, "images": 3}}}, "not those of its 7 classes"),
        ({"images": None}, "images"),
    ],
)
def test_figures_that_make_no_sense_are_refused_in_a_line(tmp_path: Path, change: dict[str, Any], said: str):
    path = write_onnx(tmp_path / "a.onnx", metadata={"fer_bench": json.dumps(
        {"schema": 1, "name": "linear", "classes": list(EMOTIONS), "figures": figures(**change)}
    )})  # fmt: skip
    with pytest.raises(InputError, match=f"a.onnx: the figures that it gives.*{said}") as refused:
        offered([open_model(str(path))])
    assert "\n" not in str(refused.value)


def test_a_model_without_figures_says_so(tmp_path: Path):
    (one,) = offered([open_model(str(write_onnx(tmp_path / "a.onnx")))])
    assert one.label == "linear"
    assert one.figures is None
    assert "brings no figures" in draw.about(one)


def test_a_run_brings_the_figures_of_its_record():
    """Without starting its process: a model is asked for its run alone."""
    kept = record("svm", 0.62)
    model: Any = SimpleNamespace(name="svm:published", classes=EMOTIONS, key="k", run=SimpleNamespace(record=kept))
    (one,) = offered([model])
    assert kept.scores is not None
    assert one.figures is not None
    assert one.figures.accuracy == kept.scores.accuracy
    assert {name: of.recall for name, of in one.figures.emotions.items()} == {
        name: of.recall for name, of in kept.scores.emotions.items()
    }
    assert one.data == f"{kept.job.dataset}, split {kept.job.split}"
