"""How well a trained model does on data of another kind: classes matched by name, intervals over images and subjects."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from ..errors import InputError
from ..files.json_file import read_json
from ..scores.foreign import View
from .record import Environment

SCHEMA_VERSION = 1
EVALUATION = "evaluation.json"
#: In a run's folder, a folder for each set that its model was evaluated on.
EVALUATIONS = "evaluations"


class Evaluation(BaseModel, extra="forbid"):
    """A trained model on a foreign set.

    ``images`` of the set, of which ``scored`` show an emotion that the model knows; ``dropped`` counts the others by
    their emotion. ``missing`` are the model's emotions of which the set has no image: ``whole`` takes all outputs of the
    model, ``masked`` only the others, each image's probabilities divided by their sum. That is None where nothing is
    missing, or where a single emotion is left, of which every answer would be right.

    ``training_images`` of the set are images that the model was trained on, pixel by pixel: they are not among those
    scored, unless they were ``kept``. None where nobody could tell, and ``unchecked`` says why. ``watched_images`` of those
    scored are of the part by which the model's epoch was chosen.
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


def read_evaluations(folder: Path) -> list[Evaluation]:
    """What stands in a run's folder, by name of the set. Raises InputError for a file that is no evaluation."""
    found = []
    for path in sorted(folder.glob(f"{EVALUATIONS}/*/{EVALUATION}")):
        try:
            found.append(Evaluation.model_validate(read_json(path)))
        except (OSError, ValidationError) as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"{path}: not a readable evaluation ({reason}); remove it and evaluate again") from None
    return found
