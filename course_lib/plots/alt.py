"""Alternative text that reaches the output of a cell.

JupyterLab's renderer for image/png sets no `alt`, whatever the metadata say; nbconvert's HTML template takes it from
the metadata, but prefers text/html where there is one. So a figure with a description is shown as text/html, an `<img>`
with `alt`, which JupyterLab (trusted or not) and nbconvert both keep; image/png with `alt` in its metadata stands
beside it for front ends and exporters that show no HTML, and text/plain carries the words alone.
"""

from __future__ import annotations

import base64
import html
import io
import weakref
from typing import Any

import matplotlib.pyplot as plt
from IPython.core.getipython import get_ipython
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.plots.style import figure_of

# Dots a dot of the size shown, crisp on dense screens first; the next where photographs make the file too large.
SCALES = (2, 1.5, 1)
BYTES_UP_TO = 150_000

_told: weakref.WeakKeyDictionary[Figure, str] = weakref.WeakKeyDictionary()
_drawn: weakref.WeakKeyDictionary[Figure, list[str]] = weakref.WeakKeyDictionary()


def alt_text(text: str, figure: Figure | None = None) -> None:
    """Describe `figure`, or every open figure that nobody has described yet: those that the cell has drawn.

    Call it last in the cell. What it says replaces the description that the drawing functions make themselves.
    """
    install()
    if figure is not None:
        _told[figure] = text
        return
    for number in plt.get_fignums():
        _told.setdefault(plt.figure(number), text)


def description(figure: Figure) -> str | None:
    """The text that stands for `figure`: what `alt_text` said, else what the drawing functions say, else None."""
    if figure in _told:
        return _told[figure]
    return " ".join(_drawn[figure]) if figure in _drawn else None


def describe(ax: Axes, text: str) -> None:
    """Add what a function of this package has drawn into `ax` to its figure's own description."""
    install()
    _drawn.setdefault(figure_of(ax), []).append(text)


def install() -> None:
    """Let IPython show described figures as above. Does nothing outside IPython, nor when done before."""
    shell: Any = get_ipython()
    if shell is None:
        return
    # The bundle formatter, unlike those of single types, survives `%matplotlib inline` and `%config InlineBackend`.
    shell.display_formatter.mimebundle_formatter.for_type(Figure, _bundle)
    # A formatter registered for one type would draw the figure again and win over the bundle.
    shell.display_formatter.formatters["image/png"].pop(Figure, None)


def _bundle(figure: Figure) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    if not figure.axes:
        return {}, {}
    png, scale = _png(figure)
    width, height = (int(int.from_bytes(png[start : start + 4], "big") / scale) for start in (16, 20))  # chunk IHDR
    encoded = base64.b64encode(png).decode("ascii")
    size: dict[str, Any] = {"width": width, "height": height}
    text = description(figure)
    if text is None:
        return {"image/png": encoded}, {"image/png": size}
    # height: auto keeps the proportions where the page is narrower than the figure.
    image = (
        f'<img alt="{html.escape(text)}" src="data:image/png;base64,{encoded}" '
        f'width="{width}" style="max-width: 100%; height: auto">'
    )
    data = {"text/html": image, "image/png": encoded, "text/plain": f"Figure: {text}"}
    return data, {"image/png": {**size, "alt": text}}


def _png(figure: Figure) -> tuple[bytes, float]:
    """The figure as a file, and how many dots it has for each dot of the size shown."""
    for scale in SCALES:
        buffer = io.BytesIO()
        dpi = scale * figure.dpi
        figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", facecolor=figure.get_facecolor())
        if buffer.tell() <= BYTES_UP_TO:
            break
    return buffer.getvalue(), scale
