"""The outputs that notebooks store: the printed text of `facts` cells, which holds at every scale and on all data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
from nbformat import NotebookNode

from course_lib import scales
from course_lib.authoring.notebook import COMPARED, Facts
from course_lib.errors import CourseError

SECONDS_A_CELL = 600


def stored(path: Path, fresh: NotebookNode) -> Facts:
    """The outputs in the notebook at `path` of those facts cells whose source is still that of `fresh`."""
    try:
        old = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        return {}  # missing or damaged: they will be made again
    sources = {cell.id: cell.source for cell in _facts_cells(fresh)}
    return {cell.id: cell.outputs for cell in _facts_cells(old) if cell.outputs and sources.get(cell.id) == cell.source}


def missing(fresh: NotebookNode) -> list[str]:
    """The ids of facts cells without an output."""
    return [cell.id for cell in _facts_cells(fresh) if not cell.outputs]


def execute(notebook: NotebookNode, where: Path) -> Facts:
    """Run the notebook at smoke scale, in the folder `where`, as far as its last facts cell; the text that those print.

    Raises CourseError for a cell that fails, and for a facts cell that shows anything but plain text.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    cells = _facts_cells(notebook)
    last = notebook.cells.index(cells[-1])
    part = nbformat.from_dict({**notebook, "cells": notebook.cells[: last + 1]})
    client = NotebookClient(
        part, timeout=SECONDS_A_CELL, kernel_name="python3", resources={"metadata": {"path": str(where)}}
    )
    lesson = notebook.metadata.course.lesson
    try:
        with mock.patch.dict(os.environ, {scales.ENVIRONMENT_VARIABLE: "smoke"}):
            client.execute()
    except CellExecutionError as error:
        raise CourseError(f"{lesson}: a cell fails, so its facts cannot be made.\n{error}") from None
    return {cell.id: _text(cell, lesson) for cell in _facts_cells(part)}


def _facts_cells(notebook: NotebookNode) -> list[Any]:
    return [cell for cell in notebook.cells if COMPARED in cell.metadata.get("tags", ()) and cell.cell_type == "code"]


def _text(cell: NotebookNode, lesson: str) -> list[NotebookNode]:
    """The cell's outputs without what differs from run to run."""
    kept = []
    for output in cell.outputs:
        if output.output_type == "stream":
            if output.name == "stdout":
                kept.append(output)
        elif set(output.get("data", ())) != {"text/plain"}:
            raise CourseError(f"{lesson}: a facts cell must show plain text only: print it.\n{cell.source}")
        else:
            output.metadata = {}
            if "execution_count" in output:
                output.execution_count = None
            kept.append(output)
    if not kept:
        raise CourseError(f"{lesson}: a facts cell prints nothing.\n{cell.source}")
    return kept
