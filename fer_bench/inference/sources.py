"""What pictures are read from: image files, folders, addresses, videos, a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .face import Picture, Unreadable


def open_sources(
    given: Sequence[str], *, camera: int | None = None, every: int = 1, note: Callable[[str], None] | None = None
) -> Iterator[Picture | Unreadable]:
    """Pictures one after the other, in the order of ``given``, then those of the camera until it ends.

    Args:
        given: image and video files, folders, addresses that begin with http:// or https://.
        camera: the number of a camera, from 0.
        every: of a video or a camera, one frame of so many.
        note: is called with a line for each thing that a user should know, such as files of a folder left out.

    Raises:
        InputError: no such file, a folder without pictures, an address of another kind, no camera. Raised at once;
            what turns out later to be no picture is an ``Unreadable`` among the others.
    """
    raise NotImplementedError
