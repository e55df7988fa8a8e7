"""The SVM runners and their three engines: against scikit-learn's SVC, and against the conditions of the dual
itself.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from made_faces import context, faces
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import fer_bench
from fer_bench.api.context import Part
from fer_bench.data.synthetic import synthetic
from fer_bench.errors import InputError
from fer_bench.runners.features import pixels
from fer_bench.runners.hog_svm import HogSVM
from fer_bench.runners.machine import SupportVectorMachine
from fer_bench.runners.svm import SVM, best_engine


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """On sets this small, threads that wait for each other on a busy machine cost far more than they bring."""
    with threadpool_limits(1):
        yield


@pytest.fixture(params=["sklearn", "sklearnex", "jax"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine that is installed."""
    if request.param != "sklearn":
        pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="module")
def train() -> Part:
    return faces(420, seed=2)


@pytest.fixture(scope="module")
def test() -> Part:
    return faces(200, seed=4)


def real_faces(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the first rows of the CSV."""
    with path.open(newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(count), strict=False)]
    images = np.stack([np.array(row["pixels"].split(), np.uint8).reshape(48, 48) for row in rows])
    return images, np.array([int(row["emotion"]) for row in rows], np.int8)


def assert_engines_agree(make: type[SVM], images: np.ndarray, labels: np.ndarray) -> None:
    """Fitted on all but the last 500 images, every installed engine predicts of those what scikit-learn does."""
    seen = Part(images[:-500], labels[:-500])
    probabilities = {}
    for name in filter(find_spec, ("sklearn", "sklearnex", "jax")):
        runner = make(engine=name)
        assert runner.fit(seen, None, context()).extra["engine"] == name
        probabilities[name] = runner.predict_proba(images[-500:])
    if len(probabilities) == 1:
        pytest.skip("neither sklearnex nor jax is installed")
    for name, given in probabilities.items():
        np.testing.assert_array_equal(given.argmax(axis=1), probabilities["sklearn"].argmax(axis=1), name)
        # A decision next to 0 may give its vote to the other class: seen once in 500 images, and not in the
        # predictions.
        assert np.quantile(np.abs(given - probabilities["sklearn"]).max(axis=1), 0.99) < 5e-3


def test_engines_agree_on_2000_real_faces(fer2013: Path) -> None:
    assert_engines_agree(SVM, *real_faces(fer2013, 2500))


def test_engines_agree_on_the_embedded_set() -> None:
    embedded = synthetic()
    assert_engines_agree(HogSVM, embedded.images, embedded.labels)


def test_svm_is_the_notebooks(engine: str, train: Part, test: Part) -> None:
    scaler = MinMaxScaler().fit(train.images.reshape(-1, 2304))
    reference = SVC().fit(scaler.transform(train.images.reshape(-1, 2304)), train.labels)
    expected = reference.predict(scaler.transform(test.images.reshape(-1, 2304)))
    runner = SVM(engine=engine)
    runner.fit(train, faces(140, seed=3), context())
    np.testing.assert_array_equal(runner.predict_proba(test.images).argmax(axis=1), expected)


@pytest.mark.parametrize("classes", [(1, 4), (0, 2, 5), tuple(range(7))])
def test_the_machine_is_svc(engine: str, classes: tuple[int, ...]) -> None:
    train, test = faces(150, 5, classes, mislabelled=0.3), faces(300, 6, classes)
    weights = np.linspace(0.5, 2, 150)
    machine = SupportVectorMachine(C=2.0, engine=engine).fit(pixels(train.images), train.labels, weights)
    reference = SVC(C=2.0).fit(pixels(train.images), train.labels, weights)
    scores, expected = machine.decision_function(pixels(test.images), chunk=128), reference.predict(pixels(test.images))

    assert machine.classes_.tolist() == list(classes)
    np.testing.assert_array_equal(machine.predict(pixels(test.images)), expected)
    if engine == "sklearn" and len(classes) > 2:  # the other solvers stop elsewhere within the tolerance
        np.testing.assert_allclose(scores, reference.decision_function(pixels(test.images)), atol=2e-3)


def test_the_machine_breaks_ties_as_svc_does() -> None:
    # Labels at random: votes tie often, and a tie is where the largest score and SVC's prediction part.
    rng = np.random.default_rng(0)
    rows, labels, asked = rng.normal(size=(300, 3)), rng.integers(0, 7, 300), rng.normal(size=(1000, 3))
    machine = SupportVectorMachine(gamma=2.0).fit(rows, labels)
    reference = SVC(gamma=2.0).fit(rows, labels)
    assert (machine.decision_function(asked).argmax(axis=1) != reference.predict(asked)).sum() > 5
    np.testing.assert_array_equal(machine.predict(asked), reference.predict(asked))


def test_a_weight_counts_rows(engine: str) -> None:
    train, asked = faces(150, 5, mislabelled=0.3), pixels(faces(200, 6).images)
    rows, counts = pixels(train.images), np.arange(150) % 3
    counts[train.labels == 4] = 0 if engine == "jax" else 1  # scikit-learn can't do without a whole class
    weighted = SupportVectorMachine(gamma=0.01, engine=engine).fit(rows, train.labels, counts)
    repeated = SupportVectorMachine(gamma=0.01, engine=engine).fit(rows.repeat(counts, 0), train.labels.repeat(counts))
    assert weighted.classes_.tolist() == repeated.classes_.tolist()
    np.testing.assert_allclose(weighted.decision_function(asked), repeated.decision_function(asked), atol=2e-3)


@pytest.mark.parametrize("C", [1.0, 20.0])
def test_jax_solves_the_dual(C: float) -> None:
    pytest.importorskip("jax")
    from fer_bench.runners.smo import solve

    train = faces(500, seed=5, mislabelled=0.3)
    rows, labels = pixels(train.images), train.labels.astype(int)
    bounds, gamma = (C * np.linspace(0.5, 2, len(rows))).astype(np.float32), 2e-3
    gram = rbf_kernel(rows.astype(np.float64), gamma=gamma)
    solution = solve(rows, labels, bounds, gamma)
    assert (solution.gap <= 1e-3).all()
    for pair, (first, second) in enumerate(combinations(range(7), 2)):
        inside = (labels == first) | (labels == second)
        y, beta = np.where(labels[inside] == first, 1.0, -1.0), solution.coefficients[inside, pair].astype(float)
        alpha, bound, own = y * beta, bounds[inside].astype(float), gram[np.ix_(inside, inside)]
        assert not solution.coefficients[~inside, pair].any()
        assert ((alpha >= 0) & (alpha <= bound)).all()
        assert abs(beta.sum()) < 1e-5 * C
        slope, full = y - own @ beta, alpha == bound
        rising = np.where(y > 0, ~full, alpha > 0)
        falling = np.where(y > 0, alpha > 0, ~full)
        assert slope[rising].max() - slope[falling].min() < 1.1e-3
        reference = SVC(C=1.0, kernel="precomputed").fit(own, y, bound)
        best = np.abs(reference.dual_coef_).sum() - _quadratic(own, reference.support_, reference.dual_coef_[0])
        assert alpha.sum() - beta @ own @ beta / 2 == pytest.approx(best, rel=1e-4)
        assert solution.intercept[pair] == pytest.approx(reference.intercept_[0], abs=2e-3)


def _quadratic(gram: np.ndarray, support: np.ndarray, dual: np.ndarray) -> float:
    return float(dual @ gram[np.ix_(support, support)] @ dual / 2)


def test_equal_rows_with_unequal_labels_are_solved() -> None:
    pytest.importorskip("jax")
    rows = np.repeat(np.random.default_rng(0).normal(size=(40, 5)), 2, axis=0).astype(np.float32)
    labels = np.tile([0, 1], 40)
    labels[:20] = 0
    machine = SupportVectorMachine(engine="jax").fit(rows, labels)
    np.testing.assert_array_equal(machine.predict(rows[:20]), SVC().fit(rows, labels).predict(rows[:20]))


def test_a_fit_that_does_not_converge_says_so_once() -> None:
    pytest.importorskip("jax")
    from fer_bench.runners.smo import solve

    train = faces(100, seed=5, classes=(0, 1, 2))
    with pytest.warns(
        ConvergenceWarning, match=r"stopped at 3 iterations .* in 3 of 3 pairs .*0-1, 0-2, 1-2"
    ) as caught:
        solution = solve(pixels(train.images), train.labels.astype(int), np.ones(100), 0.01, limit=3)
    assert len(caught) == 1
    assert (solution.iterations == 3).all()


def test_a_gram_matrix_that_does_not_fit_says_what_it_needs() -> None:
    pytest.importorskip("jax")
    from fer_bench.runners.smo import solve

    count = 6_000_000  # more than a process can address, so that no system grants it and regrets it later
    with pytest.raises(MemoryError, match=r"6,000,000 rows takes 144,000\.0 GB.*take engine=sklearnex"):
        solve(np.zeros((count, 1), np.float32), np.arange(count) % 2, np.ones(count), 1.0)


def test_a_machine_of_jax_works_where_jax_is_missing(
    train: Part, test: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jax")
    runner, loaded, elsewhere = SVM(engine="jax"), SVM(engine="jax"), SVM()
    runner.fit(train, None, context())
    probabilities = runner.predict_proba(test.images)
    runner.save(tmp_path)
    loaded.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(test.images), probabilities)
    for module in ("jax", "jaxlib", "fer_bench.runners.smo"):
        monkeypatch.setitem(sys.modules, module, None)
    elsewhere.load(tmp_path)
    np.testing.assert_allclose(elsewhere.predict_proba(test.images), probabilities, atol=1e-4)


def test_a_saved_machine_is_as_large_as_its_support_vectors(engine: str, train: Part, tmp_path: Path) -> None:
    runner = SVM(engine=engine)
    summary = runner.fit(train, None, context())
    runner.predict_proba(train.images)
    runner.save(tmp_path)
    vectors = summary.extra["support_vectors"] * 2304 * 4
    assert vectors < (tmp_path / "model.skops").stat().st_size < 1.1 * vectors


def test_one_class_can_not_be_told_from_another() -> None:
    pytest.importorskip("jax")
    with pytest.raises(InputError, match="two classes to tell apart; the training part has 1"):
        SVM(engine="jax").fit(faces(20, seed=5, classes=(3,)), None, context())


def test_the_record_names_what_jax_ran_on(tiny_npz: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    (record,) = fer_bench.run(["svm[engine=jax]"], data=tiny_npz, results=tmp_path, device="cpu")
    assert record.status == "ok"
    assert record.training.extra["engine"] == "jax"
    assert record.training.extra["iterations"] > 0
    assert (record.environment.backend, record.environment.device) == ("jax", "cpu")


def test_auto_is_the_fastest_engine_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"sklearnex", "jax"}
    monkeypatch.setattr("fer_bench.runners.svm.find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr("fer_bench.runners.svm.gpu_backends", lambda: ["jax", "torch"])
    assert [best_engine(device) for device in ("cpu", "gpu:1")] == ["sklearnex", "jax"]
    monkeypatch.setattr("fer_bench.runners.svm.gpu_backends", lambda: ["torch"])
    assert best_engine("gpu:0") == "sklearnex"
    installed.clear()
    assert best_engine("gpu:0") == "sklearn"
    assert SVM().fit(faces(60, seed=5), None, context(device="gpu:0")).extra["engine"] == "sklearn"
    with pytest.raises(InputError, match="pip install scikit-learn-intelex"):
        SVM(engine="sklearnex")
    with pytest.raises(InputError, match=r"pip install 'fer-bench\[jax\]'"):
        SVM(engine="jax")
