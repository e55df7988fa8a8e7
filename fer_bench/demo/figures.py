"""How good the models on the page are: from a run's record, or from what an exported file says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..board.columns import percent
from ..errors import InputError
from ..inference.model import Model, told_apart
from ..inference.onnx_model import OnnxModel

if TYPE_CHECKING:
    from ..records.store import StoredRun

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class EmotionFigures(BaseModel):
    """One emotion of the test part: its images, and the share of them that the model recognises."""

    model_config = ConfigDict(from_attributes=True)

    images: Count
    recall: Fraction


class Figures(BaseModel):
    """Scores on the test part, as ``scores.metrics.Scores`` has them."""

    model_config = ConfigDict(from_attributes=True)

    images: Count
    accuracy: Fraction
    accuracy_low: Fraction
    accuracy_high: Fraction
    accuracy_unseen: Fraction | None = None
    confusion: list[list[Count]]
    emotions: dict[str, EmotionFigures]


@dataclass(frozen=True)
class Mistake:
    """How often one emotion is taken for another: ``count`` of the ``of`` images of ``truth``."""

    truth: str
    answer: str
    count: int
    of: int


@dataclass(frozen=True)
class Offered:
    """A model that the page offers.

    Attributes:
        model: to be asked.
        name: as the page calls it, each one otherwise.
        data: what it was trained on, with the split; "" where nobody knows.
        figures: its scores; None where there are none.
    """

    model: Model
    name: str
    data: str = ""
    figures: Figures | None = None

    @property
    def label(self) -> str:
        """The name with the accuracy, as a list of models shows it."""
        return f"{self.name} ({percent(self.figures.accuracy)} % right)" if self.figures else self.name

    def mistakes(self, most: int) -> list[Mistake]:
        """What the model confuses most often, by the share of an emotion's images, at most so many."""
        if self.figures is None:
            return []
        found = [
            Mistake(truth, answer, count, sum(row))
            for truth, row in zip(self.model.classes, self.figures.confusion, strict=True)
            for answer, count in zip(self.model.classes, row, strict=True)
            if count and truth != answer
        ]
        return sorted(found, key=lambda one: -one.count / one.of)[:most]


def offered(models: Sequence[Model]) -> list[Offered]:
    """Models with their names and figures, in the order given.

    Raises InputError where one is given twice, or a file's figures make no sense.
    """
    return [_offered(model, name) for model, name in zip(models, told_apart(models), strict=True)]


def _offered(model: Model, name: str) -> Offered:
    if isinstance(model, OnnxModel):
        said = model.about
        return Offered(model, name, _trained_on(said.get("data"), said.get("split")), _of_file(model))
    run: Any = getattr(model, "run", None)
    if run is None:
        return Offered(model, name)
    return Offered(model, name, _trained_on(run.record.job.dataset, run.record.job.split), _of_run(run))


def _of_file(model: OnnxModel) -> Figures | None:
    """The figures in an exported file, which anybody may have written."""
    given = model.about.get("figures")
    if given is None:
        return None
    try:
        figures = Figures.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{model.source}: the figures that it gives make no sense ({place}: {first['msg']})") from None
    many = len(model.classes)
    if [len(row) for row in figures.confusion] != [many] * many or set(figures.emotions) - set(model.classes):
        raise InputError(f"{model.source}: the figures that it gives are not those of its {many} classes")
    return figures


def _of_run(run: StoredRun) -> Figures | None:
    scores = run.record.scores
    return None if scores is None else Figures.model_validate(scores)


def _trained_on(data: Any, split: Any) -> str:
    return f"{data}, split {split}" if isinstance(data, str) and isinstance(split, str) else ""
