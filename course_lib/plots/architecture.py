"""A network drawn the way the lecture's slides do, from the model object itself, with its costs below."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import nn

from course_lib.plots.alt import describe
from course_lib.plots.blocks import Block, blocks_of, claims_of
from course_lib.plots.style import PALETTE, QUIET, WIDTH, axes_or_new, percent, styled

if TYPE_CHECKING:
    from course_lib.profiling import Profile

COLORS = {
    "input": "#D9D9D9",
    "conv": PALETTE["blue"],
    "linear": PALETTE["vermilion"],
    "pool": "#8C8C8C",
    "norm": PALETTE["green"],
    "dropout": PALETTE["purple"],
}
# Rows of the drawing, in inches from the bottom of the axes.
MULTIPLY_ADDS_AT, PARAMETERS_AT, LABELS_TOP, MIDDLE, BRACKETS_AT, TOP = 0.0, 0.85, 2.3, 3.35, 4.4, 4.75
TALLEST_BAR = 0.55
LEFT_OF_AXES = 1.05  # where the names of the rows of bars stand
NARROW = 0.5  # a pooling's column beside a convolution's
# Inches of a column: below the first, labels are cut to what fits; from the second, 55×55 fits.
CROWDED, ROOMY = 0.38, 0.62


@dataclass(frozen=True)
class _Place:
    """Where a block stands: the middle of its column, the column's width, the boxes (left, bottom, width, height)."""

    x: float
    column: float
    boxes: tuple[tuple[float, float, float, float], ...]


