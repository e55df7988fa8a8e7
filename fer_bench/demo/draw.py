"""What the page shows, as HTML: a picture with its faces, their bars, and a model's figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from ..board.columns import percent
from ..inference.explain import overlaid
from ..inference.face import Crop, Picture
from .figures import Offered

#: The longer side of a picture on the page, in pixels, and of a face.
WIDEST, FACE = 1024, 192
#: What a model confuses: so many pairs are named.
MISTAKES = 5


@dataclass(frozen=True)
class Face:
    """A face with its probabilities; ``why`` is a map of where the model looks, and the method's name."""

    crop: Crop
    probabilities: Mapping[str, float]
    why: tuple[np.ndarray, str] | None = None

    @property
    def emotion(self) -> str:
        """The most probable one."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


def result(picture: Picture, faces: Sequence[Face], model: str, *, explained: bool, announced: bool) -> str:
    """A picture with a box around each face, and what a model says of it.

    Args:
        picture: the whole of it.
        faces: those in it.
        model: its name.
        explained: whether all faces were to be explained; how many were not is said.
        announced: whether screen readers are to say at once what is new, as they should of a picture, not of a frame.
    """
    height, width = picture.pixels.shape[:2]
    scale = min(1.0, WIDEST / max(height, width))
    shown = picture.pixels if scale == 1 else cv2.resize(
        picture.pixels, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )  # fmt: skip
    pictures = [
        {
            "face": _enlarged(face.crop.image),
            "heat": None if face.why is None else _address(overlaid(face.crop.image, face.why[0]), ".png"),
            "method": face.why and face.why[1],
        }
        for face in faces
    ]
    return _rendered(
        "result",
        picture=_address(shown, ".jpg"),
        width=width,
        height=height,
        faces=list(zip(faces, pictures, strict=True)),
        model=model,
        announced=announced,
        unexplained=sum(face.why is None for face in faces) if explained else 0,
    )


def heading(title: str, privacy: str) -> str:
    """What the page is, and what becomes of pictures."""
    return _rendered("heading", title=title, privacy=privacy)


def hint(text: str) -> str:
    """Where there is nothing yet, what will be there."""
    return _rendered("hint", text=text)


def problem(message: str) -> str:
    """What went wrong, in a line."""
    return _rendered("problem", message=message)


def about(one: Offered) -> str:
    """A model's figures, what it confuses, and what it must not be used for."""
    return _rendered("about", one=one, figures=one.figures, mistakes=one.mistakes(MISTAKES))


def _enlarged(image: np.ndarray) -> str:
    return _address(cv2.resize(image, (FACE, FACE), interpolation=cv2.INTER_CUBIC), ".png")


def _address(pixels: np.ndarray, suffix: str) -> str:
    """A picture, gray or RGB, as a data address."""
    kind = {".png": "image/png", ".jpg": "image/jpeg"}[suffix]
    content = cv2.imencode(suffix, pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
    return f"data:{kind};base64,{base64.b64encode(content.tobytes()).decode()}"


def _rendered(template: str, **values: Any) -> str:
    text = _environment().get_template(f"{template}.html.j2").render(percent=percent, **values)
    # gradio takes what it shows for a template of its own: of text from outside, it is to make nothing.
    return text.replace("{", "&#123;").replace("$", "&#36;")


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
