"""knn, random-forest, logistic-regression and lbp-svm: against scikit-learn itself, and as all runners must be."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_faces import context, faces
from threadpoolctl import threadpool_limits

import fer_bench
from fer_bench.api import registry
from fer_bench.api.context import Part
from fer_bench.api.runner import Runner
from fer_bench.errors import InputError
from fer_bench.runners.described import mirrored
from fer_bench.runners.features import hog, pixels
from fer_bench.runners.lbp import lbp

#: Fewer trees and components than the recipes have: these sets are small.
FEWER = {"trees": 20, "components": 24, "neighbours": 7}
SPECS = [
    "knn",
    "knn[features=pixels]",
    "random-forest",
    "random-forest[features=hog]",
    "logistic-regression",
    "logistic-regression[features=pixels]",
    "lbp-svm[engine=sklearn]",
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def make(spec: str, **changes: object) -> Runner:
    runner = registry.make(spec)
    options = {name: FEWER.get(name, value) for name, value in runner.recipe.options}
    runner.recipe = replace(runner.recipe, options=tuple((options | changes).items()))
    return runner


@pytest.mark.parametrize("spec", SPECS)
def test_a_runner_learns_saves_loads_and_repeats(spec: str, tmp_path: Path) -> None:
    train, validation, test = (faces(count, seed, strength=80) for seed, count in enumerate((200, 70, 100)))
    first, again, loaded = make(spec), make(spec), make(spec)
    first.fit(train, validation, context())
    probabilities = first.predict_proba(test.images)
    assert probabilities.shape == (100, 7)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities.argmax(axis=1) == test.labels).mean() > 0.5

    again.fit(train, validation, context())
    np.testing.assert_array_equal(again.predict_proba(test.images), probabilities)
    first.save(tmp_path)
    loaded.load(tmp_path)
    np.testing.assert_allclose(loaded.predict_proba(test.images), probabilities, atol=1e-6)

    (tmp_path / "model.skops").write_bytes((tmp_path / "model.skops").read_bytes()[:1000])
    with pytest.raises(InputError, match="not a readable model"):
        loaded.load(tmp_path)


@pytest.mark.parametrize("spec", SPECS)
def test_an_emotion_that_never_trained_gets_nothing(spec: str) -> None:
    runner = make(spec)
    runner.fit(faces(120, seed=5, classes=(0, 2, 3, 6)), faces(50, seed=6), context())
    probabilities = runner.predict_proba(faces(60, seed=7).images)
    assert not probabilities[:, [1, 4, 5]].any()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("name", "describe"), [("hog", hog), ("pixels", pixels)])
def test_logistic_regression_is_scikit_learns_on_images_and_mirrors(name, describe) -> None:
    from sklearn.linear_model import LogisticRegression

    train, test = faces(80, 1), faces(40, 2)
    runner = make(f"logistic-regression[features={name}]", C=0.5, mirrored=True)
    runner.fit(train, None, context())
    both = np.concatenate([describe(train.images), describe(train.images[:, :, ::-1])])
    expected = LogisticRegression(C=0.5, max_iter=200).fit(both, np.tile(train.labels, 2))
    np.testing.assert_allclose(
        runner.predict_proba(test.images), expected.predict_proba(describe(test.images)), atol=1e-4
    )


def test_the_nearest_neighbours_vote() -> None:
    """By hand: the cosine between principal components, and votes by the inverse of the distance of unit vectors."""
    train, test = faces(90, 3), faces(20, 4)
    runner = make("knn[features=pixels]", mirrored=False)
    runner.fit(train, None, context())
    rows = pixels(train.images).astype(np.float64)
    mean = rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows - mean, full_matrices=False)

    def unit(rows: np.ndarray) -> np.ndarray:
        seen = (rows - mean) @ axes[:24].T
        return seen / np.linalg.norm(seen, axis=1, keepdims=True)

    for row, found in zip(unit(pixels(test.images)), runner.predict_proba(test.images), strict=True):
        distance = np.linalg.norm(unit(rows) - row, axis=1)
        near = np.argsort(distance)[:7]
        votes = np.bincount(train.labels[near], 1 / distance[near], minlength=7)
        np.testing.assert_allclose(found, votes / votes.sum(), atol=1e-3)


@pytest.mark.parametrize("name", ["knn", "random-forest", "logistic-regression", "lbp-svm", "bovw"])
def test_seven_images_are_enough_for_the_recipe_itself(name: str) -> None:
    few = Part(faces(7, 0).images, np.arange(7, dtype=np.int8))
    runner = registry.make(name)
    runner.fit(few, None, context())
    np.testing.assert_allclose(runner.predict_proba(few.images).sum(axis=1), 1, atol=1e-6)


def test_a_run_on_the_embedded_set_beats_chance(tmp_path: Path) -> None:
    """With the recipes as they are, in a process each; a seventh of the images is chance."""
    names = ["knn", "random-forest", "logistic-regression", "lbp-svm", "bovw"]
    records = fer_bench.run(names, data="synthetic", results=tmp_path, limit=20, jobs=2)
    assert [record.status for record in records] == ["ok"] * 5
    for record in records:
        assert record.scores is not None
        assert record.scores.accuracy > 0.25, record.job.runner


def test_the_seed_of_the_job_decides_which_trees_grow() -> None:
    train, test = faces(80, 1), faces(30, 2)
    found = []
    for key in ("one", "one", "other"):
        runner = make("random-forest")
        runner.fit(train, None, context(key=key))
        found.append(runner.predict_proba(test.images))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_weights_count_where_they_can() -> None:
    train, test = faces(140, 1, strength=60), faces(60, 2, strength=60)
    ignored = Part(train.images, train.labels, np.where(train.labels == 3, 0, 1).astype(np.float32))
    for spec in ("random-forest", "logistic-regression"):
        runner = make(spec)
        runner.fit(ignored, None, context())
        assert not (runner.predict_proba(test.images).argmax(axis=1) == 3).any(), spec
    with pytest.raises(InputError, match="KNeighborsClassifier takes no sample weights; balance the training part"):
        make("knn").fit(ignored, None, context())


def test_lbp_svm_is_scikit_learns_machine_on_the_histograms() -> None:
    from sklearn.svm import SVC

    train, test = faces(120, 1, strength=40), faces(60, 2, strength=40)
    runner = make("lbp-svm[engine=sklearn]", C=5.0, gamma="scale", mirrored=False)
    runner.fit(train, None, context())
    expected = SVC(C=5.0).fit(lbp(train.images), train.labels).predict(lbp(test.images))
    np.testing.assert_array_equal(runner.predict_proba(test.images).argmax(axis=1), expected)


def test_mirrored_doubles_images_labels_and_weights() -> None:
    part = faces(5, 0)
    both = mirrored(Part(part.images, part.labels, np.arange(5, dtype=np.float32)))
    np.testing.assert_array_equal(both.images[5:], np.flip(part.images, axis=2))
    assert both.labels.tolist() == [*part.labels, *part.labels]
    assert both.weights is not None
    assert both.weights.tolist() == [0, 1, 2, 3, 4] * 2
    assert mirrored(part).weights is None


@pytest.mark.parametrize("name", ["knn", "random-forest", "logistic-regression"])
def test_features_that_nobody_has(name: str) -> None:
    with pytest.raises(InputError, match=f"runner {name} has no features 'sift'; it has "):
        registry.make(f"{name}[features=sift]")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("left_child", 0, "branches that lead nowhere"),  # for ever round
        ("right_child", 1 << 40, "branches that lead nowhere"),
        ("feature", 1 << 40, "asks for features that are none of 2,304"),
        ("feature", -5, "asks for features that are none of 2,304"),
    ],
)
def test_a_forest_whose_trees_lead_astray_is_not_loaded(field, value, message, tmp_path: Path) -> None:
    runner = make("random-forest", trees=2)
    runner.fit(faces(60, 0), None, context())
    tree = runner.estimator.estimators_[1].tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
    runner.save(tmp_path)
    with pytest.raises(InputError, match=f"tree 1 .*{message}"):
        make("random-forest").load(tmp_path)


def test_a_tree_of_less_than_no_nodes_is_not_loaded(tmp_path: Path) -> None:
    runner, path = make("random-forest", trees=2), tmp_path / "model.skops"
    runner.fit(faces(60, 0), None, context())
    runner.save(tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members["schema.json"].decode()
    changed, count = re.subn(r'("node_count": \{[^}]*?"content": ")\d+"', r'\g<1>-1"', schema)
    assert count == 2
    members["schema.json"] = changed.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="tree 0 has no nodes"):
        make("random-forest").load(tmp_path)
