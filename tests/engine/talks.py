"""A plugin that trains well and says of it what can't be put on record."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fer_bench import register
from fer_bench.api.context import FitSummary

sys.path.append(str(Path(__file__).parent))
from quick import Quick


def deep(levels: int) -> list:
    return [deep(levels - 1)] if levels else []


SAYINGS = {
    "large": FitSummary(extra={"loss": 1e300}),
    "lines": FitSummary(init="one\ntwo"),
    "long": FitSummary(init="x" * 600),
    "bulky": FitSummary(extra={"log": "y" * 17_000_000}),
    "half": FitSummary(init="\udcfc", extra={"\ud800": "\udcff"}),
    "deep": FitSummary(extra={"tree": deep(60)}),
    "history": FitSummary(history=[{"loss": 1.0}, {"loss": "low"}]),
    "names": FitSummary(history=[{"loss\udcff": 1.0}]),
    "wrong": FitSummary(epochs_run="many", extra=3),
    "negative": FitSummary(epochs_run=-3),
    "macs": FitSummary(),
    "pipe": FitSummary(),
}


@register("talks")
class Talks(Quick):
    """Nearest centroids."""

    parameters = {"what": "large", "share": 0.5}

    def fit(self, train, validation, context):
        super().fit(train, validation, context)
        return SAYINGS[self.params["what"]]

    def count_macs(self, classes=7):
        return -1 if self.params["what"] == "macs" else None

    def save(self, directory):
        super().save(directory)
        if self.params["what"] == "pipe":
            os.mkfifo(directory / "pipe")
