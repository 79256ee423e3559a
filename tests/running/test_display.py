"""What the terminal and a log file show of a run."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from course_lib.running import Failure, Outcome, display
from course_lib.running.execution import Progress

GOOD = Outcome("01_good", "passed", Path("01_good.ipynb"), 12.34, 9, 9, 512 * 2**20)
TRACEBACK = "\x1b[31mZeroDivisionError\x1b[39m: division by zero"
BAD = Outcome("02_bad", "failed", Path("02_bad.ipynb"), failure=Failure(4, "1 / 0", "ZeroDivisionError", TRACEBACK))
SYNTAX = Outcome("03_syntax", "failed", Path("03_syntax.ipynb"), failure=Failure(2, "x = = 2", "SyntaxError: invalid"))


def printed(shown: object, **options: object) -> str:
    console = Console(file=io.StringIO(), width=100, **options)  # type: ignore[arg-type]
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_has_a_row_a_lesson_and_a_verdict() -> None:
    shown = printed(display.results([GOOD, BAD]))
    for words in ("01_good", "12.3", "9 of 9", "512 MiB", "passed", "02_bad", "failed", "1 of 2 notebooks passed."):
        assert words in shown


def test_a_failing_cell_and_its_traceback_are_shown_once_without_escape_sequences_in_a_log() -> None:
    shown = printed(display.failures([GOOD, BAD]))
    assert "02_bad, code cell 4" in shown
    assert shown.count("1 / 0") == shown.count("division by zero") == 1
    assert "\x1b" not in shown
    assert "[31m" not in shown


def test_a_terminal_gets_the_colours_of_the_traceback() -> None:
    assert "\x1b[31mZeroDivisionError" in printed(display.failures([BAD]), force_terminal=True, color_system="standard")


def test_a_syntax_error_is_one_line() -> None:
    assert printed(display.failures([SYNTAX])) == "03_syntax, code cell 2: SyntaxError: invalid\n"


def test_a_log_gets_one_line_when_a_notebook_starts_and_one_when_it_ends() -> None:
    console = Console(file=io.StringIO(), width=100)
    progress = [Progress("01_good"), Progress("02_bad")]
    with display.Display(console) as shown:
        shown.show(progress, [])
        progress[0].started = 0.0
        shown.show(progress, [])
        shown.show(progress, [])
        shown.show(progress, [GOOD])
        shown.show(progress, [GOOD])
    assert console.file.getvalue().splitlines() == ["01_good: started", "01_good: passed in 12.3 s"]  # type: ignore[attr-defined]


def test_a_terminal_shows_the_cell_that_runs() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    one = Progress("01_good")
    one.started, one.cells, one.cells_run = 0.0, 9, 3
    with display.Display(console) as shown:
        shown.show([one, Progress("02_bad")], [])
    assert "cell 3 of 9" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "waits" in console.file.getvalue()  # type: ignore[attr-defined]
