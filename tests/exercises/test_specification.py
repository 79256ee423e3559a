"""An exercise draws complete, fresh questions, and says which objects cannot be an answer."""

from typing import Any

import pytest
import torch
from torch import nn

from course_lib.errors import CourseError
from course_lib.exercises import Exercise, Mistake, get, names, registry
from course_lib.exercises.asking import ask
from course_lib.exercises.cases import pack
from tests.exercises import questions

TOP_K, BLOCK, SPREAD = questions.EXERCISES


def test_the_same_seed_draws_the_same_questions_and_another_seed_others() -> None:
    for exercise in questions.EXERCISES:
        first, again, other = ([pack(case)[0] for case in exercise.draw(seed)] for seed in (1, 1, 2))
        torch.testing.assert_close(first, again, rtol=0, atol=0)
        assert any(not torch.equal(a[key], b[key]) for a, b in zip(first, other, strict=True) for key in a)


def test_drawing_leaves_the_global_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    BLOCK.draw(0)
    assert torch.equal(before, torch.get_rng_state())


def test_a_modules_constant_weights_are_made_to_vary() -> None:
    weights = BLOCK.draw(0)[0].weights
    for name in ("bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"):
        assert weights[name].unique().numel() > 1
    assert (weights["bn1.running_var"] > 0).all()


@pytest.mark.parametrize(
    ("exercise", "answer", "words"),
    [
        (TOP_K, None, "is None"),
        (TOP_K, "text", "a str"),
        (TOP_K, 3, "an int"),
        (TOP_K, nn.Linear, "passed a class"),
        (BLOCK, nn.ReLU(), "without parentheses"),
        (BLOCK, dict, "inherit from nn.Module"),
        (BLOCK, lambda: 0, "must be a class"),
        (BLOCK, None, "is None"),
        (TOP_K, questions.top_k_error, ""),
        (TOP_K, len, ""),
        (BLOCK, questions.Block, ""),
    ],
)
def test_the_wrong_kind_of_object_is_refused_in_words(exercise: Exercise, answer: Any, words: str) -> None:
    assert words in exercise.objection(answer)
    assert bool(words) == bool(exercise.objection(answer))


@pytest.mark.parametrize(
    "change",
    [{"name": "nodot"}, {"answer": "not a name"}, {"points": 0}, {"hints": "one"}, {"mistakes": Mistake(len, "")}],
)
def test_a_malformed_exercise_cannot_be_made(change: dict[str, Any]) -> None:
    fields = {
        "name": "a.b",
        "title": "t",
        "points": 1,
        "hints": (),
        "answer": "b",
        "reference": len,
        "cases": lambda g: [],
    }
    with pytest.raises(ValueError, match=r"nodot|not a name|points|tuples"):
        Exercise(**{**fields, **change})


@pytest.mark.usefixtures("questions")
def test_exercises_are_found_by_name_and_unknown_ones_get_the_nearest() -> None:
    assert get("alexnet.spread") is SPREAD
    assert names("02_alexnet") == names() == ("alexnet.top_k_error", "alexnet.block", "alexnet.spread")
    for wrong, advice in (("alexnet.top_k", "Did you mean alexnet.top_k_error"), ("zzz", "There are: ")):
        with pytest.raises(CourseError, match=advice):
            get(wrong)
    with pytest.raises(CourseError, match="no lesson '99'"):
        names("99")


def test_every_lesson_of_the_course_keeps_to_what_the_engine_expects() -> None:
    for lesson, topic in registry.TOPICS.items():
        exercises = registry.of_lesson(lesson)
        assert sum(exercise.points for exercise in exercises) == 20, lesson
        assert len({exercise.answer for exercise in exercises}) == len(exercises)
        for exercise in exercises:
            assert exercise.topic == topic
            assert 2 <= len(exercise.hints) <= 3, exercise.name
            for case in exercise.draw(0)[:1]:
                pack(case)
                assert ask(exercise.reference, case)
