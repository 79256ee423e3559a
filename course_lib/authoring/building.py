"""Write the notebooks of lessons, or say which are stale."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import nbformat

import course_lib
from course_lib.authoring import colab, facts, rules, source
from course_lib.authoring.notebook import SOLUTIONS, STUDENTS, Facts, make, write
from course_lib.authoring.source import Lesson

VERSIONS = (STUDENTS, SOLUTIONS)


def build(
    names: Sequence[str] | None = None,
    root: Path | None = None,
    *,
    check: bool = False,
    execute: bool = True,
    refresh: bool = False,
) -> list[Path]:
    """Make both notebooks of the lessons called `names` (None: of all); with all, those of lessons that are gone go.

    Returns the paths that changed, or would have to with `check=True`, which writes and runs nothing. The text that
    `facts` cells print is kept where the cell is as it was; where one is new or edited, or with `refresh=True`, the
    solution is run at smoke scale, unless `execute=False`. Raises CourseError for a lesson that breaks a rule; then
    nothing is written.
    """
    root = root or repository_root()
    chosen = source.lessons(root) if names is None else [source.find(name, root) for name in names]
    for lesson in chosen:
        rules.check(lesson)
    repository = colab.repository(root)
    texts: dict[Path, str | None] = {}
    for lesson in chosen:
        texts |= _texts(lesson, root, repository, execute=execute and not check, refresh=refresh)
    if {lesson.name for lesson in chosen} == {path.stem for path in source.paths(root)}:
        texts |= dict.fromkeys(_abandoned(root, {lesson.name for lesson in chosen}))
    changed = [path for path, text in texts.items() if _current(path) != text]
    if not check:
        for path in changed:
            _write(path, texts[path])
    return changed


def repository_root() -> Path:
    """The folder with `lessons/` and `pyproject.toml`: around the working directory, else around this package."""
    around = [Path.cwd(), *Path.cwd().parents, Path(course_lib.__file__).parents[1]]
    return next(
        (path for path in around if (path / "lessons").is_dir() and (path / "pyproject.toml").is_file()), around[-1]
    )


def _texts(lesson: Lesson, root: Path, repository: str, *, execute: bool, refresh: bool) -> dict[Path, str | None]:
    paths = {version: root / version / f"{lesson.name}.ipynb" for version in VERSIONS}
    blank = make(lesson, SOLUTIONS, repository, {})
    known: Facts = {} if refresh else facts.stored(paths[SOLUTIONS], blank)
    complete = make(lesson, SOLUTIONS, repository, known)
    if facts.missing(complete) and execute:
        known = facts.execute(complete, root)
    return {path: write(make(lesson, version, repository, known)) for version, path in paths.items()}


def _abandoned(root: Path, names: set[str]) -> list[Path]:
    """Notebooks that were generated from a lesson that is no longer there."""
    paths = [path for version in VERSIONS for path in sorted((root / version).glob("*.ipynb"))]
    return [path for path in paths if path.stem not in names and _is_generated(path)]


def _is_generated(path: Path) -> bool:
    try:
        return "course" in nbformat.read(path, as_version=4).metadata
    except (ValueError, nbformat.ValidationError):
        return False  # damaged, or somebody's own


def _current(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.part")
    beside.write_bytes(text.encode("utf-8"))
    beside.replace(path)
