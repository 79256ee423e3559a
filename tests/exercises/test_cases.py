"""A case is data: it goes to disk and comes back, and an answer cannot spoil it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from course_lib.exercises import Case
from course_lib.exercises.asking import ask
from course_lib.exercises.cases import pack, unpack
from tests.exercises import questions


def test_a_case_survives_safetensors_and_json(tmp_path: Path) -> None:
    case = Case(
        (torch.arange(4), (1, 2.5, None), ["a", True], np.ones((2, 3))), {"k": {"x": torch.ones(2)}}, None, seed=7
    )
    tensors, rest = pack(case)
    save_file(tensors, tmp_path / "case.safetensors")
    back = unpack(load_file(tmp_path / "case.safetensors"), json.loads(json.dumps(rest)))
    assert str(back) == str(case)
    assert back.arguments[1:3] == case.arguments[1:3]
    assert isinstance(back.arguments[3], np.ndarray)
    torch.testing.assert_close(back.keywords, case.keywords)
    assert (back.constructor, back.modes, back.seed) == (None, case.modes, 7)


def test_a_module_gives_the_same_answer_to_a_case_read_back() -> None:
    case = questions.EXERCISES[1].draw(3)[0]
    torch.testing.assert_close(ask(questions.Block, unpack(*pack(case))), ask(questions.Block, case))


def test_what_cannot_be_written_is_refused_when_packed() -> None:
    with pytest.raises(TypeError, match="arguments/0 of a case is a object"):
        pack(Case.call(object()))


def test_an_answer_that_works_in_place_does_not_spoil_the_case() -> None:
    case = Case.call(torch.ones(3), [torch.ones(2)], x={"y": np.ones(2)})

    def spoil(tensor: torch.Tensor, tensors: list[torch.Tensor], x: dict[str, np.ndarray]) -> None:
        tensor.zero_()
        tensors[0].zero_()
        x["y"][:] = 0

    ask(spoil, case)
    assert case.arguments[0].sum() == 3
    assert case.arguments[1][0].sum() == 2
    assert case.keywords["x"]["y"].sum() == 2


def test_a_case_reads_as_the_call_that_it_is() -> None:
    assert str(Case.call(torch.zeros(2, 3), 4, k="x")) == "(float32 (2, 3), 4, k='x')"
    assert str(Case.module(torch.zeros(1), stride=2)) == "(stride=2) on (float32 (1,))"
