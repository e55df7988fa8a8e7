"""RunRecord: the account of one run, whatever became of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from ..scores.metrics import Scores

#: A change of it goes with a step in fer_bench.records.migrations.
SCHEMA_VERSION = 5
#: Family, recipe and device of a record whose predictions were made elsewhere; see fer_bench.entries.external.
EXTERNAL = "external"
#: Checkpoint of a record that scores an epoch which somebody chose, who may have seen test figures; see
#: entries.by_hand.
BY_HAND = "hand"
#: Family and recipe of a record whose predictions are those of other runs, averaged; see fer_bench.entries.ensemble.
ENSEMBLE = "ensemble"
Status = Literal["ok", "error", "timeout", "oom", "interrupted", "skipped"]


class RecipeOrigin(BaseModel, extra="forbid"):
    """Where a recipe comes from that is none of its runner's own.

    It is that of a ``file`` (its name, and its content's sha256 in hex), or the runner's own called ``base``, with
    ``changes`` as ``--set`` was given them. ``search`` is what the study says that found it on validation.
    """

    base: str = ""
    file: str = ""
    file_digest: str = ""
    changes: list[str] = []
    search: dict[str, Any] | None = None

    @property
    def words(self) -> str:
        """ "best.toml, found by a search of 12 trials on validation", "tuned with learning_rate=0.01"."""
        parts = [self.file or self.base]
        parts += [f"with {', '.join(self.changes)}"] if self.changes else []
        text = " ".join(parts)
        if not self.search:
            return text
        trials = self.search.get("trials")
        return f"{text}, found by a search{f' of {trials} trials' if trials else ''} on validation"


class JobInfo(BaseModel, extra="forbid"):
    """The job as it stood in the plan; ``key`` is the sha256 (hex) over all that can change the result.

    Of an external system, nobody knows how many images it learned from.
    """

    key: str = Field(pattern=r"^[0-9a-f]{64}$")  # it names files
    runner: str
    params: dict[str, Any] = {}
    runner_version: int
    family: str
    recipe: str
    recipe_digest: str
    recipe_fields: dict[str, Any] = {}
    #: None of a recipe that is the runner's own; no part of the key, which has the digest.
    recipe_origin: RecipeOrigin | None = None
    dataset: str
    dataset_digest: str
    classes: list[str]
    split: str
    split_digest: str
    train_images: int | None
    validation_images: int | None
    test_images: int
    seed: int
    epochs: int | None = None
    limit: int | None = None
    weights: str = "auto"
    balance: str = "none"
    fill_digest: str | None = None
    #: Which part of the split is to pick the epoch: "validation", or "test", which keeps the run off the ranking.
    checkpoint: Literal["validation", "test"] = "validation"

    @property
    def batches(self) -> tuple[int, ...]:
        """Images a step, stage by stage, as the recipe has it; () where the record has no such thing."""
        stages = self.recipe_fields.get("stages") or [self.recipe_fields]
        return tuple(stage["batch"] for stage in stages if "batch" in stage)


class Training(BaseModel, extra="forbid"):
    """How the training went. ``checkpoint`` says which data picked the epoch that is scored: "validation", "test"
    (marked, never ranked), "hand" (somebody did; never ranked), "last" (none did), "none" (nothing is iterated) or
    "unknown" (trained elsewhere).

    ``interruptions`` counts the attempts before that were broken off: killed, stopped by the user, out of time or
    memory.
    """

    init: str = "none"
    checkpoint: str = "none"
    epochs_run: int | None = None
    epochs_planned: int | None = None
    best_epoch: int | None = None
    stopped: str = ""
    interruptions: int = 0
    #: What the recipe's batches were divided by after the run had not enough memory for them.
    batch_divisor: int = 1
    extra: dict[str, Any] = {}


class Cost(BaseModel, extra="forbid"):
    """What the run cost; times in seconds, sizes in bytes, latency in milliseconds at batch 1.

    ``macs`` are multiply-accumulates of one image. ``fit_seconds`` is all of the runner's fit, imports included; of
    ``phases``, compile, train and validate are parts of it, and load, reading the images, comes before. Of a training
    that was taken up again they are sums over its attempts, less what was done after the last saved state and lost.
    Predicting is measured once it is warm.
    """

    parameters: int | None = None
    parameters_trainable: int | None = None
    macs: int | None = None
    model_bytes: int | None = None
    fit_seconds: float | None = None
    phases: dict[str, float] = {}
    train_images_per_second: float | None = None
    predict_images_per_second: float | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    peak_ram_bytes: int | None = None
    peak_gpu_bytes: int | None = None


class Environment(BaseModel, extra="forbid"):
    """Where it ran. ``executor`` is what had the job run there: "local", "dask" or "slurm", or "" in older records,
    which are all local. ``host`` is the name of a cluster's machine in its network; of a local run none is kept.
    """

    device: str = ""
    backend: str = ""
    cpu: str = ""
    cores: int = 0
    threads: dict[str, int] = {}
    ram_bytes: int = 0
    os: str = ""
    python: str = ""
    packages: dict[str, str] = {}
    git_revision: str | None = None
    git_dirty: bool | None = None
    host: str = ""
    executor: str = ""

    @property
    def hardware(self) -> str:
        """Device, processor and cores in a line; times can be compared only where it is the same."""
        words = (self.device or "unknown device", self.cpu, f"{self.cores} cores" if self.cores else "")
        return ", ".join(filter(None, words))


class TestTime(BaseModel, extra="forbid"):
    """The scores with test-time augmentation, the model being the same: see fer_bench.engine.tta.

    Seconds and latency are those with all views. ``command`` and ``environment`` are empty where the run itself
    predicted so, and else of what loaded its model later.
    """

    __test__ = False  # not pytest's

    method: Literal["flip", "ten-crop"]
    scores: Scores
    validation_scores: Scores | None = None
    predict_images_per_second: float | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    command: str = ""
    environment: Environment | None = None

    @property
    def hardware(self) -> str:
        """Where it predicted so, where that was not in the run itself."""
        return self.environment.hardware if self.environment else ""


class Member(BaseModel, extra="forbid"):
    """A run of an ensemble: its job's key, when it started, what it is called, and its weight."""

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    started: str
    runner: str
    recipe: str
    seed: int
    weight: float = Field(gt=0, le=1)


class Ensemble(BaseModel, extra="forbid"):
    """Whose predictions a record averages; the weights sum to one.

    ``chosen``: which of the ``candidates`` (job keys) are members was decided on the validation part. ``weights`` says
    what decided their weights: nothing ("equal"; of members chosen several times, how often) or the validation part.
    """

    members: list[Member] = Field(min_length=1)
    candidates: list[str]
    chosen: bool
    weights: Literal["equal", "validation"]


class Failure(BaseModel, extra="forbid"):
    message: str
    hint: str = ""
    log_tail: list[str] = []


class RunRecord(BaseModel, extra="forbid"):
    """One run: the job, what became of it, and its scores.

    ``scores`` are those of the test part, and can be computed again from the predictions beside the record, as can
    ``validation_scores``. ``train_scores`` are those of the split's training images, unchanged and each once, predicted
    after the fit; their predictions are not kept, so that they can't be computed again without the model. None: nobody
    asked for them. ``predictions_digest`` is the sha256 (hex) of the file of predictions beside the record, written as
    both are stored; None: there are none, or the record is from before it was noted.
    """

    schema_version: int = SCHEMA_VERSION
    status: Status
    command: str
    started: str
    seconds: float
    job: JobInfo
    #: What became of earlier attempts of the same run (``--retries``), one line each.
    attempts: list[str] = []
    training: Training = Field(default_factory=Training)
    scores: Scores | None = None
    validation_scores: Scores | None = None
    train_scores: Scores | None = None
    tta: TestTime | None = None
    predictions_digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    ensemble: Ensemble | None = None
    cost: Cost = Field(default_factory=Cost)
    environment: Environment = Field(default_factory=Environment)
    failure: Failure | None = None


def smaller_batch(job: JobInfo, divisor: int) -> str:
    """ "batch 64 instead of 128", of a run whose batches were divided; "" where they were not."""
    if divisor == 1:
        return ""
    now = "/".join(str(max(1, batch // divisor)) for batch in job.batches)
    return f"batch {now} instead of {'/'.join(map(str, job.batches))}"
