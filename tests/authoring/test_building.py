"""`build` writes what changed and nothing else, keeps the facts that hold, and says what is stale."""

import json
from pathlib import Path

import nbformat
import pytest

from course_lib import authoring
from course_lib.errors import CourseError
from tests.authoring import sample

NOTEBOOKS = ["notebooks/02_alexnet.ipynb", "solutions/02_alexnet.ipynb"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The sample built once, its facts from a real kernel; tests copy the texts."""
    from tests.exercises import questions

    root = tmp_path_factory.mktemp("course")
    sample.make(root)
    with pytest.MonkeyPatch.context() as patch:
        questions.put_in_place(patch)
        changed = authoring.build(root=root)
    assert [str(path.relative_to(root)) for path in changed] == NOTEBOOKS
    return root, {name: (root / name).read_text() for name in NOTEBOOKS}


@pytest.fixture
def root(built: tuple[Path, dict[str, str]]) -> Path:
    """The built sample as it was, whatever the test before did."""
    folder, texts = built
    sample.make(folder)
    for version in authoring.VERSIONS:
        for path in (folder / version).iterdir():
            path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def facts(root: Path, version: str) -> list[str]:
    book = nbformat.read(root / version / "02_alexnet.ipynb", as_version=4)
    return [output.text for cell in book.cells for output in cell.get("outputs", [])]


def test_the_text_of_facts_cells_is_stored_in_both_versions_and_no_other_output(root: Path) -> None:
    for version in authoring.VERSIONS:
        assert facts(root, version) == ["two plus two is 4\n"]
        book = nbformat.read(root / version / "02_alexnet.ipynb", as_version=4)
        cell = next(cell for cell in book.cells if cell.get("outputs"))
        assert cell.metadata.tags == ["facts", "nbval-check-output"]
        assert cell.execution_count, "nbval compares nothing with a cell that was not run"
        assert all(one.execution_count is None for one in book.cells if one.cell_type == "code" and one is not cell)


def test_a_second_build_changes_nothing_and_runs_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("course_lib.authoring.facts.execute", lambda *_: pytest.fail("ran a notebook"))
    assert authoring.build(root=root) == []
    assert authoring.build(["alexnet"], root=root, check=True) == []


def test_facts_stay_while_other_cells_are_edited(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("course_lib.authoring.facts.execute", lambda *_: pytest.fail("ran a notebook"))
    sample.make(root, sample.LESSON.replace("Why?", "Why not?"))
    assert len(authoring.build(root=root)) == 2
    assert facts(root, "notebooks") == ["two plus two is 4\n"]


def test_an_edited_fact_is_made_again_at_smoke_scale(root: Path) -> None:
    sample.make(root, sample.LESSON.replace('print("two plus two is", 2 + 2)', "print(scale.name, 3 + 3)"))
    assert len(authoring.build(root=root, check=True)) == 2
    authoring.build(root=root, execute=False)
    assert facts(root, "solutions") == []
    authoring.build(root=root)
    assert facts(root, "solutions") == facts(root, "notebooks") == ["smoke 6\n"]


def test_a_fact_of_a_cell_that_was_edited_in_the_notebook_is_not_trusted(root: Path) -> None:
    path = root / NOTEBOOKS[1]
    path.write_text(path.read_text().replace(", 2 + 2)", ", 2 + 3)"))
    authoring.build(root=root, execute=False)
    assert facts(root, "solutions") == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("pass", "prints nothing"),
        ("import IPython\nIPython.display.HTML('x')", "plain"),
    ],
)
def test_a_fact_that_cannot_be_stored_is_an_error_and_nothing_is_written(root: Path, code: str, words: str) -> None:
    sample.make(root, sample.LESSON.replace('print("two plus two is", 2 + 2)', code))
    with pytest.raises(CourseError, match=words):
        authoring.build(root=root)
    assert facts(root, "solutions") == ["two plus two is 4\n"]


def test_a_check_names_stale_and_missing_notebooks_and_writes_nothing(root: Path) -> None:
    stale, missing = root / NOTEBOOKS[0], root / NOTEBOOKS[1]
    stale.write_text(stale.read_text().replace("Why?", "Because!"))
    missing.unlink()
    assert authoring.build(root=root, check=True) == [stale, missing]
    assert "Because!" in stale.read_text()
    assert not missing.exists()


def test_a_damaged_notebook_is_made_again(root: Path) -> None:
    (root / NOTEBOOKS[1]).write_text('{"cells": [')
    assert [path.parent.name for path in authoring.build(root=root, execute=False)][-1] == "solutions"
    json.loads((root / NOTEBOOKS[1]).read_text())


def test_notebooks_of_a_lesson_that_is_gone_are_removed_and_others_left(root: Path) -> None:
    old, own = root / "notebooks" / "01_old.ipynb", root / "notebooks" / "own.ipynb"
    old.write_text((root / NOTEBOOKS[0]).read_text())
    nbformat.write(nbformat.v4.new_notebook(), own)
    assert authoring.build(root=root, check=True) == [old]
    assert authoring.build(root=root) == [old]
    assert not old.exists()
    assert own.exists()


def test_one_broken_lesson_stops_the_build_before_anything_is_written(root: Path) -> None:
    sample.make(root, sample.LESSON.replace("Why?", "Why not?").replace("seed = 0\n", ""))
    with pytest.raises(CourseError, match="does not set `seed`"):
        authoring.build(root=root)
    assert "Why?" in (root / NOTEBOOKS[0]).read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no `Repository`"),
        ('[project.urls]\nRepository = "https://gitlab.com/a/b"', "Colab opens https://github.com"),
    ],
)
def test_badges_need_an_address_on_github(root: Path, text: str, words: str) -> None:
    (root / "pyproject.toml").write_text(text)
    with pytest.raises(CourseError, match=words):
        authoring.build(root=root)


def test_the_repository_is_found_from_inside_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "notebooks")
    assert authoring.repository_root() == root
