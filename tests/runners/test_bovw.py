"""The bag of visual words: its histograms against a plain loop, and mirrors against learning from both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_faces import context, faces
from scipy import sparse
from threadpoolctl import threadpool_limits

from fer_bench.errors import InputError
from fer_bench.runners.bovw import BagOfVisualWords
from fer_bench.runners.dense_sift import LENGTH, dense_sift, places
from fer_bench.runners.visual_words import VisualWords, counts, with_mirror


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


SMALL = {"bin_widths": (3, 6), "step": 4, "coarse": 4, "fine": 3, "components": 16, "grids": (1, 3)}


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), 48 * 48)


@pytest.fixture(scope="module")
def visual() -> VisualWords:
    return VisualWords(**SMALL, random_state=1).fit(flat(faces(60, 0).images))


@pytest.mark.parametrize("grid", [1, 3, 4])
def test_counts_are_those_of_a_plain_loop(grid: int) -> None:
    at = places(4, 3)
    words = np.random.default_rng(0).integers(0, 10, (3, len(at), len(at)))
    expected = np.zeros((3, grid, grid, 10))
    for image in range(3):
        for i, row in enumerate(at):
            for j, column in enumerate(at):
                expected[image, int((row + 0.5) * grid / 48), int((column + 0.5) * grid / 48), words[image, i, j]] += 1
    assert not ((at + 0.5) * grid % 48 == 0).any()  # where none lies on a border, there is no question
    found = counts(words, 4, 3, grid, 10)
    np.testing.assert_array_equal(found.toarray(), expected.reshape(3, -1))
    assert found.dtype == np.float32
    assert found.sum() == 3 * len(at) ** 2


@pytest.mark.parametrize("grid", [1, 3, 4])
def test_mirrors_are_added(grid: int) -> None:
    """Each pair of columns of the plain histogram, a word in a region and its mirror, is one column."""
    words = np.random.default_rng(1).integers(0, 10, (4, len(places(4, 3)), len(places(4, 3))))
    mirror = (words[:, :, ::-1] + 5) % 10
    plain = sum(np.sqrt(counts(some, 4, 3, grid, 10).toarray()) for some in (words, mirror))
    found = with_mirror(words, 4, 3, grid, 10).toarray()
    assert found.shape == (4, grid * grid * 5)
    np.testing.assert_allclose(np.sort(np.repeat(found, 2, axis=1)), np.sort(plain), atol=1e-6)
    np.testing.assert_allclose(with_mirror(mirror, 4, 3, grid, 10).toarray(), found, atol=1e-6)


def test_a_linear_machine_learns_the_same_from_images_and_their_mirrors() -> None:
    """Ridge regression has a closed form, so that the two can be held against each other."""
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(2)
    words, labels = rng.integers(0, 10, (40, 12, 12)), rng.normal(size=40)
    mirror = (words[:, :, ::-1] + 5) % 10
    plain = [np.sqrt(counts(some, 4, 3, 3, 10).toarray()) for some in (words, mirror)]
    both = Ridge(alpha=2.0, fit_intercept=False).fit(np.concatenate(plain), np.tile(labels, 2))
    added = with_mirror(words, 4, 3, 3, 10)
    # Of a word and its mirror both weights are equal: twice the loss and twice the penalty, on the sum of the two.
    once = Ridge(alpha=2.0, fit_intercept=False).fit(added.toarray(), labels)
    np.testing.assert_allclose(once.predict(added.toarray()), both.predict(plain[0]), atol=1e-3)


def test_rows_are_unit_vectors_of_the_pyramid(visual: VisualWords) -> None:
    images = faces(90, 3).images
    rows = visual.transform(flat(images))
    assert sparse.isspmatrix_csr(rows)
    assert rows.shape == (90, 2 * (1 + 9) * 12 // 2)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.sqrt(rows.multiply(rows).sum(axis=1)), 1, atol=1e-5)
    np.testing.assert_allclose(rows[70:75].toarray(), visual.transform(flat(images[70:75])).toarray(), atol=1e-6)
    assert visual.transform(flat(images[:0])).shape == (0, rows.shape[1])
    # By hand: the descriptors of the first size, counted in the whole image, are the first columns.
    vocabulary = visual.vocabularies_[0]
    words = vocabulary.predict(dense_sift(images[:1], 3, 4).reshape(-1, LENGTH))
    count = np.bincount(words, minlength=12)
    expected = np.sqrt(count[:6]) + np.sqrt(count[6:])
    found = rows[0, :6].toarray()[0]
    np.testing.assert_allclose(found / found.sum(), expected / expected.sum(), atol=1e-5)


def test_it_learns_saves_loads_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    tuned = BagOfVisualWords.recipes["tuned"]
    small = replace(tuned, options=(("C", 1.0), ("coarse", 4), ("components", 16), ("fine", 3), ("step", 4)))
    monkeypatch.setattr(BagOfVisualWords, "recipes", {"tuned": small})
    train, validation, test = (faces(count, seed, strength=80) for seed, count in enumerate((200, 70, 100)))
    first, again, loaded = BagOfVisualWords(), BagOfVisualWords(), BagOfVisualWords()
    summary = first.fit(train, validation, context())
    probabilities = first.predict_proba(test.images)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities.argmax(axis=1) == test.labels).mean() > 0.5
    assert summary.extra["temperature"] > 0
    np.testing.assert_array_equal(first.estimator.predict(first.features(test.images)), probabilities.argmax(axis=1))

    again.fit(train, validation, context())
    np.testing.assert_array_equal(again.predict_proba(test.images), probabilities)
    first.save(tmp_path)
    loaded.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(test.images), probabilities)

    (tmp_path / "model.skops").write_bytes((tmp_path / "model.skops").read_bytes()[:2000])
    with pytest.raises(InputError, match="not a readable model"):
        loaded.load(tmp_path)
