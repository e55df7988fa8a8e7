"""The embedded set: faces drawn by code, so that everything can be seen working without any data.

Each emotion is a point in a small space of face movements (brows, lids, nose, mouth; after Ekman and Friesen's action
units). A face lies somewhere between neutral and that point, with jitter, under a head, pose, light and noise of its
own: weak expressions overlap, as they do in FER-2013. Only raw PCG64 draws, IEEE arithmetic and comparisons are used
(no libm function, no long sum), so the bytes are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .dataset import EMOTIONS, IMAGE_SIZE, SYNTHETIC, USAGES, Dataset

IMAGES = 960
SEED = 20131
#: Share of each usage, and of the test parts the share of images that are copies of a Training image.
SHARES = {"Training": 0.70, "PublicTest": 0.15, "PrivateTest": 0.15}
COPIES = 0.02
#: Relative frequency of the emotions: disgust is rare and happiness common, less so than in FER-2013.
FREQUENCY = {"anger": 14, "disgust": 9, "fear": 14, "happiness": 18, "sadness": 15, "surprise": 14, "neutral": 16}

#: Face movements, as departures from neutral; lengths in head half-heights, up is positive for brows and corners.
MOVEMENTS: Mapping[str, Mapping[str, float]] = {
    "anger": {"brow_inner": -0.15, "brow_outer": 0.05, "lid": 0.01, "corner": -0.05, "width": -0.04, "frown": 1.0},
    "disgust": {
        "brow_inner": -0.09,
        "brow_outer": -0.05,
        "lid": -0.05,
        "corner": -0.07,
        "lip_raise": 0.08,
        "wrinkle": 1.0,
    },
    "fear": {"brow_inner": 0.12, "brow_outer": 0.0, "lid": 0.06, "corner": -0.06, "open": 0.09, "width": 0.06},
    "happiness": {"lid": -0.03, "corner": 0.14, "open": 0.06, "width": 0.09, "teeth": 1.0, "fold": 1.0},
    "sadness": {"brow_inner": 0.10, "brow_outer": -0.08, "lid": -0.04, "corner": -0.12, "width": -0.04},
    "surprise": {"brow_inner": 0.12, "brow_outer": 0.12, "lid": 0.06, "open": 0.17, "width": -0.08},
    "neutral": {},
}
#: Spread of the jitter around a movement (the sum of three uniform draws, about 0.5 standard deviations).
JITTER = {
    "brow_inner": 0.055, "brow_outer": 0.055, "lid": 0.03, "corner": 0.05, "open": 0.035, "width": 0.06,
    "lip_raise": 0.02, "frown": 0.5, "wrinkle": 0.4, "fold": 0.5, "teeth": 0.5,
}  # fmt: skip
#: What has nothing to do with the emotion, drawn uniformly; positions in head half-heights, shades in [0, 1].
APPEARANCE = {
    "strength": (0.45, 1.2), "tilt": (-0.07, 0.07), "yaw": (-0.08, 0.08), "pitch": (-0.045, 0.045),
    "x": (-0.07, 0.07), "y": (-0.065, 0.065), "zoom": (0.94, 1.08), "blur": (1.0, 2.4),
    "head_width": (0.73, 0.83), "chin": (0.05, 0.35), "eye_gap": (0.305, 0.355), "eye_height": (-0.17, -0.07),
    "eye_size": (0.11, 0.15), "brow_gap": (0.17, 0.24), "brow_weight": (0.025, 0.06), "nose": (0.18, 0.30),
    "mouth_height": (0.52, 0.58), "mouth_width": (0.24, 0.33), "lips": (0.03, 0.06), "asymmetry": (-0.06, 0.06),
    "hairline": (-0.78, -0.45), "fringe": (-0.3, 0.3), "hair": (0.05, 0.75), "skin": (0.45, 0.75), "back": (0.2, 0.8),
    "back_slope": (-0.3, 0.3), "gaze": (-0.04, 0.04), "glasses": (-3.0, 1.0), "beard": (-2.0, 1.0),
    "light_x": (-0.2, 0.2), "light_y": (-0.15, 0.15), "contrast": (0.7, 1.0), "exposure": (-0.12, 0.12),
    "noise": (0.005, 0.04),
}  # fmt: skip
_CHUNK = 64  # images drawn at a time: the working arrays then stay in the processor's cache

Params = dict[str, np.ndarray]


def synthetic(images: int = IMAGES, seed: int = SEED) -> Dataset:
    """Faces of the seven ``EMOTIONS`` with stratified usages, the same bytes for the same arguments on every machine.

    Rows are Training, then PublicTest, then PrivateTest, as in FER-2013; some test images (``COPIES``) repeat a
    Training image of the same emotion, so that scores on unseen images differ from scores on all.

    Raises:
        ValueError: fewer than 70 images, too few for every emotion to stand in every part.
    """
    if images < 70:
        raise ValueError(f"a synthetic set has 70 images at least, not {images}")
    bits = np.random.PCG64(seed)
    labels, usage = _plan(images, bits)
    params = _draw_params(labels, bits)
    pixels = np.empty((images, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for start in range(0, images, _CHUNK):
        rows = slice(start, start + _CHUNK)
        part = {name: values[rows] for name, values in params.items()}
        pixels[rows] = _develop(_draw_faces(part), part, bits)
    _copy_some(pixels, labels, usage)
    name = SYNTHETIC if (images, seed) == (IMAGES, SEED) else f"{SYNTHETIC}-{images}-{seed}"
    return Dataset(pixels, labels, usage, EMOTIONS, name, "embedded synthetic faces")


def _uniform(bits: np.random.PCG64, count: int) -> np.ndarray:
    """(count,) float64 in [0, 1), from raw draws: those, unlike Generator's methods, never change between versions."""
    return (bits.random_raw(count) >> np.uint64(11)) * 2.0**-53