@styled
def architecture(
    network: nn.Module | Profile,
    image_size: int | tuple[int, ...] = 224,
    *,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The network as blocks: as high as the picture it puts out, as wide as its channels, square roots of both.

    Below each block its share of the network's parameters and of its multiply-adds; above, which part has most of
    either. Convolutions in two groups stand in two towers, as in figure 2 of Krizhevsky et al. (2012). More than 20
    layers are drawn by stages. All is computed from `network`, for images of `image_size` (as `profile` takes it).

    network: a module, or its profile (then without kernels and groups, which a profile does not know).
    Raises CourseError where the network cannot take such images.
    """
    from course_lib.profiling import profile

    module = network if isinstance(network, nn.Module) else None
    costs = profile(network, image_size) if isinstance(network, nn.Module) else network
    blocks = blocks_of(costs, module)
    ax = axes_or_new(ax, height=5.2)
    places = _places(blocks, WIDTH - LEFT_OF_AXES)
    _draw_connections(ax, blocks, places)
    for block, place in zip(blocks, places, strict=True):
        _draw_block(ax, block, place)
        _label(ax, block, place)
    claims = claims_of(blocks)
    for claim in claims:
        _bracket(ax, places[claim.first], places[claim.last], str(claim), COLORS[claim.kind])
    for bottom, shares in (
        (PARAMETERS_AT, [block.parameters for block in blocks]),
        (MULTIPLY_ADDS_AT, [block.multiply_adds for block in blocks]),
    ):
        _bars(ax, blocks, places, shares, bottom)
    _finish(ax, costs, title, undrawn=1 - sum(block.parameters for block in blocks))
    drawn = ", ".join(" ".join(block.lines) for block in blocks[1:] if block.is_main)
    said = "; ".join(f"{claim.kind} layers have {claim}" for claim in claims)
    describe(ax, f"{costs.network}, input to output: {drawn}. {said[:1].upper() + said[1:]}.")
    return ax


def _places(blocks: tuple[Block, ...], width: float) -> list[_Place]:
    weights = [1.0 if block.is_main or block.kind == "input" else NARROW for block in blocks]
    unit = min(1.0, width / sum(weights))
    left = (width - unit * sum(weights)) / 2
    towers = _in_towers(blocks)
    two = any(towers)
    tallest = 0.85 if two else 1.5  # inches
    scale = _Scale(blocks, unit, tallest)
    places = []
    for block, weight, split in zip(blocks, weights, towers, strict=True):
        column = unit * weight
        x = left + column / 2
        box_width, box_height = scale.box(block, column)
        middles = (MIDDLE + 0.47, MIDDLE - 0.47) if split else (MIDDLE,)
        boxes = tuple((x - box_width / 2, y - box_height / 2, box_width, box_height) for y in middles)
        places.append(_Place(x, column, boxes))
        left += column
    return places


class _Scale:
    """Sizes of boxes in inches, from pixels and channels."""

    def __init__(self, blocks: tuple[Block, ...], unit: float, tallest: float) -> None:
        self.unit, self.tallest = unit, tallest
        self.largest = max(_side(block) for block in blocks)
        self.most_channels = max((block.channels for block in blocks if _side(block) > 1), default=1)
        self.most_features = max((block.channels for block in blocks if block.kind == "linear"), default=1)

    def box(self, block: Block, column: float) -> tuple[float, float]:
        if block.kind == "input":
            return min(0.12, 0.5 * column), self.tallest
        if not block.is_main:
            return 0.3 * column, max(0.2, self.tallest * math.sqrt(_side(block) / self.largest))
        if block.kind == "linear":
            return 0.3 * column, max(0.12, 0.8 * self.tallest * math.sqrt(block.channels / self.most_features))
        width = 0.84 * column * math.sqrt(block.channels / self.most_channels)
        return max(0.06, width), max(0.1, self.tallest * math.sqrt(_side(block) / self.largest))


def _side(block: Block) -> float:
    return math.sqrt(block.size[0] * block.size[1])


def _in_towers(blocks: tuple[Block, ...]) -> list[bool]:
    """Which blocks stand in two towers: from the first convolution to the last before the linear layers."""
    if not any(block.kind == "conv" and block.groups == 2 for block in blocks):
        return [False] * len(blocks)
    last = max(index for index, block in enumerate(blocks) if block.kind == "conv")
    linear = [index for index, block in enumerate(blocks) if block.kind == "linear" and index > last]
    end = linear[0] if linear else len(blocks)
    return [0 < index < end and block.kind != "input" for index, block in enumerate(blocks)]


def _draw_block(ax: Axes, block: Block, place: _Place) -> None:
    for left, bottom, width, height in place.boxes:
        ax.add_patch(
            Rectangle((left, bottom), width, height, facecolor=COLORS[block.kind], edgecolor="white", linewidth=0.8)
        )
        # Lines across a block say that it stands for several layers.
        slices = min(block.layers, 8)
        for part in range(1, slices):
            x = left + width * part / slices
            ax.plot([x, x], [bottom, bottom + height], color="white", linewidth=0.6)


def _draw_connections(ax: Axes, blocks: tuple[Block, ...], places: list[_Place]) -> None:
    for (before, after), block in zip(pairwise(places), blocks[1:], strict=True):
        # A layer that sees all channels joins the towers; a grouped one, and one without weights, stays in its own.
        apart = block.groups == 2 or not block.is_main
        for i, source in enumerate(before.boxes):
            for j, target in enumerate(after.boxes):
                if apart and i != j and len(before.boxes) == len(after.boxes) == 2:
                    continue
                xs = (source[0] + source[2], target[0])
                ys = (source[1] + source[3] / 2, target[1] + target[3] / 2)
                ax.plot(xs, ys, color="#999999", linewidth=0.9, zorder=0)


def _label(ax: Axes, block: Block, place: _Place) -> None:
    crowded = place.column < (CROWDED if block.is_main else CROWDED * NARROW)
    if not block.is_main and block.kind != "input":
        text = block.lines[0].rpartition(" ")[2] if crowded else "\n".join(block.lines)
        ax.text(place.x, LABELS_TOP, text, rotation=90, ha="center", va="top", fontsize=7, color=QUIET)
        return
    height, width = block.size
    pixels = f"{height}²" if height == width and place.column < ROOMY else f"{height}×{width}"
    towers = "2×" if len(place.boxes) == 2 else ""
    channels = f"{towers}{block.channels // len(place.boxes)}"
    fitting = [_shortened(line, place.column) for line in block.lines]
    lines = [*fitting, channels] if block.kind == "linear" else [*fitting, channels, pixels]
    size = 8 if place.column >= ROOMY else 6.5 if crowded else 7
    ax.text(place.x, LABELS_TOP, "\n".join(lines), ha="center", va="top", fontsize=size, linespacing=1.15)


def _shortened(name: str, column: float) -> str:
    """`name`, or what comes after its first letters where it is wider than its column: "3a" for "inception3a"."""
    number = name.lstrip("abcdefghijklmnopqrstuvwxyz_")
    return number if number[:1].isdigit() and 0.058 * len(name) > column else name


def _bracket(ax: Axes, first: _Place, last: _Place, text: str, color: str) -> None:
    left, right = first.x - first.column / 2 + 0.03, last.x + last.column / 2 - 0.03
    y, foot = BRACKETS_AT, 0.08
    ax.plot([left, left, right, right], [y - foot, y, y, y - foot], color=color, linewidth=1.5)
    # A bracket narrower than its text, at the right end, has the text grow to the left.
    wide = 0.075 * len(text) < right - left
    x, align = ((left + right) / 2, "center") if wide else (right, "right")
    if align == "right" and right < WIDTH / 2:
        x, align = left, "left"
    ax.text(x, y + 0.05, text, ha=align, va="bottom", fontsize=9, color=color, fontweight="bold")


def _bars(ax: Axes, blocks: tuple[Block, ...], places: list[_Place], shares: list[float], bottom: float) -> None:
    highest = max(shares) or 1
    ax.plot([places[0].x, places[-1].x + places[-1].column / 2], [bottom] * 2, color="#BBBBBB", linewidth=0.8)
    for block, place, share in zip(blocks, places, shares, strict=True):
        if not block.is_main:
            continue
        height = TALLEST_BAR * share / highest
        width = 0.6 * min(place.column, 0.8)
        bar = Rectangle((place.x - width / 2, bottom), width, height, facecolor=COLORS[block.kind])
        bar.set_gid(f"share of {block.name}")
        ax.add_patch(bar)
        ax.text(place.x, bottom + height + 0.03, percent(share), ha="center", va="bottom", fontsize=7.5)


def _finish(ax: Axes, costs: Profile, title: str | None, undrawn: float) -> None:
    ax.set(xlim=(0, WIDTH - LEFT_OF_AXES), ylim=(-0.05, TOP))
    ax.set_xticks([])
    ax.set_yticks(
        [MULTIPLY_ADDS_AT + TALLEST_BAR / 2, PARAMETERS_AT + TALLEST_BAR / 2],
        [
            f"multiply-adds\n(% of {_quantity(costs.multiply_adds)})",
            f"parameters\n(% of {_quantity(costs.parameters)})",
        ],
        fontsize=8,
    )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    # Auxiliary heads, say.
    rest = f"\nnot drawn: layers that run in training only, {100 * undrawn:.0f} % of the parameters"
    ax.set_xlabel(
        "layers, from input to output · block: width by channels, height by pixels; linear: height by outputs"
        + rest * (undrawn > 5e-4),
        fontsize=8,
        color=QUIET,
    )
    ax.set_title(title or costs.network)


def _quantity(count: int) -> str:
    """A count with three digits: 61.0 M, 1.14 G."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= factor:
            return f"{count / factor:.3g}{unit}" if count / factor >= 100 else f"{count / factor:#.3g}{unit}"
    return str(count)
