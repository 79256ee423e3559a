"""Figures of what a network costs, and of what it buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from course_lib.errors import CourseError
from course_lib.plots.alt import describe
from course_lib.plots.blocks import MAIN, kind_of
from course_lib.plots.style import PALETTE, QUIET, WIDTH, axes_or_new, figure_of, series, styled

if TYPE_CHECKING:
    from course_lib.profiling import Profile

QUANTITIES = {
    "parameters": "parameters (%)",
    "multiply_adds": "multiply-adds (%)",
    "activations": "activations (%)",
    "milliseconds": "time (%)",
}
ROWS_UP_TO = 24
OTHER = "all other layers"


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
    has. Convolutions and linear layers have a row each and the rest one together; networks of more than 24 such layers
    a row for each of their parts.
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
    main = [layer.name for layer in profile.layers if kind_of(layer) in MAIN]
    by_part = len(main) > ROWS_UP_TO
    rows: dict[str, float] = {name.partition(".")[0] if by_part else name: 0.0 for name in main}
    rows[OTHER] = 0.0
    for name, share in profile.shares(quantity).items():
        row = name.partition(".")[0] if by_part else name
        rows[row if row in rows else OTHER] += share
    return rows


def _draw_column(ax: Axes, names: list[str], percents: list[float], index: int) -> None:
    look = series(index)
    y = np.arange(len(names))
    bars = ax.barh(y, percents, 0.72, color=look.color, hatch=look.hatch, edgecolor="white", linewidth=0)
    ax.bar_label(bars, [f"{p:.1f}" if 0 < p < 9.95 else f"{p:.0f}" for p in percents], padding=2, fontsize=8)
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
    ax: Axes | None = None,
) -> Axes:
    """Networks by what they cost and how accurate they are, with the line of those that nothing beats in both.

    points: name -> (cost, accuracy), accuracy as a fraction. cost: what the cost is, with its unit, for the axis
    ("multiply-adds", "latency (ms)").
    """
    if not points:
        raise CourseError("There is no network to draw: pass at least one.")
    costs = np.array([point[0] for point in points.values()], dtype=float)
    accuracies = 100 * np.array([point[1] for point in points.values()], dtype=float)
    ax = axes_or_new(ax, height=4.4)
    order = np.lexsort((-accuracies, costs))
    best = np.maximum.accumulate(accuracies[order])
    front = order[np.r_[True, best[1:] > best[:-1]]]
    ax.plot(costs[front], accuracies[front], color=QUIET, linewidth=1.2, linestyle="--", drawstyle="steps-post",
            label="best at its cost")  # fmt: skip
    beaten = np.setdiff1d(np.arange(len(costs)), front)
    ax.plot(costs[front], accuracies[front], "o", color=PALETTE["blue"], markersize=7)
    ax.plot(costs[beaten], accuracies[beaten], "s", color=PALETTE["orange"], markersize=6)
    if costs.min() > 0 and costs.max() / costs.min() > 20:
        ax.set_xscale("log")
    for name, x, y in zip(points, costs, accuracies, strict=True):
        ax.annotate(str(name), (x, y), xytext=(6, 5), textcoords="offset points", fontsize=8)
    ax.margins(x=0.12, y=0.12)
    ax.set(xlabel=cost, ylabel=accuracy)
    ax.grid()
    ax.legend(loc="lower right")
    if title:
        ax.set_title(title)
    names = list(points)
    describe(ax, f"{accuracy} against {cost} of {len(names)} networks; best at their cost: "
             f"{', '.join(str(names[index]) for index in front)}.")  # fmt: skip
    return ax