def _plan(images: int, bits: np.random.PCG64) -> tuple[np.ndarray, np.ndarray]:
    """Labels and usages (int8): frequencies as ``FREQUENCY``, each emotion shared out as ``SHARES``, shuffled."""
    total = sum(FREQUENCY.values())
    counts = {emotion: round(images * weight / total) for emotion, weight in FREQUENCY.items()}
    counts["happiness"] += images - sum(counts.values())
    labels, usage = [], []
    for label, emotion in enumerate(EMOTIONS):
        held = [round(counts[emotion] * SHARES[name]) for name in USAGES[1:]]
        sizes = [counts[emotion] - sum(held), *held]
        labels.append(np.full(counts[emotion], label, np.int8))
        usage.append(np.repeat(np.arange(3, dtype=np.int8), sizes))
    all_labels, all_usage = np.concatenate(labels), np.concatenate(usage)
    order = np.lexsort((_uniform(bits, images), all_usage))
    return all_labels[order], all_usage[order]


def _draw_params(labels: np.ndarray, bits: np.random.PCG64) -> Params:
    """Every parameter of every face, each (N, 1, 1) float32."""
    n = len(labels)
    params = {name: low + (high - low) * _uniform(bits, n) for name, (low, high) in APPEARANCE.items()}
    for name, spread in JITTER.items():
        target = np.array([MOVEMENTS[emotion].get(name, 0.0) for emotion in EMOTIONS])[labels]
        jitter = _uniform(bits, n) + _uniform(bits, n) + _uniform(bits, n) - 1.5
        params[name] = params["strength"] * target + spread * jitter
    return {name: values.astype(np.float32).reshape(n, 1, 1) for name, values in params.items()}


class _Sheet:
    """Faces being painted, (B, 48, 48) float32, with the coordinates of their pixels in head half-heights.

    ``u`` runs to the right and ``v`` down from the middle of each head, along its own axes; ``dark`` and ``shadow`` are
    shades of its skin.
    """

    def __init__(self, p: Params) -> None:
        grid = (np.arange(IMAGE_SIZE, dtype=np.float32) - np.float32(23.5)) / np.float32(22)
        x, y = grid[None, None, :], grid[None, :, None]
        t = p["tilt"]  # the tangent of half the angle: rotation without sine and cosine
        cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        shifted_x, shifted_y = x - p["x"], y - p["y"] - np.float32(0.05)
        self.u = (cosine * shifted_x + sine * shifted_y) / p["zoom"]
        self.v = (cosine * shifted_y - sine * shifted_x) / p["zoom"]
        self.shades = np.broadcast_to(p["back"] + p["back_slope"] * x, self.u.shape).astype(np.float32)
        self.edge = np.float32(22) * p["zoom"] / p["blur"]
        self.dark, self.shadow = p["skin"] * np.float32(0.25), p["skin"] * np.float32(0.72)

    def cover(self, distance: np.ndarray) -> np.ndarray:
        """How much of each pixel lies inside a shape, given the signed distance to its edge (negative inside)."""
        return np.clip(np.float32(0.5) - distance * self.edge, 0, 1)

    def paint(self, mask: np.ndarray, shade: np.ndarray) -> None:
        """Lays ``shade`` over the pixels as far as ``mask`` covers them."""
        self.shades += mask * (shade - self.shades)


