"""Batch normalisation and ReLU of fer-net's first stage, forwards and backwards on TensorFlow: images/s, in turn."""

from __future__ import annotations

import pytest

from .measure import describe, in_turn, scaled, told

ROLES = {"keras.layers.BatchNormalization": "baseline", "`BatchNormalization`": "ours"}
BATCH = 128


@pytest.fixture(scope="module", params=["float32", "mixed_bfloat16"])
def measured(request):
    """Subject, and seconds of each line's rounds; a round is four batches."""
    import tensorflow as tf
    from keras import layers

    from fer_bench.training.batch_norm import BatchNormalization

    x = tf.cast(tf.random.normal((BATCH, 44, 44, 32)), request.param.removeprefix("mixed_"))

    def step(layer):
        layer.build(x.shape)

        @tf.function
        def gradient(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(tf.square(tf.nn.relu(layer(x, training=True))))
            return tape.gradient(loss, x)

        return lambda: [gradient(x) for _ in range(scaled(4))]

    kinds = zip(ROLES, (layers.BatchNormalization, BatchNormalization), strict=True)
    calls = {line: step(kind(dtype=request.param)) for line, kind in kinds}
    return f"{BATCH} x 44 x 44 x 32, {request.param}", in_turn(calls, rounds=10, warmup=2)


@pytest.mark.benchmark(group="normalisation", timer=told)
@pytest.mark.parametrize("line", ROLES)
def test_batch_norm(benchmark, measured, line):
    subject, seconds = measured
    describe(benchmark, subject, line, role=ROLES[line], unit="images/s", images=scaled(4) * BATCH)
    told.report(benchmark, seconds[line])
