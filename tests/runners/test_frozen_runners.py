"""The runners that freeze layers train what they trained before they shared code for it, by the same recipes."""

from __future__ import annotations

from typing import Any

import pytest

from fer_bench.api.registry import get
from fer_bench.runners.keras import KerasRunner

#: The start of each recipe's digest when the first results of these runners were published: their keys depend on it.
DIGESTS = {
    ("vgg-bottleneck", "published"): "1e1fffd8bb0e6894",
    ("vgg-bottleneck", "tuned"): "f0f041301b6a14d0",
    ("vgg19-frozen", "published"): "192b376d276804a0",
    ("vgg19-frozen", "tuned"): "73e6fbee26c1af80",
    ("vgg19-frozen", "bottleneck"): "33a66cef89b657a6",
    ("vgg19-full", "published"): "c573e00fcf2862c4",
    ("vgg19-full", "tuned"): "0e73db24425bf9a9",
    ("inception-v3", "published"): "e7d1ba30fe881af2",
    ("inception-v3", "tuned"): "7805cbfb559dd1fc",
    ("inception-v3-flatten", "published"): "e7d1ba30fe881af2",
    ("inception-v3-flatten", "tuned"): "7805cbfb559dd1fc",
    ("resnet50", "published"): "616c6a21f6b25222",
    ("resnet50", "tuned"): "a74e0c6ba5bc20d6",
}


def test_recipes_have_the_digests_of_their_published_results() -> None:
    found = {(name, recipe): get(name).recipes[recipe].digest()[:16] for name, recipe in DIGESTS}
    assert found == DIGESTS


def by_hand(name: str, backbone: Any, trainable: str) -> None:
    """The flags as each runner's own lines set them."""
    if name == "resnet50":
        backbone.trainable = trainable != "head"
        if trainable == "from-155":
            for layer in backbone.layers[:155]:
                layer.trainable = False
    elif name == "inception-v3":
        backbone.trainable = trainable == "all"
    else:
        backbone.trainable = False


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("resnet50", ["from-155", "head", "from-155", "head", "all"]),
        ("inception-v3", ["head", "all", "head"]),
        ("vgg-bottleneck", ["all"]),
        ("vgg19-frozen", ["all"]),
    ],
)
def test_the_same_layers_learn_from_the_same_first_weights(name: str, stages: list[str]) -> None:
    import keras
    import numpy as np

    made = []
    for _ in range(2):
        runner = get(name)("published")
        assert isinstance(runner, KerasRunner)
        keras.utils.set_random_seed(7)
        made.append((runner, runner.core(7, "random")))
    (runner, model), (_, other) = made
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    backbone = other.get_layer("backbone")
    backbone.trainable = True
    for stage in stages:
        runner.set_trainable(model, stage)
        by_hand(name, backbone, stage)
        flags = [[layer.trainable for layer in core._flatten_layers()] for core in (model, other)]
        assert flags[0] == flags[1]
        assert [w.shape for w in model.trainable_weights] == [w.shape for w in other.trainable_weights]
