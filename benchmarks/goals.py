"""What the suite promises of its speed: one entry a promise, and the table says whether it was kept."""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    """At least ``ratio`` times as good as the baseline, or at most ``limit`` in the row's unit."""

    ratio: float | None = None
    limit: float | None = None

    def met(self, value: float, ratio: float | None) -> bool:
        if self.limit is not None:
            return value <= self.limit
        return self.ratio is not None and ratio is not None and ratio >= self.ratio

    def __str__(self) -> str:
        return f"{self.ratio:g} x" if self.limit is None else f"at most {self.limit:g}"


#: (suite, subject, line, unit) -> goal.
GOALS = {
    ("loading", "CSV to arrays", "`load_dataset`, no cache", "s"): Goal(ratio=25),
    ("loading", "CSV to arrays", "`load_dataset`, no cache", "MB"): Goal(ratio=8),
    ("augmentation", "48x48x1, batch 128", "`Augment`", "images/s"): Goal(ratio=3),
    ("svm", "SVC, fit and predict", "runner `svm`", "s"): Goal(ratio=7),
    ("start-up", "start-up", "`fer-bench --help`", "s"): Goal(limit=0.25),
    ("predict: first answer", "a photograph", "`fer-bench predict astronaut.png`", "s"): Goal(limit=1.5),
    ("predict: a video", "its length", "2,000 frames", "MB"): Goal(ratio=0.83),
} | {
    ("training", name, "tuned", "images/s"): Goal(ratio=1.5)
    for name in ("mini-xception", "custom-cnn", "vgg19-full", "inception-v3")
}
