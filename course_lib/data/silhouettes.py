"""Ten silhouettes as arithmetic: what the miniature of CIFAR-10 shows.

Every shape is a list of parts, each a signed distance (positive inside) on a whole batch of coordinates at once. All
proportions vary from picture to picture, and classes that resemble each other in photographs do so here: automobile
and truck, cat and dog, deer and horse, airplane and bird share most of their parts.

Only +, -, *, / and square roots are used, which IEEE 754 rounds alike everywhere: a sine may differ in its last bit
from one processor to the next, and then so would the pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Value: TypeAlias = Array | float
# A part: signed distance (n, H, W) in units of the object, and the colour to paint it with.
Part: TypeAlias = tuple[Array, int]
Jitter: TypeAlias = Callable[[float, float], Array]  # (low, high) -> uniform numbers (n, 1, 1)

MAIN, SECOND, DARK = range(3)


def ellipse(x: Array, y: Array, cx: Value, cy: Value, rx: Value, ry: Value) -> Array:
    """Centre (cx, cy), radii rx, ry. The distance is exact for circles, near enough for edges of one pixel else."""
    return (1 - np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)) * np.minimum(rx, ry)


def box(x: Array, y: Array, cx: Value, cy: Value, half_width: Value, half_height: Value) -> Array:
    """An upright rectangle."""
    return np.minimum(half_width - np.abs(x - cx), half_height - np.abs(y - cy))


def limb(x: Array, y: Array, ax: Value, ay: Value, bx: Value, by: Value, radius: Value) -> Array:
    """A thick line from a to b with round ends."""
    dx, dy = bx - ax, by - ay
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
    return radius - np.sqrt((x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2)


def trapezoid(
    x: Array, y: Array, cx: Value, top: Value, bottom: Value, half_top: Value, half_bottom: Value, lean: Value = 0.0
) -> Array:
    """Between y = top and y = bottom (y grows downwards); the top is moved sideways by `lean`."""
    share = (y - top) / (bottom - top)
    middle = cx + lean * (1 - share)
    half = half_top + (half_bottom - half_top) * share
    return np.minimum(half - np.abs(x - middle), np.minimum(y - top, bottom - y))


def union(*parts: Array) -> Array:
    """Inside any of the parts."""
    out = parts[0]
    for part in parts[1:]:
        out = np.maximum(out, part)
    return out


def airplane(x: Array, y: Array, j: Jitter) -> list[Part]:
    length, sweep = j(0.75, 1.0), j(0.15, 0.5)
    body = ellipse(x, y, 0.0, 0.0, length, j(0.12, 0.2))
    tail = limb(x, y, -0.8 * length, 0.0, -0.95 * length - 0.1, j(-0.45, -0.3), j(0.06, 0.1))
    near = limb(x, y, 0.1, 0.05, 0.1 - sweep, j(0.45, 0.8), j(0.08, 0.13))
    far = limb(x, y, 0.1, -0.05, 0.1 - sweep, j(-0.6, -0.2), j(0.06, 0.1))
    return [(far, SECOND), (union(body, tail), MAIN), (near, SECOND)]


def bird(x: Array, y: Array, j: Jitter) -> list[Part]:
    length, head_x, head_y = j(0.5, 0.7), j(0.5, 0.7), j(-0.5, -0.25)
    body = ellipse(x, y, 0.0, 0.0, length, j(0.22, 0.34))
    head = ellipse(x, y, head_x, head_y, j(0.17, 0.24), j(0.17, 0.24))
    neck = limb(x, y, 0.3, -0.05, head_x, head_y, 0.13)
    beak = limb(x, y, head_x + 0.1, head_y, head_x + j(0.3, 0.45), head_y + j(-0.02, 0.1), 0.06)
    tail = limb(x, y, -0.4, 0.0, -0.75 - 0.2 * length, j(-0.3, 0.15), j(0.07, 0.12))
    legs = union(*(limb(x, y, at, 0.2, at + j(-0.1, 0.1), j(0.55, 0.75), 0.045) for at in (-0.1, 0.12)))
    wing = limb(x, y, 0.15, -0.05, j(-0.5, -0.1), j(-0.7, 0.2), j(0.1, 0.18))
    return [(union(legs, beak), DARK), (union(body, head, neck, tail), MAIN), (wing, SECOND)]


def _wheels(x: Array, y: Array, places: tuple[Value, ...], radius: Value) -> list[Part]:
    tyres = union(*(ellipse(x, y, at, 0.38, radius, radius) for at in places))
    hubs = union(*(ellipse(x, y, at, 0.38, radius * 0.45, radius * 0.45) for at in places))
    return [(tyres, DARK), (hubs, SECOND)]


def automobile(x: Array, y: Array, j: Jitter) -> list[Part]:
    length, roof = j(0.8, 0.98), j(-0.5, -0.3)
    body = trapezoid(x, y, 0.0, -0.08, 0.36, length - j(0.0, 0.15), length)
    cabin = trapezoid(x, y, j(-0.15, 0.1), roof, 0.0, j(0.28, 0.45), j(0.5, 0.65), j(-0.1, 0.1))
    glass = trapezoid(x, y, j(-0.15, 0.1), roof + 0.09, -0.06, j(0.2, 0.3), j(0.32, 0.42))
    wheels = _wheels(x, y, (-length * j(0.5, 0.65), length * j(0.5, 0.65)), j(0.17, 0.23))
    return [(union(body, cabin), MAIN), (glass, SECOND), *wheels]


def truck(x: Array, y: Array, j: Jitter) -> list[Part]:
    roof, front = j(-0.7, -0.4), j(0.3, 0.5)
    load = box(x, y, -0.3, (roof + 0.3) / 2, j(0.55, 0.68), (0.3 - roof) / 2)
    cab_top = np.minimum(roof + j(0.05, 0.35), -0.12)
    cab = trapezoid(x, y, front + 0.25, cab_top, 0.34, j(0.18, 0.3), j(0.3, 0.38), j(-0.1, 0.0))
    glass = box(x, y, front + 0.3, cab_top + 0.2, 0.12, 0.1)
    wheels = _wheels(x, y, (-0.65, j(-0.35, -0.15), front + 0.25), j(0.15, 0.21))
    return [(load, MAIN), (cab, SECOND), (glass, DARK), *wheels]


def ship(x: Array, y: Array, j: Jitter) -> list[Part]:
    deck = j(0.0, 0.2)
    hull = trapezoid(x, y, 0.0, deck, j(0.4, 0.6), j(0.85, 1.0), j(0.5, 0.75), j(-0.1, 0.15))
    house = box(x, y, j(-0.4, 0.3), deck - 0.1, j(0.2, 0.45), j(0.1, 0.2))
    mast_x = j(-0.3, 0.4)
    mast = limb(x, y, mast_x, deck, mast_x, j(-0.9, -0.5), j(0.03, 0.07))
    funnel = box(x, y, j(-0.4, 0.2), deck - 0.3, j(0.07, 0.13), j(0.1, 0.25))
    return [(mast, DARK), (union(funnel, house), SECOND), (hull, MAIN)]


def _sitting(x: Array, y: Array, j: Jitter) -> tuple[Array, Array, Array]:
    """Body, head's x and y of an animal that sits and looks at us."""
    head_x, head_y = j(-0.2, 0.2), j(-0.5, -0.35)
    body = ellipse(x, y, j(-0.12, 0.12), 0.4, j(0.35, 0.5), j(0.42, 0.55))
    paws = union(*(ellipse(x, y, side * j(0.15, 0.3), 0.85, 0.14, 0.1) for side in (-1, 1)))
    return union(body, paws), head_x, head_y


