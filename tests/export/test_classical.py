"""Classical runners as ONNX: the file answers as the runner does, whatever the training part held."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from fer_bench.api import registry
from fer_bench.api.context import Context, Part
from fer_bench.errors import InputError
from fer_bench.export import classical, onnx_features, onnx_file
from fer_bench.export.graph import Graph
from fer_bench.runners import features
from fer_bench.runners.sklearn import SklearnRunner


def faces(count: int, classes: int, seed: int) -> Part:
    """Noisy images with a stripe for each class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.normal(120, 50, (count, 48, 48))
    images[np.arange(count), 3 + 5 * labels] += 90
    return Part(images.clip(0, 255).astype(np.uint8), labels)


def answers(runner, images: np.ndarray, tmp_path, classes: int) -> np.ndarray:
    """What the exported file of a fitted runner says."""
    path = tmp_path / "model.onnx"
    onnx.save(onnx_file.finish(classical.convert(runner), ["?"] * classes, "{}"), path)
    return onnx_file.answers(path, images)


def fitted(runner, train: Part, classes: int):
    names = tuple(f"emotion-{number}" for number in range(classes))
    runner.fit(train, faces(28, classes, 1), Context(names, epochs=2))
    return runner


def from_sklearn(estimator) -> SklearnRunner:
    class Runner(SklearnRunner):
        def build(self):
            return estimator

    return Runner()


def test_hog_is_that_of_the_runners_for_every_gradient_there_can_be():
    """Images in which each pair of differences from -255 to 255 occurs at some pixel."""
    graph = Graph()
    graph.node("Identity", onnx_features.hog(graph, onnx_file.INPUT), output=onnx_file.OUTPUT)
    model = onnx_file.finish(graph.model(), ["?"] * features.HOG_LENGTH, "{}")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (300, 48, 48), dtype=np.uint8)
    extremes = rng.choice(np.array([0, 255], np.uint8), (100, 48, 48))
    level = np.zeros((1, 48, 48), np.uint8)  # no gradient at all
    ramp = np.broadcast_to(np.arange(48, dtype=np.uint8), (1, 48, 48))
    images = np.concatenate([noise, extremes, level, ramp, ramp.transpose(0, 2, 1), ramp[:, ::-1, ::-1]])
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {onnx_file.INPUT: images})
    np.testing.assert_allclose(found, features.hog(images), atol=2e-6)


@pytest.mark.parametrize(
    ("spec", "classes"),
    [
        ("svm[engine=sklearn]", 2),
        ("svm[engine=sklearn]", 5),
        ("hog-svm[engine=sklearn]", 5),
        ("xgboost", 2),
        ("xgboost[features=hog]", 5),
        ("logistic-regression", 2),
        ("logistic-regression[features=pixels]", 5),
        ("random-forest", 2),
        ("random-forest[features=hog]", 5),
    ],
)
def test_a_built_in_runner(spec, classes, tmp_path):
    runner = fitted(registry.make(spec), faces(90, classes, 0), classes)
    images = faces(60, classes, 2).images
    own = runner.predict_proba(images)
    assert own.std(axis=0).max() > 0.01
    np.testing.assert_allclose(answers(runner, images, tmp_path, classes), own, atol=1e-5)


def test_an_emotion_that_was_absent_from_the_training_part_gets_nothing(tmp_path):
    train = faces(90, 5, 0)
    kept = train.labels != 2
    runner = fitted(registry.make("svm[engine=sklearn]"), Part(train.images[kept], train.labels[kept]), 5)
    images = faces(60, 5, 2).images
    found = answers(runner, images, tmp_path, 5)
    assert not found[:, 2].any()
    np.testing.assert_allclose(found, runner.predict_proba(images), atol=1e-5)


def test_the_answer_leads_where_score_and_vote_disagree(tmp_path):
    """Rows are hard here, so that the class with the highest score is now and then not the one that the pairs vote for."""
    rng = np.random.default_rng(3)
    train = Part(rng.integers(0, 256, (60, 48, 48), dtype=np.uint8), np.arange(60) % 6)
    runner = fitted(registry.make("svm[engine=sklearn]"), train, 6)
    images = rng.integers(0, 256, (400, 48, 48), dtype=np.uint8)
    rows = runner.features(images)
    scores, voted = runner.decide(rows)
    assert (scores.argmax(axis=1) != voted).any()
    found = answers(runner, images, tmp_path, 6)
    np.testing.assert_array_equal(found.argmax(axis=1), voted)
    np.testing.assert_allclose(found, runner.predict_proba(images), atol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_a_plugins_estimator(classes, tmp_path):
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    images = faces(60, classes, 2).images
    for estimator in (
        make_pipeline(StandardScaler(), PCA(8), LogisticRegression()),
        make_pipeline(StandardScaler(), PCA(8), LinearSVC()),
    ):
        runner = fitted(from_sklearn(estimator), faces(90, classes, 0), classes)
        np.testing.assert_allclose(
            answers(runner, images, tmp_path, classes), runner.predict_proba(images), atol=1e-4, err_msg=str(estimator)
        )


@pytest.mark.parametrize("spec", ["lbp-svm[engine=sklearn]", "bovw"])
def test_features_that_have_no_form(spec):
    """It is known before anything is fitted."""
    runner = registry.make(spec)
    with pytest.raises(InputError, match=r"computes features of its own, which have no form as ONNX"):
        classical.convert(runner)


def test_votes_that_are_weighted_have_no_form():
    with pytest.raises(InputError, match="no form of KNeighborsClassifier with votes weighted by distance"):
        classical.convert(fitted(registry.make("knn"), faces(60, 3, 0), 3))


def test_what_has_no_form_is_refused_with_its_reason(tmp_path):
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Own(ClassifierMixin, BaseEstimator):
        def fit(self, rows, labels):
            self.classes_ = np.unique(labels)
            return self

        def predict_proba(self, rows):
            return np.full((len(rows), len(self.classes_)), 1 / len(self.classes_))

    class OwnWay(SklearnRunner):
        def build(self):
            return Own()

        def predict_proba(self, images):
            return np.full((len(images), 3), 1 / 3)

    train = faces(30, 3, 0)
    with pytest.raises(InputError, match="skl2onnx has no form of Own"):
        classical.convert(fitted(from_sklearn(Own()), train, 3))
    with pytest.raises(InputError, match="predicts in a way of its own"):
        classical.convert(fitted(OwnWay(), train, 3))
