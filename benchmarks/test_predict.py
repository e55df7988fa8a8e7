"""Latency at batch 1 and throughput of each deep runner, beside ``model.predict`` as a notebook calls it."""

from __future__ import annotations

import gc

import pytest

from fer_bench.api import registry
from fer_bench.data.dataset import EMOTIONS

from . import notebook
from .measure import describe, in_turn, scaled, told
from .test_training import IMAGES

BATCH = 512
ROLES = {"`model.predict`, float32": "baseline", "published": "ours", "tuned": "ours"}


@pytest.fixture(scope="module", params=IMAGES)
def measured(request, faces):
    """Runner, images of a throughput round, and seconds of each line: single images, and all of them."""
    import keras

    images = faces(scaled(BATCH, least=32))[0]
    runners = {recipe: registry.make(request.param, recipe) for recipe in ("published", "tuned")}
    for runner in runners.values():
        core = runner.core(len(EMOTIONS), "random")
        runner.assemble(core)
        if runner.recipe_name == "published":
            model, x = core, notebook.prepare(images, runner.recipe)
    single = {"`model.predict`, float32": lambda: model.predict(x[:1], verbose=0)}
    many = {"`model.predict`, float32": lambda: model.predict(x, verbose=0)}
    for recipe, runner in runners.items():
        single[recipe] = lambda runner=runner: runner.predict_proba(images[:1])
        many[recipe] = lambda runner=runner: runner.predict_proba(images)
    yield request.param, len(images), in_turn(single, rounds=30, warmup=3), in_turn(many, rounds=3)
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.benchmark(group="predict: latency of one image", timer=told)
@pytest.mark.parametrize("line", ROLES)
def test_latency(benchmark, measured, line):
    name, _, single, _ = measured
    describe(benchmark, name, line, role=ROLES[line], unit="ms", statistic="median")
    told.report(benchmark, single[line])


@pytest.mark.benchmark(group="predict: throughput", timer=told)
@pytest.mark.parametrize("line", ROLES)
def test_throughput(benchmark, measured, line):
    name, images, _, many = measured
    describe(benchmark, name, line, role=ROLES[line], unit="images/s", images=images)
    told.report(benchmark, many[line])
