"""A history's numbers, and how it shows itself."""

from __future__ import annotations

import pytest

from course_lib.history import Epoch, History

EPOCHS = (
    Epoch(1, 2.0, 0.8, 1.9, 0.7, 0.05, 2.0),
    Epoch(2, 1.0, 0.25, 1.5, 0.4, 0.04, 3.0),
    Epoch(3, 0.5, 0.1, 1.6, 0.5, 0.01, 2.5),
)
HISTORY = History("AlexNet", "CIFAR-10", False, "laptop", 0, EPOCHS)


def test_the_columns_are_lists_in_order() -> None:
    assert HISTORY.train_error == [0.8, 0.25, 0.1]
    assert HISTORY.train_loss == [2.0, 1.0, 0.5]
    assert HISTORY.test_error == [0.7, 0.4, 0.5]
    assert HISTORY.test_loss == [1.9, 1.5, 1.6]
    assert HISTORY.learning_rate == [0.05, 0.04, 0.01]
    assert HISTORY.seconds == 7.5


def test_the_accuracy_is_that_of_the_last_epoch_not_of_the_best() -> None:
    assert HISTORY.test_accuracy == pytest.approx(0.5)


def test_epochs_to_an_error_counts_from_one_and_includes_the_border() -> None:
    assert HISTORY.epochs_to(0.25) == 2
    assert HISTORY.epochs_to(0.9) == 1
    assert HISTORY.epochs_to(0.05) is None


def test_a_longer_history_leaves_the_shorter_one_as_it_was() -> None:
    shorter = History("AlexNet", "CIFAR-10", False, "laptop", 0, EPOCHS[:2])
    assert shorter.with_epoch(EPOCHS[2]) == HISTORY
    assert len(shorter) == 2


def test_an_empty_history_has_no_accuracy_and_still_shows_itself() -> None:
    empty = History("AlexNet", "CIFAR-10", False, "laptop", 0)
    assert empty.test_accuracy is None
    assert "no epoch finished" in repr(empty)
    assert "<table>" in empty._repr_html_()


def test_it_shows_errors_as_percentages_in_text_and_in_html() -> None:
    for shown in (repr(HISTORY), HISTORY._repr_html_()):
        assert "25.0 %" in shown
        assert "3 epochs in 7.5 s, scale laptop, seed 0" in shown


def test_without_a_test_set_the_table_has_dashes() -> None:
    history = History("AlexNet", "CIFAR-10", False, "laptop", 0, (Epoch(1, 2.0, 0.8, None, None, 0.05, 2.0),))
    assert repr(history).splitlines()[-1].split().count("–") == 2


def test_a_history_made_on_the_miniature_says_so() -> None:
    history = History("AlexNet", "miniature", True, "smoke", 0, EPOCHS)
    assert "no photographs" in repr(history)
    assert "no photographs" in history._repr_html_()
    assert "no photographs" not in repr(HISTORY)


def test_names_cannot_inject_html() -> None:
    history = History("<script>", "<b>", False, "smoke", 0, EPOCHS)
    assert "<script>" not in history._repr_html_()


def test_it_plots_itself() -> None:
    import matplotlib

    matplotlib.use("agg")
    assert "error" in HISTORY.plot().get_ylabel()
