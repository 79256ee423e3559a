"""What is left to read after a run: every executed notebook as a page, and one page that links them all."""

from __future__ import annotations

import html
import platform
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version as installed
from pathlib import Path

from course_lib.running.execution import Outcome

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
caption {{ text-align: left; margin-bottom: .5rem; }}
th, td {{ padding: .4rem .8rem .4rem 0; text-align: left; border-bottom: 1px solid #8886; vertical-align: top; }}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
pre {{ overflow-x: auto; padding: .8rem; border: 1px solid #8886; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{when}</p>
<table>
<caption>{verdict}</caption>
<thead><tr><th scope="col">Lesson</th><th scope="col">Result</th><th scope="col" class="number">Seconds</th>
<th scope="col" class="number">Cells</th><th scope="col" class="number">Peak memory (MiB)</th>
<th scope="col">Notebook</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{failures}
</main>
</body>
</html>
"""

_ROW = """<tr><th scope="row">{lesson}</th><td>{result}</td><td class="number">{seconds:.1f}</td>
<td class="number">{cells_run} of {cells}</td><td class="number">{memory}</td><td>{links}</td></tr>"""


def mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def verdict(outcomes: Sequence[Outcome]) -> str:
    """One sentence: how many of how many passed."""
    passed = sum(outcome.passed for outcome in outcomes)
    return f"{passed} of {len(outcomes)} notebooks passed."


def export_html(notebook: Path) -> Path:
    """Write an executed notebook as a page beside it, and return the page's path."""
    import nbformat
    from nbconvert import HTMLExporter

    executed = nbformat.read(notebook, as_version=4)
    exporter = HTMLExporter(exclude_input_prompt=False)
    page, _ = exporter.from_notebook_node(executed, {"metadata": {"name": notebook.stem}})
    path = notebook.with_suffix(".html")
    path.write_text(page, encoding="utf-8")
    return path


def write_index(outcomes: Sequence[Outcome], out: Path, *, version: str, scale: str) -> Path:
    """Write out/index.html, which links every executed notebook that there is, and return its path."""
    now = datetime.now().astimezone()
    when = (
        f"{now:%Y-%m-%d %H:%M %Z}, scale {scale}, {version}. Python {platform.python_version()}, "
        f"PyTorch {installed('torch')}, {platform.machine()}, {platform.system()}."
    )
    page = _PAGE.format(
        title=f"Image classification: the course, run at {html.escape(scale)} scale",
        when=html.escape(when),
        verdict=html.escape(verdict(outcomes)),
        rows="\n".join(_row(outcome) for outcome in outcomes),
        failures="\n".join(_failure(outcome) for outcome in outcomes if outcome.failure),
    )
    path = out / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _row(outcome: Outcome) -> str:
    stem = outcome.executed.stem
    pages = [
        f'<a href="{html.escape(path.name)}">{words}</a>'
        for path, words in (
            (outcome.executed.with_suffix(".html"), f"{stem} as a page"),
            (outcome.executed, f"{stem}.ipynb"),
        )
        if path.is_file()
    ]
    return _ROW.format(
        lesson=html.escape(outcome.lesson),
        result=html.escape(outcome.status),
        seconds=outcome.seconds,
        cells_run=outcome.cells_run,
        cells=outcome.cells,
        memory=mebibytes(outcome.peak_memory),
        links=", ".join(pages) or "nothing was run",
    )


def _failure(outcome: Outcome) -> str:
    assert outcome.failure is not None
    where = f"{outcome.lesson}, code cell {outcome.failure.cell}" if outcome.failure.cell else outcome.lesson
    return (
        f"<h2>{html.escape(where)}: {html.escape(outcome.status)}</h2>\n"
        f"<p>{html.escape(outcome.failure.error)}</p>\n<pre>{html.escape(outcome.failure.source)}</pre>"
    )
