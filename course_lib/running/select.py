"""Which lessons a command is about: "02_alexnet", "02", "2" and "alexnet" all mean the same one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from course_lib.errors import CourseError

VERSIONS = ("solutions", "notebooks")


def select(lessons: Sequence[str], names: Iterable[str]) -> list[str]:
    """The lessons that `names` mean, in the order of the course, each once; all of them where nothing is named.

    Raises CourseError for a name that means no lesson, with the ones it may have meant.
    """
    wanted = {_find(lessons, name) for name in names}
    return [lesson for lesson in lessons if lesson in wanted or not wanted]


def notebook_path(root: Path, lesson: str, version: str) -> Path:
    """Where a version of a lesson stands. Raises CourseError for an unknown version and for one that is not there."""
    if version not in VERSIONS:
        raise CourseError(f"There is no version {version!r}.{nearest(version, VERSIONS)}")
    path = root / version / f"{lesson}.ipynb"
    if not path.is_file():
        raise CourseError(f"{path.relative_to(root)} is not there. Make it with: course build {lesson}")
    return path


def _find(lessons: Sequence[str], name: str) -> str:
    plain = Path(name).stem if name.endswith((".py", ".ipynb")) else name
    names: dict[str, str] = {}
    for lesson in lessons:
        number, _, topic = lesson.partition("_")
        names |= {lesson: lesson, number: lesson, number.lstrip("0"): lesson, topic: lesson}
    if not plain or plain not in names:
        raise CourseError(f"There is no lesson {name!r}.{nearest(plain, names, show=lessons)}")
    return names[plain]


def nearest(name: str, known: Iterable[str], show: Sequence[str] | None = None) -> str:
    """The end of a complaint about an unknown name: what it may have meant, or all there is."""
    known = list(known)
    near = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.5)
    if near:
        return f" Did you mean {' or '.join(near)}?"
    return f" There is: {', '.join(show or known) or 'none yet'}."
