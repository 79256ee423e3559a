"""Alternative text arrives: in the outputs of a notebook, in the page exported from it, and in no other figure."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from course_lib import plots
from course_lib.plots import alt

SPITEFUL = """Ein "Zitat", it's <b>not</b> bold & 5 < 6; <script>alert('x')</script>"""
CELLS = {
    "imports": "import matplotlib.pyplot as plt\nimport torch\nfrom course_lib import plots",
    "described": f"plots.confusion(torch.eye(3), ['a', 'b', 'c'])\nplots.alt_text({SPITEFUL!r})",
    "by itself": "plots.confusion(torch.eye(3), ['a', 'b', 'c']);",
    "two": "plots.filters(torch.rand(4, 3, 3, 3))\nplots.filters(torch.rand(4, 1, 3, 3))\nplots.alt_text('Filters.')",
    "the student's own": "plt.plot([1, 2]);",
    "described by hand": "fig, ax = plt.subplots()\nax.plot([1, 2])\nplots.alt_text('A line.')",
    "after a change of format": "%matplotlib inline\nplots.filters(torch.rand(4, 3, 3, 3))\nplots.alt_text('After.')",
    "open": "plt.get_fignums()",
}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The cells above, executed once in a kernel of their own."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = new_notebook(cells=[new_code_cell(source) for source in CELLS.values()])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def figures(notebook: nbformat.NotebookNode, name: str) -> list[Any]:
    cell = notebook.cells[list(CELLS).index(name)]
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


class _Images(HTMLParser):
    """The `alt` of each picture of a page, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.alts: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alts.append(dict(attrs).get("alt"))


def test_the_text_is_in_every_form_of_the_output(notebook: nbformat.NotebookNode) -> None:
    (output,) = figures(notebook, "described")
    assert _Images(output.data["text/html"]).alts == [SPITEFUL]
    assert output.metadata["image/png"]["alt"] == SPITEFUL
    assert output.data["text/plain"] == f"Figure: {SPITEFUL}"


def test_a_figure_that_nobody_describes_describes_itself(notebook: nbformat.NotebookNode) -> None:
    (output,) = figures(notebook, "by itself")
    assert "Confusion matrix of 3 classes" in output.metadata["image/png"]["alt"]


def test_one_text_describes_all_figures_of_its_cell_and_none_of_the_next(notebook: nbformat.NotebookNode) -> None:
    assert [output.metadata["image/png"]["alt"] for output in figures(notebook, "two")] == ["Filters.", "Filters."]
    (own,) = figures(notebook, "the student's own")
    assert "text/html" not in own.data
    assert "alt" not in own.metadata["image/png"]


def test_figures_not_made_by_the_course_can_be_described(notebook: nbformat.NotebookNode) -> None:
    (output,) = figures(notebook, "described by hand")
    assert _Images(output.data["text/html"]).alts == ["A line."]


def test_choosing_the_inline_backend_again_does_not_lose_the_text(notebook: nbformat.NotebookNode) -> None:
    (output,) = figures(notebook, "after a change of format")
    assert _Images(output.data["text/html"]).alts == ["After."]


def test_no_figure_stays_open(notebook: nbformat.NotebookNode) -> None:
    assert notebook.cells[-1].outputs[0].data["text/plain"] == "[]"


def test_the_exported_page_carries_every_text_and_runs_none_of_it(notebook: nbformat.NotebookNode) -> None:
    page, _ = HTMLExporter().from_notebook_node(notebook)
    alts = _Images(page).alts
    assert SPITEFUL in alts
    assert alts.count("Filters.") == 2
    assert "<script>alert('x')" not in page


def test_pictures_are_crisp_at_the_size_shown_and_small(notebook: nbformat.NotebookNode) -> None:
    (output,) = figures(notebook, "described")
    png = base64.b64decode(output.data["image/png"])
    assert len(png) < 150_000
    assert Image.open(io.BytesIO(png)).width == pytest.approx(2 * output.metadata["image/png"]["width"], abs=1)


def test_outside_ipython_importing_and_describing_do_nothing() -> None:
    plots.install()
    plots.alt_text("Nobody sees this.")


def test_the_text_goes_to_figures_without_one_only() -> None:
    first, second = plt.figure(), plt.figure()
    plots.alt_text("The first.", first)
    plots.alt_text("The rest.")
    assert [plots.description(figure) for figure in (first, second)] == ["The first.", "The rest."]


@pytest.fixture
def formatter(monkeypatch: pytest.MonkeyPatch) -> DisplayFormatter:
    """IPython's, without an IPython around it."""
    formatter = DisplayFormatter()
    monkeypatch.setattr(alt, "get_ipython", lambda: SimpleNamespace(display_formatter=formatter))
    return formatter


def test_installing_twice_changes_nothing(formatter: DisplayFormatter) -> None:
    plots.install()
    once = dict(formatter.mimebundle_formatter.type_printers)
    plots.install()
    assert dict(formatter.mimebundle_formatter.type_printers) == once


def test_an_empty_figure_is_not_shown_as_a_picture(formatter: DisplayFormatter) -> None:
    plots.install()
    assert "image/png" not in formatter.format(Figure())[0]


def test_a_grid_of_many_photographs_stays_small(formatter: DisplayFormatter) -> None:
    noise = torch.randint(256, (12, 3, 32, 32), dtype=torch.uint8)
    plots.install()
    data, _ = formatter.format(plots.image_grid(noise).figure)
    assert len(base64.b64decode(data["image/png"])) < 150_000
