"""Augmentation against SciPy and ImageDataGenerator's formulas, calculated here a second time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fer_bench.api.recipe import Augmentation


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """(6, 48, 48, 1) float32 in 0..255, smooth and lopsided."""
    noise = np.random.default_rng(3).normal(size=(6, 48, 48))
    smooth = ndimage.gaussian_filter(noise, (0, 3, 3))
    smooth = (smooth - smooth.min()) / np.ptp(smooth) * 255
    return smooth[..., None].astype("float32")


def image_data_generator(image, theta, tx, ty, shear, zx, zy, flip):
    """Keras 2's apply_affine_transform (order=1, fill_mode="nearest") of one (H, W) image, then its flip."""
    theta, shear = np.deg2rad(theta), np.deg2rad(shear)
    rotation = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    shift = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    slant = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    zoom = np.diag([zx, zy, 1.0])
    h, w = image.shape
    to_centre = np.array([[1, 0, h / 2 - 0.5], [0, 1, w / 2 - 0.5], [0, 0, 1]])
    back = np.array([[1, 0, -h / 2 + 0.5], [0, 1, -w / 2 + 0.5], [0, 0, 1]])
    matrix = to_centre @ rotation @ shift @ slant @ zoom @ back
    out = ndimage.affine_transform(image.astype("float64"), matrix[:2, :2], matrix[:2, 2], order=1, mode="nearest")
    return out[:, ::-1] if flip < 0 else out


def test_affine_is_image_data_generators(faces):
    from keras import ops

    from fer_bench.training.augment import affine_matrix, resample

    theta = np.array([0, 15, -30, 7, 0, -12], "float32")
    tx = np.array([0, 3.2, -7, 0, 4, 2.5], "float32")
    ty = np.array([0, -5.1, 2, 0, -6, 1.5], "float32")
    shear = np.array([0, 10, -20, 15, 0, 8], "float32")
    zx = np.array([1, 0.85, 1.3, 1.1, 1, 0.7], "float32")
    zy = np.array([1, 1.15, 0.7, 0.95, 1, 1.2], "float32")
    flip = np.array([1, -1, 1, -1, -1, 1], "float32")
    matrix, offset = affine_matrix(theta, (tx, ty), shear, (zx, zy), flip)
    ours = ops.convert_to_numpy(resample(ops.convert_to_tensor(faces / 255), matrix, offset))[..., 0]
    for i in range(len(faces)):
        theirs = image_data_generator(faces[i, ..., 0] / 255, theta[i], tx[i], ty[i], shear[i], zx[i], zy[i], flip[i])
        np.testing.assert_allclose(ours[i], theirs, atol=1e-4, err_msg=f"image {i}")


def test_blur_is_scipys(faces):
    from keras import ops

    from fer_bench.training.augment import gaussian_blur

    sigma = np.array([0.0, 0.3, 0.5, 0.8, 1.0, 1.5], "float32")
    ours = ops.convert_to_numpy(gaussian_blur(ops.convert_to_tensor(faces), sigma, radius=5))[..., 0]
    for i, s in enumerate(sigma):
        theirs = ndimage.gaussian_filter(faces[i, ..., 0].astype("float64"), max(s, 1e-3), mode="nearest", radius=5)
        np.testing.assert_allclose(ours[i], theirs, atol=1e-2, err_msg=f"sigma {s}")


EVERYTHING = Augmentation(
    rotation=15,
    shift=0.1,
    shear=10,
    zoom=0.1,
    flip=True,
    crop=4,
    noise=0.05,
    blur=1,
    contrast=0.3,
    erase=0.5,
    mixup=0.4,
    cutmix=1.0,
)


def run(augmentation: Augmentation, images: np.ndarray, seed: int = 1, training: bool = True) -> np.ndarray:
    from keras import ops

    from fer_bench.training.augment import Augment

    return ops.convert_to_numpy(Augment(augmentation, seed)(images, training=training))


def test_no_change_outside_training(faces):
    np.testing.assert_array_equal(run(EVERYTHING, faces, training=False), faces)
    np.testing.assert_array_equal(run(Augmentation(), faces), faces)


def test_seed_decides(faces):
    a, b, other = run(EVERYTHING, faces, 1), run(EVERYTHING, faces, 1), run(EVERYTHING, faces, 2)
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - other).mean() > 1
    assert a.min() >= 0
    assert a.max() <= 255


