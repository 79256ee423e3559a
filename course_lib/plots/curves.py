"""Figures of training: learning curves, and several runs in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from course_lib.errors import CourseError
from course_lib.plots.alt import describe
from course_lib.plots.style import WIDTH, axes_or_new, mark_miniature, series, styled

if TYPE_CHECKING:
    from course_lib.training import History

# What a History records: its name on an axis, and the factor from the recorded unit to the one shown.
VALUES = {
    "train_error": ("training error (%)", 100),
    "test_error": ("test error (%)", 100),
    "train_loss": ("training loss (nats)", 1),
    "test_loss": ("test loss (nats)", 1),
    "learning_rate": ("learning rate", 1),
    "seconds": ("time (s)", 1),
}


def _values(history: History, value: str) -> np.ndarray:
    """One recorded value by epoch, in the unit shown; NaN for an epoch that did not measure it."""
    if value not in VALUES:
        raise CourseError(f"A history has no value {value!r} to draw. Use one of: {', '.join(VALUES)}.")
    recorded = [np.nan if number is None else number for number in getattr(history, value)]
    return np.asarray(recorded, dtype=float) * VALUES[value][1]


@styled
def compare(
    histories: Mapping[object, History | Sequence[History]],
    value: str = "train_error",
    label: str = "{}",
    *,
    against: str = "epoch",
    target: float | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One value of several runs over the epochs; several seeds of one run as their mean and a band from least to most.

    histories: the key's text, put into `label`, names the run ("plain {} layers"); a list holds one run a seed.
    value: "train_error", "test_error", "train_loss", "test_loss" or "learning_rate". against: "epoch" or "seconds".
    target: a level to reach, in the unit of the axis (25 for 25 %); marks where each run first does.
    Raises CourseError where there is nothing to draw.
    """
    runs = {label.format(key): _as_list(entry) for key, entry in histories.items()}
    if not runs or not all(runs.values()):
        raise CourseError("There is no run to compare: pass at least one history for each label.")
    if against not in ("epoch", "seconds"):
        raise CourseError(f"Runs are drawn against 'epoch' or 'seconds', not {against!r}.")
    curves = {name: _curve(seeds, value, against) for name, seeds in runs.items()}

    ax = axes_or_new(ax, height=4.0)
    said = []
    for index, (name, (x, ys)) in enumerate(curves.items()):
        mean = ys.mean(axis=0)
        _line(ax, x, mean, index, name)
        if len(ys) > 1:
            ax.fill_between(x, ys.min(axis=0), ys.max(axis=0), color=series(index).color, alpha=0.2, linewidth=0)
        if target is not None:
            _mark_first(ax, x, mean, target, index)
        measured = mean[~np.isnan(mean)]
        if len(measured):
            said.append(f"{name} from {measured[0]:.3g} to {measured[-1]:.3g}")
    if target is not None:
        ax.axhline(target, color="#555555", linewidth=1, linestyle=(0, (2, 3)), zorder=1)
    seeds = max(len(entry) for entry in runs.values())
    _finish(ax, VALUES[value][0], against, title)
    ax.legend(title=f"mean and range of {seeds} seeds" if seeds > 1 else None)
    mark_miniature(ax, [history for entry in runs.values() for history in entry])
    describe(ax, f"Lines of {VALUES[value][0]} over {_X_LABELS[against]}: {'; '.join(said)}.")
    return ax


_X_LABELS = {"epoch": "epoch", "seconds": "training time (s)"}


def _as_list(entry: History | Sequence[History]) -> list[History]:
    return list(entry) if isinstance(entry, Sequence) else [entry]


def _curve(seeds: list[History], value: str, against: str) -> tuple[np.ndarray, np.ndarray]:
    """x (epochs,) and y (seeds, epochs), cut to the epochs that all seeds have."""
    recorded = [_values(history, value) for history in seeds]
    epochs = min(len(numbers) for numbers in recorded)
    x = np.arange(1, epochs + 1, dtype=float)
    if against == "seconds":
        x = np.mean([np.cumsum(_values(history, "seconds")[:epochs]) for history in seeds], axis=0)
    return x, np.stack([numbers[:epochs] for numbers in recorded])


def _line(ax: Axes, x: np.ndarray, y: np.ndarray, index: int, label: str) -> None:
    look = series(index)
    measured = ~np.isnan(y)
    ax.plot(
        x[measured],
        y[measured],
        color=look.color,
        linestyle=look.linestyle,
        marker=look.marker,
        markevery=max(1, int(measured.sum()) // 12),
        label=label,
    )


def _mark_first(ax: Axes, x: np.ndarray, y: np.ndarray, target: float, index: int) -> None:
    reached = np.flatnonzero(y <= target)
    if len(reached):
        first = x[reached[0]]
        ax.axvline(first, ymax=0.06, color=series(index).color, linewidth=2)
        ax.plot(first, y[reached[0]], marker="o", markersize=11, fillstyle="none", color=series(index).color)


def _finish(ax: Axes, y_label: str, against: str, title: str | None) -> None:
    ax.set(xlabel=_X_LABELS[against], ylabel=y_label)
    if against == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if y_label != VALUES["learning_rate"][0]:
        ax.set_ylim(bottom=0)
    ax.grid(axis="y")
    if title:
        ax.set_title(title)


@styled
def learning_curves(history: History, *, ax: Axes | Sequence[Axes] | np.ndarray | None = None) -> np.ndarray:
    """Error and loss of one run over the epochs, on the training and the test images: an array of two axes.

    Given one axes, draws the error alone. Training error is measured while the weights change, on augmented images; it can
    lie above the test error.
    """
    pairs = [("train_error", "test_error"), ("train_loss", "test_loss")]
    if ax is None:
        ax = plt.subplots(1, 2, figsize=(WIDTH, 3.4), layout="constrained")[1]
    axes = np.atleast_1d(np.asarray(ax, dtype=object))
    for index, (one, pair, name) in enumerate(zip(axes, pairs, ("error (%)", "loss (nats)"), strict=False)):
        said = []
        for number, (value, where) in enumerate(zip(pair, ("training", "test"), strict=True)):
            curve = _values(history, value)
            if not np.isnan(curve).all():
                _line(one, np.arange(1, len(curve) + 1), curve, number, where)
                said.append(f"{where} {name} from {curve[0]:.3g} to {curve[-1]:.3g}")
        _finish(one, name, "epoch", getattr(history, "name", None) if index == 0 else None)
        one.legend()
        describe(one, f"Learning curves: {'; '.join(said)}.")
    mark_miniature(axes[0], [history])
    return axes
