"""The limit on the memory of what reads a model that came from elsewhere."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fer_bench.hardware.memory import limited

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux keeps to RLIMIT_DATA")


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")


@linux
def test_more_than_the_limit_is_refused_inside_and_there_again_outside() -> None:
    with pytest.raises(MemoryError, match=r"a model from a file may take 0\.1 GiB"), limited(64 << 20):
        np.ones(256 << 17)
    assert np.ones(256 << 17).all()


@linux
def test_a_limit_inside_another_never_widens_it() -> None:
    with pytest.raises(MemoryError), limited(64 << 20), limited(1 << 40):
        np.ones(256 << 17)


def test_where_a_gpu_may_be_used_nothing_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with limited(1 << 20):
        assert np.ones(256 << 17).all()
