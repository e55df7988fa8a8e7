"""The embedded set: the same on every machine, stratified, and neither trivial nor hopeless."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from fer_bench.data.dataset import EMOTIONS, USAGES
from fer_bench.data.synthetic import synthetic

DIGEST = "e17fdafbdadec25953feeb7d123b4a72aba991d4a91ebfc61c8dcab4755005cf"


@pytest.fixture(scope="module")
def faces():
    return synthetic()


def test_has_the_digest_that_committed_results_name(faces):
    assert faces.digest == DIGEST


def test_is_the_same_without_the_processors_vector_instructions():
    """Another machine's numpy picks other code paths; with all of them off, the bytes stay."""
    core = sys.modules.get("numpy._core._multiarray_umath") or sys.modules["numpy.core._multiarray_umath"]
    features = " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))
    code = "from fer_bench.data.synthetic import synthetic; print(synthetic().digest)"
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": features}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == DIGEST


def test_another_seed_gives_other_faces_under_another_name(faces):
    other = synthetic(140, seed=1)
    assert other.digest != synthetic(140, seed=2).digest
    assert other.name != faces.name


def test_usages_are_shared_out_evenly_over_the_emotions(faces):
    assert faces.classes == EMOTIONS
    shares = np.bincount(faces.usage) / len(faces)
    np.testing.assert_allclose(shares, [0.70, 0.15, 0.15], atol=0.01)
    for label in range(7):
        own = np.bincount(faces.usage[faces.labels == label], minlength=3)
        np.testing.assert_allclose(own / own.sum(), [0.70, 0.15, 0.15], atol=0.02)
    counts = faces.counts()
    assert min(counts, key=counts.get) == "disgust"
    assert max(counts, key=counts.get) == "happiness"


@pytest.mark.parametrize("images", [70, 71, 333])
def test_every_emotion_stands_in_every_part_of_a_small_set(images):
    faces = synthetic(images, seed=5)
    assert len(faces) == images
    for code in range(len(USAGES)):
        assert min(faces.counts(faces.usage == code).values()) > 0


def test_refuses_a_set_too_small_to_be_split():
    with pytest.raises(ValueError, match="70"):
        synthetic(69)


def test_two_in_a_hundred_test_images_are_copies_with_the_same_label(faces):
    training = {faces.images[row].tobytes(): faces.labels[row] for row in np.flatnonzero(faces.usage == 0)}
    for code in (1, 2):
        rows = np.flatnonzero(faces.usage == code)
        copies = [row for row in rows if faces.images[row].tobytes() in training]
        assert len(copies) == round(0.02 * len(rows))
        assert all(training[faces.images[row].tobytes()] == faces.labels[row] for row in copies)


def test_models_differ_on_it(faces):
    """Test accuracy: chance 0.18, pixels and a linear model about 0.57, HOG and an SVM about 0.80; nothing near 1."""
    from skimage.feature import hog
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from threadpoolctl import threadpool_limits

    train, test = faces.usage == 0, faces.usage > 0
    pixels = faces.images.reshape(len(faces), -1).astype(np.float32)
    linear = make_pipeline(StandardScaler(), PCA(200, random_state=0), LogisticRegression(C=0.01, max_iter=500))
    shapes = np.array([hog(image, 9, (6, 6), (2, 2)) for image in faces.images])
    with threadpool_limits(1):  # small matrices: threads only wait for each other
        linear_accuracy = linear.fit(pixels[train], faces.labels[train]).score(pixels[test], faces.labels[test])
        hog_accuracy = SVC(C=5).fit(shapes[train], faces.labels[train]).score(shapes[test], faces.labels[test])
    assert 0.50 < linear_accuracy < 0.72
    assert 0.74 < hog_accuracy < 0.88
