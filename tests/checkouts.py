"""A checkout of a course made of tiny lessons, for tests of what runs and builds a course."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import v4

PROJECT = '[project]\nname = "image-classification-course"\n'


def make(root: Path, **lessons: list[str]) -> Path:
    """A checkout at `root` with the given lessons' code cells, in both versions, below a cell of parameters.

    lessons: by topic, numbered in the order given: `make(root, good=["1 + 1"])` makes 01_good.
    """
    for folder in ("lessons", "solutions", "notebooks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    for number, (topic, cells) in enumerate(lessons.items(), 1):
        name = f"{number:02d}_{topic}"
        (root / "lessons" / f"{name}.py").write_text("", encoding="utf-8")
        parameters = v4.new_code_cell('scale = "laptop"\nseed = 0', metadata={"tags": ["parameters"]})
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = v4.new_notebook(
            metadata={"kernelspec": kernel},
            cells=[v4.new_markdown_cell(f"# {topic}"), parameters, *map(v4.new_code_cell, cells)],
        )
        for version in ("solutions", "notebooks"):
            nbformat.write(notebook, root / version / f"{name}.ipynb")
    return root


def output_text(notebook: Path) -> str:
    """All text that the cells of an executed notebook printed."""
    cells = nbformat.read(notebook, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))
