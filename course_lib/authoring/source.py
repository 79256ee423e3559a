"""Read a lesson: Jupytext's py:percent format, with the line where each cell starts, for error messages.

Options of a cell, after its `# %%` or `# %% [markdown]`:
    tags=["parameters"]        the one cell with `scale` and `seed`, which papermill and the reader change
    tags=["solution"]          only in the solutions
    tags=["facts"]             its printed text is stored, and nbval compares it
    alt="..."                  the text alternative of the figure that the cell draws
    exercise="alexnet.lrn"     the cell of an answer, its solution between ### BEGIN SOLUTION and ### END SOLUTION
    discuss="alexnet.1"        Markdown: the model answer to a question for people; students get an empty cell
    points=3                   with `discuss`, where the question counts
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jupytext

from course_lib.errors import CourseError
from course_lib.exercises import registry

OPTIONS = ("tags", "alt", "exercise", "discuss", "points")
TAGS = ("parameters", "solution", "facts")
_MARKER = re.compile(r"^# ?%%( |$)")


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson. line: of its `# %%` marker in the file; a code cell's first line is the next one."""

    kind: str  # "markdown" | "code"
    source: str
    line: int
    tags: tuple[str, ...] = ()
    alt: str | None = None
    exercise: str | None = None
    discuss: str | None = None
    points: int = 0

    @property
    def is_code(self) -> bool:
        return self.kind == "code"


@dataclass(frozen=True)
class Lesson:
    """A lesson as it stands in `lessons/<name>.py`."""

    name: str
    path: Path
    cells: tuple[Cell, ...]

    @property
    def number(self) -> str:
        return self.name.partition("_")[0]

    @property
    def topic(self) -> str:
        return self.name.partition("_")[2]

    @cached_property
    def title(self) -> str:
        first = self.cells[0].source.partition("\n")[0] if self.cells else ""
        return first.lstrip("# ").strip()

    @property
    def minutes(self) -> int:
        """The sum of what the head says: "**Time**: reading 60 minutes, exercises 75, running 10 (...)"; else 0."""
        time = re.search(r"\*\*Time\*\*:?([^\n(]*)", self.cells[0].source if self.cells else "")
        return sum(int(number) for number in re.findall(r"\d+", time[1])) if time else 0

    @property
    def points(self) -> int:
        return sum(registry.get(name).points for name in self.exercises)

    @property
    def exercises(self) -> tuple[str, ...]:
        """The names of its exercises, in order."""
        return tuple(cell.exercise for cell in self.cells if cell.exercise)


def lessons(root: Path) -> list[Lesson]:
    """Every lesson in `root/lessons`, in order. Raises CourseError for one that cannot be read."""
    return [read(path) for path in paths(root)]


def find(name: str, root: Path) -> Lesson:
    """The lesson called "02_alexnet", "02", "2" or "alexnet". Raises CourseError, with the nearest, for another."""
    by_name = {path.stem: path for path in paths(root)}
    for stem, path in by_name.items():
        number, _, topic = stem.partition("_")
        if name in (stem, number, number.lstrip("0"), topic):
            return read(path)
    near = difflib.get_close_matches(name, [*by_name, *(stem.partition("_")[2] for stem in by_name)], n=2)
    advice = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(by_name) or 'none'}."
    raise CourseError(f"There is no lesson {name!r}. {advice}")


def read(path: Path) -> Lesson:
    """The lesson in the file. Raises CourseError, with file and line, for an option that no cell has."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CourseError(f"{path}: not UTF-8 ({error}). Save it as UTF-8.") from None
    markers = {number: line for number, line in enumerate(text.splitlines(), start=1) if _MARKER.match(line)}
    for number, line in markers.items():
        if re.search(r"\stags=(?!\[)", line):  # Jupytext would refuse it without the line
            raise CourseError(f'{path}:{number}: tags must be a list: tags=["facts"].')
    try:
        cells = jupytext.reads(text, fmt="py:percent").cells
    except Exception as error:  # what Jupytext makes of a broken header is its own affair
        raise CourseError(f"{path}: Jupytext cannot read it: {str(error).partition(chr(10))[0]}.") from None
    if len(markers) != len(cells):
        raise CourseError(
            f"{path}:1: {len(markers)} cell markers (`# %%`) but {len(cells)} cells. "
            "Start the file with a marker, and have no marker inside a string."
        )
    return Lesson(
        path.stem, path, tuple(_cell(cell, f"{path}:{line}", line) for cell, line in zip(cells, markers, strict=True))
    )


def _cell(cell: Any, where: str, line: int) -> Cell:
    options = {key: value for key, value in cell.metadata.items() if key != "lines_to_next_cell"}
    for problem in _wrong_options(cell.cell_type, options):
        raise CourseError(f"{where}: {problem}")
    tags = tuple(options.pop("tags", ()))
    return Cell(cell.cell_type, cell.source.rstrip(), line, tags, **options)


def _wrong_options(kind: str, options: dict[str, Any]) -> Iterator[str]:
    if kind not in ("markdown", "code"):
        yield f"a {kind} cell; cells are code (`# %%`) or Markdown (`# %% [markdown]`)."
    for option, value in options.items():
        if option not in OPTIONS:
            yield f"unknown option {option!r}. Options of a cell: {', '.join(OPTIONS)}."
        elif option == "points" and not (isinstance(value, int) and value >= 0):
            yield "points must be a whole number."
        elif option in ("alt", "exercise", "discuss") and not (isinstance(value, str) and value.strip()):
            yield f"{option} must be a text in quotes, and not empty."
    for tag in options.get("tags", ()):
        if tag not in TAGS and not str(tag).startswith("nbval-"):
            yield f"unknown tag {tag!r}. Tags: {', '.join(TAGS)}, and nbval's own."
    if "discuss" in options and kind == "code":
        yield "discuss belongs on a Markdown cell."
    for option in {"alt", "exercise"} & set(options):
        if kind == "markdown":
            yield f"{option} belongs on a code cell."


def paths(root: Path) -> list[Path]:
    """The files of the lessons in `root/lessons`, in order."""
    return sorted((root / "lessons").glob("[0-9]*_*.py"))
