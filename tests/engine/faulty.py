"""A plugin with one good runner and one for each way to go wrong."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

from fer_bench import SklearnRunner, register


class _Centroid(SklearnRunner):
    def build(self):
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB()


@register("good")
class Good(_Centroid):
    """Gaussian naive Bayes on pixels."""


@register("noisy")
class Noisy(_Centroid):
    """Prints what looks like progress and outcome, and much more."""

    def fit(self, train, validation, context):
        print('{"status": "ok", "epoch": 1}\n' * 1000)
        print("\x00\xff", file=sys.stderr)
        return super().fit(train, validation, context)


@register("meets")
class Meets(_Centroid):
    """Waits until another run of it is there, too."""

    def fit(self, train, validation, context):
        place = Path(os.environ["FER_BENCH_TEST_MEETING"])
        (place / f"here-{os.getpid()}").touch()
        deadline = time.monotonic() + 60
        while len(list(place.glob("here-*"))) < 2:
            if time.monotonic() > deadline:
                raise RuntimeError("nobody came")
            time.sleep(0.05)
        return super().fit(train, validation, context)


@register("raises")
class Raises(_Centroid):
    """Raises in fit."""

    def fit(self, train, validation, context):
        raise RuntimeError("the model is on fire")


@register("exits")
class Exits(_Centroid):
    """Leaves without a word."""

    def fit(self, train, validation, context):
        os._exit(0)


@register("killed")
class Killed(_Centroid):
    """Is killed, as the kernel does when memory runs out."""

    def fit(self, train, validation, context):
        os.kill(os.getpid(), 9)


@register("greedy")
class Greedy(_Centroid):
    """Asks for more memory than there is."""

    def fit(self, train, validation, context):
        np.empty(1 << 62, np.uint8)


@register("hangs")
class Hangs(_Centroid):
    """Never ends, and does not listen to SIGTERM."""

    def fit(self, train, validation, context):
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)


@register("diverges")
class Diverges(_Centroid):
    """Predicts NaN."""

    def predict_proba(self, images):
        return np.full((len(images), 7), np.nan)


@register("wrong-shape")
class WrongShape(_Centroid):
    """Predicts six classes of seven."""

    def predict_proba(self, images):
        return np.full((len(images), 6), 1 / 6)


@register("needy")
class Needy(_Centroid):
    """Needs a module that nobody has."""

    info = SklearnRunner.info.__class__(family="classical", needs=("no_such_module_anywhere",))


@register("curious")
class Curious(_Centroid):
    """Looks for the test labels in everything that the worker was given, and fails if it finds them."""

    def fit(self, train, validation, context):
        folder = Path(sys.argv[1])
        with np.load(folder / "input.npz") as given:
            assert set(given.files) == {
                "train_rows",
                "train_order",
                "train_labels",
                "val_rows",
                "val_labels",
                "test_rows",
            }
            labelled = set(given["train_rows"]) | set(given["val_rows"])
            assert not labelled & set(given["test_rows"])
            assert len(given["train_labels"]) == len(given["train_rows"])
            assert len(given["val_labels"]) == len(given["val_rows"])
        assert "labels" not in (folder / "task.json").read_text()
        return super().fit(train, validation, context)
