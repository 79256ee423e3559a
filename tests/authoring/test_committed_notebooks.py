"""The notebooks in the repository are those that the lessons make now, and hold no solution for students."""

from pathlib import Path

import nbformat
import pytest

from course_lib import authoring
from course_lib.authoring.solutions import blocks

ROOT = Path(__file__).parents[2]


def test_no_committed_notebook_is_stale() -> None:
    stale = [str(path.relative_to(ROOT)) for path in authoring.build(root=ROOT, check=True)]
    assert not stale, f"Stale: {', '.join(stale)}. Run `make notebooks` (or `course build`) and commit what it changes."


@pytest.mark.parametrize("path", sorted((ROOT / "lessons").glob("[0-9]*_*.py")), ids=lambda path: path.stem)
def test_no_solution_reaches_the_students(path: Path) -> None:
    made = ROOT / "notebooks" / f"{path.stem}.ipynb"
    assert made.is_file(), f"{made.relative_to(ROOT)} is missing. Run `make notebooks` and commit it."
    students = nbformat.read(made, as_version=4)
    text = "\n".join(cell.source for cell in students.cells)
    for cell in authoring.read(path).cells:
        lines = cell.source.split("\n")
        secrets = ["\n".join(lines[begin : end - 1]) for begin, end in blocks(cell.source)]
        if "solution" in cell.tags or cell.discuss:
            secrets.append(cell.source)
        for secret in secrets:
            assert secret.strip() not in text, f"{path.name}:{cell.line}"
    assert "SOLUTION" not in text
