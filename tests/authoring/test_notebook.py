"""Both versions of a lesson: what students get, what instructors get, and ids that depend on one cell alone."""

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode

from course_lib.authoring import Cell, notebook, read
from course_lib.authoring.notebook import SOLUTIONS, STUDENTS, identities, make, write
from tests.authoring import sample

REPOSITORY = "https://github.com/someone/course"


def version(tmp_path: Path, name: str, text: str = sample.LESSON) -> NotebookNode:
    return make(read(sample.make(tmp_path, text)), name, REPOSITORY, {})


def cell(book: NotebookNode, identity: str) -> Any:
    return next(cell for cell in book.cells if cell.id == identity)


def test_a_blank_keeps_everything_but_the_solution(tmp_path: Path) -> None:
    assert (
        cell(version(tmp_path, STUDENTS), "exercise-alexnet-block").source
        == '''\
class Block:
    """Layers are named conv1 and bn1."""

    def __init__(self, in_channels):
        super().__init__()
        raise NotImplementedError

    def forward(self, x):
        if x is not None:
            raise NotImplementedError'''
    )


def test_nothing_of_a_solution_reaches_the_students(tmp_path: Path) -> None:
    text = write(version(tmp_path, STUDENTS))
    for secret in ("secret", "topk", "keepdim", "SOLUTION", "Only the instructor", "The model answer", '"solution"'):
        assert (secret in text) == (secret == '"solution"'), secret  # nbgrader's own key
    assert "*Your answer:*" in text
    solutions = write(version(tmp_path, SOLUTIONS))
    for part in ("secret_of_init", "### BEGIN SOLUTION", "Only the instructor", "The model answer"):
        assert part in solutions


def test_both_versions_are_valid_nbformat_4_5_and_compile(tmp_path: Path) -> None:
    for name in (STUDENTS, SOLUTIONS):
        book = version(tmp_path, name)
        nbformat.validate(book)
        assert (book.nbformat, book.nbformat_minor) == (4, 5)
        assert len({cell.id for cell in book.cells}) == len(book.cells)
        for one in book.cells:
            if one.cell_type == "code" and one.id != "course-setup":
                ast.parse(one.source)
                assert (one.outputs, one.execution_count) == ([], None)


