"""One JupyterLab and one browser for all the tests of a worker."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import find_program

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the notebooks: JupyterLab saves what it opens."""
    copy = tmp_path_factory.mktemp("course")
    for version in ("solutions", "notebooks"):
        shutil.copytree(ROOT / version, copy / version)
    return copy


@pytest.fixture(scope="session")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("jupyterlab")
    from tests.apps import jupyterlab

    with jupyterlab.server(folder, tmp_path_factory.mktemp("jupyter"), COURSE_SCALE="smoke") as where:
        yield where


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    program = find_program("chromium", "chromium-browser", "google-chrome")
    from tests.apps import jupyterlab

    with jupyterlab.browser(program) as opened:
        yield opened
