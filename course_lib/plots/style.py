"""How every figure of the course looks: palette, sizes, the mark of the miniature.

Colour is never the only carrier: a series is a colour *and* a line style, a marker and a hatch. Nothing here touches
matplotlib's global settings; the course's own hold while one of its functions draws.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

# A notebook's text column is about 8 inches wide at 100 dots an inch.
WIDTH = 8.0

# Okabe and Ito, "Color universal design" (2008), without their yellow, which is too light for lines on white.
PALETTE = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
}
QUIET = "#6B6B6B"  # text that explains; 5.3:1 against white, above the 4.5:1 that WCAG asks for

SETTINGS: Any = {
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.size": 10,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "savefig.dpi": 100,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


@dataclass(frozen=True)
class Series:
    """What tells one series of a figure from the next, with colour and without."""

    color: str
    linestyle: str | tuple[int, tuple[int, ...]]
    marker: str
    hatch: str


SERIES = (
    Series(PALETTE["blue"], "-", "o", ""),
    Series(PALETTE["vermilion"], "--", "s", "///"),
    Series(PALETTE["green"], "-.", "^", "..."),
    Series(PALETTE["purple"], (0, (1, 1)), "D", "xxx"),
    Series(PALETTE["orange"], (0, (5, 1)), "v", "\\\\\\"),
    Series(PALETTE["sky"], (0, (3, 1, 1, 1)), "P", "+++"),
    Series(PALETTE["black"], (0, (8, 3)), "X", "ooo"),
)


def series(index: int) -> Series:
    """The look of the series number `index`; after seven, colours come round again with another marker and line."""
    count = len(SERIES)
    turn = index // count
    base = SERIES[index % count]
    other = SERIES[(index + 2 * turn) % count]
    return Series(base.color, other.linestyle, other.marker, other.hatch)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under the course's settings, and close what it opened if it fails half-way.

    Without the latter a wrong argument would leave an empty figure below the error message.
    """

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        before = set(plt.get_fignums())
        try:
            with _settings():
                return draw(*args, **kwargs)
        except BaseException:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)
            raise

    return drawn


@contextmanager
def _settings() -> Iterator[None]:
    """The course's settings, and then again those before.

    Not `rc_context`, which restores all: the first figure of a notebook loads the inline backend, which sets
    `interactive`, and restoring that would leave every later figure undrawn.
    """
    before = {name: plt.rcParams[name] for name in SETTINGS}
    plt.rcParams.update(SETTINGS)
    try:
        yield
    finally:
        plt.rcParams.update(before)


def axes_or_new(ax: Axes | None, height: float, width: float = WIDTH) -> Axes:
    """`ax`, or the only axes of a new figure of `width` x `height` inches."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def figure_of(ax: Axes) -> Figure:
    """The figure that `ax` ends up in, also from inside a subfigure."""
    figure: Any = ax.figure
    while not isinstance(figure, Figure):
        figure = figure.figure
    return figure


MINIATURE = "Made on the miniature: drawn pictures, not photographs. Read no result into it."


def mark_miniature(ax: Axes, sources: Iterable[object]) -> None:
    """Say so in the figure when any of `sources` (image sets, histories) is, or was trained on, a miniature."""
    if not any(getattr(source, "is_miniature", False) for source in sources):
        return
    figure = figure_of(ax)
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")  # or the mark would lie on the axis label
    figure.supxlabel(MINIATURE, fontsize=9, color="white", backgroundcolor=PALETTE["vermilion"])


def percent(share: float) -> str:
    """A share of a whole in per cent, without the sign, in four characters or fewer."""
    value = 100 * share
    if value == 0:
        return "0"
    if value < 0.1:
        return "<0.1"
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
