"""Figures of training: learning curves, and several runs in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from course_lib.errors import CourseError
from course_lib.plots.alt import describe
from course_lib.plots.style import axes_or_new, mark_miniature, series, styled

if TYPE_CHECKING:
    from course_lib.history import History

# What a History records: its name on an axis, and the factor from the recorded unit to the one shown.
VALUES = {
    "train_error": ("training error (%)", 100),
    "test_error": ("test error (%)", 100),
    "train_loss": ("training loss (nats)", 1),
    "test_loss": ("test loss (nats)", 1),
    "learning_rate": ("learning rate", 1),
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
    target: a level to reach, as the history records it (0.25 for an error of 25 %); marks where each run first does.
    Raises CourseError where there is nothing to draw.
    """
    runs = {label.format(key): _as_list(entry) for key, entry in histories.items()}
    if not runs or not all(runs.values()):
        raise CourseError("There is no run to compare: pass at least one history for each label.")
    if against not in ("epoch", "seconds"):
        raise CourseError(f"Runs are drawn against 'epoch' or 'seconds', not {against!r}.")
    curves = {name: _curve(seeds, value, against) for name, seeds in runs.items()}

    level = None if target is None else target * VALUES[value][1]
    ax = axes_or_new(ax, height=4.0)
    said = []
    for index, (name, (x, ys)) in enumerate(curves.items()):
        mean = ys.mean(axis=0)
        _line(ax, x, mean, index, name)
        if len(ys) > 1:
            ax.fill_between(x, ys.min(axis=0), ys.max(axis=0), color=series(index).color, alpha=0.2, linewidth=0)
        if level is not None:
            _mark_first(ax, x, mean, level, index)
        said.append(f"{name} {_from_to(mean)}")
    if level is not None:
        ax.axhline(level, color="#555555", linewidth=1, linestyle=(0, (2, 3)), zorder=1)
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
        x = np.mean([np.cumsum([epoch.seconds for epoch in history.epochs[:epochs]]) for history in seeds], axis=0)
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
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    else:
        ax.set_xlim(left=0)
    if y_label != VALUES["learning_rate"][0]:
        ax.set_ylim(bottom=0)
    ax.grid(axis="y")
    if title:
        ax.set_title(title)


@styled
def learning_curves(
    history: History, value: str = "error", *, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """One run over the epochs, on the training and, where measured, on the test images.

    value: "error" or "loss". The training curve is measured while the weights change, with augmentation and dropout, so
    it can lie above the test curve.
    """
    if value not in ("error", "loss"):
        raise CourseError(f"Learning curves show 'error' or 'loss', not {value!r}.")
    curves = {where: _values(history, f"{split}_{value}") for where, split in (("training", "train"), ("test", "test"))}
    ax = axes_or_new(ax, height=3.6)
    said = []
    for index, (where, curve) in enumerate(curves.items()):
        if not np.isnan(curve).all():
            _line(ax, np.arange(1, len(curve) + 1), curve, index, where)
            said.append(f"{where} {value} {_from_to(curve)}")
    _finish(ax, {"error": "error (%)", "loss": "loss (nats)"}[value], "epoch", title or getattr(history, "name", None))
    if said:
        ax.legend()
    mark_miniature(ax, [history])
    describe(ax, f"Learning curves over {len(curves['training'])} epochs: {'; '.join(said) or 'no epoch finished'}.")
    return ax


def _from_to(curve: np.ndarray) -> str:
    measured = curve[~np.isnan(curve)]
    return f"from {measured[0]:.3g} to {measured[-1]:.3g}" if len(measured) else "not measured"
