"""A plugin with one good runner and one for each way to go wrong."""

from __future__ import annotations

import faulthandler
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from fer_bench import FitSummary, Recipe, SklearnRunner, register
from fer_bench.api.recipe import Stage

sys.path.append(str(Path(__file__).parent))
from quick import Quick


@register("bayes")
class Bayes(SklearnRunner):
    """Gaussian naive Bayes on pixels."""

    def build(self):
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB()


@register("good")
class Good(Quick):
    """Nearest centroids, which abort at their first prediction where a test asks for that."""

    def predict_proba(self, images):
        marker = Path(os.environ.get("FER_BENCH_TEST_ABORT", os.devnull))
        if not marker.exists():
            marker.touch()
            os.abort()
        return super().predict_proba(images)


@register("noisy")
class Noisy(Quick):
    """Prints what looks like progress and outcome, and much more."""

    def fit(self, train, validation, context):
        print('{"status": "ok", "epoch": 1}\n' * 1000)
        print("\x00\xff", file=sys.stderr)
        return super().fit(train, validation, context)


@register("meets")
class Meets(Quick):
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
class Raises(Quick):
    """Raises in fit."""

    def fit(self, train, validation, context):
        raise RuntimeError("the model is on fire")


@register("exits")
class Exits(Quick):
    """Leaves without a word."""

    def fit(self, train, validation, context):
        os._exit(0)


@register("leaves")
class Leaves(Quick):
    """Leaves as a script would."""

    def fit(self, train, validation, context):
        sys.exit(3)


@register("killed")
class Killed(Quick):
    """Is killed from outside."""

    def fit(self, train, validation, context):
        os.kill(os.getpid(), 9)


@register("greedy")
class Greedy(Quick):
    """Asks for more memory than there is."""

    def fit(self, train, validation, context):
        np.empty(1 << 62, np.uint8)


@register("hangs")
class Hangs(Quick):
    """Never ends, and does not listen to SIGTERM."""

    def fit(self, train, validation, context):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)


@register("sleeps")
class Sleeps(Quick):
    """Waits for what never comes, and listens to SIGTERM."""

    def fit(self, train, validation, context):
        time.sleep(600)


@register("lingers")
class Lingers(Quick):
    """Does its work and can't end: a thread of it never does."""

    def save(self, directory):
        super().save(directory)
        threading.Thread(target=time.sleep, args=(600,)).start()


@register("segfaults")
class Segfaults(Quick):
    """Crashes in native code."""

    def fit(self, train, validation, context):
        faulthandler._sigsegv()


@register("aborts")
class Aborts(Quick):
    """Ends as C++ does when nobody catches what an allocation throws."""

    def fit(self, train, validation, context):
        print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr)
        os.abort()


@register("terminated")
class Terminated(Quick):
    """Is asked to end by somebody else."""

    def fit(self, train, validation, context):
        os.kill(os.getpid(), signal.SIGTERM)


@register("fills-disk")
class FillsDisk(Quick):
    """Comes to a limit while it saves its model; what its worker writes afterwards has no place either."""

    def save(self, directory):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        (directory / "model").write_bytes(b"0" * 1000)


@register("needs-space")
class NeedsSpace(Quick):
    """Has a model of a megabyte and a half."""

    def save(self, directory):
        super().save(directory)
        (directory / "large").write_bytes(os.urandom(3 << 19))


@register("bloats")
class Bloats(Quick):
    """Needs more memory than its limit lets it have."""

    def fit(self, train, validation, context):
        used = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
        np.ones(128 << 20, np.uint8)


@register("in-cgroup")
class InCgroup(Quick):
    """Needs more memory than its control group has, so that the kernel kills it."""

    def fit(self, train, validation, context):
        (Path(os.environ["FER_BENCH_TEST_CGROUP"]) / "cgroup.procs").write_text(str(os.getpid()))
        np.ones(256 << 20, np.uint8)


@register("scribbles")
class Scribbles(Quick):
    """Writes rubbish where its progress goes."""

    def fit(self, train, validation, context):
        with (Path(sys.argv[1]) / "progress.jsonl").open("ab") as progress:
            progress.write(b'\xff\x00{"epoch": "x"\n[[[\n{"epoch": "one", "epochs": null, "accuracy": {}}\n3\n')
            progress.write(b"[" * 100_000 + b"\n" + b"x" * 3_000_000 + b"\n")
        context.report({"epoch": 1, "epochs": 2, "accuracy": "high"})
        return super().fit(train, validation, context)


