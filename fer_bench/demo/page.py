"""The page in the browser: a picture or a camera, the faces in it, and what a model says of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..inference.faces import FACES
from . import draw
from .guard import Guard
from .look import Looker, content_of

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: it asks its maker's server for news else
import gradio as gr
from starlette.middleware import Middleware

TITLE = "Which emotion does a model see in a face?"
#: Bytes of a picture; a phone's have 3 to 12 million.
MOST_BYTES = 20 << 20
#: Seconds between looks for files of pictures, and after which they are deleted; the browser has long shown them then.
DELETE_EVERY, DELETE_AFTER = 30, 60
#: Seconds between frames of a camera at least. A frame that comes while one is looked at takes the place of another.
FRAME_EVERY = 0.25
#: Browsers whose cameras are looked at, at a time, and browsers whose pictures are in memory.
CAMERAS, VISITORS = 4, 20
POLICIES = {
    "auto": "Faces, or the picture if it is one",
    "all": "All faces that are found",
    "largest": "The largest face",
    "none": "The whole picture",
}
HERE = "Nothing leaves this computer, and nothing is kept."
ELSEWHERE = "A picture goes to the computer that serves this page, and to no other; nothing is kept there."
EMPTY = "The answer will stand here."
#: HTML of ours has a style of its own.
PLAIN: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
#: What the page is launched with, wherever: nothing of it comes from elsewhere, and nothing goes there.
LAUNCH: dict[str, Any] = {
    "share": False,
    "ssr_mode": False,
    "mcp_server": False,
    "pwa": False,
    "run_history": False,
    "enable_monitoring": False,
    "footer_links": [],
    "max_file_size": MOST_BYTES,
    "state_session_capacity": VISITORS,
    "quiet": True,
    "app_kwargs": {"middleware": [Middleware(Guard, most=2 * MOST_BYTES)]},  # a camera's come as text, a third longer
    "theme": gr.themes.Default(
        primary_hue="indigo",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ),
    "css": resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8"),
}


def page(looker: Looker, *, faces: str = "auto", here: bool = True) -> gr.Blocks:
    """The page, to be launched with ``LAUNCH``.

    Args:
        looker: what answers; the first of its models is chosen at first.
        faces: which faces count at first, one of ``inference.faces.FACES``.
        here: whether the page is only for the computer that serves it, and says so.
    """
    choices = list(looker.models.values())
    deleting = (DELETE_EVERY, DELETE_AFTER)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=deleting, fill_width=True) as blocks:
        gr.HTML(draw.heading(TITLE, HERE if here else ELSEWHERE), **PLAIN)
        with gr.Row():
            model = _choice("Model", [(one.label, one.name) for one in choices], choices[0].name)
            policy = _choice("What counts as a face", [(POLICIES[one], one) for one in FACES], faces)
        with gr.Tab("Picture"):
            _picture(looker, model, policy)
        with gr.Tab("Webcam, live"):
            _camera(looker, model, policy)
        about = gr.HTML(draw.about(choices[0]), elem_id="about", **PLAIN)
        model.change(
            lambda name: draw.about(looker.models[name]), model, about, show_progress="hidden", api_visibility="private"
        )
    return blocks


def _choice(label: str, choices: list[tuple[str, str]], first: str) -> gr.Dropdown:
    return gr.Dropdown(choices, value=first, label=label, min_width=280)


def _picture(looker: Looker, model: gr.Dropdown, policy: gr.Dropdown) -> None:
    """The tab for pictures: files that are dropped, snapshots, what is pasted."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            picture = gr.Image(
                label="Drop a picture, take a snapshot, or paste one",
                sources=["upload", "webcam", "clipboard"],
                webcam_options=gr.WebcamOptions(mirror=False),
                height=280,
                buttons=[],
                elem_id="picture",
            )
            why = gr.Button("Show where the model looks", interactive=False, elem_id="why")
        with gr.Column(scale=3, min_width=300):
            result = gr.HTML(draw.hint(EMPTY), elem_id="result", **PLAIN)
    seen = gr.State(None)  # the picture's bytes and name: its file is deleted before long

    def take(payload: Mapping[str, Any] | None, name: str, chosen: str) -> tuple[Any, ...]:
        if payload is None:
            return None, draw.hint(EMPTY), gr.Button(interactive=False)
        try:
            given = content_of(payload, Path(picture.GRADIO_CACHE))
        except InputError as error:
            return None, draw.problem(str(error)), gr.Button(interactive=False)
        return given, looker.look(*given, name, chosen), gr.Button(interactive=True)

    def again(given: tuple[bytes, str] | None, name: str, chosen: str) -> str:
        return looker.look(*given, name, chosen) if given else draw.hint(EMPTY)

    def explain(given: tuple[bytes, str] | None, name: str, chosen: str) -> str:
        return looker.look(*given, name, chosen, explained=True) if given else draw.hint(EMPTY)

    # Without gradio's own reading of the file: that knows fewer kinds, and meets a damaged one with a traceback.
    own: dict[str, Any] = {"preprocess": False, "api_visibility": "private", "show_progress_on": result}
    picture.change(take, [picture, model, policy], [seen, result, why], **own)
    for choice in (model, policy):
        choice.change(again, [seen, model, policy], result, **own)
    why.click(explain, [seen, model, policy], result, **own)


def _camera(looker: Looker, model: gr.Dropdown, policy: gr.Dropdown) -> None:
    """The tab for a camera, whose frames are looked at as they come; those that come too fast are dropped."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            camera = gr.Image(
                label="Webcam",
                sources=["webcam"],
                streaming=True,
                webcam_options=gr.WebcamOptions(mirror=False),
                height=280,
                buttons=[],
                elem_id="camera",
            )
        with gr.Column(scale=3, min_width=300):
            result = gr.HTML(draw.hint(EMPTY), elem_id="live", **PLAIN)

    def watch(payload: Mapping[str, Any] | None, name: str, chosen: str) -> Any:
        if payload is None:
            return gr.skip()
        try:
            said = looker.glance(content_of(payload, Path(camera.GRADIO_CACHE))[0], name, chosen)
        except InputError as error:
            said = draw.problem(str(error))
        return gr.skip() if said is None else said

    camera.stream(
        watch,
        [camera, model, policy],
        result,
        preprocess=False,
        api_visibility="private",
        show_progress="hidden",
        stream_every=FRAME_EVERY,
        concurrency_limit=CAMERAS,
    )