def _draw_faces(p: Params) -> np.ndarray:
    """(B, 48, 48) float32 in about [0, 1]: the faces as painted, before light and noise."""
    sheet = _Sheet(p)
    u, v, cover, paint = sheet.u, sheet.v, sheet.cover, sheet.paint
    half_width = p["head_width"] * (1 - p["chin"] * np.clip(v, 0, 1) * np.clip(v, 0, 1))
    radius = np.sqrt((u / half_width) * (u / half_width) + v * v)
    paint(cover(np.maximum(np.abs(u) - np.float32(0.36), np.float32(0.6) - v)), sheet.shadow)  # neck
    paint(cover(np.maximum((radius - np.float32(1.1)) * half_width, v - np.float32(0.2))), p["hair"])
    face = cover((radius - 1) * half_width)
    paint(face, p["skin"] * (np.float32(1.08) - np.float32(0.2) * radius * radius))
    paint(face * cover(v - p["hairline"] - p["fringe"] * u), p["hair"])

    # A turned head moves what is on its front against its outline.
    sheet.u, sheet.v = u - p["yaw"], v - p["pitch"]
    jaw = np.float32(0.40) + np.float32(0.35) * np.abs(sheet.u) - sheet.v
    paint(face * cover(jaw) * np.clip(p["beard"], 0, 1), p["hair"])
    _draw_eyes(p, sheet)
    _draw_nose(p, sheet)
    _draw_mouth(p, sheet)
    return sheet.shades


def _draw_eyes(p: Params, sheet: _Sheet) -> None:
    """Eyes, brows, the frown between them and, on one face in four, glasses."""
    u, v, side, cover, paint, dark = sheet.u, sheet.v, np.abs(sheet.u), sheet.cover, sheet.paint, sheet.dark
    size = p["eye_size"]
    across = (side - p["eye_gap"]) / size
    almond = 1 - across * across
    opening = np.maximum(np.float32(0.065) + p["lid"], np.float32(0.012))
    down = v - p["eye_height"]
    eye = cover(np.abs(down) - opening * almond)
    paint(eye, np.float32(0.35) + np.float32(0.6) * p["skin"])
    iris_x = side - p["eye_gap"] - p["gaze"] * np.sign(u)
    paint(eye * cover(np.sqrt(iris_x * iris_x + down * down) - np.float32(0.06)), dark * np.float32(0.4))
    paint(cover(np.maximum(np.abs(down + opening * almond), (np.abs(across) - 1) * size) - np.float32(0.018)), dark)

    along = (side - p["eye_gap"] + np.float32(0.17)) / np.float32(0.34)  # 0 at the inner end, 1 at the outer
    rise = p["brow_inner"] + (p["brow_outer"] - p["brow_inner"]) * along + np.float32(0.12) * along * (1 - along)
    level = p["eye_height"] - p["brow_gap"] - rise - p["asymmetry"] * u
    ends = (np.abs(along - np.float32(0.5)) - np.float32(0.5)) * np.float32(0.34)
    paint(cover(np.maximum(np.abs(v - level) - p["brow_weight"], ends)), np.minimum(p["hair"], dark * np.float32(1.3)))
    crease = np.maximum(
        np.abs(side - np.float32(0.06)) - np.float32(0.015), np.abs(down + np.float32(0.17)) - np.float32(0.09)
    )
    paint(cover(crease) * np.clip(p["frown"], 0, 1), sheet.shadow)

    rim = np.abs(np.sqrt(across * across * size * size + down * down) - np.float32(0.2)) - np.float32(0.016)
    bridge = np.maximum(np.abs(down) - np.float32(0.016), side - p["eye_gap"] + np.float32(0.2))
    paint(cover(np.minimum(rim, bridge)) * (p["glasses"] > 0), dark)