@register("forges")
class Forges(Quick):
    """Writes an outcome of its own, which makes no sense, and leaves."""

    def fit(self, train, validation, context):
        (Path(sys.argv[1]) / "outcome.json").write_text('{"status": "ok", "training": 3}')
        os._exit(0)


@register("forges-well")
class ForgesWell(Quick):
    """Says that it went well, and has nothing to show."""

    def fit(self, train, validation, context):
        (Path(sys.argv[1]) / "outcome.json").write_text('{"status": "ok"}')
        os._exit(0)


@register("closes")
class Closes(Quick):
    """Closes every file of its process."""

    def fit(self, train, validation, context):
        os.closerange(0, 256)
        return super().fit(train, validation, context)


@register("leaves-children")
class LeavesChildren(Quick):
    """Starts processes that would outlive it: one in its session, one that left it, one without its environment."""

    def fit(self, train, validation, context):
        place = Path(os.environ["FER_BENCH_TEST_CHILDREN"])
        script = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
        for name, kwargs in (("near", {}), ("far", {"start_new_session": True}), ("bare", {"env": {}})):
            if os.fork() == 0:  # which ends at once: what it started has no parent
                subprocess.Popen([sys.executable, "-S", "-c", script, place / name], **kwargs)
                os._exit(0)
        while len([path for path in place.iterdir() if path.read_text()]) < 3:
            time.sleep(0.05)
        if "FER_BENCH_TEST_HANG" in os.environ:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        return super().fit(train, validation, context)


@register("large-batch")
class LargeBatch(Quick):
    """Has memory for a batch of 32 and no more."""

    recipes = {"default": Recipe(batch=128, stages=(Stage(1, 1e-3, 128), Stage(1, 1e-3, 64)))}
    uses = frozenset({"epochs", "batch"})

    def fit(self, train, validation, context):
        if max(stage.batch for stage in self.recipe.plan()) > 32:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 68719476736 bytes.")
        return super().fit(train, validation, context)


@register("second-time")
class SecondTime(Quick):
    """Crashes the first time."""

    def fit(self, train, validation, context):
        marker = Path(os.environ["FER_BENCH_TEST_MARKER"])
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(train, validation, context)


@register("diverges")
class Diverges(Quick):
    """Predicts NaN."""

    def predict_proba(self, images):
        return np.full((len(images), 7), np.nan)


@register("rounds")
class Rounds(Quick):
    """Computes its last probability as what the others leave, in float32: a little less than nothing."""

    def predict_proba(self, images):
        p = np.full((len(images), 7), np.float32(1) / 6, np.float32)
        p[:, 6] = 1 - p[:, :6].sum(axis=1) - np.float32(1.2e-7)
        assert (p[:, 6] < 0).all()
        return p


@register("negative")
class Negative(Quick):
    """Predicts a quarter less than nothing."""

    def predict_proba(self, images):
        return np.tile(np.array([0.25] * 5 + [0.0, -0.25]), (len(images), 1))


@register("wrong-shape")
class WrongShape(Quick):
    """Predicts six classes of seven."""

    def predict_proba(self, images):
        return np.full((len(images), 6), 1 / 6)


@register("needy")
class Needy(Quick):
    """Needs a module that nobody has."""

    info = Quick.info.__class__(family="classical", needs=("no_such_module_anywhere",))


@register("curious")
class Curious(Quick):
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


@register("elsewhere")
class Elsewhere(Quick):
    """Puts a link where its files, or with them all of its folder, should be."""

    parameters = {"all": False}

    def save(self, directory):
        place = Path(sys.argv[-1]) if self.params["all"] else directory.parent
        shutil.rmtree(place)
        place.symlink_to(os.environ["FER_BENCH_TEST_HOME"])


@register("endless")
class Endless(Quick):
    """Says of itself what holds itself."""

    def fit(self, train, validation, context):
        summary = super().fit(train, validation, context) or FitSummary()
        summary.extra["itself"] = summary.extra
        return summary
