"""Naming lessons: what a person may type, and what they are told when it means nothing."""

from pathlib import Path

import pytest

from course_lib.errors import CourseError
from course_lib.running.select import notebook_path, select
from tests import checkouts

LESSONS = ["01_datasets", "02_alexnet", "10_applications"]


@pytest.mark.parametrize("name", ["02_alexnet", "02", "2", "alexnet", "lessons/02_alexnet.py", "02_alexnet.ipynb"])
def test_a_lesson_goes_by_its_name_number_or_topic(name: str) -> None:
    assert select(LESSONS, [name]) == ["02_alexnet"]


def test_no_name_means_all_and_names_come_in_the_order_of_the_course_once() -> None:
    assert select(LESSONS, []) == LESSONS
    assert select(LESSONS, ["10", "1", "datasets"]) == ["01_datasets", "10_applications"]


@pytest.mark.parametrize(
    ("typo", "meant"), [("alexnt", "alexnet"), ("Datasets", "datasets"), ("02_alexnat", "02_alexnet")]
)
def test_a_mistyped_lesson_names_the_nearest(typo: str, meant: str) -> None:
    with pytest.raises(CourseError, match=f"no lesson '{typo}'. Did you mean .*{meant}"):
        select(LESSONS, [typo])


@pytest.mark.parametrize("name", ["", "_", "99", ".py", "zzz"])
def test_a_name_like_nothing_lists_what_there_is(name: str) -> None:
    with pytest.raises(CourseError, match="01_datasets, 02_alexnet, 10_applications"):
        select(LESSONS, [name])


def test_an_unknown_version_and_a_notebook_not_built_say_what_to_do(tmp_path: Path) -> None:
    root = checkouts.make(tmp_path, good=[])
    assert notebook_path(root, "01_good", "notebooks") == root / "notebooks" / "01_good.ipynb"
    with pytest.raises(CourseError, match=r"no version 'solution'\. Did you mean solutions"):
        notebook_path(root, "01_good", "solution")
    (root / "solutions" / "01_good.ipynb").unlink()
    with pytest.raises(CourseError, match=r"solutions/01_good\.ipynb is not there\. .*course build 01_good"):
        notebook_path(root, "01_good", "solutions")
