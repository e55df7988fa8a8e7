"""A model card: what a trained model is, how it scored, and what it is not for, as the Hugging Face Hub reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import __version__
from ..api.runner import RunnerInfo
from ..data.dataset import is_embedded
from ..records.record import RunRecord
from ..scores.metrics import Scores
from .formats import SUFFIXES

TEMPLATE = Path(__file__).with_name("card.md.j2")
#: The name of the ONNX file beside a card on the Hub.
MODEL = f"model{SUFFIXES['onnx']}"
#: A link from the card on the Hub to what this program says of itself.
TASK = "image-classification"


def card(record: RunRecord, name: str, info: RunnerInfo | None) -> str:
    """The card of a run's model, Markdown under a header in YAML.

    Args:
        record: of a run that went well.
        name: what the model is called, such as "fer-net:cpu".
        info: of its runner; None where that is not here any more.
    """
    from huggingface_hub import ModelCard

    job, scores = record.job, record.scores
    assert scores is not None  # it went well
    made = ModelCard.from_template(
        _data(record, name),
        template_path=str(TEMPLATE),
        name=name,
        record=record,
        job=job,
        scores=scores,
        info=info,
        model=MODEL,
        emotions=[_emotion(emotion, job.classes, scores) for emotion in job.classes],
        recipe={key: value for key, value in job.recipe_fields.items() if value not in ("", None, [], {}, 0)},
        synthetic=is_embedded(job.dataset),
        calibrated=_calibration(scores),
        version=__version__,
    )
    return f"{made!s}".rstrip() + "\n"


def _data(record: RunRecord, name: str) -> Any:
    """The header: what the Hub shows beside the card, accuracy and F1 among it."""
    from huggingface_hub import EvalResult, ModelCardData

    job, scores = record.job, record.scores
    assert scores is not None
    where = {
        "task_type": TASK,
        "dataset_type": job.dataset,
        "dataset_name": job.dataset,
        "dataset_split": f"test part of split {job.split}",
    }
    results = [
        EvalResult(**where, metric_type="accuracy", metric_name="accuracy", metric_value=scores.accuracy),
        EvalResult(**where, metric_type="f1", metric_name="weighted F1", metric_value=scores.weighted_f1),
        EvalResult(**where, metric_type="f1", metric_name="macro F1", metric_value=scores.macro_f1),
    ]
    return ModelCardData(
        model_name=name,
        eval_results=results,
        library_name="onnx",
        pipeline_tag=TASK,
        license="unknown",
        tags=["facial-emotion-recognition", "fer-bench", job.runner],
    )


def _emotion(name: str, classes: list[str], scores: Scores) -> dict[str, Any]:
    """The figures of an emotion, and which one its images are taken for most often."""
    of = scores.emotions[name]
    others = [(count, other) for other, count in zip(classes, of.distribution, strict=True) if other != name and count]
    count, other = max(others, default=(0, ""))
    return {"name": name, "of": of, "taken": f"{other} ({count:,} of {of.images:,})" if count else "-"}


def _calibration(scores: Scores) -> str:
    """How far its confidence can be believed, in a sentence."""
    if scores.calibration_error is None:
        return "It gives answers without probabilities."
    confidence = sum(of.images * (of.confidence or 0) for of in scores.emotions.values()) / scores.images
    gap = 100 * (confidence - scores.accuracy)
    way = "more" if gap > 0 else "less"
    return (
        f"On average it gives its answer {100 * confidence:.1f} %, {abs(gap):.1f} points {way} than it is right. The"
        f" expected calibration error over 15 bins is {scores.calibration_error:.3f}."
    )
