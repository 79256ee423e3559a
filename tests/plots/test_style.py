"""Colours that survive colour blindness, and series that need no colour at all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from course_lib.plots.architecture import COLORS
from course_lib.plots.style import PALETTE, QUIET, SERIES, percent, series

# Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency",
# severity 1.0; for linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# CIE 1976 difference; 2.3 is just noticeable side by side. The closest pair of ours has 16, green and sky blue.
PLAIN = 15.0


def linear(color: str) -> np.ndarray:
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, white point D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = matrix @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one: str, other: str, deficiency: str) -> float:
    matrix = DEFICIENCIES[deficiency]
    return float(np.linalg.norm(lab(matrix @ linear(one)) - lab(matrix @ linear(other))))


def contrast_with_white(color: str) -> float:
    """WCAG 2 contrast ratio."""
    return 1.05 / (float(np.array([0.2126, 0.7152, 0.0722]) @ linear(color)) + 0.05)


def test_the_simulation_confuses_what_deuteranopes_confuse() -> None:
    assert difference("#C00000", "#606000", "deuteranopia") < difference("#C00000", "#606000", "none") / 2


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_of_series_stay_apart(deficiency: str) -> None:
    for one, other in combinations(PALETTE.values(), 2):
        assert difference(one, other, deficiency) > PLAIN, (one, other)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_convolutions_and_linear_layers_stay_apart(deficiency: str) -> None:
    assert difference(COLORS["conv"], COLORS["linear"], deficiency) > PLAIN


def test_series_differ_without_colour() -> None:
    for looks in ({str(s.linestyle) for s in SERIES}, {s.marker for s in SERIES}, {s.hatch for s in SERIES}):
        assert len(looks) == len(SERIES)


def test_after_the_last_colour_series_still_differ() -> None:
    looks = {(s.color, str(s.linestyle), s.marker) for s in map(series, range(3 * len(SERIES)))}
    assert len(looks) == 3 * len(SERIES)


def test_quiet_text_can_be_read_on_white() -> None:
    assert contrast_with_white(QUIET) >= 4.5


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0"), (0.0004, "<0.1"), (0.005, "0.5"), (0.0994, "9.9"), (0.0996, "10"), (1, "100")]
)
def test_a_share_is_written_in_per_cent(share: float, text: str) -> None:
    assert percent(share) == text
