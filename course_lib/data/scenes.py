"""Drawn photographs: a background, a few objects, and the exact box and mask of each.

The miniatures of ImageNet, Places365, Open Images and YFCC100M are made of these. What is notable: the same outlines
draw the picture and the mask: boxes and masks are right to the pixel, and what hides or cuts an object off is measured.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Part:
    """One piece of an object. `points` lie in the object's own square, x to the right and y down, both in [0, 1]."""

    kind: str  # "ellipse" (two corners) or "polygon"
    points: tuple[tuple[float, float], ...]
    shade: float = 1.0  # times the object's colour
    colour: Colour | None = None  # where it must not follow the object's colour


def _ellipse(x0: float, y0: float, x1: float, y1: float, shade: float = 1.0, colour: Colour | None = None) -> Part:
    return Part("ellipse", ((x0, y0), (x1, y1)), shade, colour)


def _polygon(*points: tuple[float, float], shade: float = 1.0, colour: Colour | None = None) -> Part:
    return Part("polygon", points, shade, colour)


def _box(x0: float, y0: float, x1: float, y1: float, shade: float = 1.0, colour: Colour | None = None) -> Part:
    return _polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1), shade=shade, colour=colour)


_DARK, _GLASS, _WOOD = (40, 40, 45), (170, 205, 220), (105, 72, 45)

OBJECTS: dict[str, tuple[Part, ...]] = {
    "balloon": (
        _polygon((0.36, 0.62), (0.64, 0.62), (0.56, 0.84), (0.44, 0.84), shade=0.6),
        _ellipse(0.14, 0.0, 0.86, 0.72),
        _ellipse(0.36, 0.0, 0.64, 0.72, shade=0.78),
        _box(0.42, 0.84, 0.58, 1.0, colour=_WOOD),
    ),
    "basketball": (
        _ellipse(0.0, 0.0, 1.0, 1.0),
        _box(0.48, 0.0, 0.52, 1.0, colour=_DARK),
        _box(0.0, 0.48, 1.0, 0.52, colour=_DARK),
    ),
    "boat": (
        _polygon((0.0, 0.74), (1.0, 0.74), (0.82, 1.0), (0.18, 1.0), colour=_WOOD),
        _polygon((0.5, 0.0), (0.5, 0.7), (0.1, 0.7)),
        _polygon((0.54, 0.12), (0.54, 0.7), (0.88, 0.7), shade=0.8),
    ),
    "bus": (
        _box(0.0, 0.12, 1.0, 0.84),
        _box(0.06, 0.24, 0.94, 0.48, colour=_GLASS),
        _box(0.0, 0.58, 1.0, 0.62, colour=_DARK),
        _ellipse(0.12, 0.7, 0.34, 0.98, colour=_DARK),
        _ellipse(0.66, 0.7, 0.88, 0.98, colour=_DARK),
    ),
    "car": (
        _polygon((0.2, 0.5), (0.32, 0.25), (0.7, 0.25), (0.84, 0.5), shade=0.85),
        _polygon((0.3, 0.48), (0.37, 0.31), (0.65, 0.31), (0.73, 0.48), colour=_GLASS),
        _box(0.0, 0.48, 1.0, 0.76),
        _ellipse(0.12, 0.6, 0.36, 0.9, colour=_DARK),
        _ellipse(0.64, 0.6, 0.88, 0.9, colour=_DARK),
    ),
    "church": (
        _box(0.32, 0.45, 1.0, 1.0),
        _polygon((0.26, 0.46), (0.66, 0.2), (1.0, 0.46), shade=0.55),
        _box(0.06, 0.32, 0.34, 1.0, shade=0.9),
        _polygon((0.02, 0.33), (0.2, 0.0), (0.38, 0.33), shade=0.5),
        _ellipse(0.58, 0.66, 0.76, 1.0, colour=_WOOD),
    ),
    "daisy": (
        _box(0.47, 0.5, 0.53, 1.0, colour=(70, 130, 60)),
        *(
            _ellipse(0.5 + 0.27 * x - 0.15, 0.36 + 0.27 * y - 0.15, 0.5 + 0.27 * x + 0.15, 0.36 + 0.27 * y + 0.15)
            for x, y in ((1, 0), (0.5, 0.87), (-0.5, 0.87), (-1, 0), (-0.5, -0.87), (0.5, -0.87))
        ),
        _ellipse(0.34, 0.2, 0.66, 0.52, colour=(235, 180, 40)),
    ),
    "goldfish": (
        _polygon((0.7, 0.5), (1.0, 0.2), (1.0, 0.8), shade=0.85),
        _polygon((0.36, 0.3), (0.56, 0.08), (0.64, 0.34), shade=0.85),
        _ellipse(0.0, 0.22, 0.8, 0.78),
        _ellipse(0.12, 0.38, 0.2, 0.46, colour=_DARK),
    ),
    "tree": (
        _box(0.43, 0.6, 0.57, 1.0, colour=_WOOD),
        _ellipse(0.08, 0.2, 0.92, 0.76, shade=0.85),
        _ellipse(0.22, 0.0, 0.78, 0.5),
    ),
}

