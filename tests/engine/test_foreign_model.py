"""A model that somebody else made, in the process that predicts with it: what it takes is limited."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from skops import io

from fer_bench.data.dataset import EMOTIONS
from fer_bench.engine.predict import load_and_predict
from fer_bench.engine.task import IMAGES, OUTCOME, TASK, PredictTask
from fer_bench.engine.worker import main

FACES = np.random.default_rng(0).integers(0, 256, (14, 48, 48), np.uint8)


def predict(folder: Path, degree: int) -> dict[str, str]:
    """The outcome of a worker whose model multiplies so many pixels with one another."""
    estimator = make_pipeline(PolynomialFeatures(degree), DummyClassifier()).fit(
        FACES.reshape(14, -1).astype(np.float32), np.arange(14) % 7
    )
    io.dump({"estimator": estimator, "outputs": 7, "temperature": 1.0}, folder / "model.skops")
    task = PredictTask(
        spec="svm[engine=sklearn]",
        recipe="published",
        recipe_fields=None,
        classes=EMOTIONS,
        device="cpu",
        plugins=(),
        tta="none",
        model=str(folder),
        epoch=None,
    )
    (folder / TASK).write_text(task.to_json())
    np.save(folder / IMAGES, FACES)
    main(folder, PredictTask, load_and_predict)
    outcome: dict[str, str] = json.loads((folder / OUTCOME).read_text())
    return outcome


def test_a_small_file_whose_features_fill_the_memory_is_refused(tmp_path: Path) -> None:
    outcome = predict(tmp_path, degree=2)
    assert (tmp_path / "model.skops").stat().st_size < 100_000
    assert outcome["status"] == "error"
    assert "bytes an image to predict; 4,194,304 are the limit" in outcome["message"]


def test_one_of_usual_features_predicts(tmp_path: Path) -> None:
    assert predict(tmp_path, degree=1)["status"] == "ok"
