"""benchmarks/peers.py: a package's emotions become ours, and the file is one that fer-bench score reads."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from fer_bench.api.registry import NAME
from fer_bench.data.dataset import EMOTIONS
from fer_bench.entries.external_file import read_outside
from fer_bench.entries.named import LONGEST_NAME

# At the end, so that the package under test stays the installed one.
sys.path.append(str(Path(__file__).resolve().parents[2]))
peers = pytest.importorskip("benchmarks.peers")

FER = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
FACEX = ["anger", "disgust", "fear", "happy", "neutral", "sadness", "surprised"]


def test_a_packages_order_becomes_ours():
    assert EMOTIONS == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert peers.columns(FER) == [0, 1, 2, 3, 4, 5, 6]
    assert peers.columns(FACEX) == [0, 1, 2, 3, 5, 6, 4]


@pytest.mark.parametrize("emotions", [FER[:6], [*FER[:6], "sadness"], [*FER[:6], "bored"], [*FER, "contempt"]])
def test_other_emotions_than_the_seven_are_refused(emotions):
    with pytest.raises(ValueError, match="not the seven"):
        peers.columns(emotions)


def test_the_file_is_what_score_reads(tmp_path):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), 4).astype(np.float32)
    peers.write_csv(tmp_path / "peer.csv", np.array([32298, 32299, 7, 8]), probabilities)

    outside = read_outside(tmp_path / "peer.csv", EMOTIONS)

    assert outside.rows.tolist() == [32298, 32299, 7, 8]
    np.testing.assert_allclose(outside.probabilities, probabilities, atol=1e-6)


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_each_peer_has_a_name_pinned_versions_and_a_note_that_says_what_it_learnt_from(peer):
    assert NAME.fullmatch(peer.name)
    assert len(peer.name) <= LONGEST_NAME
    assert all("==" in requirement for requirement in (peer.requirement, *peers.NEEDS[peer.requirement]))
    line = peers.note(peer, {"milliseconds": 20.0, "processor_milliseconds": 12.345})
    assert peer.requirement in line
    assert peer.training in line
    assert "12.3 ms" in line
