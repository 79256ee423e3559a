"""`check` and `summary`: what the cells below an answer, and at the end of a lesson, call."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from course_lib.exercises import registry, reporting
from course_lib.exercises.cases import Case
from course_lib.exercises.failures import Failure, explain
from course_lib.exercises.judging import Verdict, judge
from course_lib.exercises.reporting import Result, Summary
from course_lib.exercises.specification import Exercise

SEED = 0  # of the cases in the notebook: the same for everybody, every time

_latest: dict[str, Result] = {}  # the latest result of each exercise in this session, for `summary`


@dataclass(frozen=True)
class _Outcome:
    """What came of one case: a verdict, or a failure; and what the answer said, where it said something."""

    case: Case
    said: dict[str, Tensor] | None
    verdict: Verdict | None
    failure: Failure | None

    @property
    def correct(self) -> bool:
        return self.verdict is not None and self.verdict.correct


def check(name: str, answer: Any) -> Result:
    """Put the exercise's questions to `answer` and to the reference; the result shows itself.

    A blank answer is "not attempted", not an error. Raises CourseError where there is no exercise `name`, and, under
    nbgrader, AssertionError where no points are earned.
    """
    exercise = registry.get(name)
    result = _check(exercise, answer)
    _latest[exercise.name] = result
    if os.environ.get(reporting.NBGRADER) and not result.points:
        raise AssertionError(" ".join([f"{result.headline}: {exercise.name}.", *result.sentences]))
    return result


def summary(lesson: str) -> Summary:
    """The points so far in `lesson` ("02_alexnet"), from the latest check of each of its exercises."""
    exercises = registry.of_lesson(lesson)
    return Summary(lesson, [_latest.get(e.name, _result(e, reporting.NOT_CHECKED)) for e in exercises])


def _check(exercise: Exercise, answer: Any) -> Result:
    if objection := exercise.objection(answer):
        return _result(exercise, reporting.WRONG, (objection,))
    printed = io.StringIO()
    outcomes: list[_Outcome] = []
    for case in exercise.draw(SEED):
        outcome = _put(exercise, answer, case, printed)
        if outcome.failure is not None and outcome.failure.kind == "blank":
            return _result(
                exercise, reporting.NOT_ATTEMPTED, (f"Write {exercise.answer} in the cell above, then run both.",)
            )
        outcomes.append(outcome)
    result = _report(exercise, outcomes)
    text = printed.getvalue().strip()
    if result.status == reporting.CORRECT or not text:
        return result
    if any(outcome.said is not None and "answer: None" in outcome.said for outcome in outcomes):
        result = replace(result, sentences=(*result.sentences, "It prints instead: `return` the value."))
    long = len(text) > reporting.LONGEST_PRINT
    return replace(result, printed=text[: reporting.LONGEST_PRINT] + ("\n..." if long else ""))


def _put(exercise: Exercise, answer: Any, case: Case, printed: io.StringIO) -> _Outcome:
    """One question. What the answer prints and warns of is kept: nbgrader takes text on stderr for a failure."""
    expected = exercise.ask(exercise.reference, case)
    try:
        with redirect_stdout(printed), redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = exercise.ask(answer, case)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an answer may raise anything, SystemExit included
        return _Outcome(case, None, None, explain(error))
    return _Outcome(case, said, judge(expected, said, exercise.tolerance), None)


def _report(exercise: Exercise, outcomes: list[_Outcome]) -> Result:
    failing = [outcome for outcome in outcomes if not outcome.correct]
    passed = len(outcomes) - len(failing)
    if not failing:
        return replace(
            _result(exercise, reporting.CORRECT),
            points=float(exercise.points),
            passed=passed,
            total=len(outcomes),
            hints=(),
        )
    # A wrong value tells more than an exception that other cases raise.
    first = next((outcome for outcome in failing if outcome.verdict is not None), failing[0])
    number = f"Case {1 + outcomes.index(first)} of {len(outcomes)}"
    where = f"{number}: {exercise.answer}{first.case}"
    if first.failure is not None:
        status = reporting.RAISED if first.failure.kind == "raised" else reporting.WRONG
        sentences, lines = [where, first.failure.words], first.failure.lines
    else:
        assert first.verdict is not None
        status, lines = reporting.WRONG, ()
        sentences = [where, f"{first.verdict.problem} {first.verdict.values}".strip(), _cause(exercise, failing)]
    points = math.floor(2 * exercise.points * passed / len(outcomes)) / 2
    return replace(
        _result(exercise, reporting.PARTLY if passed else status, tuple(filter(None, sentences))),
        points=points,
        passed=passed,
        total=len(outcomes),
        lines=lines,
    )


def _cause(exercise: Exercise, failing: list[_Outcome]) -> str:
    """The likely cause: a known mistake that explains every failing case, else the commonest in the values."""
    for mistake in exercise.mistakes:
        if _explains(exercise, mistake.wrong, failing):
            return mistake.words
    causes = Counter(outcome.verdict.cause for outcome in failing if outcome.verdict is not None)
    cause, count = causes.most_common(1)[0]
    return cause if 2 * count > len(failing) else ""


def _explains(exercise: Exercise, wrong: Any, failing: list[_Outcome]) -> bool:
    for outcome in failing:
        if outcome.said is None:
            return False
        try:
            mistaken = exercise.ask(wrong, outcome.case)
        except Exception:
            return False
        if not judge(mistaken, outcome.said, exercise.tolerance).correct:
            return False
    return True


def _result(exercise: Exercise, status: str, sentences: tuple[str, ...] = ()) -> Result:
    return Result(
        exercise.name, exercise.title, status, 0.0, exercise.points, sentences=sentences, hints=exercise.hints
    )
