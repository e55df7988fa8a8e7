"""The classical runners: against scikit-learn, scikit-image and xgboost themselves, and against the source's figures."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import zoom
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from fer_bench.errors import InputError
from fer_bench.runners.base import Context, Part, Runner
from fer_bench.runners.features import hog, pixels
from fer_bench.runners.hog_svm import HogSVM
from fer_bench.runners.machine import SupportVectorMachine
from fer_bench.runners.sklearn import SklearnRunner, best_temperature, led_by, softmax
from fer_bench.runners.svm import SVM
from fer_bench.runners.xgboost import XGBoost

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
needs_sklearnex = pytest.mark.skipif(importlib.util.find_spec("sklearnex") is None, reason="sklearnex is for x86-64")


def faces(
    count: int, seed: int, classes: tuple[int, ...] = tuple(range(7)), mislabelled: float = 0.0, strength: float = 25.0
) -> Part:
    """Seven smooth patterns under noise, so that a good classifier is right in most cases and not in all."""
    rng = np.random.default_rng(seed)
    patterns = zoom(np.random.default_rng(1).normal(size=(7, 6, 6)), (1, 8, 8), order=1)
    labels = rng.choice(classes, size=count).astype(np.int8)
    images = 128 + strength * patterns[labels] + 20 * rng.normal(size=(count, 48, 48))
    wrong = rng.random(count) < mislabelled
    labels[wrong] = rng.choice(classes, size=wrong.sum())
    return Part(images.clip(0, 255).astype(np.uint8), labels)


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


def context(**changes: Any) -> Context:
    return Context(**{"classes": CLASSES, "key": "a job"} | changes)


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


@pytest.mark.parametrize("engine", ["sklearn", pytest.param("sklearnex", marks=needs_sklearnex)])
def test_svm_is_the_notebooks(engine: str, train: Part, validation: Part, test: Part) -> None:
    scaler = MinMaxScaler().fit(train.images.reshape(-1, 2304))
    reference = SVC().fit(scaler.transform(train.images.reshape(-1, 2304)), train.labels)
    expected = reference.predict(scaler.transform(test.images.reshape(-1, 2304)))
    runner = SVM(engine=engine)
    runner.fit(train, validation, context())
    np.testing.assert_array_equal(runner.predict_proba(test.images).argmax(axis=1), expected)


@needs_sklearnex
def test_engines_agree_on_2000_rows() -> None:
    train, test = faces(2000, seed=6), faces(300, seed=7)
    predictions = []
    for engine in ("sklearn", "sklearnex"):
        runner = HogSVM(engine=engine)
        runner.fit(train, None, context())
        predictions.append(runner.predict_proba(test.images))
    np.testing.assert_array_equal(predictions[0].argmax(axis=1), predictions[1].argmax(axis=1))
    np.testing.assert_allclose(predictions[0], predictions[1], atol=5e-3)


@pytest.mark.parametrize("engine", ["sklearn", pytest.param("sklearnex", marks=needs_sklearnex)])
@pytest.mark.parametrize("classes", [(1, 4), (0, 2, 5), tuple(range(7))])
def test_the_machine_is_svc(engine: str, classes: tuple[int, ...]) -> None:
    train, test = faces(150, 5, classes, mislabelled=0.3), faces(300, 6, classes)
    weights = np.linspace(0.5, 2, 150)
    machine = SupportVectorMachine(C=2.0, engine=engine).fit(pixels(train.images), train.labels, weights)
    reference = SVC(C=2.0).fit(pixels(train.images), train.labels, weights)
    scores, expected = machine.decision_function(pixels(test.images), chunk=128), reference.predict(pixels(test.images))

    np.testing.assert_array_equal(machine.predict(pixels(test.images)), expected)
    if engine == "sklearn" and len(classes) > 2:  # the other solver stops elsewhere within the tolerance
        np.testing.assert_allclose(scores, reference.decision_function(pixels(test.images)), atol=2e-3)


def test_the_machine_breaks_ties_as_svc_does() -> None:
    # Labels at random: votes tie often, and a tie is where the largest score and SVC's prediction part.
    rng = np.random.default_rng(0)
    rows, labels, asked = rng.normal(size=(300, 3)), rng.integers(0, 7, 300), rng.normal(size=(1000, 3))
    machine = SupportVectorMachine(gamma=2.0).fit(rows, labels)
    reference = SVC(gamma=2.0).fit(rows, labels)
    assert (machine.decision_function(asked).argmax(axis=1) != reference.predict(asked)).sum() > 5
    np.testing.assert_array_equal(machine.predict(asked), reference.predict(asked))


def test_a_saved_machine_is_as_large_as_its_support_vectors(train: Part, tmp_path: Path) -> None:
    runner = SVM()
    summary = runner.fit(train, None, context())
    runner.save(tmp_path)
    vectors = summary.extra["support_vectors"] * 2304 * 4
    assert vectors < (tmp_path / "model.joblib").stat().st_size < 1.1 * vectors


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
        (lambda: SVM(engine="libsvm"), "no engine 'libsvm'; it has auto, sklearn, sklearnex"),
        (lambda: XGBoost(features="sift"), "no features 'sift'; it has pixels, hog"),
    ],
)
def test_unknown_choices_are_input_errors(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_bench.runners.svm.find_spec", lambda _: None)
    assert SVM().engine == "sklearn"
    with pytest.raises(InputError, match="pip install scikit-learn-intelex"):
        SVM(engine="sklearnex")


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


@needs_sklearnex
def test_engines_agree_on_the_real_faces(fer2013: Path) -> None:
    with fer2013.open(newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(2500), strict=False)]
    images = np.stack([np.array(row["pixels"].split(), np.uint8).reshape(48, 48) for row in rows])
    labels = np.array([int(row["emotion"]) for row in rows], np.int8)
    predictions = []
    for engine in ("sklearn", "sklearnex"):
        runner = SVM(engine=engine)
        runner.fit(Part(images[:2000], labels[:2000]), None, context())
        predictions.append(runner.predict_proba(images[2000:]).argmax(axis=1))
    np.testing.assert_array_equal(*predictions)