def _face(x: Array, y: Array, head_x: Array, head_y: Array, j: Jitter) -> Array:
    apart = j(0.12, 0.18)
    eyes = (ellipse(x, y, head_x + side * apart, head_y - 0.06, 0.07, 0.07) for side in (-1, 1))
    return union(*eyes, ellipse(x, y, head_x, head_y + 0.12, 0.07, 0.05))


def cat(x: Array, y: Array, j: Jitter) -> list[Part]:
    body, head_x, head_y = _sitting(x, y, j)
    head = ellipse(x, y, head_x, head_y, j(0.3, 0.4), j(0.27, 0.34))
    apart, tip = j(0.2, 0.28), j(0.4, 0.55)
    ears = union(*(trapezoid(x, y, head_x + s * apart, head_y - tip, head_y, 0.02, 0.17, s * 0.06) for s in (-1, 1)))
    bend = j(0.5, 0.7)
    tail = union(limb(x, y, 0.3, 0.75, bend, 0.6, 0.08), limb(x, y, bend, 0.6, bend + j(-0.1, 0.2), j(-0.1, 0.2), 0.08))
    return [(tail, SECOND), (union(body, head, ears), MAIN), (_face(x, y, head_x, head_y, j), DARK)]


def dog(x: Array, y: Array, j: Jitter) -> list[Part]:
    body, head_x, head_y = _sitting(x, y, j)
    head = ellipse(x, y, head_x, head_y, j(0.27, 0.36), j(0.3, 0.38))
    snout = ellipse(x, y, head_x + j(-0.08, 0.08), head_y + 0.2, j(0.15, 0.2), j(0.14, 0.18))
    apart, fall = j(0.3, 0.38), j(0.15, 0.4)
    top, tip = head_y - 0.22, head_y + fall
    ears = union(*(limb(x, y, head_x + s * 0.2, top, head_x + s * apart, tip, j(0.08, 0.12)) for s in (-1, 1)))
    tail = limb(x, y, 0.3, 0.7, j(0.5, 0.75), j(0.25, 0.6), 0.08)
    return [(union(body, head, tail), MAIN), (union(ears, snout), SECOND), (_face(x, y, head_x, head_y, j), DARK)]


