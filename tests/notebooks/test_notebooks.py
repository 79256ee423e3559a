"""Every committed notebook, executed once at smoke scale by nbval; each test looks at another side of that one run."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest

from course_lib.data.images import MINIATURE_SENTENCE

ROOT = Path(__file__).parents[2]
SECONDS = 540
"""What a notebook may take on a busy machine; on an idle one it takes 25."""

NOTEBOOKS = sorted([*ROOT.glob("solutions/*.ipynb"), *ROOT.glob("notebooks/*.ipynb")], key=lambda path: path.stem)

# One worker runs all tests of a notebook, so that it is executed once.
notebooks = pytest.mark.parametrize(
    "notebook",
    [
        pytest.param(path, id=f"{path.parent.name}/{path.stem}", marks=pytest.mark.xdist_group(f"notebook {path}"))
        for path in NOTEBOOKS
    ],
)


@dataclass(frozen=True)
class Run:
    """What nbval's run of a notebook ended with, what it printed, and the outputs of each code cell."""

    status: int
    printed: str
    cells: list[dict[str, Any]]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return [output for cell in self.cells for output in cell["outputs"]]


@functools.cache
def run(notebook: Path) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "outputs.json"
        nbval = ["-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env"]
        keep = ["-p", "tests.notebooks.recorder", "--record", record]
        plain = ["-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", ROOT]
        ended = subprocess.run(
            [sys.executable, *map(str, [*nbval, *keep, *plain, notebook])],
            cwd=ROOT,
            # Under xdist a worker's own settings must not reach the pytest inside it.
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"COURSE_SCALE": "smoke"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        cells = json.loads(record.read_text(encoding="utf-8")) if record.exists() else []
    return Run(ended.returncode, ended.stdout, cells)


class Pictures(HTMLParser):
    """The alternative texts of the pictures in a piece of HTML; None for a picture that has none."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.texts.append(dict(attrs).get("alt"))


def text_of(output: dict[str, Any], kind: str) -> str:
    text = output.get("data", {}).get(kind, "")
    return text if isinstance(text, str) else "".join(text)


@notebooks
def test_runs_from_top_to_bottom_and_its_facts_are_as_stored(notebook: Path) -> None:
    ended = run(notebook)
    assert ended.status == 0, ended.printed
    code = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    assert len(ended.cells) == len(code)


@notebooks
def test_stores_facts_that_nbval_compares_and_no_other_output(notebook: Path) -> None:
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    compared = [cell for cell in cells if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert [cell for cell in cells if cell.outputs] == compared
    assert compared


@notebooks
def test_a_solution_earns_every_point_and_a_blank_notebook_none(notebook: Path) -> None:
    earned = 20 if notebook.parent.name == "solutions" else 0
    said = [text_of(output, "text/plain") for output in run(notebook).cells[-1]["outputs"]]
    assert re.match(rf"{notebook.stem}: {earned} of 20 points\n", "".join(said)), said


@notebooks
def test_every_picture_has_an_alternative_text(notebook: Path) -> None:
    pictures = [output for output in run(notebook).outputs if text_of(output, "image/png")]
    texts = [alt for output in run(notebook).outputs for alt in Pictures(text_of(output, "text/html")).texts]
    assert pictures
    assert len(texts) >= len(pictures)
    assert all(alt and len(alt) > 10 for alt in texts), texts
    for picture in pictures:
        assert Pictures(text_of(picture, "text/html")).texts or picture["metadata"]["image/png"]["alt"]


@notebooks
def test_says_nothing_on_stderr(notebook: Path) -> None:
    """A warning in the middle of a lesson is noise to a student, and a lost point under nbgrader.

    But for one, where there is no copy of CIFAR-10: that the pictures are drawn must be said loudly.
    """
    said = [output["text"] for output in run(notebook).outputs if output.get("name") == "stderr"]
    assert not [text for text in said if not _is_a_progress_bar(text) and MINIATURE_SENTENCE not in text], said


def _is_a_progress_bar(text: str) -> bool:
    return all("\r" in line or "%|" in line or not line.strip() for line in text.split("\n"))
