"""Where the questions of each lesson stand. A topic's module is imported when one of its exercises is asked for."""

from __future__ import annotations

import difflib
import importlib

from course_lib.errors import CourseError
from course_lib.exercises.specification import Exercise

TOPICS = {
    "01_datasets": "datasets",
    "02_alexnet": "alexnet",
}


def get(name: str) -> Exercise:
    """The exercise called "alexnet.top_k_error". Raises CourseError, with the nearest names, for an unknown `name`."""
    topic = str(name).partition(".")[0]
    for exercise in _exercises(topic) if topic in TOPICS.values() else ():
        if exercise.name == name:
            return exercise
    near = difflib.get_close_matches(str(name), names(), n=3, cutoff=0.5)
    advice = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names())}."
    raise CourseError(f"There is no exercise {name!r}. {advice}")


def names(lesson: str | None = None) -> tuple[str, ...]:
    """The names of a lesson's exercises in order, or of all lessons'."""
    lessons = [lesson] if lesson is not None else list(TOPICS)
    return tuple(exercise.name for one in lessons for exercise in of_lesson(one))


def of_lesson(lesson: str) -> tuple[Exercise, ...]:
    """The exercises of a lesson ("02_alexnet") in order. Raises CourseError for an unknown one."""
    if lesson not in TOPICS:
        raise CourseError(f"There is no lesson {lesson!r}. There are: {', '.join(TOPICS)}.")
    return _exercises(TOPICS[lesson])


def _exercises(topic: str) -> tuple[Exercise, ...]:
    exercises: tuple[Exercise, ...] = importlib.import_module(f"course_lib.exercises.{topic}").EXERCISES
    return exercises
