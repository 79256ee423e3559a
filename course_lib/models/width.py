"""The `width` that every network here takes: a factor on its channels, for reduced scale."""

from __future__ import annotations

from course_lib.errors import CourseError


def scaled(channels: int, width: float, multiple_of: int = 8) -> int:
    """`channels * width`, to the nearest multiple of `multiple_of` and at least that; as it is when `width` is 1.

    Multiples of 8 keep the channels divisible by the groups and suit the matrix units of CPUs and GPUs.
    MobileNet's own rule, which is part of its paper, is not this one.
    Raises CourseError where `width` is not positive.
    """
    if width <= 0:
        raise CourseError(f"width={width} leaves no channels. It is a factor on them: 1.0 is the paper's network.")
    if width == 1:
        return channels
    return max(multiple_of, round(channels * width / multiple_of) * multiple_of)
