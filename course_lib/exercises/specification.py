"""What an exercise is: a name, points, hints, a reference answer, and a generator of questions."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises import asking
from course_lib.exercises.cases import Case
from course_lib.exercises.judging import USUAL, Tolerance


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer, so that a student who gives it is told why.

    wrong: the mistaken implementation, called or built as the reference is. words: what it means, to the student.
    """

    wrong: Callable[..., Any]
    words: str


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise.

    name: "<topic>.<idea>", as "alexnet.top_k_error". answer: the name that the student defines.
    reference: the right answer: a function, or an nn.Module class (or a function that builds a module).
    cases: draws the questions from a seeded generator; different questions for different seeds, ten or so of varied
    shape. ask: puts one question; only an exercise that neither calls a function nor runs a module needs its own.
    """

    name: str
    title: str
    points: int
    hints: tuple[str, ...]
    answer: str
    reference: Callable[..., Any]
    cases: Callable[[torch.Generator], Iterable[Case]]
    tolerance: Tolerance = USUAL
    mistakes: tuple[Mistake, ...] = ()
    ask: Callable[[Any, Case], dict[str, Tensor]] = asking.ask

    def __post_init__(self) -> None:
        topic, dot, idea = self.name.partition(".")
        if not (dot and topic.isidentifier() and idea.isidentifier()):
            raise ValueError(f"An exercise's name is '<topic>.<idea>', not {self.name!r}.")
        if not self.answer.isidentifier():
            raise ValueError(f"{self.name}: the answer's name {self.answer!r} is not a Python name.")
        if self.points <= 0:
            raise ValueError(f"{self.name}: points must be positive.")
        if isinstance(self.hints, str) or isinstance(self.mistakes, Mistake):
            raise ValueError(f"{self.name}: hints and mistakes are tuples; a comma is missing.")

    @property
    def topic(self) -> str:
        return self.name.partition(".")[0]

    def draw(self, seed: int) -> list[Case]:
        """The questions for `seed`, complete: modules' weights come from a fresh reference."""
        generator = torch.Generator().manual_seed(seed)
        return [self._complete(case, generator) for case in self.cases(generator)]

    def objection(self, answer: Any) -> str:
        """Why this object cannot be the answer, in words; "" where it can."""
        kind = type(answer)
        asked = "a class" if inspect.isclass(self.reference) else "a function"
        if answer is None:
            return f"{self.answer} is None. Run the cell that defines it, and pass {asked}."
        if issubclass(kind, type):
            if not inspect.isclass(self.reference):
                return f"You passed a class; {self.answer} must be a function."
            if issubclass(self.reference, nn.Module) and not issubclass(answer, nn.Module):
                return f"Your class must inherit from nn.Module: class {self.answer}(nn.Module)."
            return ""
        if inspect.isclass(self.reference):
            if issubclass(kind, nn.Module):
                return f"You passed an instance; pass the class itself: {self.answer}, without parentheses."
            return f"You passed {_a(kind)}; {self.answer} must be a class."
        if not callable(answer):
            return f"You passed {_a(kind)}; {self.answer} must be a function: pass it by its name, without parentheses."
        return ""

    def _complete(self, case: Case, generator: torch.Generator) -> Case:
        seed = int(torch.randint(2**31, (), generator=generator))
        if case.constructor is None or case.weights:
            return dataclasses.replace(case, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weights = {k: v.clone() for k, v in self.reference(**case.constructor).state_dict().items()}
            return dataclasses.replace(case, seed=seed, weights={k: _unlike_fresh(v) for k, v in weights.items()})


def _unlike_fresh(weight: Tensor) -> Tensor:
    """Constant entries (a batch norm's ones and zeros) made to vary: fresh ones would hide that they are not used."""
    if weight.is_floating_point() and weight.numel() > 1 and bool((weight == weight.flatten()[0]).all()):
        return weight + 0.5 * torch.rand(weight.shape)
    return weight


def _a(kind: type) -> str:
    name = asking.name_of(kind)
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
