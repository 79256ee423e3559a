"""What a check found, and how it shows itself: HTML for a notebook, the same words in plain text.

No colour is fixed but that of one edge, chosen to be visible on white and on black; an icon and a word say the same.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

NBGRADER = "NBGRADER_EXECUTION"  # set by nbgrader in the environment of the kernel
LONGEST_PRINT = 1000

CORRECT, PARTLY, WRONG, RAISED = "correct", "partly correct", "wrong", "raised"
NOT_ATTEMPTED, NOT_CHECKED = "not attempted", "not checked yet"
_ICONS = {CORRECT: "✔", PARTLY: "◐", WRONG: "✘", RAISED: "✘", NOT_ATTEMPTED: "○", NOT_CHECKED: "○"}
_EDGES = {CORRECT: "#009e73", PARTLY: "#e69f00", WRONG: "#d55e00", RAISED: "#d55e00"}
_NEUTRAL_EDGE = "#808080"


@dataclass(frozen=True)
class Result:
    """What `check` found.

    status: correct, partly correct, wrong, raised or not attempted. passed of total cases gave `points` of `of`.
    sentences: what is wrong, most important first. lines: the student's own lines in the traceback. printed: what the
    answer printed. hints: those of the exercise.
    """

    name: str
    title: str
    status: str
    points: float
    of: int
    passed: int = 0
    total: int = 0
    sentences: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    printed: str = field(default="", repr=False)
    hints: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        if self.status == PARTLY:
            return f"Partly correct ({self.passed} of {self.total} cases)"
        return self.status.capitalize()

    def __repr__(self) -> str:
        if os.environ.get(NBGRADER):
            return str(self.points)  # nbgrader reads the points off a check cell's output
        lines = [f"{self.headline}: {self.name} ({_points(self.points, self.of)})"]
        lines += [f"  {sentence}" for sentence in self.sentences]
        lines += [f"    {line}" for line in self.lines]
        if self.printed:
            lines += ["  It printed:", *(f"    {line}" for line in self.printed.splitlines())]
        if self.hints:
            lines.append(f"  Hints ({len(self.hints)}): exercises.get({self.name!r}).hints[0] is the first.")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [
            f"<strong><span aria-hidden='true'>{_ICONS[self.status]}</span> {html.escape(self.headline)}</strong>"
            f" · {_inline(self.title)} · {_points(self.points, self.of)}"
        ]
        parts += [f"<div>{_inline(sentence)}</div>" for sentence in self.sentences]
        if self.lines:
            parts.append(_code("\n".join(self.lines)))
        if self.printed:
            parts.append(f"<div>It printed:</div>{_code(self.printed)}")
        parts.append(_unfolding(self.hints))
        edge = _EDGES.get(self.status, _NEUTRAL_EDGE)
        return (
            f"<div role='status' aria-label='{html.escape(f'{self.name}: {self.headline}', quote=True)}' "
            f"style='border-left: 4px solid {edge}; padding: 0.3em 0.8em; margin: 0.3em 0'>{''.join(parts)}</div>"
        )


@dataclass(frozen=True)
class Summary:
    """The points so far in a lesson: one result an exercise, in order."""

    lesson: str
    results: Sequence[Result]

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results)

    @property
    def of(self) -> int:
        return sum(result.of for result in self.results)

    def __repr__(self) -> str:
        width = max((len(result.name) for result in self.results), default=0)
        rows = [f"  {r.name:<{width}}  {_points(r.points, r.of):>16}  {r.headline.lower()}" for r in self.results]
        return "\n".join([f"{self.lesson}: {_points(self.points, self.of)}", *rows])

    def _repr_html_(self) -> str:
        cell = "style='text-align: left'"
        rows = "".join(
            f"<tr><th scope='row' {cell}>{_inline(result.title)}</th>"
            f"<td {cell}><span aria-hidden='true'>{_ICONS[result.status]}</span> {html.escape(result.headline)}</td>"
            f"<td>{_number(result.points)} of {result.of}</td></tr>"
            for result in self.results
        )
        head = "".join(f"<th scope='col' {cell}>{word}</th>" for word in ("Exercise", "Status", "Points"))
        return (
            f"<table><caption>{html.escape(self.lesson)}: <strong>{_points(self.points, self.of)}</strong></caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def _points(points: float, of: int) -> str:
    return f"{_number(points)} of {of} point{'s' if of != 1 else ''}"


def _number(points: float) -> str:
    return f"{points:g}"


def _inline(text: str) -> str:
    """Escaped, with `code` set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _code(text: str) -> str:
    return f"<pre style='margin: 0.3em 0; white-space: pre-wrap'>{html.escape(text)}</pre>"


def _unfolding(hints: tuple[str, ...]) -> str:
    """Each hint inside the one before, so that they open one at a time."""
    inner = ""
    for number, hint in reversed(list(enumerate(hints, start=1))):
        inner = (
            f"<details style='margin: 0.3em 0 0 0.8em'><summary>Hint {number} of {len(hints)}</summary>"
            f"<div>{_inline(hint)}</div>{inner}</details>"
        )
    return inner