OBJECT_COLOURS: dict[str, tuple[Colour, ...]] = {
    "balloon": ((205, 60, 60), (70, 90, 190), (225, 160, 50), (120, 70, 150)),
    "basketball": ((205, 110, 45), (190, 95, 50)),
    "boat": ((240, 238, 230), (215, 190, 150), (190, 70, 60)),
    "bus": ((240, 180, 30), (235, 170, 25)),
    "car": ((225, 195, 45), (60, 80, 120), (180, 50, 45), (90, 95, 100), (235, 235, 235)),
    "church": ((205, 195, 180), (180, 150, 120), (230, 228, 220)),
    "daisy": ((245, 245, 240), (235, 225, 235)),
    "goldfish": ((235, 120, 35), (225, 95, 45)),
    "tree": ((70, 120, 55), (95, 135, 60), (120, 120, 50)),
}

# Sky above, sky at the horizon, ground at the horizon, ground below, height of the horizon (0 = top).
BACKGROUNDS: dict[str, tuple[Colour, Colour, Colour, Colour, float]] = {
    "beach": ((110, 170, 225), (205, 225, 235), (235, 215, 165), (205, 180, 130), 0.55),
    "desert": ((90, 150, 215), (230, 215, 190), (225, 175, 110), (190, 130, 75), 0.5),
    "field": ((120, 180, 235), (215, 230, 240), (140, 175, 80), (80, 125, 45), 0.5),
    "ocean": ((130, 175, 220), (220, 228, 235), (70, 125, 165), (25, 70, 115), 0.42),
    "snow": ((150, 170, 195), (225, 230, 238), (245, 248, 252), (205, 215, 228), 0.48),
    "street": ((165, 175, 185), (215, 215, 212), (125, 125, 128), (80, 80, 84), 0.58),
    "pond": ((60, 110, 120), (70, 130, 135), (45, 105, 110), (25, 70, 80), 0.15),
}


@dataclass(frozen=True)
class Placed:
    """An object to draw: its centre in fractions of width and height. The later hides the earlier."""

    kind: str
    x: float
    y: float
    size: float  # side of its square, as a fraction of the picture's shorter side


@dataclass(frozen=True, eq=False)
class Drawn:
    """What became of it. `mask`: bool (H, W), the visible pixels. `box`: x_min, y_min, x_max, y_max in [0, 1]."""

    kind: str
    mask: np.ndarray
    box: tuple[float, float, float, float]
    occluded: bool
    truncated: bool


@dataclass(frozen=True, eq=False)
class Scene:
    picture: Image.Image
    objects: tuple[Drawn, ...]


def draw(background: str, objects: Sequence[Placed], *, size: tuple[int, int], rng: random.Random) -> Scene:
    """A picture of `size` = (width, height) with its objects; those that end up invisible are left out."""
    picture = _backdrop(background, size, rng)
    outlines, squares = [], []
    for placed in objects:
        square = _square(placed, size)
        outline = Image.new("L", size)
        _paint(picture, outline, placed.kind, square, rng.choice(OBJECT_COLOURS[placed.kind]))
        outlines.append(np.asarray(outline) > 0)
        squares.append(square)
    drawn = []
    for index, (placed, outline_pixels) in enumerate(zip(objects, outlines, strict=True)):
        hidden = np.zeros_like(outline_pixels)
        for later in outlines[index + 1 :]:
            hidden |= later
        mask = outline_pixels & ~hidden
        if mask.sum() >= 12:
            left, top, right, bottom = squares[index]
            truncated = left < 0 or top < 0 or right > size[0] or bottom > size[1]
            occluded = bool((outline_pixels & hidden).any())
            drawn.append(Drawn(placed.kind, mask, bounding_box(mask), occluded, truncated))
    return Scene(_photograph(picture, rng), tuple(drawn))


def bounding_box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The tight box of a bool mask (H, W), as fractions of width and height: x_min, y_min, x_max, y_max."""
    height, width = mask.shape
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def _backdrop(name: str, size: tuple[int, int], rng: random.Random) -> Image.Image:
    width, height = size
    sky, haze, near, ground, horizon = BACKGROUNDS[name]
    line = round(height * min(max(horizon + rng.uniform(-0.08, 0.08), 0.05), 0.9))
    rows = np.empty((height, 3))
    rows[:line] = np.linspace(sky, haze, line)
    rows[line:] = np.linspace(near, ground, height - line)
    pixels = np.repeat(rows[:, None], width, 1) * rng.uniform(0.85, 1.1)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if name == "street":  # a row of houses behind the road
        pen, left = ImageDraw.Draw(picture), 0
        while left < width:
            right, grey = left + rng.randint(width // 8, width // 4), rng.randint(110, 190)
            pen.rectangle(
                (left, line - rng.randint(height // 6, height // 2), right, line), fill=(grey, grey - 12, grey - 25)
            )
            left = right + 1
    return picture


def _square(placed: Placed, size: tuple[int, int]) -> tuple[float, float, float, float]:
    half = placed.size * min(size) / 2
    x, y = placed.x * size[0], placed.y * size[1]
    return x - half, y - half, x + half, y + half


def _paint(
    picture: Image.Image, outline: Image.Image, kind: str, square: tuple[float, float, float, float], colour: Colour
) -> None:
    left, top, right, bottom = square
    for part in OBJECTS[kind]:
        points = [(left + x * (right - left), top + y * (bottom - top)) for x, y in part.points]
        red, green, blue = part.colour or tuple(int(part.shade * channel) for channel in colour)
        for canvas, fill in ((picture, (red, green, blue)), (outline, 255)):
            pen = ImageDraw.Draw(canvas)
            (pen.ellipse if part.kind == "ellipse" else pen.polygon)(points, fill=fill)


def _photograph(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Soften the edges and add sensor noise, so that the JPEG is no cartoon."""
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float32)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 6, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