def test_the_file_is_written_the_way_tools_leave_it(tmp_path: Path) -> None:
    text = write(version(tmp_path, STUDENTS))
    assert text.endswith("\n}\n")
    assert "2 · AlexNet" in text
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert text == write(nbformat.reads(text, as_version=4))
    metadata = json.loads(text)["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert metadata["course"] == {"lesson": "02_alexnet", "version": "notebooks"}


def test_the_badge_opens_this_very_notebook_and_the_set_up_cell_follows_it(tmp_path: Path) -> None:
    for name in (STUDENTS, SOLUTIONS):
        book = version(tmp_path, name)
        address = f"https://colab.research.google.com/github/someone/course/blob/main/{name}/02_alexnet.ipynb"
        assert book.cells[0].source.splitlines()[2].endswith(f"({address})")
        assert book.cells[0].source.startswith("# 2 · AlexNet\n")
        assert "git+https://github.com/someone/course" in book.cells[1].source


def test_the_text_of_a_figure_becomes_the_last_line_of_its_cell(tmp_path: Path) -> None:
    words = 'A line that climbs, «quoted» and \\"escaped\\", ' + "on and on " * 30
    text = sample.LESSON.replace("A straight line.", words.strip())
    for source, expected in ((sample.LESSON, "A straight line."), (text, words.strip().replace('\\"', '"'))):
        book = version(tmp_path, STUDENTS, source)
        drawing = next(one.source for one in book.cells if "alt_text" in one.source)
        call = ast.parse(drawing).body[-1].value  # type: ignore[attr-defined]
        assert ast.unparse(call.func) == "plots.alt_text"
        assert ast.literal_eval(call.args[0]) == expected
        assert max(map(len, drawing.splitlines())) <= notebook.WIDEST


def test_nbgrader_is_told_what_it_marks(tmp_path: Path) -> None:
    book = version(tmp_path, STUDENTS)
    marks = {cell.id: cell.metadata.nbgrader for cell in book.cells if "nbgrader" in cell.metadata}
    answer, check, discuss = (
        marks[name] for name in ("exercise-alexnet-spread", "check-alexnet-spread", "discuss-alexnet-1")
    )
    assert (answer.solution, answer.grade, answer.locked) == (True, False, False)
    assert (check.solution, check.grade, check.locked, check.points) == (False, True, True, 7)
    assert (discuss.solution, discuss.grade, discuss.locked, discuss.points) == (True, True, False, 0)
    assert sum(mark.get("points", 0) for mark in marks.values()) == 20
    assert len(marks) == 7


code = st.text("abxy =1\n", min_size=1, max_size=12).map(str.strip).filter(bool)
cells = st.lists(st.builds(Cell, st.just("markdown"), code, st.just(1)), min_size=1, max_size=8, unique=True)


@given(cells, st.data())
@settings(max_examples=60)
def test_inserting_deleting_or_moving_a_cell_leaves_the_ids_of_the_others(
    made: list[Cell], data: st.DataObject
) -> None:
    before = dict(zip(made, identities(made), strict=True))
    changed = list(made)
    changed.pop(data.draw(st.integers(0, len(made) - 1)))
    changed.insert(data.draw(st.integers(0, len(changed))), Cell("code", "something_new = 1", 1))
    changed = data.draw(st.permutations(changed))
    after = dict(zip(changed, identities(changed), strict=True))
    assert len(set(after.values())) == len(changed)
    assert {cell: after[cell] for cell in changed if cell in before} == {
        cell: before[cell] for cell in changed if cell in before
    }


def test_equal_cells_are_told_apart() -> None:
    twice = [Cell("markdown", "# Same", 1), Cell("markdown", "# Same", 5)]
    assert identities(twice) == ["section-same", "section-same-2"]


def test_a_heading_keeps_its_id_while_its_text_is_edited() -> None:
    first, second = (identities([Cell("markdown", f"## 3 · Learn\n\n{text}", 1)]) for text in ("a", "b"))
    assert first == second == ["section-3-learn"]


@pytest.mark.parametrize("place", ["# %% [markdown]\n# ## Top-k", "# %%\nfrom course_lib.exercises", "# %% alt="])
def test_a_new_cell_leaves_every_other_as_it_was(tmp_path: Path, place: str) -> None:
    assert place in sample.LESSON
    text = sample.LESSON.replace(place, "# %%\nnew = 1\n\n" + place)
    for name in (STUDENTS, SOLUTIONS):
        before = json.loads(write(version(tmp_path, name)))["cells"]
        after = json.loads(write(version(tmp_path, name, text)))["cells"]
        assert [cell for cell in after if cell["source"] != ["new = 1"]] == before
        assert len(after) == len(before) + 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("two plus two is", "2 + 2 is"),
        ("Why?", "Why not?"),
        ("A straight line.", "A crooked line."),
        ("self.secret_of_init = in_channels", "self.other = in_channels"),
        ('"""Less its mean."""', '"""Without its mean."""'),
        ("## Top-k &nbsp; error", "## Top-k errors"),
        ("Only the instructor reads this.", "Only you read this."),
    ],
)
def test_editing_one_cell_changes_one_cell_of_the_notebook(tmp_path: Path, old: str, new: str) -> None:
    assert old in sample.LESSON
    for name in (STUDENTS, SOLUTIONS):
        before = json.loads(write(version(tmp_path, name)))["cells"]
        after = json.loads(write(version(tmp_path, name, sample.LESSON.replace(old, new))))["cells"]
        assert len(before) == len(after)
        assert sum(a != b for a, b in zip(before, after, strict=True)) <= 1
