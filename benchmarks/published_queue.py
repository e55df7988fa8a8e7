"""The trainings of the published table, in the order in which they are run: what takes minutes stands first.

An entry is what one ``fer-bench run`` does; ``arguments`` is that command. Entries of several seeds repeat nothing:
seeds that are on record are not run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One system on one split: the options of ``fer-bench run`` that differ from its defaults.

    ``runner`` is a runner's name, with parameters where wanted. ``weights`` says whose ImageNet weights a file may hold
    ("vgg16", "vgg19"; "" where there is no option for one). ``goal`` says what the row is for, in a few words.
    """

    runner: str
    recipe: str = "published"
    split: str = "official"
    seeds: int = 1
    epochs: int | None = None
    labels: str = "seven"
    checkpoint: str = "validation"
    tta: str = "none"
    keep_epochs: bool = False
    weights: str = ""
    goal: str = ""

    @property
    def title(self) -> str:
        """What ``--only`` and ``--skip`` look at: "mlp published notebook, 3 seeds". No two entries have the same."""
        extras = [
            f"at most {self.epochs} epochs" if self.epochs else "",
            f"{self.labels} labels" if self.labels != "seven" else "",
            f"checkpoint {self.checkpoint}" if self.checkpoint != "validation" else "",
            f"{self.seeds} seeds" if self.seeds > 1 else "",
        ]
        return ", ".join(filter(None, [f"{self.runner} {self.recipe} {self.split}", *extras]))

    def arguments(self, files: Mapping[str, str], epochs: int | None = None) -> list[str]:
        """What stands behind ``fer-bench``.

        Args:
            files: paths of weights files by whose weights they are; what has none takes ``--weights auto``.
            epochs: a cap on the epochs; the entry's own holds where it is lower.
        """
        caps = [cap for cap in (self.epochs, epochs) if cap]
        options = {
            "--recipe": self.recipe,
            "--split": self.split,
            "--seeds": self.seeds if self.seeds > 1 else None,
            "--epochs": min(caps, default=None),
            "--labels": self.labels if self.labels != "seven" else None,
            "--checkpoint": self.checkpoint if self.checkpoint != "validation" else None,
            "--tta": self.tta if self.tta != "none" else None,
            "--weights": files.get(self.weights),
        }
        flags = {"--keep-epochs": self.keep_epochs}
        given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        return ["run", self.runner, *given, *(name for name, on in flags.items() if on)]


VGG16, VGG19 = "vgg-bottleneck[backbone=vgg16]", "vgg-bottleneck[backbone=vgg19]"

_MINUTES = (
    *(
        Entry(runner, recipe, split, weights=weights, goal=goal)
        for runner, weights in ((VGG16, "vgg16"), (VGG19, "vgg19"))
        for recipe, goal in (
            ("published", "38 % on a fifth of Training"),
            ("tuned", "the same features, better trained"),
        )
        for split in ("official", "holdout-20-shuffled")
    ),
    Entry("stacked-cnn", "published", "holdout-20-shuffled", seeds=3, goal="55 % on a fifth of Training"),
    Entry("stacked-cnn", "published-plain", "holdout-20-shuffled", seeds=3, goal="52 % without augmentation"),
    Entry("stacked-cnn", "published", goal="the honest figure"),
    Entry("stacked-cnn", "published-plain", goal="the honest figure without augmentation"),
    Entry("stacked-cnn", "tuned", tta="flip", goal="the best of this model"),
    Entry("mlp", "published", "notebook", seeds=3, goal="33 %; a relu at its output"),
    Entry("mlp", "published", goal="the honest figure"),
    Entry("mlp", "tuned", goal="the best of this model"),
    Entry("mini-xception", "published", "holdout-20", epochs=7, goal="51.66 % on a fifth of Training, after 7 epochs"),
    Entry("mini-xception", "published", "holdout-20", goal="the same to its end"),
    Entry("mini-xception", "published", goal="the honest figure"),
    Entry("mini-xception", "tuned", tta="flip", goal="the best of this model"),
    Entry("custom-cnn", "published", "notebook", seeds=3, goal="32 %"),
    Entry("custom-cnn", "published", goal="the honest figure"),
    Entry("custom-cnn", "tuned", tta="flip", goal="the best of this model"),
    Entry("hog-svm", "tuned", goal="the best of this model"),
    Entry("svm", "published", "notebook", goal="42.76 %, and 60.86 % on the training part"),
    Entry("svm", "published", goal="the honest figure"),
)

_HOURS = (
    Entry("staged-cnn", "published", labels="six", goal="65.8 % of six emotions"),
    Entry("staged-cnn", "tuned", tta="flip", goal="the best of this model"),
    Entry("inception-v3", "published", goal="33.06 % on the training part"),
    Entry("inception-v3-flatten", "published", goal="25.63 % on the training part"),
    Entry("resnet50", "published", goal="86.33 % binary accuracy"),
    Entry("vgg19-frozen", "published", "notebook-90-10", weights="vgg19", goal="its last epoch, nothing picked"),
    Entry(
        "vgg19-frozen", "published", "notebook-90-10", checkpoint="test", weights="vgg19", goal="39 %, picked on test"
    ),
    Entry("vgg19-frozen", "tuned", weights="vgg19", goal="the best of this model"),
    Entry("vgg19-frozen", "bottleneck", weights="vgg19", goal="the same, its features computed once"),
    Entry(
        "vgg19-full",
        "published",
        "notebook-90-10",
        checkpoint="test",
        keep_epochs=True,
        weights="vgg19",
        goal="66.39 %, picked on test; 75.95 % on the training part",
    ),
    Entry(
        "vgg19-full",
        "published",
        "notebook-90-10",
        weights="vgg19",
        goal="its last epoch, nothing picked",
    ),
    Entry("vgg19-full", "tuned", tta="flip", weights="vgg19", goal="the best of this model"),
)

#: Further seeds of what takes less than half an hour: what a figure is worth.
_SEEDS = (
    Entry("mlp", "tuned", seeds=3, goal="its spread over seeds"),
    Entry("custom-cnn", "tuned", seeds=3, tta="flip", goal="its spread over seeds"),
    Entry(VGG16, "tuned", seeds=3, weights="vgg16", goal="its spread over seeds"),
    Entry(VGG19, "tuned", seeds=3, weights="vgg19", goal="its spread over seeds"),
    Entry("mini-xception", "tuned", seeds=3, tta="flip", goal="its spread over seeds"),
    Entry("stacked-cnn", "tuned", seeds=3, tta="flip", goal="its spread over seeds"),
    Entry("staged-cnn", "tuned", seeds=3, tta="flip", goal="its spread over seeds"),
)

QUEUE = (*_MINUTES, *_HOURS, *_SEEDS)
