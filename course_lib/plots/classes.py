"""Figures about classes: how many images each has, how accurate a network is on each, what it confuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.plots.alt import describe
from course_lib.plots.style import axes_or_new, mark_miniature, series, styled

if TYPE_CHECKING:
    from course_lib.data.images import ImageSet
    from course_lib.evaluation import Evaluation

# More classes than this are drawn as a line by rank: nobody could read a thousand names.
BARS_UP_TO = 40
NUMBERS_UP_TO = 20
# Names side by side under the matrix; if they need more, they stand at an angle.
CHARACTERS_ABREAST = 60


@styled
def class_counts(
    sets: ImageSet | Tensor | Mapping[str, Any],
    *,
    classes: Sequence[str] | None = None,
    log: bool = False,
    title: str | None = None,
    source: object = None,
    ax: Axes | None = None,
) -> Axes:
    """How many images each class has, in one or several image sets.

    sets: an ImageSet or counts (C,); for several, a mapping from their names to either, or to a mapping class -> count
    (a `Counter` of tags). Few classes are bars, more than 40 a line by rank, the most frequent first.
    log: the axis of counts is logarithmic. source: what bare counts are of; a miniature is marked.
    """
    named = sets if isinstance(sets, Mapping) and not _is_counter(sets) else {"": sets}
    counted = {str(name): _counts(entry, classes) for name, entry in named.items()}
    if not counted or not all(counted.values()):
        raise CourseError("There are no classes to count: the image set is empty.")
    every_class = list(dict.fromkeys(name for counts in counted.values() for name in counts))
    as_bars = len(every_class) <= BARS_UP_TO
    ax = axes_or_new(ax, height=3.6)
    if as_bars:
        bars = {label: np.array([counts.get(name, 0) for name in every_class]) for label, counts in counted.items()}
        _grouped_bars(ax, every_class, bars)
        ax.set(xlabel="class")
    else:
        _ranked(ax, {label: np.array(list(counts.values())) for label, counts in counted.items()})
    ax.set(ylabel="images in the class")
    _scale_counts(ax, log, as_bars)
    if title:
        ax.set_title(title, pad=24 if any(counted) and as_bars else 6)
    mark_miniature(ax, [*named.values(), source])
    said = [
        f"{label + ': ' if label else ''}{len(counts)} classes of {min(counts.values()):,.0f} to "
        f"{max(counts.values()):,.0f} images"
        for label, counts in counted.items()
    ]
    describe(ax, f"Number of images by class. {'; '.join(said)}.")
    return ax


def _scale_counts(ax: Axes, log: bool, as_bars: bool) -> None:
    if log:
        ax.set_yscale("log")
        if as_bars:
            ax.set_ylim(bottom=0.7)  # there is nothing below one image, and a bar of one must still be seen
        lowest, highest = ax.get_ylim()
        decades = np.log10(highest / lowest)
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 4 else (1.0, 3.0), numticks=12))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _is_counter(sets: Mapping[Any, Any]) -> bool:
    return bool(sets) and all(isinstance(count, int | float) for count in sets.values())


def _counts(entry: Any, classes: Sequence[str] | None) -> dict[str, float]:
    """Class -> count, from an ImageSet, a mapping or a vector."""
    if isinstance(entry, Mapping):
        return {str(name): float(count) for name, count in entry.items()}
    if hasattr(entry, "class_counts"):
        entry, classes = entry.class_counts(), classes or entry.classes
    counts = np.asarray(entry, dtype=float).tolist()
    names = list(classes or map(str, range(len(counts))))
    if len(names) != len(counts):
        raise CourseError(f"There are counts of {len(counts)} classes, and {len(names)} names: pass one each.")
    return dict(zip(names, counts, strict=True))


def _ranked(ax: Axes, counted: Mapping[str, np.ndarray]) -> None:
    for index, (name, counts) in enumerate(counted.items()):
        look = series(index)
        ranks = np.arange(1, len(counts) + 1)
        ax.plot(ranks, np.sort(counts)[::-1], color=look.color, linestyle=look.linestyle, label=name)
    ax.set(xlabel="class, by rank (1: most images)")
    ax.grid(axis="y")
    if any(counted):
        ax.legend()


def _grouped_bars(ax: Axes, names: Sequence[str], groups: Mapping[str, np.ndarray]) -> None:
    """Bars side by side for each name, one a group, told apart by colour and hatch."""
    width = 0.8 / len(groups)
    for index, (label, heights) in enumerate(groups.items()):
        look = series(index)
        x = np.arange(len(heights)) + (index - (len(groups) - 1) / 2) * width
        ax.bar(
            x, heights, width * 0.94, color=look.color, hatch=look.hatch, edgecolor="white", linewidth=0, label=label
        )
    crowded = sum(len(name) + 2 for name in names) > 100
    ax.set_xticks(
        np.arange(len(names)),
        names,
        rotation=45 if crowded else 0,
        ha="right" if crowded else "center",
        va="top" if crowded else "baseline",
        rotation_mode="anchor" if crowded else "default",
    )
    ax.tick_params(axis="x", length=0, pad=4 if crowded else 12)
    ax.grid(axis="y")
    if any(groups):
        # Above the bars, where none can hide behind it.
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(4, len(groups)))


@styled
def per_class(
    runs: Evaluation | Tensor | Mapping[str, Any],
    classes: Sequence[str] | None = None,
    *,
    title: str | None = None,
    source: object = None,
    ax: Axes | None = None,
) -> Axes:
    """The accuracy on each class, of one or several runs side by side.

    runs: an Evaluation, a confusion matrix (C, C; rows are true classes) or accuracies (C,) as fractions; for several,
    a mapping from their names to any of these. classes: names; an Evaluation knows them itself.
    source: what bare numbers were measured on; a miniature is marked.
    Raises CourseError where the number of classes differs.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    accuracies = {str(name): 100 * _accuracy(entry) for name, entry in named.items()}
    if not accuracies:
        raise CourseError("There is no run to draw: pass at least one.")
    classes = classes or _class_names(next(iter(named.values())), len(next(iter(accuracies.values()))))
    for name, accuracy in accuracies.items():
        if len(accuracy) != len(classes):
            raise CourseError(f"There are {len(classes)} classes, and {name or 'the run'} has {len(accuracy)}.")
    ax = axes_or_new(ax, height=3.6)
    _grouped_bars(ax, classes, accuracies)
    ax.set(xlabel="class", ylabel="accuracy (%)", ylim=(0, 100))
    if title:
        ax.set_title(title, pad=24 if any(accuracies) else 6)
    mark_miniature(ax, [*named.values(), source])
    said = [
        f"{name + ': ' if name else ''}lowest {classes[int(np.nanargmin(accuracy))]} {np.nanmin(accuracy):.0f} %, "
        f"highest {classes[int(np.nanargmax(accuracy))]} {np.nanmax(accuracy):.0f} %"
        for name, accuracy in accuracies.items()
        if not np.isnan(accuracy).all()
    ]
    describe(ax, f"Accuracy by class. {'; '.join(said)}.")
    return ax