def test_each_call_draws_anew(faces):
    from keras import ops

    from fer_bench.training.augment import Augment

    layer = Augment(Augmentation(rotation=15), 1)
    first, second = (ops.convert_to_numpy(layer(faces, training=True)) for _ in range(2))
    assert np.abs(first - second).mean() > 1


def test_flip_mirrors_about_half_exactly(faces):
    many = np.repeat(faces[:1], 200, axis=0)
    out = run(Augmentation(flip=True), many)
    same = (out == many).all(axis=(1, 2, 3))
    mirrored = (out == many[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_crop_shifts_by_whole_pixels_within_its_range(faces):
    many = np.repeat(faces[:1], 200, axis=0)
    out = run(Augmentation(crop=2), many)
    padded = np.pad(faces[0, ..., 0], 2, mode="edge")
    possible = {(i, j): padded[i : i + 48, j : j + 48] for i in range(5) for j in range(5)}
    seen = [next(at for at, image in possible.items() if np.array_equal(image, one[..., 0])) for one in out]
    assert len(set(seen)) == 25


def test_a_window_lies_anywhere_in_training_and_else_in_the_middle(faces):
    from keras import ops

    from fer_bench.training.augment import Augment

    many = np.repeat(faces[:1], 300, axis=0)
    layer = Augment(Augmentation(), 1, window=45)
    out = ops.convert_to_numpy(layer(many, training=True))
    assert out.shape == layer.compute_output_shape(many.shape) == (300, 45, 45, 1)
    possible = {(i, j): faces[0, i : i + 45, j : j + 45] for i in range(4) for j in range(4)}
    seen = [next(at for at, image in possible.items() if np.array_equal(image, one)) for one in out]
    assert set(seen) == set(possible)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(faces, training=False)), faces[:, 1:46, 1:46])


def test_the_middle_is_where_prediction_looks(faces):
    from keras import ops

    from fer_bench.training.augment import Augment
    from fer_bench.training.preprocess import Preprocess

    middle = ops.convert_to_numpy(Augment(Augmentation(), window=41)(faces, training=False)) / 255
    np.testing.assert_allclose(ops.convert_to_numpy(Preprocess(41, window=41)(faces)), middle, atol=1e-6)


def test_noise_has_the_named_spread():
    gray = np.full((50, 48, 48, 1), 128, "float32")
    assert run(Augmentation(noise=0.1), gray).std() == pytest.approx(25.5, rel=0.02)


def test_contrast_keeps_the_mean(faces):
    middle = 100 + faces / 10
    out = run(Augmentation(contrast=0.5), middle)
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), middle.mean(axis=(1, 2, 3)), rtol=1e-4)
    ratio = out.std(axis=(1, 2, 3)) / middle.std(axis=(1, 2, 3))
    assert (ratio > 0.5 - 1e-3).all()
    assert (ratio < 1.5 + 1e-3).all()
    assert np.ptp(ratio) > 0.1


def test_erase_blanks_one_rectangle_in_its_share_of_images(faces):
    many = np.repeat(faces[:1], 300, axis=0)
    out = run(Augmentation(erase=0.5), many)
    changed = (out != many)[..., 0]
    touched = changed.any(axis=(1, 2))
    assert 110 < touched.sum() < 190
    for one in changed[touched]:
        rows, columns = one.any(1), one.any(0)
        box = one[rows.argmax() : 48 - rows[::-1].argmax(), columns.argmax() : 48 - columns[::-1].argmax()]
        assert box.mean() > 0.95
        assert 0.01 < box.size / 48**2 < 0.4


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_pairs_images_by_the_larger_part_of_a_beta_draw(alpha):
    from scipy import stats

    from fer_bench.training.augment import Augment

    dark, bright = np.zeros((2000, 4, 4, 1), np.uint8), np.full((2000, 4, 4, 1), 255, np.uint8)
    layer = Augment(Augmentation(mixup=alpha), seed=5)
    mixed = np.asarray(layer(np.concatenate([dark, bright]), training=True))[:, 0, 0, 0] / 255
    share = np.asarray(layer.share)
    np.testing.assert_allclose(np.concatenate([1 - mixed[:2000], mixed[2000:]]), share, atol=1e-5)
    drawn = np.concatenate([share, 1 - share])  # either image of a pair may have the larger part
    assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).statistic < 0.02
    layer(dark[:2], training=False)
    assert layer.share is None


