"""Each chart shows the numbers it was given, in the unit its axis says."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import plots
from course_lib.data import CIFAR10_CLASSES
from course_lib.plots.images import displayable
from tests.plots.stand_ins import CLASSES, history, image_set


def test_errors_are_drawn_in_per_cent() -> None:
    ax = plots.compare({"a": history((0.6, 0.4))})
    assert ax.lines[0].get_ydata() == pytest.approx([60, 40])
    assert ax.lines[0].get_xdata() == pytest.approx([1, 2])


@pytest.mark.parametrize("epochs", [1, 2, 12])
def test_epochs_are_counted_in_whole_numbers(epochs: int) -> None:
    ax = plots.compare({"a": history((0.5,) * epochs)})
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(tick == round(tick) for tick in ticks)


def test_several_seeds_are_their_mean_and_range() -> None:
    ax = plots.compare({"a": [history((0.6, 0.4)), history((0.4, 0.2, 0.1))]})
    assert ax.lines[0].get_ydata() == pytest.approx([50, 30])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(20)
    assert band[:, 1].max() == pytest.approx(60)
    assert ax.get_legend().get_title().get_text() == "mean and range of 2 seeds"


def test_the_label_takes_the_key() -> None:
    ax = plots.compare({20: history(), 56: history()}, label="plain {} layers")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["plain 20 layers", "plain 56 layers"]


def test_time_adds_up_over_the_epochs() -> None:
    ax = plots.compare({"a": history()}, against="seconds")
    assert ax.lines[0].get_xdata() == pytest.approx([5, 10, 15])


def test_the_target_is_marked_where_a_run_first_reaches_it() -> None:
    ax = plots.compare({"a": history((0.6, 0.25, 0.2)), "never": history((0.9, 0.8, 0.7))}, target=0.25)
    rings = [line for line in ax.lines if line.get_fillstyle() == "none"]
    assert [(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings] == [pytest.approx((2, 25))]


def test_a_run_without_test_images_has_no_test_curve() -> None:
    assert [line.get_label() for line in plots.learning_curves(history(test=False)).lines] == ["training"]
    assert [line.get_label() for line in plots.learning_curves(history()).lines] == ["training", "test"]


def test_a_run_that_was_stopped_in_its_first_epoch_can_be_drawn() -> None:
    assert "no epoch" in (plots.description(plots.learning_curves(history(())).figure) or "")


def test_rows_of_the_confusion_matrix_are_shares_of_the_true_class() -> None:
    ax = plots.confusion(torch.tensor([[30, 10], [0, 20]]), ["cat", "dog"])
    assert np.asarray(ax.images[0].get_array()) == pytest.approx(np.array([[75, 25], [0, 100]]))
    assert [text.get_text() for text in ax.texts] == ["75", "25", "100"]


def test_a_class_without_images_is_an_empty_row() -> None:
    ax = plots.confusion(torch.tensor([[3, 1], [0, 0]]))
    assert np.asarray(ax.images[0].get_array())[1].tolist() == [0, 0]


def test_names_under_the_confusion_matrix_do_not_touch() -> None:
    ax = plots.confusion(torch.eye(10), CIFAR10_CLASSES)
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    upright = all(label.get_rotation() == 0 for label in ax.get_xticklabels())
    assert not upright or all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_accuracy_by_class_comes_from_the_rows_of_the_confusion_matrix() -> None:
    ax = plots.per_class(torch.tensor([[3, 1], [0, 5]]), ["cat", "dog"])
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([75, 100])


def test_counts_of_several_sets_are_matched_by_class() -> None:
    ax = plots.class_counts({"a": Counter(sky=3, sea=1), "b": Counter(sea=2)})
    assert [text.get_text() for text in ax.get_xticklabels()] == ["sky", "sea"]
    assert [bar.get_height() for bar in ax.patches] == [3, 1, 0, 2]


def test_an_image_set_is_counted() -> None:
    ax = plots.class_counts(image_set(6))
    assert [bar.get_height() for bar in ax.patches] == [2, 2, 1, 1]
    assert tuple(text.get_text() for text in ax.get_xticklabels()) == CLASSES


def test_the_line_of_the_best_leaves_out_what_another_beats_in_both() -> None:
    ax = plots.accuracy_against_cost({"small": (1, 0.5), "bad": (2, 0.4), "large": (4, 0.7), "worse": (5, 0.7)})
    assert ax.lines[0].get_xdata().tolist() == [1, 4]
    assert {text.get_text() for text in ax.texts} == {"small", "bad", "large", "worse"}


def test_small_pictures_show_their_pixels_and_large_ones_are_smoothed() -> None:
    small = plots.image_grid(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    large = plots.image_grid(torch.zeros(1, 3, 224, 224, dtype=torch.uint8))
    assert small.images[0].get_interpolation() == "nearest"
    assert large.images[0].get_interpolation() != "nearest"


def test_pictures_of_several_sizes_keep_their_proportions() -> None:
    ax = plots.image_grid([torch.zeros(3, 10, 20), torch.zeros(3, 20, 10)])
    wide, tall = (image.get_extent() for image in ax.images)
    assert (wide[1] - wide[0]) / (wide[2] - wide[3]) == pytest.approx(2)
    assert (tall[1] - tall[0]) / (tall[2] - tall[3]) == pytest.approx(0.5)


def test_a_grid_draws_no_more_than_its_limit_and_titles_are_the_classes() -> None:
    ax = plots.image_grid(image_set(8), limit=3)
    assert len(ax.images) == 3
    assert [text.get_text() for text in ax.texts] == list(CLASSES[:3])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.floats(1e-6, 1e3), st.integers(0, 10_000))
def test_filters_fill_the_range_and_zero_stays_grey(count: int, size: float, seed: int) -> None:
    weight = size * torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    weight[:, :, 0, 0] = 0
    ax = plots.filters(weight)
    for image in ax.images:
        pixels = np.asarray(image.get_array())
        assert abs(pixels - 0.5).max() == pytest.approx(0.5, abs=1e-4)
        assert pixels[0, 0] == pytest.approx([0.5] * 3, abs=1e-4)
    plt.close(ax.figure)


def test_filters_are_ordered_by_norm_or_by_colour() -> None:
    weight = torch.stack([torch.full((3, 2, 2), 0.1), torch.tensor([1.0, -1, 0])[:, None, None].expand(3, 2, 2)])
    by_norm = [np.ptp(np.asarray(image.get_array())) for image in plots.filters(weight, order="norm").images]
    assert by_norm[0] > by_norm[1]
    by_colour = [np.ptp(np.asarray(image.get_array())) for image in plots.filters(weight, order="colour").images]
    assert by_colour[0] < by_colour[1]


def test_grey_and_colour_pictures_become_colour() -> None:
    assert displayable(torch.zeros(8, 6, dtype=torch.uint8)).shape == (8, 6, 3)
    assert displayable(torch.zeros(1, 8, 6)).shape == (8, 6, 3)
    assert displayable(torch.arange(3, dtype=torch.uint8)[:, None, None])[0, 0].tolist() == [0, 1, 2]


def test_shares_of_each_quantity_sum_to_one_hundred() -> None:
    from torch import nn

    from course_lib.profiling import profile

    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 36, 4))
    axes = plots.cost_bars(profile(network, 8))
    assert [ax.get_xlabel() for ax in axes] == ["parameters (%)", "multiply-adds (%)", "activations (%)"]
    for ax in axes:
        assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(100)
