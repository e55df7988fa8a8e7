"""Parameter counts: systems.md's figures, and sums over layer shapes written down here independently of the models."""

from __future__ import annotations

import itertools

import pytest

from fer_bench.api.registry import get
from fer_bench.runners.stacked_cnn import StackedCNN


def conv(size: int, before: int, after: int, bias: bool = True) -> int:
    return size * size * before * after + after * bias


def dense(*widths: int) -> int:
    return sum((before + 1) * after for before, after in itertools.pairwise(widths))


def vgg(*convolutions: int) -> int:
    """VGG with so many 3x3 convolutions in each of its five blocks."""
    total, before = 0, 3
    for count, after in zip(convolutions, (64, 128, 256, 512, 512), strict=True):
        total += conv(3, before, after) + (count - 1) * conv(3, after, after)
        before = after
    return total


def mini_xception(classes: int) -> tuple[int, int]:
    """(total, statistics of batch normalisation, which no gradient moves)."""
    total, normalised, before = conv(3, 1, 8, bias=False) + conv(3, 8, 8, bias=False), 8 + 8, 8
    for after in (16, 32, 64, 128):
        total += before * after  # the residual's 1x1
        total += 9 * before + before * after + 9 * after + after * after  # depthwise and pointwise, twice
        normalised += 3 * after
        before = after
    return total + 4 * normalised + conv(3, 128, classes), 2 * normalised


VGG16, VGG19 = vgg(2, 2, 3, 3, 3), vgg(2, 2, 4, 4, 4)
#: Without top, as Keras documents them: all, and the statistics of their batch normalisations.
INCEPTION, INCEPTION_STATISTICS = 21_802_784, 34_432
RESNET, RESNET_STATISTICS = 23_587_712, 53_120
#: Of ResNet50's last stage, the two blocks without a projection: 1x1, 3x3, 1x1, each with scale and offset.
RESNET_BLOCK = conv(1, 2048, 512) + conv(3, 512, 512) + conv(1, 512, 2048) + 2 * (512 + 512 + 2048)
STAGED = conv(3, 1, 32) + conv(3, 32, 64) + conv(3, 64, 128) + conv(3, 128, 128)


def counts(name: str, recipe: str = "published", classes: int = 7, **params: object) -> tuple[int, int]:
    found = get(name)(recipe, **params).count_parameters(classes)
    assert found is not None
    return found["total"], found["trainable"]


@pytest.mark.parametrize(
    ("name", "total", "trainable"),
    [
        ("mlp", 1_353_799, 1_353_799),
        ("custom-cnn", 353_287, 353_031),
        ("vgg19-frozen", 20_524_327, 499_943),
        ("vgg19-full", 20_027_975, 20_027_975),
        ("mini-xception", 58_423, 58_423 - mini_xception(7)[1]),
    ],
)
def test_as_the_sources_print_them(name: str, total: int, trainable: int) -> None:
    assert counts(name) == (total, trainable)
    normalised = 512 if name.startswith("vgg19") else 0  # tuned puts a batch normalisation behind the features
    assert counts(name, "tuned") == (total + 4 * normalised, trainable + 2 * normalised)


def test_stacked_cnn_as_its_notebook_prints_it() -> None:
    assert counts("stacked-cnn") == (75_303, 75_303)


@pytest.mark.parametrize(("backbone", "features"), [("vgg16", VGG16), ("vgg19", VGG19)])
def test_vgg_bottleneck(backbone: str, features: int) -> None:
    head = 266_247  # printed by the source
    assert head == dense(512, 512, 7)
    assert counts("vgg-bottleneck", backbone=backbone) == (features + head, head)


@pytest.mark.parametrize("classes", [6, 7])
def test_sums_over_layer_shapes(classes: int) -> None:
    assert counts("mlp", classes=classes)[0] == dense(48 * 48, 512, 256, 128, 64, 16, classes)
    cnn = conv(3, 3, 256) + conv(2, 256, 128) + conv(3, 128, 64) + dense(1024, 128, 64, 16, classes)
    assert counts("custom-cnn", classes=classes)[0] == cnn + 4 * 128
    assert counts("vgg19-frozen", classes=classes)[0] == VGG19 + dense(512, 512, 384, 96, 32, classes)
    assert counts("mini-xception", classes=classes)[0] == mini_xception(classes)[0]
    assert counts("staged-cnn", classes=classes)[0] == STAGED + dense(4 * 4 * 128, 1024, classes)


