"""What the page does with a picture: it is read, faces are looked for, a model is asked, the answer is drawn."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, RunError
from ..inference.explain import heat
from ..inference.face import Picture
from ..inference.faces import FACES, FaceFinder
from ..inference.model import Model
from ..inference.pictures import read_picture
from ..inference.predict import answers
from . import draw
from .figures import offered

#: Faces of one picture whose explanation is computed: with some models each takes a second.
MOST_EXPLAINED = 8


class Looker:
    """Answers about pictures, one at a time: neither detectors nor the processor gain by more.

    Attributes:
        models: those to choose from, by the names that the page has for them.
    """

    def __init__(self, models: Sequence[Model], detector: str = "haar") -> None:
        """Finds out what there is to say of the models.

        Args:
            models: those to choose from, in their order.
            detector: that finds faces, one of ``inference.faces.DETECTORS``.

        Raises:
            InputError: a model is given twice, gives figures that make no sense, or the detector can't be used.
        """
        self.models = {one.name: one for one in offered(models)}
        self._finders = {policy: FaceFinder(policy, detector) for policy in FACES}
        self._turn = threading.Lock()

    def look(self, content: bytes, where: str, name: str, policy: str, explained: bool = False) -> str:
        """What a model says of a picture, as HTML; what is wrong with the picture is said there, too.

        Args:
            content: of an image file.
            where: its name.
            name: of the model.
            policy: which faces count, one of ``FACES``.
            explained: whether to show where the model looks.
        """
        with self._turn:
            return self._looked(content, where, name, policy, explained, announced=True)

    def glance(self, content: bytes, name: str, policy: str) -> str | None:
        """The same for a frame of a camera; None where another picture is being looked at: the frame is dropped."""
        if not self._turn.acquire(blocking=False):
            return None
        try:
            return self._looked(content, "camera", name, policy, explained=False, announced=False)
        finally:
            self._turn.release()

    def end(self) -> None:
        """Waits until nothing is looked at; nothing is any more: a program must not end within a detector's code."""
        self._turn.acquire()

    def _looked(self, content: bytes, where: str, name: str, policy: str, explained: bool, announced: bool) -> str:
        try:
            if name not in list(self.models) or policy not in FACES:
                raise InputError(f"no model {name!r} here, or no choice of faces {policy!r}; load the page again")
            picture = read_picture(content, where, where)
            faces = self._faces(picture, self.models[name].model, policy, explained)
            return draw.result(picture, faces, name, explained=explained, announced=announced)
        except (InputError, RunError) as error:
            return draw.problem(str(error))

    def _faces(self, picture: Picture, model: Model, policy: str, explained: bool) -> list[draw.Face]:
        (answer,) = answers([picture], [model], self._finders[policy], batch=1)
        said = answer.probabilities[0] if answer.faces else ()
        faces = []
        for at, (crop, probabilities) in enumerate(zip(answer.faces, said, strict=True)):
            column = int(probabilities.argmax())
            why = heat(model, crop.image, column) if explained and at < MOST_EXPLAINED else None
            faces.append(draw.Face(crop, dict(zip(model.classes, probabilities.tolist(), strict=True)), why))
        return faces


def content_of(payload: Mapping[str, Any], uploads: Path) -> tuple[bytes, str]:
    """The bytes of a picture that the browser sent, and its file's name.

    Args:
        payload: what a browser says of an image, in gradio's form: a file that it has uploaded, or a data address.
        uploads: the folder of uploads. Whoever makes up a request could name any other file.

    Raises:
        InputError: the file is gone, or none that was uploaded, or the address holds no data.
    """
    try:
        name = Path(payload.get("orig_name") or "picture").name
        head, comma, data = (payload.get("url") or "").partition(";base64,")
        if comma and head.startswith("data:"):
            return base64.b64decode(data, validate=True), name
        path = Path(payload["path"]).resolve()
        if path.is_relative_to(uploads.resolve()):
            return path.read_bytes(), name
    except (ValueError, OSError, LookupError, TypeError, AttributeError):  # the request may be anything
        pass
    raise InputError("the picture did not arrive; give it once more")
