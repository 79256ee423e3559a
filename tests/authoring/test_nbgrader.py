"""The generated notebooks are nbgrader assignments as they are: its own schema and its own conversion accept them."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.apps import NbGraderAPI
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import CheckCellMetadata
from traitlets.config import Config

from course_lib import authoring
from tests.authoring import sample

NAME = "02_alexnet.ipynb"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    sample.make(tmp_path)
    authoring.build(root=tmp_path, execute=False)
    return tmp_path


@pytest.mark.parametrize("version", authoring.VERSIONS)
def test_both_versions_pass_nbgraders_own_checks(root: Path, version: str) -> None:
    book = nbformat.read(root / version / NAME, as_version=4)
    MetadataValidator().validate_nb(book)
    CheckCellMetadata().preprocess(book, {})


def test_nbgrader_makes_an_assignment_of_twenty_points_from_the_solutions(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # it runs alembic
    source = root / "source" / "02_alexnet"
    source.mkdir(parents=True)
    (source / NAME).write_bytes((root / "solutions" / NAME).read_bytes())
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root}/gradebook.db"
    made = NbGraderAPI(config=config).generate_assignment("02_alexnet")
    assert made["success"], made["error"]
    text = (root / "release" / "02_alexnet" / NAME).read_text()
    assert "secret_of_init" not in text
    assert "YOUR CODE HERE" in text
    with NbGraderAPI(config=config).gradebook as gradebook:
        assert gradebook.find_notebook("02_alexnet", "02_alexnet").max_score == 20
