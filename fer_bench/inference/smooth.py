"""Answers over time: each face of a video or a camera is followed, and gets the mean of what was said of it lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .face import Box, Crop, Picture, Unreadable
from .predict import Answer

#: Two boxes are of one face where they share so much of what they cover together.
LEAST_OVERLAP = 0.3


@dataclass(eq=False)
class _Track:
    """A face that is followed: where it was last, in which of the frames that were looked at, and what was said of it
    since then, for each model.
    """

    box: Box | None
    seen: int
    said: deque[tuple[np.ndarray, ...]] = field(default_factory=deque)


def smoothed(answers: Iterable[Answer], frames: int) -> Iterator[Answer]:
    """Answers in which what is said of a face in a video is the mean over the last ``frames`` frames that showed it.

    A face is the one of an earlier frame whose box it overlaps most, by at least ``LEAST_OVERLAP`` of what both cover;
    the best pair goes first, and no face is two. One that was not seen for ``frames`` frames is forgotten. Only frames
    that were looked at count. Pictures that are no frames stay as they are.

    Args:
        answers: in their order; those of one video follow one another.
        frames: how many, at least 1, which changes nothing.
    """
    tracks: list[_Track] = []
    source, number = "", 0
    for answer in answers:
        picture = answer.picture
        if isinstance(picture, Unreadable) or picture.frame is None:
            yield answer
            continue
        if picture.source != source or picture.frame == 0:  # another video, or the same once more
            tracks, source, number = [], picture.source, 0
        tracks = [track for track in tracks if number - track.seen < frames]
        yield _mean(answer, tracks, number, frames)
        number += 1


def _mean(answer: Answer, tracks: list[_Track], number: int, frames: int) -> Answer:
    """One frame's answer with the means; its faces are added to their tracks, and new ones begin a track."""
    assert isinstance(answer.picture, Picture)
    of_face = matched(answer.faces, [track.box for track in tracks])
    means: list[tuple[np.ndarray, ...]] = []
    new: list[_Track] = []
    for place, face in enumerate(answer.faces):
        track = tracks[of_face[place]] if place in of_face else _Track(face.box, number, deque(maxlen=frames))
        if place not in of_face:
            new.append(track)
        track.box, track.seen = face.box, number
        track.said.append(tuple(said[place] for said in answer.probabilities))
        means.append(tuple(np.stack(said).mean(axis=0) for said in zip(*track.said, strict=True)))
    tracks.extend(new)
    stacked = tuple(np.asarray(np.stack(said), np.float32) for said in zip(*means, strict=True))
    return replace(answer, probabilities=stacked)


def matched(faces: Sequence[Crop], before: Sequence[Box | None]) -> dict[int, int]:
    """Place of a face -> place among ``before`` of the box that it overlaps most; those that overlap none are left
    out.
    """
    pairs = [(overlap(face.box, box), at, other) for at, face in enumerate(faces) for other, box in enumerate(before)]
    found: dict[int, int] = {}
    for share, at, other in sorted(pairs, key=lambda pair: -pair[0]):
        if share >= LEAST_OVERLAP and at not in found and other not in found.values():
            found[at] = other
    return found


def overlap(one: Box | None, other: Box | None) -> float:
    """What two boxes share, as a part of what they cover together; 1 where both are the whole picture, None."""
    if one is None or other is None:
        return float(one is other)
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(width, 0) * max(height, 0)
    together = one.width * one.height + other.width * other.height - shared
    return shared / together if together else 0.0
