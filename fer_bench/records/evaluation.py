"""How well a trained model does on data of another kind: classes matched by name, intervals over images and
subjects.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ..errors import InputError
from ..files import inside
from ..files.json_file import read_json
from ..scores.foreign import View
from .checks import DIGEST, NAME, score_faults, text_faults
from .record import Environment

SCHEMA_VERSION = 1
EVALUATION = "evaluation.json"
#: In a run's folder, a folder for each set that its model was evaluated on.
EVALUATIONS = "evaluations"


class Evaluation(BaseModel, extra="forbid"):
    """A trained model on a foreign set.

    ``images`` of the set, of which ``scored`` show an emotion that the model knows; ``dropped`` counts the others by
    their emotion. ``missing`` are the model's emotions of which the set has no image: ``whole`` takes all outputs of
    the model, ``masked`` only the others, each image's probabilities divided by their sum. That is None where nothing
    is missing, or where a single emotion is left, of which every answer would be right.

    ``training_images`` of the set are images that the model was trained on, pixel by pixel: they are not among those
    scored, unless they were ``kept``. None where nobody could tell, and ``unchecked`` says why. ``watched_images`` of
    those scored are of the part by which the model's epoch was chosen.
    """

    schema_version: int = SCHEMA_VERSION
    command: str
    started: str
    key: str
    runner: str
    recipe: str
    seed: int
    trained_on: str
    trained_digest: str
    split: str
    data: str
    data_digest: str
    images: int
    scored: int
    subjects: int | None
    dropped: dict[str, int]
    missing: list[str]
    training_images: int | None = None
    watched_images: int | None = None
    kept: bool = False
    unchecked: str = "made before this was checked"
    whole: View
    masked: View | None
    environment: Environment

    @property
    def slug(self) -> str:
        """Names the foreign set: in folders and tables."""
        return f"{self.data}-{self.data_digest[:8]}"


def evaluation_fault(evaluation: Evaluation) -> str:
    """The first thing wrong with an evaluation, in a few words; "" where nothing is."""
    return next(_faults(evaluation), "")


def _faults(e: Evaluation) -> Iterator[str]:
    for field in ("data", "recipe", "trained_on", "split"):
        if not NAME.fullmatch(getattr(e, field)):
            yield f"{field}: {getattr(e, field)[:40]!r} is no name"
    if not DIGEST.fullmatch(e.data_digest):
        yield f"data_digest: {e.data_digest[:40]!r} is no digest"
    yield from text_faults([e.runner, *e.dropped, *e.missing])
    if min(e.images, e.scored, e.subjects or 0, *e.dropped.values()) < 0:
        yield "a negative number of images or subjects"
    for name, view in (("whole", e.whole), ("masked", e.masked)):
        if view is None:
            continue
        # A foreign set may lack classes, and macro F1 is that of those that it has.
        yield from (f"{name}: {words}" for words in score_faults(view.scores, list(view.scores.emotions), macro=False))
        for intervals in filter(None, (view.over_images, view.over_subjects)):
            if not all(0 <= low <= high <= 1 for _, (low, high) in intervals):
                yield f"{name}: an interval that is none"


def read_evaluations(folder: Path) -> tuple[list[Evaluation], list[str]]:
    """What stands in a run's folder, by name of the set; and a line for each that can't be read, or is not plain."""
    found: list[Evaluation] = []
    above, problems = folder / EVALUATIONS, []
    try:
        there = inside.entries(folder, above)
    except InputError as error:
        return [], [str(error)]
    problems += [f"{above / name}: {inside.kind(above / name) or 'gone'}, and left out" for name in there.others]
    for name in there.folders:
        path = above / name / EVALUATION
        try:
            evaluation = Evaluation.model_validate(read_json(path, folder))
        except FileNotFoundError:
            continue
        except InputError as error:
            problems.append(f"{error}; remove it and evaluate again")
        except (OSError, ValidationError) as error:
            reason = " ".join(str(error).split())[:160]
            problems.append(f"{path}: not a readable evaluation ({reason}); remove it and evaluate again")
        else:
            wrong = evaluation_fault(evaluation)
            problems += [f"{path}: not a valid evaluation ({wrong}); remove it and evaluate again"] if wrong else []
            found += [] if wrong else [evaluation]
    return found, problems
