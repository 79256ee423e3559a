"""Likely causes of a wrong answer that show in the answer alone, whatever the exercise: a sentence each, or ""."""

from __future__ import annotations

import torch
from torch import Tensor

Shape = tuple[int, ...]


def of_shapes(expected: Shape, got: Shape) -> str:
    """Why the shape may be another one than expected."""
    if got == () and expected:
        return "You return one number: reduce over fewer dimensions (`dim=...`)."
    if expected and got == expected[1:]:
        return "The first (batch) dimension is missing."
    if got == (1, *expected) or got == (*expected, 1):
        return "There is one dimension of size 1 too many: `squeeze`, or index it away."
    if len(got) == len(expected) and sorted(got) == sorted(expected):
        return "The dimensions stand in another order: transposed?"
    if torch.Size(got).numel() == torch.Size(expected).numel():
        return "The number of elements is right, the shape is not: a `reshape` or `flatten` too many or too few?"
    if len(got) == len(expected):
        off = {ours - theirs for ours, theirs in zip(got, expected, strict=True)} - {0}
        if off in ({1}, {-1}):
            return "It is off by one."
    return ""


def of_numbers(expected: Tensor, got: Tensor) -> str:
    """Why the kind of number may be another one than expected."""
    if expected.is_floating_point() and not got.is_floating_point():
        return "Integer arithmetic? Convert first: `.float()`."
    if got.is_floating_point() and expected.dtype is torch.bool:
        return "A comparison gives truth values."
    return ""


def of_unfinished() -> str:
    """Why a value may be NaN or infinite."""
    return "A division by zero, a logarithm of zero, or an overflow?"


def of_values(expected: Tensor, got: Tensor) -> str:
    """Why values of the right shape and kind may be wrong."""
    if expected.dtype is torch.bool:
        return "Every value is the opposite of what is asked." if bool((expected != got).all()) else ""
    finite = bool(torch.isfinite(expected).all() & torch.isfinite(got).all())
    if expected.is_complex() or not expected.numel() or not finite:
        return ""
    expected, got = expected.double(), got.double()
    if expected.numel() > 1 and bool((got == got.flatten()[0]).all()):
        return "All your values are the same."
    return _arithmetic(expected, got) or _order(expected, got)


def _arithmetic(expected: Tensor, got: Tensor) -> str:
    if _same(got, expected.floor()):
        return "The fraction is cut off: integer division (`//`) or `int(...)` where `/` is meant?"
    if _same(got, -expected):
        return "The sign is the opposite."
    if _same(got, 100 * expected):
        return "It is 100 times too large: a percentage where a fraction is meant?"
    if _same(100 * got, expected):
        return "It is 100 times too small: a fraction where a percentage is meant?"
    if bool((expected.abs() <= 1).all()) and _same(got, 1 - expected):
        return "It is 1 minus what is asked: accuracy and error swapped?"
    if _same(got, expected + 1) or _same(got, expected - 1):
        return "It is off by one."
    if expected.numel() < 3:
        return ""
    factor = (got * expected).sum() / (expected * expected).sum()
    if _same(got, factor * expected):
        return f"Every value is {float(factor):.4g} times what it should be."
    offset = (got - expected).mean()
    if _same(got, expected + offset):
        return "Every value is off by the same amount."
    return ""


def _order(expected: Tensor, got: Tensor) -> str:
    if expected.ndim >= 2 and expected.shape[-1] == expected.shape[-2] and _same(got, expected.transpose(-1, -2)):
        return "Rows and columns are swapped: transposed?"
    if expected.numel() < 3:
        return ""
    for dimension in range(expected.ndim):
        if _same(got, expected.flip(dimension)):
            return f"The values are right, in reverse order along dimension {dimension}."
        if _same(got, expected.roll(1, dimension)) or _same(got, expected.roll(-1, dimension)):
            return f"The values are shifted by one along dimension {dimension}: off by one?"
    if _same(got.flatten().sort().values, expected.flatten().sort().values):
        return "The values are right, in another order."
    return ""


def _same(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, rtol=1e-4, atol=1e-6)
