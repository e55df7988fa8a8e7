"""Fitted estimators as files: what runs code is neither written nor read."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from fer_bench.api.context import Context, Part
from fer_bench.data.dataset import EMOTIONS
from fer_bench.errors import InputError
from fer_bench.runners.sklearn import SklearnRunner
from fer_bench.runners.svm import SVM
from fer_bench.runners.xgboost import XGBoost

IMAGES = np.random.default_rng(0).integers(0, 256, (28, 48, 48), np.uint8)
PART = Part(IMAGES, (np.arange(28) % 7).astype(np.int8))


class Own(ClassifierMixin, BaseEstimator):
    """A plugin's own estimator; ``kept`` is an object that its fit leaves in it."""

    def __init__(self, kept: Any = None) -> None:
        self.kept = kept

    def fit(self, rows: np.ndarray, labels: np.ndarray) -> Own:
        self.classes_, self.left_ = np.unique(labels), self.kept() if self.kept else None
        return self

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        return np.full((len(rows), len(self.classes_)), 1 / len(self.classes_))


class Left:
    """Some object."""


class OwnRunner(SklearnRunner):
    estimator_of: Any = Own

    def build(self) -> Any:
        return type(self).estimator_of()


def fitted(runner: SklearnRunner | XGBoost) -> Any:
    runner.fit(PART, None, Context(EMOTIONS, key="k", epochs=2))
    return runner


def test_a_plugins_own_estimator_needs_no_declaration(tmp_path: Path) -> None:
    runner = fitted(OwnRunner())
    runner.save(tmp_path)
    again = OwnRunner()
    again.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(IMAGES), runner.predict_proba(IMAGES))


def test_what_a_fit_leaves_in_it_must_be_declared(tmp_path: Path) -> None:
    class Leaving(OwnRunner):
        estimator_of = staticmethod(lambda: Own(Left))

    with pytest.raises(InputError, match=r"Left.*trusted"):
        fitted(Leaving()).save(tmp_path)
    assert not list(tmp_path.iterdir())

    class Declared(Leaving):
        trusted = (f"{__name__}.Left",)

    fitted(Declared()).save(tmp_path)
    Declared().load(tmp_path)


def test_another_runners_estimator_is_not_made(tmp_path: Path) -> None:
    fitted(OwnRunner()).save(tmp_path)
    with pytest.raises(InputError, match=r"holds .*Own, which a model of svm has no use for"):
        SVM(engine="sklearn").load(tmp_path)


def test_a_function_of_the_system_is_not_made(tmp_path: Path) -> None:
    from skops import io

    hostile = make_pipeline(FunctionTransformer(os.system), DecisionTreeClassifier())
    io.dump({"estimator": hostile, "outputs": 7, "temperature": 1.0}, tmp_path / "model.skops")
    with pytest.raises(InputError, match="system"):
        OwnRunner().load(tmp_path)


def test_a_pickle_of_an_older_version_is_refused(tmp_path: Path) -> None:
    import joblib

    joblib.dump({"estimator": Own()}, tmp_path / "model.joblib")
    with pytest.raises(InputError, match=r"model.joblib is a pickle of an older version.*train svm again"):
        SVM(engine="sklearn").load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no zip at all"])
def test_no_readable_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(InputError, match="not a readable model"):
        OwnRunner().load(tmp_path)


@pytest.mark.parametrize(
    "schema", ["{}", "[]", "[" * 100_000, '{"protocol": 0, "__loader__": "JsonNode", "content": "1"}']
)
def test_a_model_file_with_another_schema(tmp_path: Path, schema: str) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("schema.json", schema)
    with pytest.raises(InputError) as caught:
        OwnRunner().load(tmp_path)
    assert len(str(caught.value).replace(str(tmp_path), "")) < 400


def test_damaged_trees(tmp_path: Path) -> None:
    fitted(XGBoost()).save(tmp_path)
    path = tmp_path / "model.ubj"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="not a readable model"):
        XGBoost().load(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        XGBoost().load(tmp_path)


def test_trees_on_other_features(tmp_path: Path) -> None:
    fitted(XGBoost(features="hog")).save(tmp_path)
    with pytest.raises(InputError, match=r"trees on 1,764 features; xgboost has 2,304"):
        XGBoost().load(tmp_path)


def test_trees_for_absurdly_many_classes(tmp_path: Path) -> None:
    import xgboost as xgb

    rows = np.zeros((300, 2304), np.float32)
    settings = {"objective": "multi:softprob", "num_class": 300, "max_depth": 1}
    trees = xgb.train(settings, xgb.DMatrix(rows, np.arange(300) % 300), 1)
    trees.save_model(tmp_path / "model.ubj")
    with pytest.raises(InputError, match=r"trees for 300 classes"):
        XGBoost().load(tmp_path)
