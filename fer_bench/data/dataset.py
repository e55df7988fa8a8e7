"""The data set that every runner is measured on: labelled 48x48 gray faces, immutable, with a digest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

import numpy as np

#: FER-2013's emotions, in the order of its label ids.
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
#: The values of FER-2013's ``Usage`` column; ``Dataset.usage`` holds indices into this tuple.
USAGES = ("Training", "PublicTest", "PrivateTest")
IMAGE_SIZE = 48
#: What a column or folder of emotions has at most; beyond that, it holds something else.
MOST_CLASSES = 100
LONGEST_NAME = 200
#: The name of the embedded set; as a path, it means that set where nothing else is called so.
SYNTHETIC = "synthetic"
#: Its names under the label schemes: "synthetic-six", "synthetic-sadness+neutral". A file's set never has one of them.
_EMBEDDED = re.compile(rf"{SYNTHETIC}(-\d+-\d+)?(-six)?(-[a-z]+(\+[a-z]+)+)*", re.ASCII)


def is_embedded(name: str) -> bool:
    """Whether a data set of this name is the embedded one, under any label scheme: its figures say nothing about faces.

    This is the one place that tells; ``own_name`` keeps these names from all other data.
    """
    return _EMBEDDED.fullmatch(name) is not None


def own_name(name: str) -> str:
    """``name`` for a data set that was read from somewhere: another one where it would be taken for the embedded
    set.
    """
    return f"file-{name}" if is_embedded(name) else name


def digest_of(images: np.ndarray, labels: np.ndarray, usage: np.ndarray | None, classes: tuple[str, ...]) -> str:
    """sha256 (hex) over pixels, labels, usage and class names, in row order."""
    sha = hashlib.sha256("\n".join(classes).encode())
    sha.update(str(images.shape).encode())
    sha.update(np.ascontiguousarray(images).data)
    sha.update(np.ascontiguousarray(labels, dtype=np.int8).data)
    if usage is not None:
        sha.update(np.ascontiguousarray(usage, dtype=np.int8).data)
    return sha.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled faces.

    Attributes:
        images: (N, 48, 48) uint8, gray; may be a read-only memory map.
        labels: (N,) int8, indices into ``classes``.
        usage: (N,) int8, indices into ``USAGES``, or None where the source does not say.
        classes: names of the emotions, in label order.
        name: short name for folders and tables, such as ``fer2013`` or ``fer2013-six``.
        source: where it was read from, for people.
        digest: sha256 of images, labels, usage and classes; computed when not given.
        order: what label numbers in the source were taken to mean: a name or list that ``load_dataset(classes=...)``
            knows, "assumed" where it is FER-2013's because nobody said another, "" where labels were names.
        left_out: a text for each kind of file that lies there and was not read, with their number and first names.
        notes: a text for each thing that was decided in reading, such as the depth of pixels of 16 bits.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    usage: np.ndarray | None = field(repr=False)
    classes: tuple[str, ...]
    name: str
    source: str
    digest: str = field(default="")
    order: str = field(default="")
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.images.shape != (n, IMAGE_SIZE, IMAGE_SIZE) or self.images.dtype != np.uint8:
            raise ValueError(f"images must be ({n}, 48, 48) uint8, not {self.images.shape} {self.images.dtype}")
        _check_codes("labels", self.labels, n, len(self.classes))
        if self.usage is not None:
            _check_codes("usage", self.usage, n, len(USAGES))
        if len(self.classes) > MOST_CLASSES or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"{len(self.classes)} classes; at most {MOST_CLASSES}, all different, are possible")
        if not all(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME for name in self.classes):
            raise ValueError(f"a class without a name, or with one of more than {LONGEST_NAME} characters")
        if not self.digest:
            object.__setattr__(self, "digest", digest_of(self.images, self.labels, self.usage, self.classes))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def embedded(self) -> bool:
        """Whether it is the embedded set, by its name; see ``is_embedded``."""
        return is_embedded(self.name)

    def counts(self, rows: np.ndarray | slice = slice(None)) -> dict[str, int]:
        """The number of images of each class among ``rows``, indices or a mask; of all by default."""
        return dict(
            zip(self.classes, np.bincount(self.labels[rows], minlength=len(self.classes)).tolist(), strict=True)
        )


def _check_codes(what: str, codes: np.ndarray, images: int, known: int) -> None:
    """Raises ValueError for what is no row of whole numbers below ``known``, one for each image."""
    if codes.shape != (images,) or codes.dtype.kind not in "iu":
        raise ValueError(f"{what} must be ({images},) int8, not {codes.shape} {codes.dtype}")
    if images and not 0 <= codes.min() <= codes.max() < known:
        raise ValueError(f"{what} from {codes.min()} to {codes.max()}, where 0 to {known - 1} are known")
