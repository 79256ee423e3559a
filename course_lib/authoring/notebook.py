"""A lesson's two notebooks, as nbformat 4.5: for students, and with everything."""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_lib.authoring import colab
from course_lib.authoring.rules import check_calls
from course_lib.authoring.solutions import cut
from course_lib.authoring.source import Cell, Lesson
from course_lib.exercises import registry

STUDENTS, SOLUTIONS = "notebooks", "solutions"  # the versions, and the folders that hold them
COMPARED = "nbval-check-output"
YOUR_ANSWER = "*Your answer:*"
WIDEST = 110  # characters in the line that sets a figure's alt text

Facts = dict[str, list[NotebookNode]]  # id of a facts cell -> its stored outputs


def make(lesson: Lesson, version: str, repository: str, facts: Facts) -> NotebookNode:
    """The lesson's notebook for "notebooks" or "solutions"; `repository` is the course's address on GitHub."""
    cells = []
    for cell, identity in zip(lesson.cells, identities(lesson.cells), strict=True):
        if version == SOLUTIONS or "solution" not in cell.tags:
            cells.append(_node(cell, identity, version, facts))
    badge = colab.badge(repository, f"{version}/{lesson.name}.ipynb")
    title, _, rest = cells[0].source.partition("\n")
    cells[0].source = f"{title}\n\n{badge}\n{rest}".rstrip()
    cells.insert(1, nbformat.v4.new_code_cell(colab.setup(repository), id="course-setup"))
    return nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "course": {"lesson": lesson.name, "version": version},
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )


def write(notebook: NotebookNode) -> str:
    """The text of the notebook's file; the same notebook gives the same text."""
    return nbformat.writes(notebook, version=4, indent=1, sort_keys=True, ensure_ascii=False).rstrip("\n") + "\n"


def identities(cells: Sequence[Cell]) -> list[str]:
    """An id for each cell that depends on that cell alone, so that editing one leaves the others as they are.

    Exercises and their checks are named after the exercise, headings after their words, other cells after a hash of
    what they hold. The second of two equal ones gets "-2".
    """
    seen: Counter[str] = Counter()
    result = []
    for cell in cells:
        identity = _identity(cell)
        seen[identity] += 1
        result.append(identity if seen[identity] == 1 else f"{identity}-{seen[identity]}")
    return result


def _identity(cell: Cell) -> str:
    if cell.exercise:
        return _safe(f"exercise-{cell.exercise}")
    if cell.discuss:
        return _safe(f"discuss-{cell.discuss}")
    if cell.is_code and (names := check_calls(cell)):
        return _safe(f"check-{names[0]}")
    if not cell.is_code and (heading := re.match(r"#+ (.+)", cell.source)):
        return _safe(f"section-{heading[1]}")
    return f"{cell.kind}-{hashlib.sha256(cell.source.encode()).hexdigest()[:12]}"


def _safe(text: str) -> str:
    """Letters, digits, `_` and `-` only, at most 60, as nbformat and nbgrader want an id."""
    text = unicodedata.normalize("NFKD", re.sub(r"&\w+;", " ", text)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-zA-Z0-9_]+", "-", text).strip("-").lower()[:60].rstrip("-")


def _node(cell: Cell, identity: str, version: str, facts: Facts) -> NotebookNode:
    metadata: dict[str, Any] = {}
    if tags := [*cell.tags, *([COMPARED] if "facts" in cell.tags else [])]:
        metadata["tags"] = tags
    if nbgrader := _nbgrader(cell, identity):
        metadata["nbgrader"] = nbgrader
    if not cell.is_code:
        source = YOUR_ANSWER if cell.discuss and version == STUDENTS else cell.source
        return nbformat.v4.new_markdown_cell(source, id=identity, metadata=metadata)
    source = cut(cell.source) if version == STUDENTS else cell.source
    if cell.alt:
        source += "\n" + _alt_line(cell.alt)
    outputs = facts.get(identity, [])
    # nbval refuses outputs of a cell without a count; a running number would change with every cell before it.
    count = 1 if outputs else None
    return nbformat.v4.new_code_cell(source, id=identity, metadata=metadata, outputs=outputs, execution_count=count)


def _nbgrader(cell: Cell, identity: str) -> dict[str, Any]:
    """What nbgrader (schema 3) wants to know of the cells that it marks; nothing for the others."""
    checks = check_calls(cell) if cell.is_code else []
    common = {"grade_id": identity, "schema_version": 3, "task": False}
    if cell.exercise:
        return {**common, "grade": False, "locked": False, "solution": True}
    if checks and checks[0]:
        points = registry.get(checks[0]).points
        return {**common, "grade": True, "locked": True, "points": points, "solution": False}
    if cell.discuss:
        return {**common, "grade": True, "locked": False, "points": cell.points, "solution": True}
    return {}


def _alt_line(text: str) -> str:
    line = f"plots.alt_text({_quoted(text)})"
    if len(line) <= WIDEST:
        return line
    parts = textwrap.wrap(text, WIDEST - 10, break_on_hyphens=False)
    parts = [part + " " for part in parts[:-1]] + parts[-1:]
    return "\n".join(["plots.alt_text(", *(f"    {_quoted(part)}" for part in parts), ")"])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