def _draw_nose(p: Params, sheet: _Sheet) -> None:
    """A shaded flank, nostrils that rise with the upper lip, wrinkles across the bridge, folds beside a smile."""
    u, v, side, cover, paint, shadow = sheet.u, sheet.v, np.abs(sheet.u), sheet.cover, sheet.paint, sheet.shadow
    tip = p["nose"] - np.float32(0.4) * p["lip_raise"]
    flank = np.abs(u - np.float32(0.05) - np.float32(0.12) * (v + np.float32(0.1))) - np.float32(0.02)
    paint(cover(np.maximum(flank, np.abs(v - tip / 2 + np.float32(0.05)) - tip / 2 - np.float32(0.05))), shadow)
    beside, below = (side - np.float32(0.08)) / np.float32(1.6), v - tip
    paint(cover(np.sqrt(beside * beside + below * below) - np.float32(0.025)), sheet.dark)
    for height in (-0.10, 0.0):
        line = np.abs(v - np.float32(height) + np.float32(0.3) * side) - np.float32(0.014)
        paint(cover(np.maximum(line, side - np.float32(0.13))) * np.clip(p["wrinkle"], 0, 1), shadow)
    down = v - tip
    fold = np.abs(side - np.float32(0.16) - np.float32(0.55) * down) - np.float32(0.016)
    strength = np.clip(np.maximum(p["fold"], np.float32(0.7) * p["wrinkle"]), 0, 1)
    paint(cover(np.maximum(fold, np.abs(down - np.float32(0.14)) - np.float32(0.13))) * strength, shadow)


def _draw_mouth(p: Params, sheet: _Sheet) -> None:
    """Lips around an opening that may show teeth; corners up or down, the upper lip raised."""
    u, v, cover, paint = sheet.u, sheet.v, sheet.cover, sheet.paint
    width = np.maximum(p["mouth_width"] + p["width"], np.float32(0.12))
    across = u / width
    bow = 1 - across * across
    middle = p["mouth_height"] + p["corner"] * (bow - np.float32(0.5)) + np.float32(0.6) * p["asymmetry"] * u
    opening = np.maximum(p["open"], 0)
    upper = middle - (np.float32(0.4) * opening + p["lip_raise"]) * bow
    lower = middle + opening * bow
    ends = (np.abs(across) - 1) * width
    lips = np.maximum(np.maximum(upper - p["lips"] * bow - v, v - lower - np.float32(1.3) * p["lips"] * bow), ends)
    paint(cover(lips), sheet.shadow * np.float32(0.85))
    inside = cover(np.maximum(np.maximum(upper - v, v - lower) - np.float32(0.012), ends))
    paint(inside, sheet.dark * np.float32(0.6))
    row = cover(v - upper - np.float32(0.07))
    paint(inside * row * np.clip(p["teeth"], 0, 1), np.float32(0.5) + np.float32(0.5) * p["skin"])


def _develop(faces: np.ndarray, p: Params, bits: np.random.PCG64) -> np.ndarray:
    """Light from one side, contrast, exposure and sensor noise; (B, 48, 48) uint8."""
    grid = np.linspace(-1, 1, IMAGE_SIZE, dtype=np.float32)
    light = 1 + p["light_x"] * grid[None, None, :] + p["light_y"] * grid[None, :, None]
    # The four quarters of a raw draw, added: near enough to a normal variable, and never a logarithm.
    quarters = bits.random_raw(faces.size).view(np.uint16).reshape(-1, 4).astype(np.float32)
    noise = (quarters[:, 0] + quarters[:, 1] + quarters[:, 2] + quarters[:, 3]).reshape(faces.shape)
    noise = (noise / np.float32(65536) - 2) * np.float32(1.7320508)
    shade = np.float32(0.5) + p["contrast"] * (faces * light - np.float32(0.5)) + p["exposure"] + p["noise"] * noise
    return np.clip(np.floor(shade * 255 + np.float32(0.5)), 0, 255).astype(np.uint8)


def _copy_some(pixels: np.ndarray, labels: np.ndarray, usage: np.ndarray) -> None:
    """Overwrites the first images of each test part by Training images of the same emotion, in place."""
    for part in (1, 2):
        rows = np.flatnonzero(usage == part)
        for nth, row in enumerate(rows[: max(1, round(COPIES * len(rows)))]):
            twins = np.flatnonzero((usage == 0) & (labels == labels[row]))
            pixels[row] = pixels[twins[(2 * nth + part - 1) % len(twins)]]
