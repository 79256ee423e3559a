"""The judge is strict before it compares values, and says in words what differs without giving the answer away."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.exercises import Tolerance, Verdict, encode, judge


def verdict(expected: Any, got: Any) -> Verdict:
    return judge(encode(expected), encode(got))


numbers = st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6) | st.text(max_size=5) | st.none()
tensors = st.lists(st.integers(0, 3), max_size=3).map(lambda shape: torch.arange(math.prod(shape)).reshape(shape) / 7)
values = st.recursive(
    numbers | tensors, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=5
)


@given(values)
def test_every_answer_is_correct_against_itself(value: Any) -> None:
    assert verdict(value, value).correct


@given(values, values)
def test_names_count_kind_and_shape_must_match(expected: Any, got: Any) -> None:
    first, second = encode(expected), encode(got)
    if {name: value.shape for name, value in first.items()} != {name: value.shape for name, value in second.items()}:
        found = judge(first, second)
        assert not found.correct
        assert found.problem


@pytest.mark.parametrize(
    ("expected", "got", "problem", "cause"),
    [
        (5, torch.tensor(5), "is a tensor, expected an int", ".item()"),
        (5, 5.0, "is a float, expected an int", "//"),
        (1, True, "is a bool, expected an int", ""),
        (0.5, None, "is None, expected a float", "return"),
        (torch.ones(2), [1.0, 1.0], "is a list of 2, expected a tensor", "torch.tensor"),
        ((1, 2), (1, 2, 3), "is a tuple of 3, expected a tuple of 2", ""),
        (torch.ones(2, 5), torch.ones(2, 10), "has shape (2, 10), expected (2, 5)", ""),
        (torch.ones(2, 5), torch.ones(5, 2), "has shape (5, 2)", "transposed"),
        (torch.ones(4, 3), torch.ones(3), "has shape (3,)", "batch"),
        (torch.ones(4, 3), torch.ones(1, 4, 3), "has shape", "squeeze"),
        (torch.ones(4, 3), torch.ones(4, 4), "has shape", "off by one"),
        (torch.ones(4), torch.tensor(1.0), "has shape ()", "one number"),
        (torch.ones(2, 6), torch.ones(3, 4), "has shape", "reshape"),
        (
            torch.ones(2),
            torch.ones(2).int(),
            "holds integers (int32), expected floating-point numbers (float32)",
            "float",
        ),
        (torch.ones(3), torch.tensor([1, math.nan, 1]), "holds nan at index [1]", "division by zero"),
        (0.5, math.inf, "holds inf", "division by zero"),
    ],
)
def test_what_does_not_match_is_said_in_words(expected: Any, got: Any, problem: str, cause: str) -> None:
    found = verdict(expected, got)
    assert not found.correct
    assert problem in found.problem
    assert cause in found.cause
    assert bool(cause) == bool(found.cause)


square = torch.tensor([[0.1, 0.7, 0.2], [0.4, 0.9, 0.3], [0.8, 0.55, 0.6]])


@pytest.mark.parametrize(
    ("expected", "got", "cause"),
    [
        (square, square.T, "transposed"),
        (square, square.flip(1), "reverse order along dimension 1"),
        (square, square.roll(1, 0), "shifted by one along dimension 0"),
        (square, square.flatten()[[1, 0, 5, 3, 4, 2, 6, 7, 8]].reshape(3, 3), "another order"),
        (square, 3 * square, "3 times"),
        (square, -square, "sign"),
        (square, 100 * square, "percentage"),
        (square, 1 - square, "1 minus"),
        (square, square + 0.25, "same amount"),
        (square, torch.full((3, 3), 0.25), "All your values are the same"),
        (torch.arange(5), torch.arange(5) + 1, "off by one"),
        (3.7, 3.0, "integer division"),
        (square > 0.5, square <= 0.5, "opposite"),
        (square, square.square(), ""),
    ],
)
def test_the_likely_cause_is_recognised(expected: Any, got: Any, cause: str) -> None:
    found = verdict(expected, got)
    assert not found.correct
    assert cause in found.cause
    assert bool(cause) == bool(found.cause)


def test_the_first_wrong_element_is_named_and_its_expected_value_kept_apart() -> None:
    expected = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    found = verdict(expected, torch.tensor([[1.0, 2.0], [3.5, 4.25]]))
    assert found.problem == "Your answer is wrong in 2 of 4 elements, first at index [1, 0]. Largest error: 0.5."
    assert found.values == "Yours: 3.5. Expected: 3."


def test_nothing_equals_nan_and_infinity_equals_its_own_sign_only() -> None:
    assert not verdict(math.nan, math.nan).correct
    assert verdict(math.inf, math.inf).correct
    assert not verdict(math.inf, -math.inf).correct
    assert not verdict(math.inf, 1e300).correct


def test_integers_must_be_equal_and_floats_within_the_tolerance() -> None:
    assert not verdict(10**12, 10**12 + 1).correct
    assert judge(encode(1.0), encode(1.009), Tolerance(relative=0.01, absolute=0)).correct
    assert not judge(encode(1.0), encode(1.011), Tolerance(relative=0.01, absolute=0)).correct


def test_names_of_a_module_that_are_missing_or_too_many_are_said() -> None:
    expected = {"number of parameters: int": torch.tensor(6), "state conv.weight: tensor": torch.tensor([2, 3])}
    got = {"number of parameters: int": torch.tensor(6), "state c.weight: tensor": torch.tensor([2, 3])}
    assert "has no conv.weight, but has c.weight" in judge(expected, got).problem
    assert "which is not asked for" in judge(expected, {**expected, "state b: tensor": torch.tensor([1])}).problem
    assert "conv.weight has shape (3, 2), expected (2, 3)" in (
        judge(expected, {**expected, "state conv.weight: tensor": torch.tensor([3, 2])}).problem
    )
    assert "7 parameters, expected 6" in judge(expected, {**got, "number of parameters: int": torch.tensor(7)}).problem


def test_one_value_under_two_kinds_is_refused() -> None:
    assert not judge(encode(1), {**encode(1), **encode(1.0)}).correct


def test_a_gradient_is_compared_in_units_of_its_largest_element() -> None:
    expected = {"gradient of w: tensor": torch.tensor([1000.0, 0.0])}
    assert judge(expected, {"gradient of w: tensor": torch.tensor([1000.0, 0.001])}).correct
    assert not judge(expected, {"gradient of w: tensor": torch.tensor([1000.0, 1.0])}).correct
