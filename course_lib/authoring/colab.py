"""What every notebook gets for free: the "Open in Colab" badge and the cell that finds or installs the course."""

from __future__ import annotations

import tomllib
from pathlib import Path

from course_lib.errors import CourseError

BRANCH = "main"

_SETUP = """\
# Set-up: does nothing where the course is installed, installs it in Colab.
import importlib.util
import sys


class CourseMissing(ImportError):
    def _render_traceback_(self):
        return [str(self)]


course = "git+{repository}"
if importlib.util.find_spec("course_lib") is None:
    if "google.colab" not in sys.modules:
        raise CourseMissing(
            "This kernel has no course_lib. Start JupyterLab with `make lab`, or choose the course's kernel "
            f"(Kernel > Change Kernel), or run `pip install {course}` and restart the kernel."
        )
    %pip install --quiet $course
"""


def badge(repository: str, path: str) -> str:
    """Markdown for a badge that opens the notebook at `path` of the repository in Colab."""
    owner_and_name = repository.removeprefix("https://github.com/")
    address = f"https://colab.research.google.com/github/{owner_and_name}/blob/{BRANCH}/{path}"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({address})"


def setup(repository: str) -> str:
    """The source of the set-up cell."""
    return _SETUP.replace("{repository}", repository).rstrip()


def repository(root: Path) -> str:
    """The course's address on GitHub, from `[project.urls]`. Raises CourseError where it is missing or elsewhere."""
    path = root / "pyproject.toml"
    try:
        address = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"{path}: no `Repository` under [project.urls] ({error}): badges are made from it.") from None
    address = str(address).rstrip("/").removesuffix(".git")
    if not address.startswith("https://github.com/") or address.count("/") != 4:
        raise CourseError(
            f"{path}: Repository is {address!r}; Colab opens https://github.com/<owner>/<repository> only."
        )
    return address