def test_inception_frozen_and_whole() -> None:
    head, flatten = dense(2048, 1024, 7), dense(7, 1024, 7)
    assert counts("inception-v3") == (INCEPTION + head, head)
    assert counts("inception-v3-flatten") == (INCEPTION + head + flatten, head + flatten)
    assert counts("inception-v3", "tuned")[1] == INCEPTION + head - INCEPTION_STATISTICS


def test_resnet50_unfreezes_its_last_two_blocks() -> None:
    head = dense(2048, 7)
    assert counts("resnet50") == (RESNET + head, 2 * RESNET_BLOCK + head)
    assert counts("resnet50", "tuned") == (RESNET + head, RESNET + head - RESNET_STATISTICS)


def squeeze(channels: int) -> int:
    return dense(channels, max(4, channels // 8), channels)


def fer_vgg(width: int, head: int, se: bool) -> int:
    """Pairs of 3x3 convolutions, each with batch normalisation; 44 pixels become 3 after four poolings, rounded up."""
    total, before = 0, 1
    for after in (width, 2 * width, 4 * width, 8 * width):
        total += conv(3, before, after, bias=False) + conv(3, after, after, bias=False) + 2 * 4 * after
        total += se * squeeze(after)
        before = after
    return total + 3 * 3 * before * head + 4 * head + dense(head, 7)


def fer_resnet(width: int, se: bool) -> int:
    """ResNet18 without biases: a stem, two blocks a stage, and a 1x1 projection where a stage halves the sides."""
    total, before = conv(3, 1, width, bias=False) + 4 * width, width
    for after in (width, 2 * width, 4 * width, 8 * width):
        for _ in range(2):
            total += conv(3, before, after, bias=False) + conv(3, after, after, bias=False) + 2 * 4 * after
            total += se * squeeze(after) + (before != after) * (before * after + 4 * after)
            before = after
    return total + dense(before, 7)


@pytest.mark.parametrize("se", [True, False])
def test_fer_net(se: bool) -> None:
    assert counts("fer-net", "cpu", se=se)[0] == fer_vgg(32, 512, se)
    assert counts("fer-net", "gpu", se=se)[0] == fer_vgg(64, 2048, se)
    assert counts("fer-net", "gpu", se=se, arch="resnet")[0] == fer_resnet(64, se)
    assert counts("fer-net", "cpu", se=se, arch="resnet", width=16)[0] == fer_resnet(16, se)


def test_fer_nets_resnet_is_resnet18() -> None:
    """torchvision's resnet18 has 11,689,512 parameters and 4,800 pairs of means and variances.

    Its stem sees three colours through 7x7, and its last layer has 1,000 classes.
    """
    torchvision = 11_689_512 + 2 * 4_800
    assert fer_resnet(64, se=False) == torchvision - (49 * 3 - 9) * 64 - dense(512, 1000) + dense(512, 7)


@pytest.mark.parametrize(("n", "m", "k", "filters"), [(1, 3, 1, 8), (2, 4, 2, 32), (3, 5, 0, 4)])
def test_stacked_cnn_parameters_shape_the_net(n: int, m: int, k: int, filters: int) -> None:
    blocks, before = 0, 3
    for block in range(m):
        after = filters * 2**block
        blocks += conv(2, before, after) + (n - 1) * conv(2, after, after)
        before = after
    wanted = blocks + dense(before, *(128 * 2**number for number in range(k)), 7)
    assert counts("stacked-cnn", n=n, m=m, k=k, filters=filters)[0] == wanted


def test_stacked_cnn_takes_parameters_as_text() -> None:
    assert StackedCNN("published", m="4", filters="32").params == {"n": 2, "m": 4, "k": 2, "filters": 32}
