"""Every runner on the embedded set, over a cluster without a shared folder: what this machine computes, to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import cluster
from test_dask import computed, stored

pytest.importorskip("distributed")

#: ``fer-bench`` whose workers see no folder of it: nothing by which they could tell is shown to them.
UNSHARED = """
from fer_bench.cli import main
from fer_bench.engine.executors.packing import Packer
Packer.token = property(lambda self: None, lambda self, token: None)
main()
"""


@pytest.mark.slow
def test_a_cluster_computes_the_whole_table(tmp_path: Path):
    words = [sys.executable, "-c", UNSHARED, "run", "--all", "--data", "synthetic", "--threads", "1", "--json"]
    with cluster(tmp_path / "cluster") as made:
        there = ["--results", str(tmp_path / "there"), "--executor", "dask", "--scheduler", made.address]
        assert subprocess.run([*words, *there], env=os.environ, capture_output=True, check=False).returncode == 0
    here = ["--results", str(tmp_path / "here"), "--jobs", "2"]
    assert subprocess.run([*words, *here], env=os.environ, capture_output=True, check=False).returncode == 0
    one, other = stored(tmp_path / "here"), stored(tmp_path / "there")
    assert len(one) == len(other) >= 15
    for mine, theirs in zip(one, other, strict=True):
        assert mine.record.job == theirs.record.job
        wanted = ("scores", "validation_scores", "train_scores", "predictions.npz")
        mine_computed, theirs_computed = computed(mine), computed(theirs)
        assert [mine_computed[name] for name in wanted] == [theirs_computed[name] for name in wanted]
        assert (theirs.record.environment.executor, theirs.record.status) == ("dask", "ok")
