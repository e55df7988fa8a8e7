"""The classical runners: against scikit-learn, scikit-image and xgboost themselves, and against the source's
figures.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_faces import context, faces
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from fer_bench.api.context import Part
from fer_bench.api.runner import Runner
from fer_bench.errors import InputError
from fer_bench.runners.features import hog, pixels
from fer_bench.runners.hog_svm import HogSVM
from fer_bench.runners.sklearn import SklearnRunner, best_temperature, led_by, softmax
from fer_bench.runners.svm import SVM
from fer_bench.runners.xgboost import XGBoost


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """On sets this small, threads that wait for each other on a busy machine cost far more than they bring."""
    import xgboost  # noqa: F401  (a library that is not loaded can't be limited)

    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def train() -> Part:
    return faces(420, seed=2)


@pytest.fixture(scope="module")
def validation() -> Part:
    return faces(140, seed=3)


@pytest.fixture(scope="module")
def test() -> Part:
    return faces(200, seed=4)


def wrap(estimator: Any) -> SklearnRunner:
    """A runner around one estimator."""

    class Wrapped(SklearnRunner):
        def build(self) -> Any:
            return estimator

    return Wrapped()


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def assert_probabilities(probabilities: np.ndarray, count: int) -> None:
    assert probabilities.shape == (count, 7)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


RUNNERS = {
    "svm": lambda: SVM(engine="sklearn"),
    "hog-svm": lambda: HogSVM(engine="sklearn"),
    "xgboost": XGBoost,
    "xgboost-hog": lambda: XGBoost(features="hog"),
}


@pytest.mark.parametrize("name", RUNNERS)
def test_a_runner_learns_saves_loads_and_repeats(name: str, tmp_path: Path) -> None:
    train, validation, test = (faces(count, seed, strength=80) for seed, count in enumerate((200, 70, 100)))
    first, again, loaded = RUNNERS[name](), RUNNERS[name](), RUNNERS[name]()
    summary = first.fit(train, validation, ctx := context(epochs=6))
    probabilities = first.predict_proba(test.images)

    assert_probabilities(probabilities, len(test.labels))
    assert accuracy(probabilities, test.labels) > 0.5
    assert summary.init == "none"
    assert ctx.seconds["train"] > 0

    again.fit(train, validation, context(epochs=6))
    np.testing.assert_array_equal(again.predict_proba(test.images), probabilities)
    first.save(tmp_path)
    loaded.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(test.images), probabilities)
    np.testing.assert_allclose(loaded.predict_proba(test.images[:1]), probabilities[:1], atol=1e-6)


@pytest.mark.parametrize("name", RUNNERS)
def test_a_class_that_never_trained_gets_next_to_nothing(name: str, validation: Part, test: Part) -> None:
    runner = RUNNERS[name]()
    runner.fit(faces(200, seed=5, classes=(0, 2, 3, 6)), validation, context(epochs=8))
    probabilities = runner.predict_proba(test.images)
    assert_probabilities(probabilities, len(test.labels))
    assert set(probabilities.argmax(axis=1)) <= {0, 2, 3, 6}
    if isinstance(runner, SklearnRunner):
        assert (probabilities[:, [1, 4, 5]] == 0).all()


@pytest.mark.parametrize("classes", [(1, 4), (0, 2, 5), tuple(range(7))])
@pytest.mark.parametrize(
    "estimator",
    [
        SVC(C=0.05),
        SVC(kernel="linear"),
        LinearSVC(),
        RidgeClassifier(),
        Perceptron(),
        make_pipeline(StandardScaler(), SVC()),
    ],
    ids=lambda e: type(e).__name__,
)
def test_scores_from_decisions_give_the_estimators_own_predictions(
    estimator: Any, classes: tuple[int, ...], test: Part
) -> None:
    runner = wrap(estimator)
    runner.fit(faces(120, seed=8, classes=classes), faces(60, seed=9, classes=classes), context())
    probabilities = runner.predict_proba(test.images)
    assert_probabilities(probabilities, len(test.labels))
    own = estimator.predict(pixels(test.images))
    np.testing.assert_array_equal(probabilities.argmax(axis=1), own)
    np.testing.assert_array_equal(probabilities.astype(np.float16).argmax(axis=1), own)


def test_an_estimators_own_probabilities_are_kept(train: Part, test: Part) -> None:
    estimator = GaussianNB()
    runner = wrap(estimator)
    summary = runner.fit(train, None, context())
    np.testing.assert_allclose(
        runner.predict_proba(test.images), estimator.predict_proba(pixels(test.images)), atol=1e-5
    )
    assert summary.extra == {}


def test_temperature_minimises_the_validation_loss() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(4000, 5)) * 2
    labels = np.array([rng.choice(5, p=row) for row in softmax(truth)])
    assert best_temperature(truth / 40, labels, np.arange(5)) == pytest.approx(40, rel=0.05)
    shifted = np.array([1, 2, 4, 5, 6])
    assert best_temperature(truth / 40, shifted[labels], shifted) == pytest.approx(40, rel=0.05)
    assert best_temperature(truth, np.zeros(4000, int), shifted) == 1.0


def test_led_by_swaps_only_where_it_must() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.4, 0.4, 0.2]])
    led = led_by(probabilities, np.array([0, 2, 1]))
    np.testing.assert_allclose(led, [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]], atol=1e-3)
    assert led.argmax(axis=1).tolist() == [0, 2, 1]


def test_weights_reach_the_last_step(train: Part, test: Part) -> None:
    half = np.arange(len(train.labels)) % 2 == 0
    kept, weighted = LogisticRegression(C=1e-3), LogisticRegression(C=1e-3)
    wrap(make_pipeline(MinMaxScaler(clip=True), weighted)).fit(
        Part(*train[:2], half.astype(np.float32)), None, context()
    )
    scaled = MinMaxScaler(clip=True).fit(pixels(train.images))
    kept.fit(scaled.transform(pixels(train.images[half])), train.labels[half])
    np.testing.assert_allclose(weighted.coef_, kept.coef_, atol=1e-4)


@pytest.mark.parametrize("estimator", [KNeighborsClassifier(), make_pipeline(StandardScaler(), KNeighborsClassifier())])
def test_an_estimator_without_weights_says_so(estimator: Any, train: Part) -> None:
    with pytest.raises(InputError, match="KNeighborsClassifier takes no sample weights"):
        wrap(estimator).fit(Part(*train[:2], np.ones(len(train.labels), np.float32)), None, context())


def test_an_estimator_without_scores_says_so(train: Part) -> None:
    class Mute(DummyClassifier):
        predict_proba = property()

    with pytest.raises(InputError, match="neither predict_proba nor decision_function"):
        wrap(Mute()).fit(train, None, context())


def test_every_unset_random_state_comes_from_the_job(train: Part) -> None:
    free, fixed = DecisionTreeClassifier(max_depth=2), DecisionTreeClassifier(max_depth=2, random_state=7)
    pipeline = make_pipeline(StandardScaler(), free)
    wrap(pipeline).fit(train, None, context())
    wrap(fixed).fit(train, None, context())
    assert free.random_state == context().seed("fit")
    assert fixed.random_state == 7


def test_hog_svm_learns_each_image_and_its_mirror(test: Part) -> None:
    train = faces(120, seed=1, strength=40)
    runner = HogSVM(engine="sklearn")
    runner.fit(train, None, context())
    both = np.concatenate([hog(train.images), hog(np.flip(train.images, axis=2))])
    expected = SVC(C=5.0).fit(both, np.concatenate([train.labels, train.labels])).predict(hog(test.images))
    np.testing.assert_array_equal(runner.predict_proba(test.images).argmax(axis=1), expected)


def test_hog_is_scikit_images() -> None:
    from skimage.feature import hog as reference

    images = np.concatenate(
        [
            np.random.default_rng(0).integers(0, 256, (20, 48, 48)),
            faces(20, 0).images,
            np.zeros((1, 48, 48)),
            np.tile(np.arange(48) * 5, (1, 48, 1)),
        ]
    ).astype(np.uint8)
    expected = [reference(image, 9, (6, 6), (2, 2)) for image in images]
    np.testing.assert_allclose(hog(images, chunk=16), expected, atol=1e-6)
    assert hog(images).dtype == np.float32
    assert hog(images[:0]).shape == (0, 1764)


def test_xgboost_keeps_the_round_that_validation_picked() -> None:
    train, validation = faces(150, 5, mislabelled=0.5), faces(100, 6, mislabelled=0.5)
    events: list[Any] = []
    runner = XGBoost()
    summary = runner.fit(train, validation, context(report=events.append))
    losses = [row["val_loss"] for row in summary.history]

    assert summary.checkpoint == "validation"
    assert summary.stopped == "early"
    assert summary.best_epoch == int(np.argmin(losses)) + 1
    assert summary.epochs_run == len(losses) == len(events) == summary.best_epoch + 20
    assert summary.epochs_planned == events[0]["epochs"] == 300
    best = runner.predict_proba(validation.images)
    assert -np.log(best[np.arange(len(best)), validation.labels]).mean() == pytest.approx(min(losses), rel=1e-4)
    assert accuracy(best, validation.labels) == pytest.approx(summary.history[summary.best_epoch - 1]["val_accuracy"])


def test_xgboost_without_validation_keeps_all_rounds(train: Part) -> None:
    runner = XGBoost()
    summary = runner.fit(train, None, context(epochs=4))
    assert (summary.checkpoint, summary.epochs_run, summary.epochs_planned, summary.best_epoch) == ("last", 4, 300, 4)
    assert runner.booster.num_boosted_rounds() == 4
    assert "val_loss" not in summary.history[0]


def test_xgboost_weighs_its_rows(train: Part, validation: Part, test: Part) -> None:
    ignored = np.where(train.labels == 3, 0, 1).astype(np.float32)
    runner = XGBoost()
    runner.fit(Part(*train[:2], ignored), None, context(epochs=8))
    assert not (runner.predict_proba(test.images).argmax(axis=1) == 3).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SVM(engine="libsvm"), "no engine 'libsvm'; it has auto, sklearn, sklearnex, jax"),
        (lambda: XGBoost(features="sift"), "no features 'sift'; it has pixels, hog"),
    ],
)
def test_unknown_choices_are_input_errors(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_the_ten_line_plugin(tmp_path: Path, train: Part, test: Part) -> None:
    path = tmp_path / "logreg.py"
    path.write_text(
        "from fer_bench import SklearnRunner, register\n"
        "from sklearn.linear_model import LogisticRegression\n\n"
        '@register("logreg-of-the-tests")\n'
        "class LogReg(SklearnRunner):\n"
        '    """Logistic regression on pixels."""\n'
        "    def build(self):\n"
        "        return LogisticRegression(max_iter=200)\n"
    )
    spec = importlib.util.spec_from_file_location("logreg_of_the_tests", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    runner: Runner = module.LogReg()
    assert (runner.info.name, runner.info.family) == ("logreg-of-the-tests", "classical")
    assert runner.info.summary == "Logistic regression on pixels"
    runner.fit(train, None, context())
    assert accuracy(runner.predict_proba(test.images), test.labels) > 0.5
