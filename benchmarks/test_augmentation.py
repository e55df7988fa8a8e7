"""Rotation, shift, shear, zoom and flip at batch 128 on TensorFlow: images/s, all lines in turn."""

from __future__ import annotations

import pytest

from . import notebook
from .measure import describe, in_turn, scaled, told

BATCH = 128
BATCHES = 8
ROLES = {"ImageDataGenerator": "baseline", "stock Random* layers": "other", "`Augment`": "ours"}
# Keras' use of a deprecated scipy name: pytest would keep each warning, one an image, at the baseline's cost.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def random_layers(a):
    """Stock layers for the same changes; RandomRotation counts in turns, and none of them shears by degrees."""
    from keras import Sequential, layers

    return Sequential(
        [
            layers.RandomRotation(a.rotation / 360, fill_mode="nearest"),
            layers.RandomTranslation(a.shift, a.shift, fill_mode="nearest"),
            layers.RandomZoom(a.zoom, a.zoom, fill_mode="nearest"),
            layers.RandomFlip("horizontal"),
        ]
    )


@pytest.fixture(scope="module", params=[1, 3], ids=["gray", "three-channels"])
def measured(request, faces):
    """Subject, images of a round, and seconds of each line's rounds; a round is eight batches."""
    import numpy as np
    import tensorflow as tf

    from fer_bench.runners.shared import NOTEBOOK_AUGMENTATION
    from fer_bench.training.augment import Augment

    images = faces(BATCH)[0][..., None]
    x = np.repeat(images.astype("float32"), request.param, axis=-1)
    flow = notebook.generator(NOTEBOOK_AUGMENTATION).flow(x, batch_size=BATCH)
    stock, layer = random_layers(NOTEBOOK_AUGMENTATION), Augment(NOTEBOOK_AUGMENTATION)
    graphs = {
        "stock Random* layers": (tf.function(lambda batch: stock(batch, training=True)), x),
        # Channels are copied after the augmentation, as the runners do.
        "`Augment`": (tf.function(lambda batch: tf.repeat(layer(batch, training=True), request.param, -1)), images),
    }
    assert {graph(batch).shape for graph, batch in graphs.values()} == {next(flow).shape}
    batches = scaled(BATCHES)
    calls = {"ImageDataGenerator": lambda: [next(flow) for _ in range(batches)]}
    for name, (graph, batch) in graphs.items():
        calls[name] = lambda graph=graph, batch=batch: [graph(batch).numpy() for _ in range(batches)]
    return f"48x48x{request.param}, batch {BATCH}", batches * BATCH, in_turn(calls, rounds=20, warmup=2)


@pytest.mark.benchmark(group="augmentation", timer=told)
@pytest.mark.parametrize("line", ROLES)
def test_augmentation(benchmark, measured, line):
    subject, images, seconds = measured
    describe(benchmark, subject, line, role=ROLES[line], unit="images/s", images=images)
    told.report(benchmark, seconds[line])
