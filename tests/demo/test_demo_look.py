"""One picture at a time: what comes meanwhile from a camera is dropped, and the end waits for what is looked at."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from made_models import EMOTIONS

from fer_bench.demo.look import Looker

WORDS = ("slow", "none")


class Slow:
    """A model that answers when it is let go."""

    name, classes, key = "slow", EMOTIONS, ""

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.asked.set()
        assert self.let_go.wait(60)
        return np.full((len(images), 7), 1 / 7, np.float32)

    def close(self) -> None:
        pass


@pytest.fixture
def picture() -> bytes:
    return cv2.imencode(".png", np.full((48, 48), 99, np.uint8))[1].tobytes()


def test_frames_that_come_while_one_is_looked_at_are_dropped(picture: bytes):
    model, said = Slow(), []
    looker = Looker([model])
    first = threading.Thread(target=lambda: said.append(looker.look(picture, "face.png", *WORDS)))
    first.start()
    assert model.asked.wait(60)
    assert [looker.glance(picture, *WORDS) for _ in range(5)] == [None] * 5
    model.let_go.set()
    first.join(60)
    assert "14.3 %" in said[0]
    assert "14.3 %" in (looker.glance(picture, *WORDS) or "")


def test_the_end_waits_for_what_is_looked_at_and_nothing_is_afterwards(picture: bytes):
    model, done = Slow(), []
    looker = Looker([model])
    looking = threading.Thread(target=lambda: done.append(looker.look(picture, "face.png", *WORDS)))
    looking.start()
    assert model.asked.wait(60)
    ending = threading.Thread(target=lambda: (looker.end(), done.append("ended")))
    ending.start()
    model.let_go.set()
    looking.join(60)
    ending.join(60)
    assert done[1:] == ["ended"]
    assert looker.glance(picture, *WORDS) is None


@pytest.mark.parametrize(("name", "policy"), [("other", "none"), ("slow", "some"), (["slow"], "none"), ("slow", None)])
def test_choices_that_a_request_made_up_are_refused(picture: bytes, name: str, policy: str):
    assert "load the page again" in Looker([Slow()]).look(picture, "face.png", name, policy)
