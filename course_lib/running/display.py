"""How a run looks in a terminal: a bar a notebook while it runs, then a table, then each failure once."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from course_lib.running.execution import Outcome, Progress
from course_lib.running.report import mebibytes, verdict

_COLOUR = {"passed": "green", "stopped": "yellow"}


class Display:
    """Shows how far each notebook is: bars that move in a terminal, a line for each that ends in a log file."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._told: set[str] = set()

    def __enter__(self) -> Display:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, progress: Sequence[Progress], outcomes: Sequence[Outcome]) -> None:
        done = {outcome.lesson: outcome for outcome in outcomes}
        if self._live:
            self._live.update(_bars(progress, done), refresh=True)
            return
        for one in progress:
            if one.started is not None:
                self._tell(f"{one.lesson}: started", one.lesson)
            if one.lesson in done:
                self._tell(f"{one.lesson}: {done[one.lesson].status} in {done[one.lesson].seconds:.1f} s")

    def _tell(self, line: str, key: str | None = None) -> None:
        if (key or line) not in self._told:
            self._told.add(key or line)
            self.console.print(line, highlight=False)


def _bars(progress: Sequence[Progress], done: dict[str, Outcome]) -> Table:
    table = Table.grid(padding=(0, 2))
    for one in progress:
        ended = done.get(one.lesson)
        words = (
            ended.status
            if ended
            else f"cell {one.cells_run} of {one.cells}"
            if one.cells_run
            else "starts"
            if one.started is not None
            else "waits"
        )
        colour = _COLOUR.get(ended.status, "red") if ended else ""
        seconds = ended.seconds if ended else one.seconds
        bar = ProgressBar(max(one.cells, 1), one.cells if ended else max(one.cells_run - 1, 0), width=30)
        table.add_row(one.lesson, bar, Text(words, style=colour), f"{seconds:.0f} s")
    return table


def results(outcomes: Sequence[Outcome]) -> Group:
    """The table at the end, and one sentence below it."""
    table = Table(header_style="bold")
    table.add_column("lesson")
    for heading in ("seconds", "cells", "peak memory"):
        table.add_column(heading, justify="right")
    table.add_column("result")
    for outcome in outcomes:
        table.add_row(
            outcome.lesson,
            f"{outcome.seconds:.1f}",
            f"{outcome.cells_run} of {outcome.cells}",
            f"{mebibytes(outcome.peak_memory)} MiB",
            Text(outcome.status, style=_COLOUR.get(outcome.status, "red")),
        )
    return Group(table, Text(verdict(outcomes)))


def failures(outcomes: Sequence[Outcome]) -> Group:
    """Each cell that ended a run with its traceback; one line where a line says everything."""
    shown: list[Text | Panel] = []
    for outcome in outcomes:
        failure = outcome.failure
        if failure is None:
            continue
        where = f"{outcome.lesson}, code cell {failure.cell}" if failure.cell else outcome.lesson
        if not failure.traceback:
            shown.append(Text(f"{where}: {failure.error}", style="red"))
            continue
        cell = Syntax(failure.source, "python", theme="ansi_dark", background_color="default")
        said = Text.from_ansi(failure.traceback)
        shown.append(Panel(Group(cell, Text(), said), title=where, title_align="left", border_style="red"))
    return Group(*shown)
