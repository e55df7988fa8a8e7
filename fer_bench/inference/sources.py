"""What pictures are read from: image files, folders, addresses, videos, a camera."""

from __future__ import annotations

import itertools
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from ..data.decoding import MAX_IMAGE_BYTES, begins_as_image, suffixes
from ..data.tree import Tree, counted, folder_tree
from ..errors import InputError, brief, visible
from . import video
from .face import Picture, Unreadable
from .pictures import read_picture

Pictures = Iterator[Picture | Unreadable]


def open_sources(
    given: Sequence[str],
    *,
    camera: int | None = None,
    every: int = 1,
    note: Callable[[str], None] = lambda line: None,
) -> Pictures:
    """Pictures one after the other, in the order of ``given``, then those of the camera until it ends.

    Of a folder, what is below it counts, too: images and videos, sorted by their paths. Whether a file is an image or a
    video is told by its content; in a folder, files with other names than images and videos have are left out.

    Args:
        given: image and video files, folders, addresses that begin with http:// or https://.
        camera: the number of a camera, from 0.
        every: of a video or a camera, one frame of so many, the first included.
        note: is called with a line for what a user should know of the reading, such as a folder's files that are left
            out.

    Returns:
        An iterator that reads lazily. What turns out to be no picture is an ``Unreadable`` among the others. So is what
        is missing at the end of a video.

    Raises:
        InputError: at once for nothing given, no such file, what is neither file nor folder, a folder without pictures,
            an address of another kind, no camera.
        OSError: at once for a folder or file that may not be looked at.
    """
    if every < 1:
        raise InputError(f"one frame of {every}: at least 1 is wanted")
    if not given and camera is None:
        raise InputError("nothing to read: give pictures, folders, videos, addresses or a camera")
    readers = [_open(source, every, note) for source in given]
    if camera is not None:
        readers.append(video.read_camera(video.open_camera(camera), f"camera {camera}", every))
    return itertools.chain.from_iterable(readers)


def _open(source: str, every: int, note: Callable[[str], None]) -> Iterable[Picture | Unreadable]:
    """A reader of one source that has read nothing yet. Raises as ``open_sources``."""
    if "://" in source:
        from .fetch import check_address  # what it imports would cost each first answer a tenth of a second

        check_address(source)
        return _read_address(source, every)
    if not source:  # of a shell's variable that is not set; to Path it is this folder
        raise InputError("'': no such file or folder")
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last is for a NUL in it
        hint = "; leave the quotes away, or name the folder" if set(source) & set("*?[") else ""
        raise InputError(f"{brief(source, 200)}: no such file or folder{hint}") from None
    if stat.S_ISDIR(mode):
        return _read_folder(path, every, note)
    if not stat.S_ISREG(mode):
        raise InputError(f"{brief(source, 200)}: neither a plain file nor a folder")
    return _read_file(path, source, every)


def _read_folder(folder: Path, every: int, note: Callable[[str], None]) -> Pictures:
    """The pictures and videos below a folder; what else is there is told. Raises as ``open_sources``."""
    tree = folder_tree(folder)
    wanted, left_out = _sorted_out(tree)
    if not wanted:
        held = "; ".join(left_out) or "nothing"
        raise InputError(f"{folder}: no picture or video in it or below; it holds {held}")
    for text in left_out:
        note(f"{folder}: not read: {text}")
    places = [tree.place(name) for name in sorted(wanted)]
    return itertools.chain.from_iterable(_read_file(place, str(place), every) for place in places)


def _sorted_out(tree: Tree) -> tuple[list[PurePosixPath], list[str]]:
    """The pictures and videos of a folder, and a text for each kind of what else is there."""
    images, unread = suffixes()
    wanted: list[PurePosixPath] = []
    unknown: list[PurePosixPath] = []
    others: list[PurePosixPath] = []
    for name in tree.files:
        suffix = name.suffix.lower()
        if suffix in images or suffix in video.SUFFIXES or (not suffix and _is_picture(tree, name)):
            wanted.append(name)
        else:
            (unknown if suffix in unread else others).append(name)
    kinds = {"image of a kind that can't be read": unknown, "other file": others, "hidden or system file": tree.hidden}
    return wanted, [counted(what, names) for what, names in kinds.items() if names]


def _is_picture(tree: Tree, name: PurePosixPath) -> bool:
    with tree.place(name).open("rb") as file:
        start = file.read(video.START)
    return begins_as_image(start[:16]) or video.begins_as_video(start)


def _read_file(path: Path, source: str, every: int) -> Pictures:
    """The picture in a file, or the frames of its video, by what stands in it."""
    try:
        with path.open("rb") as file:
            start = file.read(video.START)
            is_video = video.begins_as_video(start)
            content = b"" if is_video else start + file.read(MAX_IMAGE_BYTES + 1 - len(start))
    except OSError as error:
        yield Unreadable(source, f"can't be read ({error.strerror or error})")
        return
    yield from video.read_video(path, source, every) if is_video else [_picture(content, source)]


def _read_address(url: str, every: int) -> Pictures:
    """The picture at an address; a video is kept in a temporary file as long as its frames are read."""
    from .fetch import fetch

    try:
        content = fetch(url)
    except InputError as error:
        yield Unreadable(url, _reason(error, brief(url, 120)))
        return
    if not video.begins_as_video(content[: video.START]):
        yield _picture(content, url)
        return
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
        path = Path(folder, "video")
        path.write_bytes(content)
        del content
        yield from video.read_video(path, url, every)


def _picture(content: bytes, source: str) -> Picture | Unreadable:
    if len(content) > MAX_IMAGE_BYTES:
        return Unreadable(source, f"more than {MAX_IMAGE_BYTES:,} bytes, which are the limit of a picture")
    try:
        return read_picture(content, source, source)
    except InputError as error:
        return Unreadable(source, _reason(error, source))


def _reason(error: InputError, where: str) -> str:
    """What an error says without the place, which its row names anyway."""
    return str(error).removeprefix(visible(f"{where}: "))
