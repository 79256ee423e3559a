"""The pages that a run leaves: complete, readable without a mouse, and free of what a notebook might smuggle in."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from course_lib.running import Failure, Outcome, report


class Page(HTMLParser):
    """What a page says: its elements in order, where its links lead, its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def outcomes(tmp_path: Path) -> list[Outcome]:
    for name in ("01_good.ipynb", "01_good.html", "02_bad.ipynb"):
        (tmp_path / name).touch()
    failure = Failure(
        3, "if a < b: <script>alert(1)</script>", "NameError: name '<b>' is not defined", "\x1b[31mred\x1b[0m"
    )
    return [
        Outcome("01_good", "passed", tmp_path / "01_good.ipynb", 12.34, 9, 9, 2**30),
        Outcome("02_bad", "failed", tmp_path / "02_bad.ipynb", 1.0, 3, 8, 2**20, failure),
        Outcome("03_none", "not a notebook", tmp_path / "03_none.ipynb"),
    ]


def test_the_index_links_every_copy_there_is_and_no_other(outcomes: list[Outcome], tmp_path: Path) -> None:
    page = Page(report.write_index(outcomes, tmp_path, version="solutions", scale="smoke"))
    assert [link["href"] for link in page.all("a")] == ["01_good.html", "01_good.ipynb", "02_bad.ipynb"]
    for words in ("passed", "failed", "not a notebook", "1 of 3 notebooks passed.", "12.3", "9 of 9", "1,024"):
        assert words in page.text


def test_the_index_can_be_read_by_ear(outcomes: list[Outcome], tmp_path: Path) -> None:
    page = Page(report.write_index(outcomes, tmp_path, version="solutions", scale="smoke"))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("caption")) == len(page.all("title")) == 1
    assert {cell["scope"] for cell in page.all("th")} == {"col", "row"}
    assert "02_bad, code cell 3: failed" in page.text


def test_what_a_notebook_says_stays_text(outcomes: list[Outcome], tmp_path: Path) -> None:
    page = Page(report.write_index(outcomes, tmp_path, version="solutions", scale="smoke"))
    assert not page.all("script")
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in page.text


def test_an_executed_notebook_becomes_a_page_with_its_title_and_alt_texts(tmp_path: Path) -> None:
    picture = v4.new_output("display_data", {"text/html": '<img src="data:," alt="One grey dot.">'})
    cell = v4.new_code_cell("draw()", outputs=[picture])
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# Lesson 1 · Dots & <lines>\n\nText."), cell])
    nbformat.write(notebook, tmp_path / "01_dots.ipynb")
    page = Page(report.export_html(tmp_path / "01_dots.ipynb"))
    assert page.all("html")[0]["lang"] == "en"
    assert [image["alt"] for image in page.all("img")] == ["One grey dot."]
    assert "Lesson 1 · Dots" in page.text
