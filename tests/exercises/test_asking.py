"""What an answer says becomes tensors whose names tell its kind; a student's objects cannot pretend to be another."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from course_lib.exercises import AnswerError, Case, encode
from course_lib.exercises.asking import ask
from tests.exercises import questions


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, ["answer: None"]),
        (True, ["answer: bool"]),
        (3, ["answer: int"]),
        (0.5, ["answer: float"]),
        (np.float64(0.5), ["answer: float"]),
        (np.int64(3), ["answer: object int64"]),
        ("ü", ["answer: str"]),
        (torch.ones(2), ["answer: tensor"]),
        (nn.Parameter(torch.ones(2)), ["answer: tensor"]),
        (np.ones(2), ["answer: array"]),
        ((1, 2.0), ["answer: tuple of 2", "answer[0]: int", "answer[1]: float"]),
        ([[]], ["answer: list of 1", "answer[0]: list of 0"]),
        ({"b": 1, "a": 2}, ["answer: dict of 2", "answer['a']: int", "answer['b']: int"]),
        (object(), ["answer: object object"]),
    ],
)
def test_the_kind_of_a_value_is_in_the_name(value: Any, names: list[str]) -> None:
    assert list(encode(value)) == names


def test_objects_cannot_pretend_to_be_another_kind() -> None:
    class Liar:
        __class__ = Tensor  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        def __repr__(self) -> str:
            raise RuntimeError

        def __bool__(self) -> bool:
            raise RuntimeError

    class Seven(int):
        def __int__(self) -> int:
            return 8

        __index__ = __int__

    class Own(Tensor):
        pass

    assert list(encode(Liar())) == ["answer: object Liar"]
    assert list(encode(type("x: int", (), {})())) == ["answer: object xint"]
    assert encode(Seven(7))["answer: int"].item() == 7
    assert list(encode(torch.ones(2).as_subclass(Own))) == ["answer: object Own"]


def test_methods_hung_on_a_tensor_are_not_called() -> None:
    answer = torch.ones(2)
    answer.detach = lambda: torch.zeros(2)  # type: ignore[method-assign]
    assert encode(answer)["answer: tensor"].sum() == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2**80, "too large"),
        (list(range(20_000)), "return a tensor"),
        (torch.eye(2).to_sparse(), "dense"),
        (np.array(["a"]), "not a kind of number"),
    ],
)
def test_what_cannot_be_written_down_is_refused_in_words(value: Any, words: str) -> None:
    with pytest.raises(AnswerError, match=words):
        encode(value)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(AnswerError, match="nested"):
        encode(endless)


def test_an_answer_with_other_arguments_is_told_which_it_gets() -> None:
    with pytest.raises(AnswerError, match=r"\(value 1, k=\.\.\.\).*\(logits, labels\).*'labels'"):
        ask(lambda logits, labels: 0, Case.call(torch.ones(2), k=5))


def test_asking_leaves_the_callers_random_numbers_alone_and_fixes_the_answers() -> None:
    case = Case(seed=11)

    def draw() -> tuple[float, ...]:
        return torch.rand(()).item(), float(np.random.rand()), random.random()

    def seed() -> None:
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)

    seed()
    expected = draw()
    seed()
    first = ask(draw, case)
    assert draw() == expected
    torch.testing.assert_close(ask(draw, case), first, rtol=0, atol=0)


def test_a_module_is_run_in_both_modes_with_every_gradient_and_buffer() -> None:
    said = ask(questions.Block, questions.EXERCISES[1].draw(0)[0])
    names = " ".join(said)
    assert said["number of parameters: int"].item() == 2 * 4 * 9 + 4 + 4 + 4
    for part in (
        "state conv1.weight: tensor",
        "output in eval mode: tensor",
        "output in train mode: tensor",
        "gradient of input 0: tensor",
        "gradient of bn1.bias: tensor",
        "buffer bn1.running_mean after train mode: tensor",
    ):
        assert part in names


def test_a_modules_weights_in_the_case_let_unused_layers_show() -> None:
    class WithoutNorm(questions.Block):
        def forward(self, x: Tensor) -> Tensor:
            return self.dropout(self.conv1(x).relu())

    case = questions.EXERCISES[1].draw(0)[0]
    name = "output in eval mode: tensor"
    assert not torch.allclose(ask(questions.Block, case)[name], ask(WithoutNorm, case)[name], atol=0.05)


def test_a_module_with_other_names_is_not_run() -> None:
    class Renamed(nn.Module):
        def __init__(self, in_channels: int):
            super().__init__()
            self.convolution = nn.Conv2d(in_channels, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError("must not run")

    said = ask(Renamed, questions.EXERCISES[1].draw(0)[0])
    assert list(said) == [
        "number of parameters: int",
        "state convolution.weight: tensor",
        "state convolution.bias: tensor",
    ]
