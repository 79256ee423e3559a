"""The miniature: CIFAR-10's stand-in where there is neither a copy nor a network, drawn in the official file layout.

10,000 + 2,000 simple pictures of the ten classes, of any colour on any ground, turned, mirrored, lit, half hidden and
noisy. As in photographs, the ground says a little about the class (an airplane is often before the sky), the shape
everything: colour or a linear classifier gets not far, a convolutional network much further, and a better one further.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from course_lib.data import cifar_files
from course_lib.data.cache import atomic, cache_folder, kept
from course_lib.data.cifar_files import CIFAR10_CLASSES, FILES, META_FILE, TEST_FILE, TRAIN_FILES
from course_lib.data.silhouettes import SILHOUETTES, Array, ellipse, limb

VERSION = "1"  # raise it when the drawing changes
IMAGES_A_FILE = 2_000
NAME = f"cifar10-miniature-{VERSION}/{cifar_files.FOLDER}"
CHECKSUMS = "SHA256SUMS"
SIZE = 32
AT_ONCE = 40  # pictures: their arrays stay in the processor's cache

# The ground (red, green, blue) that a class is seen on in this share of its pictures; in the others, any.
HABITUAL = 0.3
SKY, SEA, ROAD, GRASS, ROOM = (0.5, 0.7, 0.88), (0.15, 0.4, 0.55), (0.5, 0.5, 0.5), (0.35, 0.6, 0.2), (0.75, 0.6, 0.45)
GROUNDS = {
    "airplane": SKY, "automobile": ROAD, "bird": SKY, "cat": ROOM, "deer": GRASS,
    "dog": ROOM, "frog": GRASS, "horse": GRASS, "ship": SEA, "truck": ROAD,
}  # fmt: skip


def draw(labels: Array, random: np.random.RandomState) -> Array:
    """Pictures uint8 (N, 3, 32, 32) of the classes `labels` (N,), the same on every machine."""
    pictures = np.empty((len(labels), 3, SIZE, SIZE), dtype=np.uint8)
    for label, name in enumerate(CIFAR10_CLASSES):
        places = np.flatnonzero(labels == label)
        for begin in range(0, len(places), AT_ONCE):
            chunk = places[begin : begin + AT_ONCE]
            pictures[chunk] = _Scene(len(chunk), random).paint(name)
    return pictures


class _Scene:
    """`count` pictures in the making. Numbers come from RandomState, whose stream numpy has frozen for good."""

    def __init__(self, count: int, random: np.random.RandomState):
        self.count = count
        self.random = random
        ticks = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE * 2 - 1
        self.x = np.broadcast_to(ticks[None, None, :], (count, SIZE, SIZE))
        self.y = np.broadcast_to(ticks[None, :, None], (count, SIZE, SIZE))

    def uniform(self, low: float, high: float, *shape: int) -> Array:
        """(count, 1, 1), or (count, *shape)."""
        numbers = self.random.random_sample((self.count, *(shape or (1, 1))))
        return (low + (high - low) * numbers).astype(np.float32)

    def paint(self, name: str) -> Array:
        """Ground, clutter behind, the object, clutter before it, light, noise -> uint8 (count, 3, 32, 32)."""
        habitual = np.array(GROUNDS[name], np.float32)[:, None, None] + self.uniform(-0.12, 0.12, 3, 1, 1)
        base = np.where(self.uniform(0, 1, 1, 1, 1) < HABITUAL, habitual, self.uniform(0.1, 0.9, 3, 1, 1))
        self.canvas = self._ground(base)
        for _ in range(2):
            self._clutter(base, largest=0.3, share=0.7)
        self._object(name, base)
        self._clutter(base, largest=0.16, share=0.5)
        light = 1 + self.uniform(-0.25, 0.25) * self.x + self.uniform(-0.25, 0.25) * self.y
        self.canvas *= light[:, None]
        self.canvas += self.uniform(0.01, 0.05, 1, 1, 1) * self._noise()
        return np.floor(np.clip(self.canvas, 0, 1) * 255 + 0.5).astype(np.uint8)

    def _noise(self) -> Array:
        """(count, 3, 32, 32) in [-3, 3]: two uniform numbers added are near enough to normal, and need no logarithm."""
        bits = np.frombuffer(self.random.bytes(self.count * 6 * SIZE * SIZE), np.uint8)
        first, second = bits.reshape(2, self.count, 3, SIZE, SIZE).astype(np.float32)
        return (first + second) * np.float32(3 / 255) - 3

    def _ground(self, base: Array) -> Array:
        """A smooth patchwork around the colour `base`: 5x5 random colours, interpolated."""
        knots = base + self.uniform(-1, 1, 3, 5, 5) * self.uniform(0.05, 0.35, 1, 1, 1)
        at = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE * 4
        low = np.minimum(at.astype(np.int64), 3)
        part = (at - low).astype(np.float32)
        rows = knots[:, :, low] * (1 - part)[:, None] + knots[:, :, low + 1] * part[:, None]
        return rows[..., low] * (1 - part) + rows[..., low + 1] * part

    def _clutter(self, base: Array, largest: float, share: float) -> None:
        """A blob or a stick of any colour in a `share` of the pictures."""
        colour = self._contrasting(base)
        cx, cy = self.uniform(-1, 1), self.uniform(-1, 1)
        blob = ellipse(self.x, self.y, cx, cy, self.uniform(0.08, largest), self.uniform(0.08, largest))
        end_x, end_y = cx + self.uniform(-0.9, 0.9), cy + self.uniform(-0.9, 0.9)
        stick = limb(self.x, self.y, cx, cy, end_x, end_y, self.uniform(0.03, largest / 3))
        shape = np.where(self.uniform(0, 1) < 0.5, blob, stick)
        self._cover(np.where(self.uniform(0, 1) < share, shape, np.float32(-1)), 1.0, colour)

    def _object(self, name: str, base: Array) -> None:
        """The silhouette: scaled, stretched, turned, sheared and mirrored; striped; each part in its colour."""
        scale = self.uniform(0.6, 0.95)
        free = 1.1 - scale
        x, y = self.x - self.uniform(-1, 1) * free, self.y - self.uniform(-1, 1) * free
        # Any t gives a point ((1 - t²) / (1 + t²), 2t / (1 + t²)) on the unit circle: a turn by up to 23 degrees.
        t = self.uniform(-0.2, 0.2)
        cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        u, v = (cosine * x + sine * y) / scale, (cosine * y - sine * x) / scale
        u = u * self.uniform(0.85, 1.2) + v * self.uniform(-0.2, 0.2)
        u = np.where(self.uniform(0, 1) < 0.5, u, -u)
        stripes = self._stripes(u, v)
        main = self._contrasting(base)
        second = np.clip(main + self.uniform(-0.45, 0.45, 3, 1, 1), 0, 1)
        colours = (main, second, main * self.uniform(0.0, 0.5, 1, 1, 1))
        for distance, colour in SILHOUETTES[name](u, v, self.uniform):
            self._cover(distance, scale, colours[colour] + stripes)

    def _stripes(self, u: Array, v: Array) -> Array:
        """(count, 1, 32, 32): triangular waves across the object, strong or hardly there."""
        across = u * self.uniform(-4, 4) + v * self.uniform(-4, 4) + self.uniform(0, 1)
        wave = np.abs(across - np.floor(across) - 0.5) * 4 - 1
        return (wave * self.uniform(0, 0.2))[:, None]

    def _contrasting(self, base: Array) -> Array:
        """A colour that differs from `base` in every channel, up or down: no colour means anything by itself."""
        step = self.uniform(0.2, 0.55, 3, 1, 1)
        up = self.uniform(0, 1, 3, 1, 1) < 0.5
        colour = np.where(up, base + step, base - step)
        return np.where((colour < 0) | (colour > 1), np.where(up, base - step, base + step), colour)

    def _cover(self, distance: Array, scale: Array | float, colour: Array) -> None:
        """Paint over what lies inside; `distance` times `scale` is in half pictures, so edges blur over one pixel."""
        inside = np.clip(distance * scale * (SIZE / 2) + 0.5, 0, 1)[:, None]
        change = colour - self.canvas
        change *= inside
        self.canvas += change


def folder() -> Path:
    """Where the drawn files are kept."""
    return cache_folder() / NAME


def files() -> dict[str, bytes]:
    """The contents of the official files: from the cache where they are whole, else drawn (3 s) and kept."""
    return kept(NAME, read=_read, make=_draw_files, write=_write)


def _draw_files() -> dict[str, bytes]:
    def one(name: str) -> bytes:
        random = np.random.RandomState(FILES.index(name))
        labels = random.permutation(np.arange(IMAGES_A_FILE) % len(CIFAR10_CLASSES))
        return cifar_files.pack(draw(labels, random), labels, name)

    names = (*TRAIN_FILES, TEST_FILE)
    # numpy lets go of Python's lock while it computes.
    with ThreadPoolExecutor() as pool:
        contents = dict(zip(names, pool.map(one, names), strict=True))
    return contents | {META_FILE: cifar_files.pack_meta(IMAGES_A_FILE, miniature=True)}


def _sums(contents: dict[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in FILES)


def _write(place: Path, contents: dict[str, bytes]) -> None:
    place.mkdir(exist_ok=True)
    for name, content in (*contents.items(), (CHECKSUMS, _sums(contents).encode())):
        with atomic(place / name) as partial:
            partial.write_bytes(content)


def _read(place: Path) -> dict[str, bytes] | None:
    """None where a file is missing or does not have its checksum."""
    try:
        contents = {name: (place / name).read_bytes() for name in FILES}
        return contents if (place / CHECKSUMS).read_text() == _sums(contents) else None
    except (OSError, UnicodeDecodeError):
        return None