def _accuracy(entry: Any) -> np.ndarray:
    values = _matrix(entry)
    if values.ndim == 1:
        return values
    with np.errstate(invalid="ignore"):
        return np.diag(values) / values.sum(axis=1)


def _class_names(entry: Any, count: int) -> Sequence[str]:
    return getattr(entry, "classes", None) or [str(index) for index in range(count)]


def _matrix(entry: Any) -> np.ndarray:
    return np.asarray(getattr(entry, "confusion", entry), dtype=float)


@styled
def confusion(
    evaluation: Evaluation | Tensor,
    classes: Sequence[str] | None = None,
    *,
    title: str | None = None,
    source: object = None,
    ax: Axes | None = None,
) -> Axes:
    """What is taken for what: each row a true class, its cells the share of its images predicted as each class.

    evaluation: an Evaluation, or counts (C, C) with true classes in rows. Cells are numbers in % up to 20 classes.
    source: what a bare matrix was measured on; a miniature is marked.
    Raises CourseError where the matrix is not square or `classes` does not fit it.
    """
    counts = _matrix(evaluation)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise CourseError(f"A confusion matrix has the shape (C, C), and this one has {counts.shape}.")
    size = len(counts)
    names = list(classes or _class_names(evaluation, size))
    if len(names) != size:
        raise CourseError(f"The confusion matrix has {size} classes, and there are {len(names)} names.")
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    numbered = size <= NUMBERS_UP_TO
    ax = axes_or_new(ax, height=6.2 if size > 5 else 4.0, width=7.0)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    ax.set(xlabel="predicted class", ylabel="true class")
    if numbered:
        _write_cells(ax, shares)
        long = max(map(len, names)) * size > CHARACTERS_ABREAST
        ax.set_xticks(range(size), names, rotation=45 * long, ha="right" if long else "center", rotation_mode="anchor")
        ax.set_yticks(range(size), names)
        ax.tick_params(length=0)
        reading = f"of 100 images of a class (row),{' ' if size > 5 else chr(10)}how many are taken for which (column)"
        ax.set_title(title or reading, fontsize=10)
    else:
        ax.figure.colorbar(image, ax=ax, label="share of the true class (%)", shrink=0.8)
        if title:
            ax.set_title(title)
    ax.spines[:].set_visible(False)
    mark_miniature(ax, [evaluation, source])
    describe(ax, _confusion_in_words(shares, names))
    return ax


def _write_cells(ax: Axes, shares: np.ndarray) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.5 or row == column:
            ax.text(
                column,
                row,
                f"{share:.0f}",
                ha="center",
                va="center",
                fontsize=9 if len(shares) <= 12 else 7,
                color="white" if share > 55 else "black",
                fontweight="bold" if row == column else "normal",
            )


def _confusion_in_words(shares: np.ndarray, names: Sequence[str]) -> str:
    off_diagonal = shares - np.diag(np.diag(shares))
    true, predicted = np.unravel_index(off_diagonal.argmax(), shares.shape)
    return (
        f"Confusion matrix of {len(names)} classes; {np.diag(shares).mean():.0f} % right on average. Most frequent "
        f"confusion: {names[true]} taken for {names[predicted]}, {off_diagonal.max():.0f} % of its images."
    )
