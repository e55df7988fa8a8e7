"""Whatever happens to a sweep, nothing finished is lost, nothing half is taken for done, and the next one completes it.

The short form is part of the default tests; ``tox -e faults`` runs the full one and writes the table in README.md.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest
from campaign import INSIDE, OUTSIDE, Campaign, table

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and /proc as Linux has them")

TEXT = """\
# Faults and what becomes of them

Written by `tox -e faults`, which runs sweeps of quick runners (and a few real ones: {real}) and injects faults at random,
seeded moments: {injected} faults of {kinds} kinds, {runs} runs that came to a record. Those of the first part are what a runner
does to itself; the outcome is the status in its record. Those of the second part come from outside; the outcome is how
`fer-bench run` ended (0: it came where nothing was left to disturb, or does not matter; 1: some run failed, or the disk is
full, or nobody was there to be told what was going to be run; 130: interrupted; killed: by the signal itself).

After each of them: every record that was finished is there, byte for byte; every record that reads as done has predictions
that give its scores again; no process is left; no traceback was shown. The same command then completes the sweep, and all
scores and probabilities equal those of a sweep that nothing happened to.

{table}"""


def test_faults_short(tiny_npz, tmp_path):
    """Eight kinds; most others happen one by one in tests/engine/test_failures.py."""
    draw = random.Random(5)
    campaign = Campaign(tiny_npz, tmp_path / "sweeps", ["shaky"], seeds=5, seed=5)
    campaign.inside(draw.sample(sorted(set(INSIDE) - {"hang", "stall"}), 4))
    campaign.outside(["kill fer-bench", "full disk", "kill worker", "SIGTERM"])


@pytest.mark.slow
def test_faults_full(tiny_npz, tmp_path):
    """Every kind, at least a hundred faults; the table is written where FER_BENCH_FAULTS_TABLE says."""
    draw = random.Random(2013)
    inside = Campaign(tiny_npz, tmp_path / "inside" / "sweeps", ["shaky"], seeds=len(INSIDE) + 2, seed=1)
    for _ in range(4):
        inside.inside(list(INSIDE))
    outside = Campaign(tiny_npz, tmp_path / "outside" / "sweeps", ["shaky"], seeds=8, seed=2)
    for _ in range(4):
        outside.outside(draw.sample(list(OUTSIDE), len(OUTSIDE)))
    names = ["svm", "xgboost", "mlp"]
    real = Campaign(tiny_npz, tmp_path / "real" / "sweeps", names, seeds=1, seed=3, timeout=200, stall=20)
    real.outside(draw.sample(list(OUTSIDE), len(OUTSIDE)))
    campaigns = (inside, outside, real)
    injected = sum(counts.total() for c in campaigns for counts in c.outcomes.values())
    assert injected >= 100
    if path := os.environ.get("FER_BENCH_FAULTS_TABLE"):
        Path(path).write_text(
            TEXT.format(
                real=", ".join(names),
                injected=injected,
                kinds=len(INSIDE) + len(OUTSIDE),
                runs=sum(c.runs for c in campaigns),
                table=table(campaigns),
            ),
            encoding="utf-8",
        )
