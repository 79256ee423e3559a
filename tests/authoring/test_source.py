"""A lesson is read with its lines, and found by any of its names."""

from pathlib import Path

import pytest

from course_lib import authoring
from course_lib.errors import CourseError
from tests.authoring import sample


def test_cells_know_their_options_and_the_line_of_their_marker(tmp_path: Path) -> None:
    path = sample.make(tmp_path)
    lines = path.read_text().splitlines()
    lesson = authoring.read(path)
    assert all(lines[cell.line - 1].startswith("# %%") for cell in lesson.cells)
    assert [cell.line for cell in lesson.cells] == sorted({cell.line for cell in lesson.cells})
    assert lesson.cells[2].tags == ("parameters",)
    assert [cell.alt for cell in lesson.cells if cell.alt] == ["A straight line."]
    assert [cell.discuss for cell in lesson.cells if cell.discuss] == ["alexnet.1"]


def test_a_lesson_tells_its_title_minutes_points_and_exercises(tmp_path: Path) -> None:
    lesson = authoring.read(sample.make(tmp_path))
    assert (lesson.number, lesson.topic, lesson.title) == ("02", "alexnet", "2 · AlexNet")
    assert (lesson.minutes, lesson.points) == (55, 20)
    assert lesson.exercises == ("alexnet.top_k_error", "alexnet.block", "alexnet.spread")


@pytest.mark.parametrize("name", ["02_alexnet", "02", "2", "alexnet"])
def test_a_lesson_is_found_by_each_of_its_names(tmp_path: Path, name: str) -> None:
    sample.make(tmp_path)
    assert authoring.find(name, tmp_path).name == "02_alexnet"


def test_an_unknown_lesson_gets_the_nearest(tmp_path: Path) -> None:
    sample.make(tmp_path)
    with pytest.raises(CourseError, match=r"Did you mean .*alexnet"):
        authoring.find("alexnett", tmp_path)
    with pytest.raises(CourseError, match="There are: 02_alexnet"):
        authoring.find("7", tmp_path)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('# %% colour="red"\n1', "unknown option 'colour'"),
        ('# %% tags=["fact"]\n1', "unknown tag 'fact'"),
        ('# %% tags="facts"\n1', "must be a list"),
        ('# %% alt=""\n1', "alt must be a text"),
        ("# %% exercise=3\n1", "exercise must be a text"),
        ('# %% discuss="a.1"\n1', "discuss belongs on a Markdown cell"),
        ('# %% [markdown] alt="x"\n# x', "alt belongs on a code cell"),
        ("# %% [raw]\n# x", "a raw cell"),
        ('# %% [markdown] discuss="a.1" points="many"\n# x', "points must be a whole number"),
    ],
)
def test_an_option_that_no_cell_has_is_refused_with_its_line(tmp_path: Path, cell: str, words: str) -> None:
    path = sample.make(tmp_path, sample.HEAD + "\n" + cell + "\n")
    line = len(sample.HEAD.splitlines()) + 2
    with pytest.raises(CourseError, match=f"02_alexnet.py:{line}: .*{words}"):
        authoring.read(path)


def test_text_before_the_first_marker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="Start the file with a marker"):
        authoring.read(sample.make(tmp_path, "import torch\n\n" + sample.LESSON))


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = sample.make(tmp_path)
    path.write_bytes(b"# %%\n'\xe9'\n")
    with pytest.raises(CourseError, match="not UTF-8"):
        authoring.read(path)