def _standing(x: Array, y: Array, j: Jitter, thickness: tuple[float, float]) -> tuple[Array, Array, Array]:
    """Body with four legs and a neck, head's x and y of an animal seen from the side."""
    head_x, head_y = j(0.55, 0.8), j(-0.75, -0.45)
    body = ellipse(x, y, 0.0, 0.0, j(0.5, 0.62), j(0.2, 0.28))
    hips = (-0.42, -0.28, 0.28, 0.42)
    legs = [limb(x, y, hip, 0.05, hip + j(-0.15, 0.15), j(0.75, 0.95), j(*thickness)) for hip in hips]
    neck = limb(x, y, 0.38, -0.05, head_x - 0.08, head_y, j(0.1, 0.16))
    head = ellipse(x, y, head_x + 0.06, head_y + 0.04, j(0.19, 0.26), j(0.1, 0.14))
    return union(body, neck, head, *legs), head_x, head_y


def deer(x: Array, y: Array, j: Jitter) -> list[Part]:
    body, head_x, head_y = _standing(x, y, j, (0.05, 0.075))
    antlers = []
    for side in (-1, 1):
        tip_x, tip_y = head_x + side * j(0.08, 0.22), head_y - j(0.3, 0.45)
        antlers += [
            limb(x, y, head_x - 0.02, head_y - 0.05, tip_x, tip_y, 0.045),
            limb(x, y, (head_x + tip_x) / 2, (head_y + tip_y) / 2, tip_x + side * j(0.08, 0.18), tip_y + 0.1, 0.04),
        ]
    tail = ellipse(x, y, -0.58, -0.1, 0.08, 0.1)
    return [(union(*antlers), DARK), (body, MAIN), (tail, SECOND)]


def horse(x: Array, y: Array, j: Jitter) -> list[Part]:
    body, head_x, head_y = _standing(x, y, j, (0.065, 0.095))
    mane = limb(x, y, 0.25, -0.2, head_x - 0.16, head_y - 0.05, j(0.06, 0.1))
    tail = limb(x, y, -0.5, -0.05, j(-0.8, -0.65), j(0.3, 0.6), j(0.06, 0.1))
    ear = limb(x, y, head_x, head_y, head_x + j(-0.04, 0.06), head_y - 0.18, 0.04)
    return [(tail, SECOND), (union(body, ear), MAIN), (mane, SECOND)]


def frog(x: Array, y: Array, j: Jitter) -> list[Part]:
    width, top = j(0.55, 0.7), j(-0.15, 0.0)
    body = ellipse(x, y, 0.0, 0.25, width, j(0.32, 0.45))
    apart = j(0.22, 0.36)
    bumps = union(*(ellipse(x, y, side * apart, top, 0.17, 0.17) for side in (-1, 1)))
    pupils = union(*(ellipse(x, y, side * apart, top - 0.02, 0.08, 0.08) for side in (-1, 1)))
    legs = union(
        *(limb(x, y, side * width * 0.75, 0.45, side * j(0.8, 0.98), j(0.1, 0.3), j(0.1, 0.14)) for side in (-1, 1)),
        *(limb(x, y, side * j(0.8, 0.95), 0.2, side * j(0.6, 0.95), 0.7, j(0.07, 0.11)) for side in (-1, 1)),
    )
    belly = ellipse(x, y, 0.0, 0.42, width * 0.6, 0.18)
    return [(legs, MAIN), (union(body, bumps), MAIN), (belly, SECOND), (pupils, DARK)]


SILHOUETTES: dict[str, Callable[[Array, Array, Jitter], list[Part]]] = {
    shape.__name__: shape for shape in (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck)
}
