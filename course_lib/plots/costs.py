"""Figures of what a network costs, and of what it buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from course_lib.errors import CourseError
from course_lib.plots.alt import describe
from course_lib.plots.blocks import MAIN, kind_of
from course_lib.plots.style import (
    PALETTE,
    QUIET,
    WIDTH,
    axes_or_new,
    figure_of,
    mark_miniature,
    percent,
    series,
    styled,
)

if TYPE_CHECKING:
    from course_lib.profiling import Layer, Profile

QUANTITIES = {
    "parameters": "parameters (%)",
    "multiply_adds": "multiply-adds (%)",
    "activations": "activations (%)",
    "milliseconds": "time (%)",
}
ROWS_UP_TO = 24


@styled
def cost_bars(
    profile: Profile,
    by: Sequence[str] | str | None = None,
    *,
    title: str | None = None,
    ax: Axes | Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Each layer's share of what the network costs, one column of bars a quantity: an array of axes.

    by: "parameters", "multiply_adds", "activations", "milliseconds" or several of them; by default all that the profile
    has. Convolutions and linear layers have a row each, the others one for each kind; networks of more than 24 such
    layers a row for each of their parts.
    Raises CourseError for a quantity that the profile does not have.
    """
    by = (by,) if isinstance(by, str) else by
    by = by or [name for name in QUANTITIES if name != "milliseconds" or profile.milliseconds is not None]
    columns = {quantity: _rows(profile, quantity) for quantity in by}
    names = list(next(iter(columns.values())))
    if ax is None:
        size = (WIDTH if len(columns) > 1 else 0.7 * WIDTH, 1.0 + 0.26 * len(names))
        ax = plt.subplots(1, len(columns), figsize=size, sharey=True, squeeze=False, layout="constrained")[1][0]
    axes = np.atleast_1d(np.asarray(ax, dtype=object))
    if len(axes) != len(columns):
        raise CourseError(f"cost_bars draws {len(columns)} quantities and got {len(axes)} axes: pass one each.")
    for index, (one, (quantity, shares)) in enumerate(zip(axes, columns.items(), strict=True)):
        _draw_column(one, names, [100 * shares[name] for name in names], index)
        one.set(xlabel=QUANTITIES[quantity], ylabel="layer" if index == 0 else "")
        largest = max(shares, key=lambda name: shares[name])
        describe(one, f"Share of {quantity.replace('_', '-')} by layer; most in {largest}: {shares[largest]:.0%}.")
    figure_of(axes[0]).suptitle(title or profile.network, x=0.01, ha="left", fontsize=11)
    return axes


def _rows(profile: Profile, quantity: str) -> dict[str, float]:
    """Shares, from 0 to 1, by the name of the row; they sum to 1."""
    main = [layer for layer in profile.layers if kind_of(layer) in MAIN]
    by_part = len(main) > ROWS_UP_TO
    names = {layer.name: _row_name(layer, main, by_part) for layer in profile.layers}
    ordered = [*(names[layer.name] for layer in main), *names.values()]
    rows = dict.fromkeys(ordered, 0.0)
    for name, share in profile.shares(quantity).items():
        rows[names[name]] += share
    return rows


def _row_name(layer: Layer, main: Sequence[Layer], by_part: bool) -> str:
    part = layer.name.partition(".")[0]
    if by_part:
        return part if any(other.name.partition(".")[0] == part for other in main) else "the rest"
    if layer not in main:
        return f"every {layer.kind}"
    short = [other.name.rpartition(".")[2] for other in main]
    own = layer.name.rpartition(".")[2]
    return layer.name if own.isdigit() or short.count(own) > 1 else own


def _draw_column(ax: Axes, names: list[str], percents: list[float], index: int) -> None:
    look = series(index)
    y = np.arange(len(names))
    bars = ax.barh(y, percents, 0.72, color=look.color, hatch=look.hatch, edgecolor="white", linewidth=0)
    ax.bar_label(bars, [percent(p / 100) for p in percents], padding=2, fontsize=8)
    ax.set_yticks(y, names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, max(1, max(percents)) * 1.25)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")


@styled
def accuracy_against_cost(
    points: Mapping[str, tuple[float, float]],
    cost: str = "multiply-adds",
    *,
    accuracy: str = "test accuracy (%)",
    title: str | None = None,
    source: object = None,
    ax: Axes | None = None,
) -> Axes:
    """Networks by what they cost and how accurate they are, with the line of those that nothing beats in both.

    points: name -> (cost, accuracy), accuracy as a fraction. cost: what the cost is, with its unit, for the axis
    ("multiply-adds", "latency (ms)"). source: what the accuracies were measured on; a miniature is marked.
    """
    if not points:
        raise CourseError("There is no network to draw: pass at least one.")
    costs = np.array([point[0] for point in points.values()], dtype=float)
    accuracies = 100 * np.array([point[1] for point in points.values()], dtype=float)
    ax = axes_or_new(ax, height=4.4)
    order = np.lexsort((-accuracies, costs))
    best = np.maximum.accumulate(accuracies[order])
    front = order[np.r_[True, best[1:] > best[:-1]]]
    line: Any = {"color": QUIET, "linewidth": 1.2, "linestyle": "--", "drawstyle": "steps-post"}
    dots: Any = {"marker": "o", "markersize": 7, "markerfacecolor": PALETTE["blue"], "markeredgecolor": PALETTE["blue"]}
    ax.plot(costs[front], accuracies[front], label="best at its cost", **line, **dots)
    beaten = np.setdiff1d(np.arange(len(costs)), front)
    if len(beaten):
        look: Any = {"color": PALETTE["orange"], "marker": "s", "markersize": 6, "linestyle": "none"}
        ax.plot(costs[beaten], accuracies[beaten], label="another is at least as good for less", **look)
    if costs.min() > 0 and costs.max() / costs.min() > 20:
        ax.set_xscale("log")
    ax.margins(x=0.12, y=0.12)
    ax.set(xlabel=cost, ylabel=accuracy)
    ax.grid()
    ax.legend(loc="lower right")
    if title:
        ax.set_title(title)
    mark_miniature(ax, [source])
    _name_points(ax, [str(name) for name in points], costs, accuracies)
    names = list(points)
    describe(ax, f"{accuracy} against {cost} of {len(names)} networks; best at their cost: "
             f"{', '.join(str(names[index]) for index in front)}.")  # fmt: skip
    return ax


# Where a name may stand beside its point, in points, best first.
POSITIONS = (
    ((7, 4), "left"), ((7, -11), "left"), ((-7, 4), "right"), ((-7, -11), "right"), ((0, 10), "center"),
    ((0, -17), "center"),
)  # fmt: skip


def _name_points(ax: Axes, names: Sequence[str], x: np.ndarray, y: np.ndarray) -> None:
    """Write each name beside its point, at the first position that is free of points and of other names."""
    figure = figure_of(ax)
    figure.draw_without_rendering()  # settles the layout, so that positions on the page are known
    points = ax.transData.transform(np.column_stack([x, y]))
    marks = [Bbox.from_bounds(px - 5, py - 5, 10, 10) for px, py in points]
    written: list[Bbox] = []
    for index, name in enumerate(names):
        others = [*marks[:index], *marks[index + 1 :], *written]
        for offset, align in POSITIONS:
            text = ax.annotate(
                name, (x[index], y[index]), xytext=offset, textcoords="offset points", ha=align, fontsize=8
            )
            place = text.get_window_extent()
            if not any(place.overlaps(other) for other in others) or (offset, align) == POSITIONS[-1]:
                written.append(place)
                break
            text.remove()
