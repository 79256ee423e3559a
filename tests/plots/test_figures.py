"""What holds for every figure: labelled axes, own or given axes, the mark of the miniature, settings left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from course_lib import plots
from course_lib.errors import CourseError
from course_lib.plots.style import MINIATURE, figure_of
from course_lib.profiling import profile
from tests.plots.stand_ins import CLASSES, history, image_set

SMALL = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
CONFUSION = torch.tensor([[8, 1, 1, 0], [0, 9, 0, 1], [2, 2, 6, 0], [0, 0, 5, 5]])
PICTURE = torch.zeros(3, 48, 64, dtype=torch.uint8)

PICTURES: dict[str, Callable[..., Any]] = {
    "image_grid": lambda **o: plots.image_grid(image_set(), captions=["x → y"] * 8, **o),
    "filters": lambda **o: plots.filters(torch.randn(12, 3, 5, 5), **o),
}
CHARTS: dict[str, Callable[..., Any]] = {
    "class_counts": lambda **o: plots.class_counts({"all": image_set(), "some": image_set(4)}, log=True, **o),
    "class_counts by rank": lambda **o: plots.class_counts(torch.arange(1, 101), **o),
    "per_class": lambda **o: plots.per_class({"a": CONFUSION, "b": torch.rand(4)}, CLASSES, **o),
    "confusion": lambda **o: plots.confusion(CONFUSION, CLASSES, **o),
    "confusion without names": lambda **o: plots.confusion(torch.eye(30), **o),
    "compare": lambda **o: plots.compare({1: history(), 2: [history(), history((0.5, 0.3, 0.1))]}, label="{}", **o),
    "compare over time": lambda **o: plots.compare({"a": history()}, "test_loss", against="seconds", **o),
    "learning_curves": lambda **o: plots.learning_curves(history(), **o),
    "architecture": lambda **o: plots.architecture(SMALL, 32, **o),
    "cost_bars": lambda **o: plots.cost_bars(profile(SMALL, 32), "parameters", **o),
    "accuracy_against_cost": lambda **o: plots.accuracy_against_cost({"a": (1e6, 0.7), "b": (1e9, 0.6)}, **o),
    "boxes_and_masks": lambda **o: plots.boxes_and_masks(
        PICTURE, boxes=[(2, 2, 30, 30)], labels=["dog"], masks=[torch.ones(48, 64)], mask_labels=["dog"], **o
    ),
}
EVERY = {**PICTURES, **CHARTS}


def first(drawn: Axes | np.ndarray) -> Axes:
    return np.atleast_1d(np.asarray(drawn, dtype=object)).ravel()[0]


def test_every_public_drawing_function_is_tried_here() -> None:
    drawing = {name for name in plots.__all__ if callable(getattr(plots, name))}
    assert drawing - {"alt_text", "description", "mark_miniature"} == {name.split()[0] for name in EVERY}


@pytest.mark.parametrize("name", CHARTS)
def test_both_axes_of_a_chart_are_labelled(name: str) -> None:
    axes = first(CHARTS[name]())
    assert axes.get_xlabel()
    assert axes.get_ylabel() or all(label.get_text() for label in axes.get_yticklabels())


@pytest.mark.parametrize("name", EVERY)
def test_draws_into_the_axes_it_is_given_and_opens_no_figure(name: str) -> None:
    figure, axes = plt.subplots()
    assert first(EVERY[name](ax=axes)) is axes
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name", EVERY)
def test_draws_into_a_subfigure(name: str) -> None:
    figure = plt.figure(layout="constrained", figsize=(16, 6))
    axes = figure.subfigures(1, 2)[0].subplots()
    EVERY[name](ax=axes)
    assert plots.description(figure)
    figure.draw_without_rendering()


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_cut_off_and_the_figure_fits_a_notebook(name: str) -> None:
    figure = figure_of(first(EVERY[name]()))
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert width <= 8
    assert box.x0 >= -0.15
    assert box.y0 >= -0.15
    assert box.x1 <= width + 0.15
    assert box.y1 <= height + 0.15


@pytest.mark.parametrize("name", EVERY)
def test_says_in_words_what_it_shows(name: str) -> None:
    text = plots.description(figure_of(first(EVERY[name]())))
    assert text is not None
    assert text.endswith(".")


@pytest.mark.parametrize("name", EVERY)
def test_leaves_the_settings_of_matplotlib_alone(name: str) -> None:
    before = dict(mpl.rcParams)
    EVERY[name]()
    assert dict(mpl.rcParams) == before


MINIATURE_FIGURES: dict[str, Callable[[], Any]] = {
    "image_grid": lambda: plots.image_grid(image_set(is_miniature=True)),
    "class_counts": lambda: plots.class_counts({"a": image_set(), "b": image_set(is_miniature=True)}),
    "compare": lambda: plots.compare({"a": history(), "b": [history(), history(is_miniature=True)]}),
    "learning_curves": lambda: plots.learning_curves(history(is_miniature=True)),
    "per_class": lambda: plots.per_class(CONFUSION, CLASSES, source=history(is_miniature=True)),
    "confusion": lambda: plots.confusion(CONFUSION, source=image_set(is_miniature=True)),
    "filters": lambda: plots.filters(torch.randn(4, 3, 3, 3), source=history(is_miniature=True)),
    "boxes_and_masks": lambda: plots.boxes_and_masks(PICTURE, source=image_set(is_miniature=True)),
    "accuracy_against_cost": lambda: plots.accuracy_against_cost({"a": (1, 0.5)}, source=history(is_miniature=True)),
}


@pytest.mark.parametrize("name", MINIATURE_FIGURES)
def test_what_was_made_on_the_miniature_says_so_in_the_figure(name: str) -> None:
    figure = figure_of(first(MINIATURE_FIGURES[name]()))
    assert MINIATURE in {text.get_text() for text in figure.texts}


@pytest.mark.parametrize("name", EVERY)
def test_what_was_not_made_on_the_miniature_does_not_say_so(name: str) -> None:
    figure = figure_of(first(EVERY[name]()))
    assert MINIATURE not in {text.get_text() for text in figure.texts}


WRONG: dict[str, Callable[[], Any]] = {
    "normalised pictures": lambda: plots.image_grid(torch.randn(4, 3, 8, 8) * 3),
    "NaN in a picture": lambda: plots.image_grid(torch.full((1, 3, 8, 8), torch.nan)),
    "a picture of five channels": lambda: plots.image_grid(torch.zeros(4, 5, 8, 8)),
    "no picture": lambda: plots.image_grid(torch.zeros(0, 3, 8, 8)),
    "too few captions": lambda: plots.image_grid(image_set(4), captions=["one"]),
    "filters of a later layer": lambda: plots.filters(torch.zeros(8, 16, 3, 3)),
    "three coordinates": lambda: plots.boxes_and_masks(PICTURE, boxes=[(1, 2, 3)]),
    "a label too many": lambda: plots.boxes_and_masks(PICTURE, boxes=[(1, 2, 3, 4)], labels=["a", "b"]),
    "a mask of another size": lambda: plots.boxes_and_masks(PICTURE, masks=torch.ones(1, 8, 8)),
    "no class": lambda: plots.class_counts({}),
    "names of other classes": lambda: plots.class_counts(torch.ones(3), classes=["a"]),
    "accuracies of other classes": lambda: plots.per_class(torch.ones(3), CLASSES),
    "no square": lambda: plots.confusion(torch.ones(3, 4)),
    "another number of names": lambda: plots.confusion(torch.ones(3, 3), CLASSES),
    "no run": lambda: plots.compare({}),
    "no seed": lambda: plots.compare({"a": []}),
    "an unknown value": lambda: plots.compare({"a": history()}, "accuracy"),
    "an unknown x": lambda: plots.compare({"a": history()}, against="steps"),
    "an unknown curve": lambda: plots.learning_curves(history(), "accuracy"),
    "nothing to draw": lambda: plots.architecture(nn.Sequential(nn.ReLU()), 8),
    "a time that was not measured": lambda: plots.cost_bars(profile(SMALL, 32), "milliseconds"),
    "one axes for two quantities": lambda: plots.cost_bars(profile(SMALL, 32), ax=Figure().subplots()),
    "no network": lambda: plots.accuracy_against_cost({}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_gets_words_and_leaves_no_empty_figure(name: str) -> None:
    with pytest.raises(CourseError):
        WRONG[name]()
    assert plt.get_fignums() == []
