"""What the numbers of emotions mean: the orders of the data sets that people use, and what speaks against one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..errors import InputError, brief
from .dataset import EMOTIONS
from .names import LONGEST_NAME, MOST_CLASSES, emotion

#: The name of FER-2013's order where nobody said that it is the data's.
ASSUMED = "assumed"
FER2013 = "fer2013"
_FIRST_SEVEN = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
_RAF_DB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
#: Name -> what each number means; docs/guides/data.md has the source of each.
ORDERS: dict[str, dict[int, str]] = {
    FER2013: dict(enumerate(EMOTIONS)),
    "raf-db": dict(enumerate(_RAF_DB, start=1)),
    "affectnet": dict(enumerate((*_FIRST_SEVEN, "contempt"))),
    "ferplus": dict(enumerate(("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"))),
    "expw": dict(enumerate(EMOTIONS)),
    "alphabetical": dict(enumerate(sorted(EMOTIONS))),
}
#: Images of each of ``EMOTIONS`` in whole releases: FER-2013, RAF-DB (training), AffectNet (training), FER+, ExpW.
_FREQUENCIES = np.array(
    [
        (4953, 547, 5121, 8989, 6077, 4002, 6198),
        (705, 717, 281, 4772, 1982, 1290, 2524),
        (24882, 3803, 6378, 134415, 25459, 14090, 74874),
        (3111, 248, 819, 9355, 4371, 4462, 12906),
        (3671, 3995, 1088, 30537, 10559, 7060, 34883),
    ]
)
#: Orders that numbers from 0 to 6 may be in, beside FER-2013's; a name that ``order_of`` knows, and what it means.
_OTHERS = {name: ORDERS[name] for name in ("affectnet", "ferplus", "alphabetical")} | {
    ",".join(_RAF_DB): dict(enumerate(_RAF_DB))
}
#: A set's counts are those of a release where they diverge from its frequencies by less (nats an image), and are not
#: those of FER-2013's order where that is so much less likely (nats in all). Random parts of all five releases under
#: FER-2013's order: none of 5,000 was refused; from 1,000 images on, nearly all under other orders are.
_NEAR, _UNLIKELY = 0.02, 20.0
#: A model speaks for another known order where its average recall under that one is better by this, beyond any chance;
#: for the order that fits it best of all that there are, where it is better by twice as much.
_BETTER, _CHANCE = 0.1, 1e-3


class Order(NamedTuple):
    """What numbers mean: ``name`` as --classes has it, or ``ASSUMED``; ``names``: number -> emotion."""

    name: str
    names: Mapping[int, str]

    def text(self) -> str:
        """ "0 anger, 1 disgust, ..." """
        return ", ".join(f"{number} {name}" for number, name in self.names.items())


def order_of(text: str | None) -> Order:
    """The order of a name in ``ORDERS``, of "surprise,fear,..." from 0 on, or of "1=surprise,fear,..." from 1 on.

    None stands for FER-2013's, which is then assumed.

    Raises:
        InputError: an unknown name, a number or an emotion twice, or too many.
    """
    if text is None or text == ASSUMED:
        return Order(ASSUMED, ORDERS[FER2013])
    known = next((name for name in ORDERS if _plain(name) == _plain(text)), None)
    if known:
        return Order(known, ORDERS[known])
    if "," not in text:
        raise InputError(
            f"--classes {brief(text)}: no known order; give {', '.join(ORDERS)}, or the emotions in the order of their "
            "numbers: anger,disgust,... from 0 on, 1=surprise,fear,... from 1 on"
        )
    names: dict[int, str] = {}
    number = 0
    for item in text.split(","):
        found = re.fullmatch(r"\s*(?:([0-9]{1,3})\s*=)?\s*(\S(?:.*\S)?)\s*", item)
        if not found or len(found[2]) > LONGEST_NAME or len(names) == MOST_CLASSES:
            raise InputError(
                f"--classes: {brief(item)} is no emotion; surprise,fear,... or 1=surprise,fear,... is wanted"
            )
        number = int(found[1]) if found[1] else number
        name = emotion(found[2]) or found[2].lower()
        if number in names or name in names.values():
            raise InputError(f"--classes {brief(text, 120)}: {number} or {name} stands there twice")
        names[number] = name
        number += 1
    return Order(",".join(f"{number}={name}" for number, name in names.items()), names)


def _plain(text: str) -> str:
    """ "RAF-DB" and "raf_db" are "rafdb", "FER+" is "ferplus"."""
    return re.sub(r"[^a-z0-9,=]", "", text.strip().lower().replace("+", "plus"))


def told(order: str) -> str:
    """One line for people that says how label numbers were read, by ``Dataset.order``; "" where labels are names."""
    if not order:
        return ""
    said = "as given" if order not in ORDERS else f"the order of {order}"
    if order == ASSUMED:
        said = "FER-2013's order, which nothing here says; --classes gives another"
    return f"numbers read as {order_of(order).text()} ({said})"


def order_by_counts(where: str, counts: np.ndarray, marked: bool) -> str:
    """What speaks for FER-2013's order, in which label numbers were read as nobody said another, or against it.

    Args:
        where: the data, for the message.
        counts: images of each of ``EMOTIONS``, (7,).
        marked: whether the images have FER-2013's usages, too.

    Returns:
        ``FER2013`` where the counts are exactly those of all its images, else ``ASSUMED``.

    Raises:
        InputError: all numbers from 1 to 6 are there and 0 is not, in other frequencies than those of FER-2013's
            emotions, or the counts are those of a known data set's emotions under another order.
    """
    if (counts == _FREQUENCIES[0]).all() or not counts.sum():
        return FER2013 if counts.sum() else ASSUMED
    shown = ", ".join(f"{count:,} of {number}" for number, count in enumerate(counts.tolist()))
    if not counts[0] and counts[1:].all() and not marked and _from(counts[1:], _FREQUENCIES[:1, 1:]) > _NEAR:
        raise InputError(
            f"{where}: label numbers {shown}: do they begin at 1, where FER-2013's begin at 0? Say what they mean with "
            "--classes raf-db, 1=surprise,fear,... or fer2013"
        )
    own = _divergence(counts, ORDERS[FER2013])
    other = min(_OTHERS, key=lambda name: _divergence(counts, _OTHERS[name]))
    best = _divergence(counts, _OTHERS[other])
    if best < _NEAR and (own - best) * counts.sum() > _UNLIKELY:
        raise InputError(
            f"{where}: label numbers {shown}: these are the frequencies of emotions in another order than FER-2013's,"
            f" as with --classes {other}; say which it is, with that or with --classes fer2013"
        )
    return ASSUMED


def _divergence(counts: np.ndarray, names: Mapping[int, str]) -> float:
    """Of the counts from the frequencies in that release which they resemble most, under an order
    (Kullback-Leibler).
    """
    places = [EMOTIONS.index(names[number]) for number in range(len(EMOTIONS))]
    return _from(counts, _FREQUENCIES[:, places])


def _from(counts: np.ndarray, releases: np.ndarray) -> float:
    there = counts > 0
    shares = counts[there] / counts.sum()
    expected = (releases / releases.sum(axis=1, keepdims=True))[:, there]
    return float((shares * np.log(shares / expected)).sum(axis=1).min())


def better_order(
    labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...]
) -> tuple[str, float, float] | None:
    """The order under which a model agrees with label numbers far better than under FER-2013's, in which they were
    read.

    Args:
        labels: (n,) as read, indices into ``classes``.
        predicted: (n,) the model's, likewise.
        classes: the model's.

    Returns:
        What --classes calls that order, and the share of images on which the model agrees under FER-2013's and under
        that order; None where there is no such order.
    """
    if not len(labels) or not set(classes) <= set(EMOTIONS):
        return None
    own = labels == predicted
    found = None
    most = _recall(own, labels)
    for name, places, better, chance in _candidates(labels, predicted, classes):
        other = places[labels] == predicted
        recall = _recall(other, labels)
        if recall > most + better and _chance(other, own) < chance:
            found, most = (name, float(own.mean()), float(other.mean())), recall - better
    return found


def _candidates(
    labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...]
) -> Iterator[tuple[str, np.ndarray, float, float]]:
    """Known orders, and the one that fits best: its name, the class of each label, how much better it has to be,
    chance.
    """
    from scipy.optimize import linear_sum_assignment

    for name, names in _OTHERS.items():
        meant = [names[EMOTIONS.index(one)] for one in classes]
        yield name, np.array([classes.index(one) if one in classes else -1 for one in meant]), _BETTER, _CHANCE
    if classes != EMOTIONS:
        return
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (labels, predicted), 1)
    places = linear_sum_assignment(-counts / counts.sum(axis=1, keepdims=True).clip(1))[1]
    yield ",".join(classes[place] for place in places), places, 2 * _BETTER, _CHANCE / math.factorial(len(classes))


def _chance(other: np.ndarray, own: np.ndarray) -> float:
    """p of the sign test that ``other`` is right more often."""
    from scipy.stats import binomtest

    gained, lost = int((other & ~own).sum()), int((own & ~other).sum())
    return float(binomtest(gained, gained + lost, alternative="greater").pvalue) if gained else 1.0


def _recall(right: np.ndarray, labels: np.ndarray) -> float:
    """The share that is right, label by label, on average: a model that always says the same gains nothing anywhere."""
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
