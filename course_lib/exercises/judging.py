"""Compare what was expected with what was said, and say in words what differs.

Both are what `asking.ask` writes down: tensors under names that tell the kind of value. Names, count, kind, shape, kind
of number and finiteness must match before values are compared; nothing broadcasts, and NaN equals nothing. No student's
code runs here and none of the student's objects gets here: the grader judges outside its sandbox with the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.exercises import diagnosis

Said = dict[str, Tensor]


@dataclass(frozen=True)
class Tolerance:
    """How far a floating-point value may be off: `absolute + relative * |expected|`. Integers must be equal.

    A gradient sums many terms that cancel, so there `absolute` is in units of its largest element (where that exceeds
    1).
    """

    relative: float = 1e-4
    absolute: float = 1e-5


USUAL = Tolerance()


@dataclass(frozen=True)
class Verdict:
    """What the judge found on one case.

    problem: what is wrong, without any expected value, as a grader may show it. values: the first wrong value beside
    the expected one. cause: the likely cause, where one is recognised. All are sentences, or "".
    """

    correct: bool
    problem: str = ""
    values: str = ""
    cause: str = ""


CORRECT = Verdict(True)


def judge(expected: Said, got: Said, tolerance: Tolerance = USUAL) -> Verdict:
    """The first thing in which `got` differs from `expected`, or that nothing does."""
    kinds = {_what(name): _kind(name) for name in got}
    if len(kinds) < len(got):
        return Verdict(False, "Your answer gives one value twice, as two kinds.")
    for name, value in expected.items():
        what = _what(name)
        if what not in kinds:
            return _missing(what, [other for other in kinds if other not in {_what(n) for n in expected}])
        if kinds[what] != _kind(name):
            return Verdict(False, _kinds_differ(what, kinds[what], _kind(name)), cause=_conversion(kinds[what], name))
        if (verdict := _compare(what, value, got[name], tolerance)) is not CORRECT:
            return verdict
    extra = [what for what in kinds if what not in {_what(name) for name in expected}]
    return _unexpected(extra) if extra else CORRECT


def _compare(what: str, expected: Tensor, got: Tensor, tolerance: Tolerance) -> Verdict:
    if got.shape != expected.shape:
        if what.startswith("state "):
            return _state_differs(what, expected, got)
        problem = f"{subject(what)} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}."
        return Verdict(False, problem, cause=diagnosis.of_shapes(tuple(expected.shape), tuple(got.shape)))
    if what.startswith("state ") and not torch.equal(expected, got):
        return _state_differs(what, expected, got)
    if _kind_of_number(got) != _kind_of_number(expected):
        problem = f"{subject(what)} holds {_number(got)}, expected {_number(expected)}."
        return Verdict(False, problem, cause=diagnosis.of_numbers(expected, got))
    return _compare_values(what, expected, got, tolerance)


def _compare_values(what: str, expected: Tensor, got: Tensor, tolerance: Tolerance) -> Verdict:
    wrong = _wrong(what, expected, got, tolerance)
    if not bool(wrong.any()):
        return CORRECT
    first = tuple(wrong.nonzero()[0].tolist())
    values = f"Yours: {_show(got[first])}. Expected: {_show(expected[first])}."
    unfinished = ~torch.isfinite(got) & wrong
    if what == "number of parameters":
        return Verdict(False, f"Your module has {int(got):,} parameters, expected {int(expected):,}.")
    if bool(unfinished.any()) and bool(torch.isfinite(expected[unfinished]).any()):
        problem = f"{subject(what)} holds {_show(got[unfinished][0])}{_at(tuple(unfinished.nonzero()[0].tolist()))}."
        return Verdict(False, problem, values, diagnosis.of_unfinished())
    if wrong.ndim == 0:
        problem = f"{subject(what)} is wrong."
    else:
        problem = f"{subject(what)} is wrong in {int(wrong.sum()):,} of {wrong.numel():,} elements, first{_at(first)}."
    if expected.is_floating_point() and (largest := _largest_error(expected, got)):
        problem += f" Largest error: {largest:.3g}."
    return Verdict(False, problem, values, diagnosis.of_values(expected, got))


def _wrong(what: str, expected: Tensor, got: Tensor, tolerance: Tolerance) -> Tensor:
    """Bool, elementwise. Infinities equal infinities of the same sign; NaN equals nothing."""
    if not (expected.is_floating_point() or expected.is_complex()):
        return expected != got
    wide = torch.complex128 if expected.is_complex() else torch.float64
    expected, got = expected.to(wide), got.to(wide)
    absolute = tolerance.absolute
    if what.startswith("gradient ") and expected.numel():
        absolute *= max(1.0, float(expected.abs().nan_to_num(posinf=0).max()))
    return ~torch.isclose(got, expected, rtol=tolerance.relative, atol=absolute)


def subject(what: str) -> str:
    """The thing that a name stands for, as the subject of a sentence."""
    if what == "answer":
        return "Your answer"
    if what.startswith("answer["):
        return f"Element {what.removeprefix('answer')} of your answer"
    return f"Your module's {what}"


def _missing(what: str, extra: list[str]) -> Verdict:
    name = what.removeprefix("state ")
    if what.startswith("state "):
        has = [other.removeprefix("state ") for other in extra if other.startswith("state ")]
        but = f", but has {_some(has)}" if has else ""
        return Verdict(False, f"Your module has no {name}{but}. Names must be as the docstring gives them.")
    return _unexpected(extra) if extra else Verdict(False, f"{subject(what)} is missing.")


def _unexpected(extra: list[str]) -> Verdict:
    if all(what.startswith("state ") for what in extra):
        has = [what.removeprefix("state ") for what in extra]
        return Verdict(False, f"Your module has {_some(has)}, which is not asked for.")
    return Verdict(False, f"{subject(extra[0])} is not asked for.")


def _state_differs(what: str, expected: Tensor, got: Tensor) -> Verdict:
    shapes, name = (tuple(got.tolist()), tuple(expected.tolist())), what.removeprefix("state ")
    return Verdict(False, f"Your module's {name} has shape {shapes[0]}, expected {shapes[1]}.")


def _kinds_differ(what: str, got: str, expected: str) -> str:
    return f"{subject(what)} is {_in_words(got)}, expected {_in_words(expected)}."


def _conversion(got: str, expected_name: str) -> str:
    expected = _kind(expected_name)
    if got == "None":
        return "Did you forget `return`?"
    if expected in ("int", "float") and (got in ("tensor", "array") or got.startswith("object ")):
        return f"Take the plain number out: `.item()`, or `{expected}(...)`."
    if (got, expected) == ("float", "int"):
        return "`/` gives a float even where it divides evenly; `//` gives an int."
    if expected == "tensor" and got.startswith(("array", "list", "tuple", "int", "float", "bool")):
        return "Return a tensor: stay in torch to the end, or `torch.tensor(...)`."
    if expected == "array" and got == "tensor":
        return "Return a numpy array: `.numpy()`."
    return ""


def _in_words(kind: str) -> str:
    kind = kind.removeprefix("object ")
    words = {"array": "numpy array", "str": "string"}.get(kind, kind)
    return words if words == "None" else f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _what(name: str) -> str:
    return name.rpartition(": ")[0]


def _kind(name: str) -> str:
    return name.rpartition(": ")[2]


def _number(value: Tensor) -> str:
    if value.dtype is torch.bool:
        return "truth values"
    if value.is_complex():
        return "complex numbers"
    kind = "floating-point numbers" if value.is_floating_point() else "integers"
    return f"{kind} ({str(value.dtype).removeprefix('torch.')})"


def _kind_of_number(value: Tensor) -> tuple[bool, bool, bool]:
    return value.dtype is torch.bool, value.is_complex(), value.is_floating_point()


def _show(value: Tensor) -> str:
    number = value.item()
    return f"{number:.6g}" if isinstance(number, float) else str(number)


def _at(index: tuple[int, ...]) -> str:
    return f" at index [{', '.join(map(str, index))}]" if index else ""


def _largest_error(expected: Tensor, got: Tensor) -> float:
    error = (got.double() - expected.double()).abs()
    error = error[torch.isfinite(error)]
    return float(error.max()) if error.numel() else 0.0