def boxes_of_the_paper(alpha: float, side: int, count: int) -> np.ndarray:
    """Shares (count,) that images keep under CutMix as its authors wrote it (Yun et al. 2019, algorithm 1)."""
    rng = np.random.default_rng(3)
    length = (side * np.sqrt(1 - rng.beta(alpha, alpha, count))).astype(int)
    ends = []
    for middle in rng.integers(0, side, (2, count)):
        ends.append(np.clip(middle + length // 2, 0, side) - np.clip(middle - length // 2, 0, side))
    return 1 - ends[0] * ends[1] / side**2


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_cutmix_pastes_a_box_whose_area_is_the_labels_share(alpha):
    from scipy import stats

    from fer_bench.training.augment import Augment

    dark, bright = np.zeros((1500, 40, 40, 1), np.uint8), np.full((1500, 40, 40, 1), 255, np.uint8)
    layer = Augment(Augmentation(cutmix=alpha), seed=5)
    mixed = np.asarray(layer(np.concatenate([dark, bright]), training=True))[..., 0]
    assert set(np.unique(mixed)) == {0, 255}
    pasted = (mixed == 255) != np.repeat([False, True], 1500)[:, None, None]
    np.testing.assert_allclose(1 - pasted.mean(axis=(1, 2)), np.asarray(layer.share), atol=1e-6)
    for one in pasted[:200]:
        np.testing.assert_array_equal(one, one.any(axis=1)[:, None] & one.any(axis=0))
    # They round a box's sides down to even numbers of pixels.
    assert stats.ks_2samp(np.asarray(layer.share), boxes_of_the_paper(alpha, 4000, 3000)).statistic < 0.05


def test_a_batch_is_mixed_either_way_where_both_are_asked_for():
    from fer_bench.training.augment import Augment

    layer = Augment(Augmentation(mixup=1.0, cutmix=1.0), seed=5)
    batch = np.repeat([0, 255], 30).astype(np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 20, 20, 1), np.uint8)
    ways = set()
    for _ in range(12):
        mixed, share = np.asarray(layer(batch, training=True)), np.asarray(layer.share)
        own = np.where(batch == 255, mixed, 255 - mixed).mean(axis=(1, 2, 3)) / 255
        np.testing.assert_allclose(own, share, atol=1e-5)
        cut = np.isin(mixed, (0, 255)).all(axis=(1, 2, 3))
        ways.add("cut" if cut.all() else "mixed" if cut.mean() < 0.2 else "some of each")
    assert ways == {"cut", "mixed"}


def test_layer_survives_its_config():
    from fer_bench.training.augment import Augment

    again = Augment.from_config(Augment(EVERYTHING, 7, 40).get_config())
    assert (again.augmentation, again.seed, again.window) == (EVERYTHING, 7, 40)


def test_a_model_that_augments_can_still_be_compiled_by_xla():
    import keras

    from fer_bench.training.augment import Augment

    images = keras.Input((48, 48, 1), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D()(Augment(EVERYTHING, 1)(images))
    model = keras.Model(images, keras.layers.Dense(2)(x))
    model.compile("sgd", "mse", jit_compile=True)
    assert model.jit_compile
    history = model.fit(np.zeros((8, 48, 48, 1), np.uint8), np.zeros((8, 2)), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_augmentation_runs_inside_the_compiled_step(monkeypatch):
    """However many steps, its Python runs while tracing only; left to Keras's choice of what to compile, as in
    training.
    """
    import keras

    from fer_bench.training.augment import Augment

    traced = []
    call = Augment.call

    def counted(self, images, training=False):
        traced.append(training)
        return call(self, images, training)

    monkeypatch.setattr(Augment, "call", counted)
    images = keras.Input((48, 48, 1), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D()(Augment(EVERYTHING, 1)(images))
    model = keras.Model(images, keras.layers.Dense(2)(x))
    model.compile("sgd", "mse")
    inputs, targets = np.zeros((40, 48, 48, 1), np.uint8), np.zeros((40, 2))
    model.fit(inputs, targets, batch_size=4, verbose=0)
    before = len(traced)
    model.fit(inputs, targets, batch_size=4, epochs=3, verbose=0)
    assert len(traced) - before <= 2
    assert all(getattr(layer, "supports_jit", True) for layer in model.layers)
