"""Reduced networks keep channels that groups and matrix units can divide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.errors import CourseError
from course_lib.models.width import scaled


@given(channels=st.integers(1, 5000), width=st.floats(0.01, 4.0))
def test_channels_are_near_the_asked_width_divisible_and_never_none(channels: int, width: float) -> None:
    result = scaled(channels, width)
    if width == 1.0:
        assert result == channels
    else:
        assert result % 8 == 0
        assert result >= 8
        assert abs(result - channels * width) <= 4 or result == 8


@given(channels=st.integers(1, 5000))
def test_width_1_is_the_paper_to_the_channel(channels: int) -> None:
    assert scaled(channels, 1.0) == channels


@pytest.mark.parametrize("width", [0, -1.0])
def test_no_width_is_answered_in_words(width: float) -> None:
    with pytest.raises(CourseError, match="no channels"):
        scaled(64, width)
